// SPDX-License-Identifier: Apache-2.0
// mooringd at its memory ceiling: who is served goes on, who comes is reset, who is idle is closed; and it gets over it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/exit_code.h"
#include "tests/scenario/client.h"
#include "tests/scenario/scale.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using scenario::Ending;
using ::testing::HasSubstr;

constexpr char kListen[] = "--listen=echo=127.0.0.1:0";
// A server that has 20 MB at start and may have 12 % more: what peers may hold in blocks, a quarter of it all, is above that.
constexpr char kShards[] = "--shards=8";
constexpr uint64_t kCeilingPercent = 112;
constexpr int kClogged = 60;

uint64_t Resident(pid_t pid) {
  uint64_t all = 0, resident = 0;
  std::ifstream(absl::StrCat("/proc/", pid, "/statm")) >> all >> resident;
  return resident * 4096;
}

// Sends what an echo server takes while nobody reads what it sends back.
void Clog(Client& client) {
  const std::string plenty(1 << 20, 'x');
  while (client.SendWhatFits(plenty) > 0) {
  }
}

TEST(MemoryCeiling, NewOnesAreResetIdleOnesClosedAndItGetsOverIt) {
  if (scenario::kSanitized) GTEST_SKIP() << "it keeps what was freed, so that resident memory does not fall";
  uint64_t at_start;
  {
    Daemon daemon({kListen, kShards});
    daemon.AwaitPort("echo");
    at_start = Resident(daemon.pid());
  }
  Daemon daemon({kListen, kShards, absl::StrCat("--memory-ceiling=", at_start / 100 * kCeilingPercent)});
  const uint16_t port = daemon.AwaitPort("echo");
  Client idle(port);
  EXPECT_EQ(idle.Exchange("x", 1), "x");
  // Some hundred KB of the server's memory each. All of them connect first: near the ceiling nobody would get in.
  std::vector<Client> clogged;
  for (int i = 0; i < kClogged; ++i) clogged.emplace_back(port, scenario::ClientOptions{.receive_buffer = 4096});
  for (Client& client : clogged) Clog(client);
  daemon.AwaitLog("memory is at its ceiling: idle connections are closed, new ones reset");
  EXPECT_EQ(idle.ReceiveToFin(), "") << "it is idle, and closed in order";
  Client late(port);
  Ending ending;
  EXPECT_EQ(late.ReceiveToEnd(&ending), "");
  EXPECT_EQ(ending, Ending::kReset);
  EXPECT_THAT(daemon.AwaitLog("peers were reset: the process is at its memory ceiling"), HasSubstr("cause=memory"));

  clogged.clear();
  daemon.AwaitLog("memory is below its ceiling again");
  Client fresh(port);
  EXPECT_EQ(fresh.Exchange("y", 1), "y");
  fresh.Close();
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

}  // namespace
}  // namespace mooring::server
