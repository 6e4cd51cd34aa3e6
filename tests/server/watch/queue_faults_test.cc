// SPDX-License-Identifier: Apache-2.0
#include "server/watch/queue_faults.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/server/watch/watch_bed.h"

namespace mooring::server::watch {
namespace {

using core::Seconds;

// What the kernel says of the listeners it is asked for.
std::vector<std::optional<uint64_t>> overflows;
std::vector<std::string> asked;

metrics::AcceptQueues Say(const std::vector<net::Endpoint>& endpoints) {
  metrics::AcceptQueues queues;
  asked.clear();
  for (size_t i = 0; i < endpoints.size(); ++i) {
    asked.push_back(endpoints[i].ToString());
    if (overflows[i]) {
      queues.of.push_back(metrics::AcceptQueue{.depth = 0, .limit = 128, .overflows = overflows[i]});
    } else {
      queues.of.push_back(std::nullopt);
    }
  }
  return queues;
}

class QueueFaultsTest : public WatchBed {
 protected:
  QueueFaultsTest() {
    asked.clear();
    control_.listeners_now = {Listener("web", "127.0.0.1:80"), Listener("line", "127.0.0.1:7000")};
  }
  static ServedListener Listener(const std::string& name, const std::string& address) {
    return {.name = name, .service = "echo", .endpoint = *net::Endpoint::Parse(address), .id = 0, .open = true};
  }
  Lines Look(std::vector<std::optional<uint64_t>> said, core::Nanos after = Seconds(10)) {
    overflows = std::move(said);
    faults_.Look(now_ += after);
    return TakeLines();
  }

  core::Nanos now_ = 0;
  QueueFaults faults_{&control_, &Say};
};

constexpr char kLine[] = "error handshakes were dropped: an accept queue was full|cause=accept_queue_overflow|count=";
constexpr char kMend[] = "|do=raise net.core.somaxconn and start again (tools/tune-host), or use more shards";

TEST_F(QueueFaultsTest, SaysHowManyMoreAndOfWhichListenerMost) {
  EXPECT_EQ(Look({1000, 1000}), Lines());  // of before
  EXPECT_EQ(Look({1000, 1000}), Lines());
  EXPECT_EQ(Look({1002, 1007}), Lines{std::string(kLine) + "9|listener=line" + kMend});
  EXPECT_EQ(Look({1002, 1007}), Lines());
  EXPECT_EQ(Look({1003, 1007}), Lines{std::string(kLine) + "1|listener=web" + kMend});
}

TEST_F(QueueFaultsTest, LooksEveryTenSeconds) {
  Look({0, 0});
  asked.clear();
  for (int i = 0; i < 9; ++i) Look({9, 9}, Seconds(1));
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(Look({9, 9}, Seconds(1)).size(), 1u);
}

TEST_F(QueueFaultsTest, WhereTheKernelSaysNothingThereIsNoFault) {
  Look({std::nullopt, 5});
  EXPECT_EQ(Look({7, std::nullopt}), Lines());
  EXPECT_EQ(Look({8, 5}), Lines{std::string(kLine) + "1|listener=web" + kMend});
}

// A listener that closes drops handshakes on purpose.
TEST_F(QueueFaultsTest, DoesNotLookInADrainNorAtListenersThatClose) {
  Look({0, 0});
  control_.listeners_now[0].open = false;
  control_.listeners_now.push_back(Listener("local", "unix:/tmp/x"));
  EXPECT_EQ(Look({4}), Lines{std::string(kLine) + "4|listener=line" + kMend});
  EXPECT_EQ(asked, Lines{"127.0.0.1:7000"});
  control_.state_now = ServerState::kDraining;
  EXPECT_EQ(Look({9}), Lines());
}

TEST_F(QueueFaultsTest, AListenerThatIsNewBeginsWithWhatItHas) {
  Look({3, 3});
  control_.listeners_now.push_back(Listener("new", "127.0.0.1:81"));
  EXPECT_EQ(Look({3, 3, 77}), Lines());
  EXPECT_EQ(Look({3, 3, 78}).size(), 1u);
}

}  // namespace
}  // namespace mooring::server::watch
