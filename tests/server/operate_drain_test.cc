// SPDX-License-Identifier: Apache-2.0
// A drain as an operator asks for it: delay, spread, progress and report, of one listener or of a part of its connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using scenario::Ending;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What an HTTP server says to one request; the connection is closed behind it.
std::string Ask(uint16_t port, const std::string& method, const std::string& target) {
  Client client(port);
  EXPECT_TRUE(client.Send(absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")));
  return client.ReceiveToFin();
}

class OperateDrain : public ::testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> Arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"--listen=echo=127.0.0.1:0,line=127.0.0.1:0,http=127.0.0.1:0", "--shards=2",
                                    absl::StrCat("--transport=", GetParam()), "--admin-listen=127.0.0.1:0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static uint16_t AdminPort(Daemon& daemon) {
    const std::string url = daemon.AwaitLine("admin: ");  // http://127.0.0.1:PORT/
    return static_cast<uint16_t>(std::atoi(url.c_str() + url.rfind(':') + 1));
  }
};

INSTANTIATE_TEST_SUITE_P(Transports, OperateDrain, ::testing::Values("io_uring", "io_uring-base", "epoll"),
                         [](const auto& info) { return std::string(info.param == std::string("io_uring-base") ? "io_uring_base" : info.param); });

// A load balancer sees that it is not ready, and sends its last connections meanwhile.
TEST_P(OperateDrain, DelayEndsReadinessAndServesOn) {
  Daemon daemon(Arguments({"--drain-delay=2", "--drain-deadline=20"}));
  const uint16_t admin = AdminPort(daemon);
  const uint16_t echo = daemon.AwaitPort("echo");
  EXPECT_THAT(Ask(admin, "GET", "/readyz"), HasSubstr("200 OK"));
  daemon.Signal(SIGTERM);
  daemon.AwaitLog("reason=SIGTERM");
  EXPECT_THAT(Ask(admin, "GET", "/readyz"), HasSubstr(" 503 "));
  EXPECT_THAT(Ask(admin, "GET", "/healthz"), HasSubstr("200 OK"));
  Client late(echo);
  EXPECT_EQ(late.Exchange("late", 4), "late");
  EXPECT_EQ(late.ReceiveToFin(), "");
  late.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
  EXPECT_THAT(daemon.out(), AllOf(HasSubstr("drained seconds="), HasSubstr("drained=1"), HasSubstr("exit_code=0")));
}

TEST_P(OperateDrain, SecondSignalInTheDelayEndsAtOnce) {
  Daemon daemon(Arguments({"--drain-delay=60"}));
  AdminPort(daemon);
  daemon.Signal(SIGQUIT);
  daemon.AwaitLog("reason=SIGQUIT");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitSecondSignal);
  EXPECT_THAT(daemon.out(), HasSubstr("second signal: ending at once"));
}

// Each keeps its connection up to its own moment, and is served until then.
TEST_P(OperateDrain, SpreadNoticesAreSpread) {
  Daemon daemon(Arguments({"--drain-spread=3", "--drain-deadline=20"}));
  const uint16_t echo = daemon.AwaitPort("echo");
  std::vector<Client> clients;
  for (int i = 0; i < 60; ++i) {
    clients.emplace_back(echo);
    ASSERT_EQ(clients.back().Exchange("x", 1), "x");
  }
  daemon.Signal(SIGTERM);
  daemon.AwaitLog("still draining left=");
  size_t open = 0;
  for (Client& client : clients) {
    if (client.Now() == Ending::kStillOpen) {
      ++open;
    } else {
      client.Close();
    }
  }
  EXPECT_GT(open, 10u) << "a second into three";
  EXPECT_LT(open, 60u);
  for (Client& client : clients) {
    if (!client.open()) continue;
    EXPECT_EQ(client.ReceiveToFin(), "");
    client.Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(OperateDrain, ProgressSaysWhoIsLeft) {
  Daemon daemon(Arguments({"--drain-deadline=3"}));
  Client half(daemon.AwaitPort("line"));
  EXPECT_EQ(half.Exchange("whole\nhalf", 3), "OK\n");
  half.AwaitAcknowledged();
  daemon.Signal(SIGTERM);
  EXPECT_THAT(daemon.AwaitLog("still draining"), AllOf(HasSubstr("left=1"), HasSubstr("line_open=1")));
  EXPECT_EQ(half.Exchange("\n", 3), "OK\n");
  EXPECT_EQ(half.ReceiveToFin(), "");
  half.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(OperateDrain, OneListenerIsDrainedAndTheOthersServeOn) {
  Daemon daemon(Arguments({}));
  const uint16_t admin = AdminPort(daemon);
  const uint16_t port = daemon.AwaitPort("echo");
  Client echo(port);
  EXPECT_EQ(echo.Exchange("x", 1), "x");
  Client line(daemon.AwaitPort("line"));
  EXPECT_EQ(line.Exchange("a\n", 3), "OK\n");
  EXPECT_THAT(Ask(admin, "POST", "/drain?listener=ecko"), AllOf(HasSubstr(" 404 "), HasSubstr("echo")));
  EXPECT_THAT(Ask(admin, "POST", "/drain?listener=echo"), HasSubstr(" 202 "));
  EXPECT_EQ(echo.ReceiveToFin(), "");
  echo.Close();
  daemon.AwaitLog("listener closed listener=echo");
  EXPECT_LT(scenario::Dial(port, {}), 0);
  EXPECT_EQ(line.Exchange("b\n", 3), "OK\n");
  EXPECT_THAT(Ask(admin, "POST", "/drain?listener=echo"), HasSubstr(" 404 ")) << "it is not open any more";
  daemon.Signal(SIGTERM);
  EXPECT_EQ(line.ReceiveToFin(), "");
  line.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(OperateDrain, APartOfTheConnectionsGetsTheNotice) {
  Daemon daemon(Arguments({}));
  const uint16_t admin = AdminPort(daemon);
  const uint16_t port = daemon.AwaitPort("echo");
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(port);
    ASSERT_EQ(clients.back().Exchange("x", 1), "x");
  }
  EXPECT_THAT(Ask(admin, "POST", "/drain?listener=echo&percent=50"), HasSubstr(" 202 "));
  // Those who stay still answer; those who go have their FIN. Which, is chosen at random: 100, give or take 5 deviations.
  size_t stayed = 0;
  for (Client& client : clients) {
    if (client.SendWhatFits("y") == 1 && client.ReceiveSome(1) == "y") ++stayed;
  }
  EXPECT_GT(stayed, 65u);
  EXPECT_LT(stayed, 135u);
  Client fresh(port);
  EXPECT_EQ(fresh.Exchange("z", 1), "z") << "it listens on";
}

TEST_P(OperateDrain, PostDrainDoesWhatSigtermDoes) {
  Daemon daemon(Arguments({}));
  const uint16_t admin = AdminPort(daemon);
  EXPECT_THAT(Ask(admin, "GET", "/drain"), HasSubstr(" 405 "));
  EXPECT_THAT(Ask(admin, "POST", "/drain"), HasSubstr(" 202 "));
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

}  // namespace
}  // namespace mooring::server
