// SPDX-License-Identifier: Apache-2.0
// End to end: a controlled load against servers in this process, told what to do as its standard input would.
#include "tools/load/controlled.h"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/load/test_server.h"

namespace mooring::tools::load {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ControlledTest : public ::testing::Test {
 protected:
  void Serve(Answer on_data) {
    server_ = std::make_unique<TestServer>(std::move(on_data));
    const absl::Status status = server_->Start();
    if (!status.ok()) GTEST_SKIP() << "no io_uring transport here: " << status;
    options_ = Short(server_->address());
    options_.mode = Mode::kControlled;
  }
  // The ready line, and an answer for each line of `input`.
  std::vector<json> Tell(const std::string& input) {
    net::uring::UringProvider provider(core::RealKernel());
    std::istringstream in(input);
    std::stringstream out;
    const absl::StatusOr<Report> total = Controlled(&provider, options_).Execute(&in, &out);
    EXPECT_TRUE(total.ok()) << total.status();
    if (total.ok()) total_ = total->errors;
    std::vector<json> answers;
    for (std::string line; std::getline(out, line);) answers.push_back(json::parse(line));
    return answers;
  }

  Options options_;
  std::map<std::string, uint64_t> total_;
  std::unique_ptr<TestServer> server_;
};

#define SERVE(on_data) \
  Serve(on_data);      \
  if (IsSkipped()) return

TEST_F(ControlledTest, IsReadyWhenEveryConnectionHasExchangedAMessage) {
  std::atomic<uint64_t> bytes = 0;
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    bytes += data.size();
    conn.Write(std::move(data));
  });
  options_.connections = 1500;
  options_.shards = 1;  // more than may be closing at once
  const auto answers = Tell("");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0]["ready"], true);
  EXPECT_EQ(answers[0]["connections"], 1500);
  EXPECT_EQ(answers[0]["errors"], json::object());
  EXPECT_GT(answers[0]["seconds"], 0);
  EXPECT_EQ(bytes, 1500u * 64);
  EXPECT_TRUE(total_.empty());
}

TEST_F(ControlledTest, MessagesAreSoManyOnEachConnection) {
  SERVE(Echo);
  options_.verify = true;
  options_.depth = 3;
  const auto answers = Tell("messages 10\nmessages 1\nmessages 4 ahead=2\n");
  ASSERT_EQ(answers.size(), 4u);
  for (const auto& [i, messages] : {std::pair(1, 200), std::pair(2, 20), std::pair(3, 80)}) {
    EXPECT_EQ(answers[i]["messages"], messages);
    EXPECT_EQ(answers[i]["answered"], messages);
    EXPECT_EQ(answers[i]["errors"], json::object());
    EXPECT_GT(answers[i]["p9999_us"], 0);
    EXPECT_GT(answers[i]["cpu_seconds"], 0);
  }
  EXPECT_EQ(answers[3]["command"], "messages 4 ahead=2");
}

TEST_F(ControlledTest, ARunKeepsItsDepthOnTheActiveOnesOnly) {
  std::set<uint64_t> spoke;  // of the server's thread, read when it has ended
  std::atomic<uint64_t> calls = 0;
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    if (++calls > 20) spoke.insert(conn.id().value);  // the first ones are the exchange of every connection
    conn.Write(std::move(data));
  });
  const auto answers = Tell("run 0.1 active=5\n");
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_GE(answers[1]["messages"], 5);
  EXPECT_GE(answers[1]["answered"], answers[1]["messages"]);
  EXPECT_EQ(answers[1]["seconds"], 0.1);
  EXPECT_EQ(answers[1]["errors"], json::object());
  server_.reset();
  EXPECT_EQ(spoke.size(), 5u);
}

TEST_F(ControlledTest, AnOpenLoopOnSomeSendsTheWholeRate) {
  SERVE(Echo);
  options_.verify = true;
  const auto answers = Tell("run 0.1 active=7 rate=2000\nrun 0.1 rate=30\nrun 0.1\n");
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[1]["messages"].get<int>() + answers[1]["unsent"].get<int>(), 200);
  EXPECT_GT(answers[1]["answered"], answers[1]["messages"]) << "those of the lead-in";
  EXPECT_GE(answers[1]["late"], 0);
  EXPECT_EQ(answers[2]["messages"].get<int>() + answers[2]["unsent"].get<int>(), 3);
  EXPECT_TRUE(answers[3]["late"].is_null());
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(answers[i]["errors"], json::object());
}

TEST_F(ControlledTest, WakeIsOneMessageOnEveryConnection) {
  SERVE(Echo);
  options_.connections = 700;
  const auto answers = Tell("wake\nwake\n");
  ASSERT_EQ(answers.size(), 3u);
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(answers[i]["messages"], 700);
    EXPECT_GT(answers[i]["first_us"], 0);
    EXPECT_GE(answers[i]["median_us"], answers[i]["first_us"]);
    EXPECT_GE(answers[i]["p99_us"], answers[i]["median_us"]);
    EXPECT_GE(answers[i]["last_us"], answers[i]["p99_us"]);
    EXPECT_GT(answers[i]["sent_us"], 0);
    EXPECT_EQ(answers[i]["errors"], json::object());
  }
}

// A server that answers the first `at_once` messages at once and then one each kPauseMs.
class Slow {
 public:
  static constexpr int64_t kPauseMs = 150;

  explicit Slow(uint32_t at_once) : at_once_(at_once) {
    timer_.call = [](void* slow) { static_cast<Slow*>(slow)->AnswerOne(); };
    timer_.argument = this;
  }
  void Receive(net::Engine& engine, net::Connection& conn, alloc::Lease data) {
    if (++received_ <= at_once_) return static_cast<void>(conn.Write(std::move(data)));
    engine_ = &engine;
    waiting_.emplace_back(conn.id(), std::string(data.view()));
    if (!timer_.armed()) Arm();
  }

 private:
  void Arm() {
    core::Shard* shard = core::Shard::Current();
    shard->wheel().Arm(&timer_, core::TimerKind::kFunction, shard->now_ms() + kPauseMs);
  }
  void AnswerOne() {
    const auto [id, bytes] = std::move(waiting_.front());
    waiting_.pop_front();
    engine_->CallIfOpen(id, [&](net::Connection& conn) { conn.Write(bytes); });
    if (!waiting_.empty()) Arm();
  }

  const uint32_t at_once_;
  uint32_t received_ = 0;
  net::Engine* engine_ = nullptr;
  std::deque<std::pair<net::ConnectionId, std::string>> waiting_;
  core::CallTimer timer_;
};

TEST_F(ControlledTest, AWakeGoesOnForAsLongAsAnswersCome) {
  Slow slow(12);
  SERVE([&](net::Connection& conn, alloc::Lease data) { slow.Receive(server_->engine(), conn, std::move(data)); });
  options_.connections = 12;
  options_.grace_seconds = 1;  // the answers take 1.8 s
  const auto answers = Tell("wake\n");
  server_.reset();  // and its wheel, before the timer
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1]["messages"], 12);
  EXPECT_EQ(answers[1]["errors"], json::object());
  EXPECT_GT(answers[1]["last_us"], 1e6);
}

// The server counts what each connection has sent. The others send what they are told; a slow one as much as may wait
// for it and what it took before it was first paused, and if it never were, as much as the machine can.
TEST_F(ControlledTest, SlowConnectionsWriteOnTheirOwnAndTheFiguresAreThoseOfTheOthers) {
  std::map<uint64_t, uint64_t> sent;  // of the server's thread, read when it has ended
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    sent[conn.id().value] += data.size();
    conn.Write(std::move(data));
  });
  options_.verify = true;
  options_.message_bytes = {4096};
  options_.slow = 6;
  const auto answers = Tell("messages 2\nwake\nrun 1 active=15\n");
  server_.reset();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0]["connections"], 20);
  EXPECT_EQ(answers[1]["messages"], 28);
  EXPECT_EQ(answers[2]["messages"], 14);
  EXPECT_EQ(answers[2]["connections"], 20);
  EXPECT_EQ(answers[2]["errors"], json::object());
  EXPECT_EQ(answers[3]["error"], "active=15: 1 to 14 connections");
  int slow = 0;
  for (const auto& [id, bytes] : sent) {
    if (bytes == 4 * 4096) continue;
    ++slow;
    EXPECT_GT(bytes, 4u * 4096);
    EXPECT_LE(bytes, 8u * kSlowBytesMax);
  }
  EXPECT_EQ(sent.size(), 20u);
  EXPECT_EQ(slow, 6);
  EXPECT_TRUE(total_.empty());
}

TEST_F(ControlledTest, AWrongLineIsAnsweredAndTheLoadGoesOn) {
  SERVE(Echo);
  const auto answers = Tell("fly\nrun\nmessages 1\n");
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_THAT(std::string(answers[1]["error"]), HasSubstr("no such command"));
  EXPECT_THAT(std::string(answers[2]["error"]), HasSubstr("needs seconds"));
  EXPECT_EQ(answers[3]["messages"], 20);
  EXPECT_TRUE(total_.empty());
}

TEST_F(ControlledTest, TheFirstExchangeIsCheckedWithoutVerify) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    data.data()[0] = static_cast<char>(data.data()[0] ^ 1);
    conn.Write(std::move(data));
  });
  const auto answers = Tell("messages 1\n");
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0]["errors"]["mismatch"], 20);
  EXPECT_EQ(answers[0]["connections"], 0);
  EXPECT_EQ(answers[1]["messages"], 0);
  EXPECT_TRUE(answers[1]["p50_us"].is_null());
  EXPECT_EQ(answers[1]["errors"], json::object()) << "told once";
  EXPECT_EQ(total_["mismatch"], 20u);
}

TEST_F(ControlledTest, LineIsServedToo) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    for (const char c : data.view()) {
      if (c == '\n') conn.Write("OK\n");
    }
  });
  options_.protocol = Protocol::kLine;
  options_.depth = 4;
  const auto answers = Tell("messages 9\nwake\n");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[1]["messages"], 180);
  EXPECT_EQ(answers[2]["messages"], 20);
}

// The server falls silent after the exchange at the start, on all connections but those that it closes.
TEST_F(ControlledTest, WhatIsNotAnsweredIsCutAndTheNextCommandIsObeyed) {
  std::atomic<uint64_t> calls = 0;
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    const uint64_t call = ++calls;
    if (call <= 20) return static_cast<void>(conn.Write(std::move(data)));
    if (call == 21) conn.Close();
  });
  options_.grace_seconds = 0.2;
  const auto answers = Tell("messages 2\nwake\n");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["errors"], json::object());
  EXPECT_EQ(answers[1]["messages"], 0);
  EXPECT_EQ(answers[1]["connections"], 0);
  EXPECT_EQ(answers[1]["errors"], (json{{"closed_peer_closed", 1}, {"unanswered", 20}, {"unfinished", 1}}));
  EXPECT_EQ(answers[2]["messages"], 0);
  EXPECT_TRUE(answers[2]["first_us"].is_null());
  EXPECT_EQ(answers[2]["errors"], json::object());
}

}  // namespace
}  // namespace mooring::tools::load
