// SPDX-License-Identifier: Apache-2.0
#include "core/channel.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/scope.h"
#include "core/shard.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using Log = std::vector<std::string>;
using ChannelTest = SteppedTest;

// Move-only, and counted: a value is neither lost nor there twice.
class Parcel {
 public:
  Parcel(std::string text, int* alive) : text_(std::move(text)), alive_(alive) { ++*alive_; }
  Parcel(Parcel&& other) noexcept : text_(std::move(other.text_)), alive_(std::exchange(other.alive_, nullptr)) {}
  ~Parcel() {
    if (alive_ != nullptr) --*alive_;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int* alive_;  // null: moved away
};
using Parcels = Channel<Parcel>;

// Long enough to be on the heap, where a value that is freed twice is seen.
std::string Text(const std::string& name) { return name + ", with a text that no string holds in itself"; }

Task<> Sends(Parcels* channel, std::string name, int* alive, Log* log) {
  const bool sent = co_await channel->Send(Parcel(Text(name), alive));
  log->push_back(name + (sent ? " sent" : " not sent"));
}
Task<> Receives(Parcels* channel, std::string name, Log* log) {
  std::optional<Parcel> parcel = co_await channel->Receive();
  log->push_back(name + " got " + (parcel ? parcel->text().substr(0, parcel->text().find(',')) : "nothing"));
}

class ParcelTest : public SteppedTest {
 protected:
  ~ParcelTest() override { EXPECT_EQ(alive_, 0); }
  void Send(Parcels* channel, const char* name) { ASSERT_TRUE(scope_.Spawn(Sends(channel, name, &alive_, &log_))); }
  void Receive(Parcels* channel, const char* name) { ASSERT_TRUE(scope_.Spawn(Receives(channel, name, &log_))); }

  Shard::Enter enter_{&stepped_.shard};
  int alive_ = 0;
  Log log_;
  Scope scope_;
};

TEST_F(ParcelTest, ValuesComeInOrderAndSendersWaitWhenItIsFull) {
  Parcels channel(2);
  for (const char* name : {"a", "b", "c", "d"}) Send(&channel, name);
  EXPECT_EQ(log_, (Log{"a sent", "b sent"}));
  EXPECT_EQ(channel.size(), 2u);
  Receive(&channel, "x");
  EXPECT_EQ(log_.back(), "x got a");
  EXPECT_EQ(channel.size(), 2u) << "c is queued before its sender runs";
  EXPECT_FALSE(channel.TrySend(Parcel("in front", &alive_)));
  Turn();
  EXPECT_EQ(log_.back(), "c sent");
  for (const char* name : {"y", "z", "v", "w"}) Receive(&channel, name);
  EXPECT_EQ(log_, (Log{"a sent", "b sent", "x got a", "c sent", "y got b", "z got c", "v got d"}));
  Turn();
  EXPECT_EQ(log_.back(), "d sent");
  EXPECT_EQ(scope_.size(), 1u);  // w
  Send(&channel, "e");
  Turn();
  EXPECT_EQ(log_.back(), "w got e");
}

TEST_F(ParcelTest, ReceiversAreServedInTheOrderInWhichTheyCame) {
  Parcels channel(1);
  for (const char* name : {"x", "y", "z"}) Receive(&channel, name);
  for (const char* name : {"a", "b"}) Send(&channel, name);
  EXPECT_EQ(log_, (Log{"a sent", "b sent"}));
  EXPECT_FALSE(channel.TryReceive().has_value()) << "a and b are x's and y's before they have run";
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "b sent", "x got a", "y got b"}));
  EXPECT_TRUE(channel.TrySend(Parcel(Text("c"), &alive_)));
  EXPECT_EQ(channel.size(), 0u);
  Turn();
  EXPECT_EQ(log_.back(), "z got c");
}

TEST_F(ParcelTest, WithoutCapacityASenderWaitsForItsReceiver) {
  Parcels channel(0);
  EXPECT_FALSE(channel.TrySend(Parcel("nobody waits", &alive_)));
  Send(&channel, "a");
  Send(&channel, "b");
  EXPECT_EQ(log_, Log{});
  Receive(&channel, "x");
  EXPECT_EQ(log_, (Log{"x got a"}));
  Turn();
  EXPECT_EQ(log_, (Log{"x got a", "a sent"}));
  EXPECT_EQ(channel.TryReceive()->text(), Text("b"));
  Turn();
  EXPECT_EQ(log_.back(), "b sent");
  Receive(&channel, "y");
  Send(&channel, "c");  // is told at once, y a turn later
  EXPECT_EQ(log_.back(), "c sent");
  Turn();
  EXPECT_EQ(log_.back(), "y got c");
  EXPECT_EQ(channel.size(), 0u);
}

TEST_F(ParcelTest, AfterCloseReceiversDrainWhatIsQueuedAndSendersAreRefused) {
  for (const size_t capacity : {size_t{0}, size_t{2}}) {
    log_.clear();
    Parcels channel(capacity);
    for (const char* name : {"a", "b", "c"}) Send(&channel, name);
    log_.clear();
    channel.Close();
    channel.Close();
    EXPECT_EQ(log_, Log{});
    Turn();
    EXPECT_EQ(log_, capacity == 0 ? (Log{"a not sent", "b not sent", "c not sent"}) : (Log{"c not sent"}));
    log_.clear();
    Send(&channel, "late");
    EXPECT_FALSE(channel.TrySend(Parcel("late", &alive_)));
    for (const char* name : {"x", "y", "z"}) Receive(&channel, name);
    EXPECT_EQ(log_, capacity == 0 ? (Log{"late not sent", "x got nothing", "y got nothing", "z got nothing"})
                                  : (Log{"late not sent", "x got a", "y got b", "z got nothing"}));
  }
}

TEST_F(ParcelTest, CloseWakesTheReceiversThroughTheRunQueue) {
  Parcels channel(2);
  Receive(&channel, "x");
  Receive(&channel, "y");
  channel.Close();
  EXPECT_EQ(log_, Log{});
  Turn();
  EXPECT_EQ(log_, (Log{"x got nothing", "y got nothing"}));
}

TEST_F(ParcelTest, ValuesLeftInAChannelGoWithIt) {
  Parcels channel(3);
  Send(&channel, "a");
  Send(&channel, "b");
  EXPECT_EQ(alive_, 2);
}

// Cancelling.

TEST_F(ParcelTest, ASenderThatIsCancelledInTheLineTakesItsValueAlong) {
  Parcels channel(1);
  Send(&channel, "a");
  Scope goes;
  ASSERT_TRUE(goes.Spawn(Sends(&channel, "b", &alive_, &log_)));
  Send(&channel, "c");
  goes.Cancel();
  EXPECT_EQ(alive_, 3);
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "b not sent"}));
  EXPECT_EQ(alive_, 2) << "b's value went with its Send";
  Receive(&channel, "x");
  Receive(&channel, "y");
  EXPECT_EQ(log_, (Log{"a sent", "b not sent", "x got a", "y got c"}));
  Turn();
}

TEST_F(ParcelTest, AReceiverThatIsCancelledInTheLineTakesNothing) {
  Parcels channel(1);
  Scope goes;
  ASSERT_TRUE(goes.Spawn(Receives(&channel, "x", &log_)));
  Receive(&channel, "y");
  goes.Cancel();
  Send(&channel, "a");
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "x got nothing", "y got a"}));
}

TEST_F(ParcelTest, AValueHandedOverIsDeliveredAndASendThatSucceededSaysSo) {
  Parcels channel(1);
  Scope goes;
  ASSERT_TRUE(goes.Spawn(Receives(&channel, "x", &log_)));
  Send(&channel, "a");
  goes.Cancel();  // too late
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "x got a"}));

  Send(&channel, "b");
  Scope sender;
  ASSERT_TRUE(sender.Spawn(Sends(&channel, "c", &alive_, &log_)));
  EXPECT_TRUE(channel.TryReceive().has_value());
  sender.Cancel();  // too late
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "x got a", "b sent", "c sent"}));
  EXPECT_EQ(channel.TryReceive()->text(), Text("c"));
}

TEST_F(ParcelTest, ACancelledTaskPutsNothingInAndTakesNothingOut) {
  Parcels channel(2);
  Send(&channel, "a");
  Scope cancelled;
  cancelled.Cancel();
  ASSERT_TRUE(cancelled.Spawn(Sends(&channel, "b", &alive_, &log_)));
  ASSERT_TRUE(cancelled.Spawn(Receives(&channel, "x", &log_)));
  EXPECT_EQ(log_, (Log{"a sent"}));  // not at once
  Turn();
  EXPECT_EQ(log_, (Log{"a sent", "b not sent", "x got nothing"}));
  EXPECT_EQ(channel.size(), 1u);
}

TEST_F(ParcelTest, CancelAndCloseAreOneWaking) {
  Parcels channel(0);
  Scope both;
  ASSERT_TRUE(both.Spawn(Sends(&channel, "a", &alive_, &log_)));
  both.Cancel();
  channel.Close();
  Turn();
  EXPECT_EQ(log_, (Log{"a not sent"}));
  EXPECT_TRUE(both.empty());
}

// Loops.

Task<> SendsNumbers(Channel<int>* channel, int from, int to) {
  for (int i = from; i < to; ++i) {
    const bool sent = co_await channel->Send(i);
    if (!sent) co_return;
  }
  channel->Close();
}
Task<> Sums(Channel<int>* channel, int64_t* sum, int* in_order) {
  int before = -1;
  while (auto value = co_await channel->Receive()) {
    if (*value > before) ++*in_order;
    before = *value;
    *sum += *value;
  }
}
Task<> Pipes(size_t capacity, int values, int64_t* sum, int* in_order) {
  Channel<int> channel(capacity);
  Scope scope;
  EXPECT_TRUE(scope.Spawn(SendsNumbers(&channel, 0, values)));
  EXPECT_TRUE(scope.Spawn(Sums(&channel, sum, in_order)));
  co_await scope.Join();
}

TEST_F(ChannelTest, EveryValueArrivesInOrderWithAnyCapacity) {
  for (const size_t capacity : {size_t{0}, size_t{1}, size_t{7}, size_t{1'000}}) {
    int64_t sum = 0;
    int in_order = 0;
    Run([&] { return Pipes(capacity, 20'000, &sum, &in_order); });
    EXPECT_EQ(sum, int64_t{20'000} * 19'999 / 2);
    EXPECT_EQ(in_order, 20'000);
  }
}

Task<> SendsAndReceives(int times, int64_t* sum) {
  Channel<int> channel(1);
  for (int i = 0; i < times; ++i) {
    const bool sent = co_await channel.Send(i);
    EXPECT_TRUE(sent);
    std::optional<int> value = co_await channel.Receive();
    *sum += *value;
  }
}

TEST_F(ChannelTest, AMillionValuesThatFindRoomNeedNoTurnAndNoStack) {
  int64_t sum = 0;
  Start([&] { return SendsAndReceives(1'000'000, &sum); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(sum, int64_t{1'000'000} * 999'999 / 2);
}

Task<std::string> OneWithin(Channel<std::string>* channel, Nanos limit) {
  auto receive = [](Channel<std::string>* channel) -> Task<std::optional<std::string>> {
    std::optional<std::string> value = co_await channel->Receive();
    co_return value;
  };
  auto result = co_await WithDeadline(limit, receive(channel));
  co_return *result ? **result : std::string(result.expired() ? "expired" : "closed");
}
Task<> ReceivesUnderADeadline(Channel<std::string>* channel, Log* log) {
  std::string first = co_await OneWithin(channel, Millis(20));
  log->push_back(first);
  const bool sent = co_await channel->Send(Text("sent"));
  EXPECT_TRUE(sent);
  std::string second = co_await OneWithin(channel, Millis(20));
  log->push_back(second);
  channel->Close();
  std::string third = co_await OneWithin(channel, Millis(20));
  log->push_back(third);
}

TEST_F(ChannelTest, ADeadlineEndsTheWaitAndTheChannelGoesOn) {
  Channel<std::string> channel(1);
  Log log;
  Run([&] { return ReceivesUnderADeadline(&channel, &log); });
  EXPECT_EQ(log, (Log{"expired", Text("sent"), "closed"}));
  EXPECT_EQ(Elapsed(), Millis(20));
}

}  // namespace
}  // namespace mooring::core
