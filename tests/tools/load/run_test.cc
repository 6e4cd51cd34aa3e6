// SPDX-License-Identifier: Apache-2.0
// End to end: the load generator against servers in this process, right ones and wrong ones, on real sockets.
#include "tools/load/run.h"

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/kernel.h"
#include "core/shard_thread.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/claim.h"
#include "net/connection.h"
#include "net/uring/provider.h"

namespace mooring::tools::load {
namespace {

using Answer = std::function<void(net::Connection&, alloc::Lease)>;

class Service final : public net::Handler {
 public:
  explicit Service(Answer on_data) : on_data_(std::move(on_data)) {}
  void OnData(net::Connection& conn, alloc::Lease data) override { on_data_(conn, std::move(data)); }

 private:
  Answer on_data_;
};

// A shard that serves `on_data` on a port of its own.
class Server {
 public:
  explicit Server(Answer on_data) : service_(std::move(on_data)) {}
  ~Server() { thread_.Join(); }

  absl::Status Start() {
    if (absl::Status status = thread_.Start(); !status.ok()) return status;
    thread_.Go();
    return absl::OkStatus();
  }
  net::Address address() const { return address_; }

 private:
  absl::Status SetUp() {
    auto transport = provider_.Open(&shard_, engine_.events(), {.connections_max = kSlots});
    if (!transport.ok()) return transport.status();
    transport_ = *std::move(transport);
    shard_.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
    auto claim = net::Claim::Take(core::RealKernel(), *net::Address::Parse("127.0.0.1:0"), {.backlog = 128});
    if (!claim.ok()) return claim.status();
    address_ = claim->address();
    engine_.Listen(engine_.AddListener("test", &service_, {}), claim->Release(0), claim->backlog());
    return absl::OkStatus();
  }
  void TearDown() {
    engine_.CutAll();
    for (int turn = 0; turn < 1000 && engine_.live() > 0; ++turn) shard_.RunTurn(core::kNanosPerMs);
    transport_.reset();
  }

  static constexpr uint32_t kSlots = 2048;
  Service service_;
  net::uring::UringProvider provider_{core::RealKernel()};
  core::MonotonicClock clock_;
  core::Shard shard_{{.id = 9, .clock = &clock_}};
  net::Engine engine_{&shard_, {.connections_max = kSlots}};
  std::unique_ptr<net::Transport> transport_;
  net::Address address_;
  core::ShardThread thread_{&shard_, {.name = "server",
                                      .set_up = [this] { return SetUp(); },
                                      .tear_down = [this] { TearDown(); }}};
};

void Echo(net::Connection& conn, alloc::Lease data) { conn.Write(std::move(data)); }

Options Short(const net::Address& target) {
  Options options;
  options.target = target;
  options.connections = 20;
  options.seconds = 0.2;
  options.warmup_seconds = 0;
  options.shards = 2;
  return options;
}

class RunTest : public ::testing::Test {
 protected:
  void Serve(Answer on_data) {
    server_ = std::make_unique<Server>(std::move(on_data));
    const absl::Status status = server_->Start();
    if (!status.ok()) GTEST_SKIP() << "no io_uring transport here: " << status;
  }
  Report Execute(const Options& options) {
    net::uring::UringProvider provider(core::RealKernel());
    const absl::StatusOr<Report> report = load::Run(&provider, options).Execute();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : Report{};
  }

  std::unique_ptr<Server> server_;
};

#define SERVE(on_data) \
  Serve(on_data);      \
  if (IsSkipped()) return

TEST_F(RunTest, ClosedLoopEchoesEveryByte) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.verify = true;
  options.depth = 3;
  options.message_bytes = 1001;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  EXPECT_EQ(report.connections, 20u);
  EXPECT_GE(report.messages, 60u);
  EXPECT_EQ(report.bytes, report.messages * 1001);
  EXPECT_TRUE(report.latency.has_value());
}

TEST_F(RunTest, MessagesLargerThanTheKernelsBuffersDoNotDeadlock) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.verify = true;
  options.connections = 1;
  options.message_bytes = 12 << 20;
  options.seconds = 2;
  EXPECT_EQ(ErrorsToText(Execute(options)), "");
}

TEST_F(RunTest, LineCountsAnswers) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    for (const char c : data.view()) {
      if (c == '\n') conn.Write("OK\n");
    }
  });
  Options options = Short(server_->address());
  options.protocol = Protocol::kLine;
  options.message_bytes = 5;
  options.depth = 7;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  EXPECT_GE(report.messages, 140u);
  EXPECT_EQ(report.bytes, report.messages * 3);
}

TEST_F(RunTest, HoldExchangesTwiceOnEachConnection) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.mode = Mode::kHold;
  options.connections = 1500;
  options.verify = true;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  EXPECT_EQ(report.connections, 1500u);
  EXPECT_EQ(report.messages, 1500u) << "of the second exchange";
}

TEST_F(RunTest, ChurnOpensExactlyTheTotal) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.mode = Mode::kChurn;
  options.total = 301;
  options.seconds = 20;
  options.verify = true;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  EXPECT_EQ(report.connections, 301u);
  EXPECT_EQ(report.connects, 301u);
  EXPECT_EQ(report.messages, 301u);
}

TEST_F(RunTest, AWrongByteIsAMismatch) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    data.data()[0] = static_cast<char>(data.data()[0] ^ 1);
    conn.Write(std::move(data));
  });
  Options options = Short(server_->address());
  options.verify = true;
  EXPECT_EQ(Execute(options).errors["mismatch"], 20u);
}

TEST_F(RunTest, AWrongAnswerToALineIsAMismatch) {
  SERVE([](net::Connection& conn, alloc::Lease) { conn.Write("NO\n"); });
  Options options = Short(server_->address());
  options.protocol = Protocol::kLine;
  EXPECT_EQ(Execute(options).errors["mismatch"], 20u);
}

TEST_F(RunTest, AnswersThatNobodyAskedForAreAnError) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    const std::string bytes(data.view());
    conn.Write(bytes + bytes);
  });
  EXPECT_EQ(Execute(Short(server_->address())).errors["unasked_bytes"], 20u);
}

TEST_F(RunTest, AServerThatClosesIsAnError) {
  SERVE([](net::Connection& conn, alloc::Lease) { conn.Close(); });
  Report report = Execute(Short(server_->address()));
  EXPECT_EQ(report.errors["closed_peer_closed"], 20u) << ErrorsToText(report);
  EXPECT_EQ(report.errors["unanswered"], 20u);
}

TEST_F(RunTest, AServerThatResetsIsAnError) {
  SERVE([](net::Connection& conn, alloc::Lease) { conn.Abort(); });
  Report report = Execute(Short(server_->address()));
  EXPECT_EQ(report.errors["closed_peer_reset"], 20u) << ErrorsToText(report);
}

TEST_F(RunTest, AServerThatSaysNothingEndsAtTheLimit) {
  SERVE([](net::Connection&, alloc::Lease) {});
  Options options = Short(server_->address());
  options.grace_seconds = 0.1;
  Report report = Execute(options);
  EXPECT_EQ(report.errors["unfinished"], 1u);
  EXPECT_THAT(ErrorsToText(report), ::testing::HasSubstr("20 of 20 connections open, 20 answers missing"));
}

TEST_F(RunTest, NobodyListeningIsRefused) {
  SERVE(Echo);
  net::Address target;
  {
    const auto claim = net::Claim::Take(core::RealKernel(), *net::Address::Parse("127.0.0.1:0"), {});
    ASSERT_TRUE(claim.ok()) << claim.status();
    target = claim->address();
  }
  for (const Mode mode : {Mode::kClosedLoop, Mode::kHold}) {
    Options options = Short(target);
    options.mode = mode;
    Report report = Execute(options);
    EXPECT_EQ(report.errors["connect_ECONNREFUSED"], 20u);
    EXPECT_THAT(ErrorsToText(report), ::testing::HasSubstr("nobody listens"));
  }
}

TEST_F(RunTest, ChurnGivesUpWhenNothingButFailuresCome) {
  SERVE(Echo);
  Options options = Short(*net::Address::Parse("127.0.0.1:1"));
  options.mode = Mode::kChurn;
  options.seconds = 20;
  const Report report = Execute(options);
  EXPECT_LT(report.seconds, 20);
  EXPECT_FALSE(report.errors.empty());
}

TEST(ShareOut, GivesEveryShardItsOwnSources) {
  Options options;
  options.target = *net::Address::Parse("127.0.0.1:7000");
  options.connections = 28003;
  const auto shares = ShareOut(options, 2);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].connections, 14002u);
  EXPECT_EQ(shares[1].connections, 14001u);
  ASSERT_EQ(shares[0].sources.size(), 2u);
  EXPECT_EQ(shares[0].sources[0].ToString(), "127.0.0.1:0");
  EXPECT_EQ(shares[1].sources[0].ToString(), "127.0.0.3:0");
}

TEST(ShareOut, ElsewhereTheKernelChooses) {
  Options options;
  options.target = *net::Address::Parse("[::1]:7000");
  EXPECT_TRUE(ShareOut(options, 1)[0].sources.empty());
}

}  // namespace
}  // namespace mooring::tools::load
