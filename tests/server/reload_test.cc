// SPDX-License-Identifier: Apache-2.0
// SIGHUP: other settings for a mooringd that runs on, and what a bad file changes: nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ReloadTest : public ::testing::TestWithParam<const char*> {
 protected:
  ReloadTest() { EXPECT_NE(mkdtemp(folder_), nullptr); }
  ~ReloadTest() override {
    unlink(file().c_str());
    unlink((std::string(folder_) + "/echo.sock").c_str());
    unlink((std::string(folder_) + "/echo.sock.lock").c_str());
    rmdir(folder_);
  }

  std::string file() const { return std::string(folder_) + "/mooringd.toml"; }
  std::string path() const { return std::string(folder_) + "/echo.sock"; }
  void Write(const std::string& text) { std::ofstream(file(), std::ios::trunc) << text; }
  std::vector<std::string> Arguments() const {
    return {"--config=" + file(), absl::StrCat("--transport=", GetParam()), "--shards=2"};
  }
  static std::string Listener(const std::string& name, const std::string& service, const std::string& address,
                              const std::string& more = "") {
    return absl::StrCat("[[listener]]\nname = \"", name, "\"\nservice = \"", service, "\"\naddress = \"", address, "\"\n", more, "\n");
  }
  // Of a listener that a reload has added: the log says where.
  static uint16_t PortIn(const std::string& line) {
    const size_t at = line.find("address=127.0.0.1:");
    return at == std::string::npos ? 0 : static_cast<uint16_t>(std::atoi(line.c_str() + at + 18));
  }
  static std::string Server(Client& client) {
    EXPECT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) head += client.Receive(1);
    const size_t length = head.find("Content-Length: ");
    if (length != std::string::npos) client.Receive(static_cast<size_t>(std::atoi(head.c_str() + length + 16)));
    const size_t at = head.find("Server: ");
    return at == std::string::npos ? "" : head.substr(at + 8, head.find('\r', at) - at - 8);
  }

  char folder_[32] = "/tmp/mooring-reload-XXXXXX";
};

INSTANTIATE_TEST_SUITE_P(Transports, ReloadTest, ::testing::Values("io_uring", "io_uring-base", "epoll"),
                         [](const auto& info) { return std::string(info.param == std::string("io_uring-base") ? "io_uring_base" : info.param); });

TEST_P(ReloadTest, NewListenerServesAndOneThatIsGoneKeepsItsConnections) {
  Write(Listener("one", "echo", "127.0.0.1:0"));
  Daemon daemon(Arguments());
  const uint16_t one = daemon.AwaitPort("one");
  Client old(one);
  EXPECT_EQ(old.Exchange("x", 1), "x");

  Write(Listener("two", "line", "127.0.0.1:0") + Listener("path", "echo", "unix:" + path()));
  daemon.Signal(SIGHUP);
  const uint16_t two = PortIn(daemon.AwaitLog("listening listener=two"));
  EXPECT_THAT(daemon.AwaitLog("reloaded"), AllOf(HasSubstr("listeners_added=2"), HasSubstr("listeners_changed=0"), HasSubstr("listeners_removed=1")));
  Client line(two);
  EXPECT_EQ(line.Exchange("a line\n", 3), "OK\n");
  Client at_path = Client::AtPath(path());
  EXPECT_EQ(at_path.Exchange("y", 1), "y");
  EXPECT_EQ(old.Exchange("still", 5), "still");

  // Gone for new ones: 200 ms after it was told to.
  daemon.AwaitLog("listener closed listener=one");
  EXPECT_LT(scenario::Dial(one, {}), 0);

  // And back on the port it had, without a restart.
  Write(Listener("one", "echo", absl::StrCat("127.0.0.1:", one)));
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reloaded");
  Client again(one);
  EXPECT_EQ(again.Exchange("z", 1), "z");
  EXPECT_EQ(old.Exchange("still", 5), "still");
  EXPECT_EQ(line.Exchange("a line\n", 3), "OK\n");
  daemon.Signal(SIGTERM);
  for (Client* client : {&old, &line, &again, &at_path}) {
    EXPECT_EQ(client->ReceiveToFin(), "");
    client->Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(ReloadTest, WhetherPeersAreDeferredIsFixedWhileAListenerListens) {
  Write(Listener("one", "echo", "127.0.0.1:0", "defer_accept = true\n"));
  Daemon daemon(Arguments());
  const uint16_t one = daemon.AwaitPort("one");
  Client before(one);
  EXPECT_EQ(before.Exchange("x", 1), "x");
  Write(Listener("one", "echo", "127.0.0.1:0"));
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.AwaitLog("reload refused"), HasSubstr("listener one: defer_accept is fixed as long as it listens"));
  Client after(one);
  EXPECT_EQ(after.Exchange("y", 1), "y");
  EXPECT_EQ(before.Exchange("z", 1), "z");
  before.Close();
  after.Close();
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(ReloadTest, ChangedServiceHoldsForNewConnections) {
  Write(Listener("web", "http", "127.0.0.1:0", "server = \"before\"\n"));
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("web");
  Client old(port);
  EXPECT_EQ(Server(old), "before");
  Write(Listener("web", "http", "127.0.0.1:0", "server = \"after\"\n"));
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.AwaitLog("reloaded"), HasSubstr("listeners_changed=1"));
  Client fresh(port);
  EXPECT_EQ(Server(fresh), "after");
  EXPECT_EQ(Server(old), "before");
  // Twice more, and the one in between goes with its last connection.
  for (const char* name : {"third", "fourth"}) {
    Write(Listener("web", "http", "127.0.0.1:0", absl::StrCat("server = \"", name, "\"\n")));
    daemon.Signal(SIGHUP);
    daemon.AwaitLog("reloaded");
    Client client(port);
    EXPECT_EQ(Server(client), name);
  }
  EXPECT_EQ(Server(old), "before");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(old.ReceiveToFin(), "");
  EXPECT_EQ(fresh.ReceiveToFin(), "");
  old.Close();
  fresh.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

// What an old service has open stays with it, and is opened anew with the rest.
TEST_P(ReloadTest, AnOldServiceKeepsItsAccessLog) {
  const std::string old_log = std::string(folder_) + "/old.log";
  const std::string new_log = std::string(folder_) + "/new.log";
  Write(Listener("web", "http", "127.0.0.1:0", absl::StrCat("access_log = \"", old_log, "\"\n")));
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("web");
  Client old(port);
  EXPECT_EQ(Server(old), "mooring");
  Write(Listener("web", "http", "127.0.0.1:0", absl::StrCat("access_log = \"", new_log, "\"\n")));
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reloaded");
  Client fresh(port);
  EXPECT_EQ(Server(fresh), "mooring");
  EXPECT_EQ(Server(old), "mooring");
  const std::string moved = old_log + ".1";
  ASSERT_EQ(rename(old_log.c_str(), moved.c_str()), 0);
  daemon.Signal(SIGUSR1);
  daemon.AwaitLog("files reopened");
  EXPECT_EQ(Server(old), "mooring");
  EXPECT_EQ(Server(old), "mooring");
  daemon.Signal(SIGTERM);
  for (Client* client : {&old, &fresh}) {
    EXPECT_EQ(client->ReceiveToFin(), "");
    client->Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
  const auto lines = [](const std::string& path) {
    std::ifstream in(path);
    return std::count(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>(), '\n');
  };
  // A line that still waited for its thread when the file was moved is in the new one.
  EXPECT_EQ(lines(moved) + lines(old_log), 4);
  EXPECT_GE(lines(old_log), 2) << "opened anew";
  EXPECT_EQ(lines(new_log), 1);
  for (const std::string& path : {moved, old_log, new_log}) unlink(path.c_str());
}

TEST_P(ReloadTest, RaisedCapLetsInWhoWaits) {
  Write(Listener("echo", "echo", "127.0.0.1:0", "max_connections = 1\n"));
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("echo");
  Client first(port);
  EXPECT_EQ(first.Exchange("x", 1), "x");
  Client waits(port);
  ASSERT_TRUE(waits.Send("y"));
  waits.AwaitAcknowledged();
  EXPECT_FALSE(waits.HasData());
  Write(Listener("echo", "echo", "127.0.0.1:0", "max_connections = 2\n"));
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reloaded");
  EXPECT_EQ(waits.Receive(1), "y");
  // Lower than what is there: all stay.
  Write(Listener("echo", "echo", "127.0.0.1:0", "max_connections = 1\n"));
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reloaded");
  EXPECT_EQ(first.Exchange("x", 1), "x");
  EXPECT_EQ(waits.Exchange("y", 1), "y");
  Client third(port);
  ASSERT_TRUE(third.Send("z"));
  waits.Close();
  third.AwaitAcknowledged();
  EXPECT_FALSE(third.HasData());
  first.Close();
  EXPECT_EQ(third.Receive(1), "z");
}

TEST_P(ReloadTest, ProcessCapCanBeChanged) {
  Write("[runtime]\nmax_connections = 1\n" + Listener("echo", "echo", "127.0.0.1:0"));
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("echo");
  Client first(port);
  EXPECT_EQ(first.Exchange("x", 1), "x");
  Client waits(port);
  ASSERT_TRUE(waits.Send("y"));
  waits.AwaitAcknowledged();
  EXPECT_FALSE(waits.HasData());
  Write("[runtime]\nmax_connections = 2\n" + Listener("echo", "echo", "127.0.0.1:0"));
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reloaded");
  EXPECT_EQ(waits.Receive(1), "y");
}

TEST_P(ReloadTest, NobodyWhoComesMeanwhileIsLost) {
  Write(Listener("echo", "echo", "127.0.0.1:0"));
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("echo");
  for (int round = 0; round < 10; ++round) {
    Write(Listener("echo", "echo", "127.0.0.1:0", absl::StrCat("max_age = ", 100 + round, "\n")));
    daemon.Signal(SIGHUP);
    for (int i = 0; i < 100; ++i) {
      Client client(port);
      ASSERT_EQ(client.Exchange("x", 1), "x") << round << ", " << i;
    }
  }
}

// Each names what is wrong; and the server is as it was.
TEST_P(ReloadTest, BadFileChangesNothing) {
  const std::string good = Listener("echo", "echo", "127.0.0.1:0");
  Write(good);
  Daemon daemon(Arguments());
  const uint16_t port = daemon.AwaitPort("echo");
  Daemon other({"--listen=echo=127.0.0.1:0", "--transport=epoll"});
  const uint16_t taken = other.AwaitPort("echo");
  struct Case {
    std::string text;
    std::string says;
  };
  const Case kCases[] = {
      {"[[listener]\n", "mooringd.toml:1"},
      {Listener("two", "line", "127.0.0.1:0") + "[drain]\ndeadlin = 3\n", "deadline"},
      {"[runtime]\nmemory_ceiling = \"2GiB\"\n" + good, "runtime.memory_ceiling"},
      {Listener("two", "line", "127.0.0.1:0") + Listener("three", "echo", absl::StrCat("127.0.0.1:", taken)), "is in use"},
      {Listener("two", "line", "127.0.0.1:0") + Listener("web", "http", "127.0.0.1:0", "root = \"/nowhere\"\n"), "/nowhere"},
  };
  Client old(port);
  for (const Case& bad : kCases) {
    Write(bad.text);
    daemon.Signal(SIGHUP);
    EXPECT_THAT(daemon.AwaitLog("reload refused, nothing has changed"), HasSubstr(bad.says)) << bad.text;
    EXPECT_EQ(old.Exchange("x", 1), "x");
    Client fresh(port);
    EXPECT_EQ(fresh.Exchange("y", 1), "y");
  }
  EXPECT_EQ(daemon.out().find("listener=two"), std::string::npos) << daemon.out();
  Write(good);
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.AwaitLog("reloaded"), HasSubstr("listeners_changed=0"));
}

TEST_P(ReloadTest, TheAdminInterfaceMovesAndGoes) {
  const std::string listener = Listener("echo", "echo", "127.0.0.1:0");
  Write("[admin]\nlisten = \"127.0.0.1:0\"\n" + listener);
  Daemon daemon(Arguments(), {.cpus = {}, .environment = {}});  // where it would be off
  const std::string url = daemon.AwaitLine("admin: ");
  const auto first = static_cast<uint16_t>(std::atoi(url.c_str() + url.rfind(':') + 1));
  const auto ready = [](uint16_t port) {
    Client client(port);
    EXPECT_TRUE(client.Send("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    return client.ReceiveToFin().substr(0, 15);
  };
  EXPECT_EQ(ready(first), "HTTP/1.1 200 OK");
  Client connected(first);  // stays, as the connections of any listener do

  Write("[admin]\nlisten = \"off\"\nmetrics_listen = \"127.0.0.1:0\"\n" + listener);
  daemon.Signal(SIGHUP);
  const uint16_t second = PortIn(daemon.AwaitLog("the admin interface listens"));
  daemon.AwaitLog("reloaded");
  EXPECT_EQ(ready(second), "HTTP/1.1 200 OK");
  ASSERT_TRUE(connected.Send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(connected.ReceiveToFin(), HasSubstr("200 OK"));
  daemon.AwaitLog("listener closed listener=admin");
  EXPECT_LT(scenario::Dial(first, {}), 0);

  // An address that something else has changes nothing.
  Daemon other({"--listen=echo=127.0.0.1:0", "--transport=epoll"});
  Write(absl::StrCat("[admin]\nlisten = \"127.0.0.1:", other.AwaitPort("echo"), "\"\n", listener));
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.AwaitLog("reload refused, nothing has changed"), HasSubstr("is in use"));
  EXPECT_EQ(ready(second), "HTTP/1.1 200 OK");
}

TEST_P(ReloadTest, ReloadInADrainIsRefused) {
  Write("[drain]\ndelay = 30\n" + Listener("echo", "echo", "127.0.0.1:0"));
  Daemon daemon(Arguments());
  daemon.AwaitPort("echo");
  daemon.Signal(SIGTERM);
  daemon.AwaitLog("draining");
  daemon.Signal(SIGHUP);
  daemon.AwaitLog("reload refused: the server is draining");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitSecondSignal);
}

}  // namespace
}  // namespace mooring::server
