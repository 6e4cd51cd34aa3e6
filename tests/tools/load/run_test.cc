// SPDX-License-Identifier: Apache-2.0
// End to end: the load generator against servers in this process, right ones and wrong ones, on real sockets.
#include "tools/load/run.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/claim.h"
#include "net/connection.h"
#include "net/uring/provider.h"
#include "tests/tools/load/test_server.h"

namespace mooring::tools::load {
namespace {

class RunTest : public ::testing::Test {
 protected:
  void Serve(Answer on_data) {
    server_ = std::make_unique<TestServer>(std::move(on_data));
    const absl::Status status = server_->Start();
    if (!status.ok()) GTEST_SKIP() << "no io_uring transport here: " << status;
  }
  Report Execute(const Options& options) {
    net::uring::UringProvider provider(core::RealKernel());
    const absl::StatusOr<Report> report = load::Run(&provider, options).Execute();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : Report{};
  }

  std::unique_ptr<TestServer> server_;
};

#define SERVE(on_data) \
  Serve(on_data);      \
  if (IsSkipped()) return

TEST_F(RunTest, ClosedLoopEchoesEveryByte) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.verify = true;
  options.depth = 3;
  options.message_bytes = {1001};
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
  options.message_bytes = {12 << 20};
  options.seconds = 2;
  EXPECT_EQ(ErrorsToText(Execute(options)), "");
}

TEST_F(RunTest, MixedSizesAreEchoedEachInItsTurn) {
  std::atomic<uint64_t> received = 0;
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    received += data.size();
    conn.Write(std::move(data));
  });
  for (const bool verify : {true, false}) {
    Options options = Short(server_->address());
    options.verify = verify;
    options.depth = 3;
    options.message_bytes = {1, 64, 20'000};
    options.warmup_seconds = 0;
    received = 0;
    const Report report = Execute(options);
    EXPECT_EQ(ErrorsToText(report), "");
    EXPECT_GE(report.messages, 60u);
    EXPECT_LE(report.bytes, received);
    EXPECT_GT(report.bytes, report.messages * 1000) << "a third of them are the large ones";
    EXPECT_LT(report.bytes, report.messages * 15'000);
  }
}

TEST_F(RunTest, LinesOfMixedSizesAreWholeLines) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    for (const char c : data.view()) {
      if (c == '\n') conn.Write("OK\n");
    }
  });
  Options options = Short(server_->address());
  options.protocol = Protocol::kLine;
  options.message_bytes = {1, 7, 300};
  options.depth = 4;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  EXPECT_EQ(report.bytes, report.messages * 3);
}

TEST_F(RunTest, AnOpenLoopSendsExactlyItsRate) {
  SERVE(Echo);
  Options options = Short(server_->address());
  options.verify = true;
  options.rate = 5000;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  ASSERT_TRUE(report.pace.has_value());
  EXPECT_EQ(report.messages + report.pace->unsent, 1000u) << "0.2 s of it, all answered or owned up to";
  EXPECT_EQ(report.bytes, report.messages * 64);
}

// The first connection has no answer until ten messages of the other one have come, 190 ms later. Its nine messages that
// were due meanwhile could not go out, and are answered at once when they can; a load that only sees what it has sent
// would report one slow answer and nineteen quick ones.
TEST_F(RunTest, WhatWaitedForItsConnectionHasItsWaitInTheLatency) {
  net::Connection* first = nullptr;
  std::string held;
  int others = 0;
  SERVE([&](net::Connection& conn, alloc::Lease data) {
    if (first == nullptr) first = &conn;
    if (&conn != first && ++others == 10) first->Write(std::exchange(held, {}));
    if (&conn == first && others < 10) return static_cast<void>(held += data.view());
    conn.Write(std::move(data));
  });
  Options options = Short(server_->address());
  options.shards = 1;
  options.connections = 2;
  options.rate = 100;
  const Report report = Execute(options);
  EXPECT_EQ(ErrorsToText(report), "");
  ASSERT_TRUE(report.latency.has_value() && report.pace.has_value());
  EXPECT_EQ(report.messages + report.pace->unsent, 20u);
  EXPECT_GE(report.latency->max_us, 185'000);
  EXPECT_GE(report.latency->p90_us, 145'000) << "the third longest wait, of the message that was due at 40 ms";
}

// One message in flight, none answered before the end: the rest waits in its queue, and says so.
TEST_F(RunTest, WhatTheDepthHoldsBackIsCountedWithItsWait) {
  SERVE([](net::Connection&, alloc::Lease) {});
  Options options = Short(server_->address());
  options.connections = 1;
  options.rate = 100;
  options.grace_seconds = 0.5;
  Report report = Execute(options);
  ASSERT_TRUE(report.pace.has_value());
  EXPECT_EQ(report.pace->unsent, 19u);
  EXPECT_EQ(report.messages, 0u);
  EXPECT_EQ(report.errors["unfinished"], 1u);
  ASSERT_TRUE(report.latency.has_value());
  EXPECT_GE(report.latency->p50_us, 90'000);
}

TEST_F(RunTest, LineCountsAnswers) {
  SERVE([](net::Connection& conn, alloc::Lease data) {
    for (const char c : data.view()) {
      if (c == '\n') conn.Write("OK\n");
    }
  });
  Options options = Short(server_->address());
  options.protocol = Protocol::kLine;
  options.message_bytes = {5};
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

}  // namespace
}  // namespace mooring::tools::load
