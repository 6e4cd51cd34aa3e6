// SPDX-License-Identifier: Apache-2.0
#include "tools/load/flags.h"

#include <string>
#include <vector>

#include "absl/flags/reflection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<std::optional<Options>> Parse(std::vector<std::string> arguments) {
  absl::FlagSaver saver;
  return ParseFlags(arguments);
}

// With a good target, so that only the given ones can be wrong. Empty when they are right.
std::string ErrorOf(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "--target=127.0.0.1:7000");
  const auto options = Parse(std::move(arguments));
  EXPECT_THAT(std::string(options.status().message()), Not(HasSubstr("\n")));
  return std::string(options.status().message());
}

TEST(Flags, TargetAloneIsAClosedLoopOfEchoes) {
  const auto options = Parse({"--target=127.0.0.1:7000"});
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_TRUE(options->has_value());
  EXPECT_EQ((*options)->mode, Mode::kClosedLoop);
  EXPECT_EQ((*options)->protocol, Protocol::kEcho);
  EXPECT_EQ((*options)->target.port(), 7000);
  EXPECT_THAT((*options)->message_bytes, ElementsAre(64u));
  EXPECT_EQ((*options)->warmup_seconds, 1);
  EXPECT_EQ(LimitSeconds(**options), 41);
}

TEST(Flags, LineHasItsOwnSize) {
  EXPECT_THAT((**Parse({"--target=127.0.0.1:7000", "--protocol=line"})).message_bytes, ElementsAre(32u));
  EXPECT_THAT((**Parse({"--target=127.0.0.1:7000", "--protocol=line", "--bytes=9"})).message_bytes, ElementsAre(9u));
}

TEST(Flags, BytesMayBeSeveralSizes) {
  const auto options = Parse({"--target=127.0.0.1:7000", "--bytes=64,64,16384"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT((*options)->message_bytes, ElementsAre(64u, 64u, 16384u));
  EXPECT_THAT(ErrorOf({"--bytes=64,"}), HasSubstr("--bytes=64,: 1 to"));
  EXPECT_THAT(ErrorOf({"--bytes=64;3"}), HasSubstr("--bytes=64,1024,16384"));
  std::string many = "--bytes=1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_EQ(ErrorOf({many}), "--bytes: at most 64 sizes");
  EXPECT_THAT(ErrorOf({"--depth=100", "--bytes=1,1000000"}), HasSubstr("--depth times --bytes"));
}

TEST(Flags, RampIsATimeOrARate) {
  EXPECT_EQ(RampSeconds(**Parse({"--target=127.0.0.1:7000", "--ramp=2.5"})), 2.5);
  EXPECT_EQ(RampSeconds(**Parse({"--target=127.0.0.1:7000", "--ramp=50/s"})), 2);
  EXPECT_THAT(ErrorOf({"--ramp=fast"}), HasSubstr("--ramp=20000/s"));
  EXPECT_THAT(ErrorOf({"--ramp=0/s"}), HasSubstr("--ramp"));
}

TEST(Flags, HoldingLongEnoughToMeasureMemory) {
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--hold", "--pid=1", "--seconds=1"})).seconds, kRestSeconds);
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--hold", "--seconds=1"})).seconds, 1);
}

TEST(Flags, AControlledRunWarmsUpOnlyWhenItIsToldTo) {
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--controlled"})).mode, Mode::kControlled);
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--controlled"})).warmup_seconds, 0);
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--controlled", "--warmup=2"})).warmup_seconds, 2);
}

TEST(Flags, EveryTransportHasItsName) {
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000"})).transport, std::nullopt);
  EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--transport=auto"})).transport, std::nullopt);
  for (net::TransportKind kind : net::kTransportKinds) {
    EXPECT_EQ((**Parse({"--target=127.0.0.1:7000", "--transport=" + std::string(net::Name(kind))})).transport, kind);
  }
  EXPECT_EQ(ErrorOf({"--transport=tcp"}),
            "--transport: 'tcp' is not a transport; known are auto, io_uring, io_uring-base, epoll");
}

TEST(Flags, HelpWinsOverEverything) {
  const auto options = Parse({"--help"});
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->has_value());
}

TEST(Flags, HelpNamesEveryFlag) {
  for (const char* name : {"--target", "--protocol", "--hold", "--churn", "--controlled", "--connections", "--bytes",
                           "--depth", "--rate", "--slow", "--verify", "--seconds", "--warmup", "--ramp", "--total",
                           "--sources", "--cpus", "--shards", "--transport", "--pid", "--json", "--help"}) {
    EXPECT_THAT(HelpText(), HasSubstr(std::string("\n  ") + name));
  }
}

TEST(Flags, GivenTwiceIsAnError) {
  EXPECT_EQ(ErrorOf({"--seconds=1", "--seconds=1"}), "--seconds: given twice");
  EXPECT_EQ(ErrorOf({"--hold", "--hold=false"}), "--hold: given twice");
}

TEST(Flags, ErrorsNameTheFlagAndWhatItMayBe) {
  EXPECT_EQ(std::string(Parse({}).status().message()), "--target=HOST:PORT: missing");
  EXPECT_THAT(std::string(Parse({"--target=nowhere"}).status().message()), HasSubstr("--target=nowhere: "));
  EXPECT_THAT(std::string(Parse({"--target=127.0.0.1:0"}).status().message()), HasSubstr("port 0"));
  EXPECT_EQ(ErrorOf({"--speed=1"}), "--speed: no such flag; --help lists them");
  EXPECT_EQ(ErrorOf({"--flagfile=x"}), "--flagfile: no such flag; --help lists them");
  EXPECT_THAT(ErrorOf({"seconds=1"}), HasSubstr("not a flag"));
  EXPECT_EQ(ErrorOf({"--seconds"}), "--seconds: needs a value: --seconds=VALUE");
  EXPECT_EQ(ErrorOf({"--seconds=soon"}), "--seconds=soon: must be a number");
  EXPECT_EQ(ErrorOf({"--connections=-1"}), "--connections=-1: must be a whole number");
  EXPECT_EQ(ErrorOf({"--hold=maybe"}), "--hold=maybe: must be true or false");
}

TEST(Flags, ValuesOutOfRangeAreErrors) {
  for (const char* wrong : {"--seconds=0", "--seconds=nan", "--seconds=-1", "--warmup=-1", "--connections=0",
                            "--bytes=0", "--bytes=20000000", "--depth=0", "--depth=1025", "--shards=0", "--shards=-1",
                            "--pid=0", "--sources=0", "--rate=0", "--rate=-1", "--rate=1e9", "--protocol=http"}) {
    const std::string name = std::string(wrong).substr(0, std::string(wrong).find('='));
    EXPECT_THAT(ErrorOf({wrong}), HasSubstr(name)) << wrong;
  }
  EXPECT_THAT(ErrorOf({"--depth=1000", "--bytes=1000000"}), HasSubstr("--depth times --bytes"));
}

TEST(Flags, FlagsThatDoNotGoTogetherAreErrors) {
  EXPECT_THAT(ErrorOf({"--hold", "--churn"}), HasSubstr("--hold, --churn and --controlled"));
  EXPECT_THAT(ErrorOf({"--controlled", "--churn"}), HasSubstr("one of them"));
  EXPECT_THAT(ErrorOf({"--controlled", "--seconds=2"}), HasSubstr("--seconds"));
  EXPECT_EQ(ErrorOf({"--controlled", "--depth=2"}), "");
  EXPECT_THAT(ErrorOf({"--churn", "--rate=5"}), HasSubstr("--rate: not with"));
  EXPECT_THAT(ErrorOf({"--hold", "--rate=5"}), HasSubstr("--rate: not with"));
  EXPECT_THAT(ErrorOf({"--controlled", "--rate=5"}), HasSubstr("rate=R"));
  EXPECT_EQ(ErrorOf({"--rate=5"}), "");
  EXPECT_THAT(ErrorOf({"--churn", "--slow=5"}), HasSubstr("--slow: not with"));
  EXPECT_EQ(ErrorOf({"--slow=100"}), "--slow=100: fewer than --connections=100");
  EXPECT_EQ(ErrorOf({"--slow=99"}), "");
  EXPECT_THAT(ErrorOf({"--total=5"}), HasSubstr("only with --churn"));
  EXPECT_THAT(ErrorOf({"--hold", "--depth=2"}), HasSubstr("--depth"));
  EXPECT_THAT(ErrorOf({"--churn", "--ramp=2"}), HasSubstr("--ramp"));
  EXPECT_EQ(ErrorOf({"--churn", "--total=5"}), "");
}

TEST(Flags, TooFewSourcesSayHowManyAreNeeded) {
  EXPECT_EQ(ErrorOf({"--connections=14000", "--sources=1"}), "");
  EXPECT_THAT(ErrorOf({"--connections=28001", "--sources=1"}), HasSubstr("needs 3"));
  EXPECT_THAT(std::string(Parse({"--target=[::1]:7000", "--sources=2"}).status().message()), HasSubstr("127.0.0.0/8"));
}

}  // namespace
}  // namespace mooring::tools::load
