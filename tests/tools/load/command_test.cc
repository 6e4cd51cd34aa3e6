// SPDX-License-Identifier: Apache-2.0
#include "tools/load/command.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& line) {
  return std::string(ParseCommand(line, 100).status().message());
}

TEST(Command, RunHasSecondsAndOptions) {
  const auto run = ParseCommand("  run 2.5\tactive=7 \r", 100);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->kind, Command::Kind::kRun);
  EXPECT_EQ(run->text, "run 2.5\tactive=7");
  EXPECT_EQ(run->seconds, 2.5);
  EXPECT_EQ(run->active, 7u);
  EXPECT_EQ(ParseCommand("run 1", 100)->active, 0u);
  EXPECT_EQ(ParseCommand("run 1", 100)->rate, 0);
  EXPECT_EQ(ParseCommand("run 1 rate=2e5 active=3", 100)->rate, 200'000);
}

TEST(Command, MessagesHasACount) {
  const auto messages = ParseCommand("messages 10 ahead=100", 100);
  ASSERT_TRUE(messages.ok()) << messages.status();
  EXPECT_EQ(messages->kind, Command::Kind::kMessages);
  EXPECT_EQ(messages->messages, 10u);
  EXPECT_EQ(messages->ahead, 100u);
}

TEST(Command, WakeIsAlone) {
  EXPECT_EQ(ParseCommand("wake", 100)->kind, Command::Kind::kWake);
  EXPECT_EQ(ErrorOf("wake 3"), "wake: nothing behind it");
}

TEST(Command, AWrongLineSaysWhatItMayBe) {
  EXPECT_EQ(ErrorOf(""), "'': no such command; known are run, messages, wake");
  EXPECT_EQ(ErrorOf("runs 1"), "'runs': no such command; known are run, messages, wake");
  for (const char* line : {"run", "run x", "run 0", "run -1", "run nan", "run 1e7"}) {
    EXPECT_THAT(ErrorOf(line), HasSubstr("run: needs seconds")) << line;
  }
  for (const char* line : {"messages", "messages 0", "messages -1", "messages 1.5"}) {
    EXPECT_THAT(ErrorOf(line), HasSubstr("messages: needs how many")) << line;
  }
  EXPECT_EQ(ErrorOf("run 1 active=101"), "active=101: 1 to 100 connections");
  EXPECT_EQ(ErrorOf("run 1 active=0"), "active=0: 1 to 100 connections");
  for (const char* line : {"run 1 rate=0", "run 1 rate=-1", "run 1 rate=fast", "run 1 rate=nan", "run 1 rate=1e9"}) {
    EXPECT_THAT(ErrorOf(line), HasSubstr("messages a second")) << line;
  }
  EXPECT_EQ(ErrorOf("run 1 active=2 active=2"), "active: given twice");
  EXPECT_THAT(ErrorOf("run 1 ahead=2"), HasSubstr("messages N [ahead=K]"));
  EXPECT_THAT(ErrorOf("messages 1 active=2"), HasSubstr("run SECONDS [active=K]"));
}

}  // namespace
}  // namespace mooring::tools::load
