// SPDX-License-Identifier: Apache-2.0
// mooringd on Unix-domain sockets, with each transport.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/scenario/scenario.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

namespace fs = std::filesystem;
using scenario::Client;
using scenario::Ending;
using ::testing::AllOf;
using ::testing::HasSubstr;

class UnixListener : public scenario::Scenario {
 protected:
  void SetUp() override {
    scenario::Scenario::SetUp();
    char name[] = "/tmp/mooringd.XXXXXX";  // short, whatever TMPDIR is
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  // Echo at "echo", line at "line".
  std::vector<std::string> Arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"--listen=echo=unix:" + Path("echo") + ",line=unix:" + Path("line"),
                                    "--transport=" + std::string(net::Name(world().transport))};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static void AwaitListening(Daemon* daemon) { daemon->AwaitLine("try: "); }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string directory_;
};

TEST_P(UnixListener, PlanSaysWhereAndHowToTry) {
  Daemon daemon(Arguments());
  const std::string plan = daemon.AwaitUpTo("try: ");
  EXPECT_THAT(plan, AllOf(HasSubstr("\nlistening: echo on unix:" + Path("echo") + "\n"),
                          HasSubstr("\nlistening: line on unix:" + Path("line") + "\n"),
                          HasSubstr("\ntry: printf 'hello\\n' | nc -q 1 -U '" + Path("echo") + "'\n")));
}

TEST_P(UnixListener, ManyClientsAreServedByAllShards) {
  Daemon daemon(Arguments({"--shards=2"}));
  AwaitListening(&daemon);
  std::vector<Client> echoes, lines;
  for (int i = 0; i < 200; ++i) {
    echoes.push_back(Client::AtPath(Path("echo")));
    lines.push_back(Client::AtPath(Path("line")));
  }
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      const std::string message = "message " + std::to_string(i * round);
      ASSERT_TRUE(echoes[i].Send(message));
      ASSERT_TRUE(lines[i].Send(message + "\n\n"));
    }
    for (int i = 0; i < 200; ++i) {
      const std::string message = "message " + std::to_string(i * round);
      EXPECT_EQ(echoes[i].Receive(message.size()), message);
      EXPECT_EQ(lines[i].Receive(6), "OK\nOK\n");
    }
  }
  for (Client& client : lines) client.ShutdownWrite();
  for (Client& client : lines) EXPECT_EQ(client.ReceiveToFin(), "");
}

TEST_P(UnixListener, MegabytesComeBackUnchanged) {
  Daemon daemon(Arguments());
  AwaitListening(&daemon);
  Client client = Client::AtPath(Path("echo"));
  std::string sent;
  for (uint32_t i = 0; sent.size() < (4u << 20); ++i) sent += std::to_string(i * 2654435761u);
  std::thread writer([&] {
    EXPECT_TRUE(client.Send(sent));
    client.ShutdownWrite();
  });
  EXPECT_TRUE(client.ReceiveToFin() == sent);
  writer.join();
}

TEST_P(UnixListener, PeersThatComeAndGoAreAllServed) {
  Daemon daemon(Arguments({"--shards=2"}));
  AwaitListening(&daemon);
  for (int i = 0; i < 1000; ++i) {
    Client client = Client::AtPath(Path("line"));
    ASSERT_EQ(client.Exchange("x\n", 3), "OK\n") << i;
    if (i % 3 == 0) {
      ASSERT_TRUE(client.Send("half a line"));  // and gone
    }
  }
}

TEST_P(UnixListener, MaxConnectionsHoldsOverAllShards) {
  Daemon daemon(Arguments({"--shards=2", "--max-connections=3"}));
  AwaitListening(&daemon);
  std::vector<Client> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(Client::AtPath(Path("echo")));
    ASSERT_TRUE(clients.back().Send("x"));
  }
  int served = 0;
  while (!clients.empty()) {
    std::vector<size_t> answered;
    for (size_t i = clients.size(); i-- > 0;) {
      if (clients[i].HasData()) answered.push_back(i);
    }
    ASSERT_LE(answered.size(), 3u);
    for (size_t i : answered) {
      EXPECT_EQ(clients[i].Receive(1), "x");
      clients.erase(clients.begin() + static_cast<long>(i));
      ++served;
    }
  }
  EXPECT_EQ(served, 12);
}

TEST_P(UnixListener, ModeLetsOwnerAndGroupConnect) {
  Daemon daemon(Arguments());
  AwaitListening(&daemon);
  for (const char* name : {"echo", "line"}) {
    struct stat found;
    ASSERT_EQ(lstat(Path(name).c_str(), &found), 0);
    EXPECT_TRUE(S_ISSOCK(found.st_mode));
    EXPECT_EQ(found.st_mode & 07777, 0660u);
  }
}

TEST_P(UnixListener, SecondServerOnThePathIsRefused) {
  Daemon first(Arguments());
  AwaitListening(&first);
  // Its other endpoint is given up again.
  Daemon second({"--listen=line=unix:" + Path("other") + ",echo=unix:" + Path("echo")});
  EXPECT_EQ(second.AwaitExit(), kExitFailedStart);
  EXPECT_EQ(second.err(), "mooringd: unix:" + Path("echo") +
                              " is in use by another server; stop it or choose another path (ss -xlp src " + Path("echo") +
                              " shows it)\n");
  EXPECT_EQ(Files(), (std::vector<std::string>{"echo", "echo.lock", "line", "line.lock"}));
  Client client = Client::AtPath(Path("echo"));
  EXPECT_EQ(client.Exchange("x", 1), "x");
}

TEST_P(UnixListener, KilledServerIsSucceeded) {
  {
    Daemon killed(Arguments());
    AwaitListening(&killed);
    killed.Signal(SIGKILL);
    EXPECT_EQ(killed.AwaitExit(), 1000 + SIGKILL);
  }
  EXPECT_TRUE(fs::exists(Path("echo")));
  Daemon daemon(Arguments());
  AwaitListening(&daemon);
  Client client = Client::AtPath(Path("echo"));
  EXPECT_EQ(client.Exchange("x", 1), "x");
}

TEST_P(UnixListener, EveryOrderlyEndLeavesNothing) {
  for (const bool second_signal : {false, true}) {
    Daemon daemon(Arguments());
    AwaitListening(&daemon);
    Client half = Client::AtPath(Path("line"));
    EXPECT_EQ(half.Exchange("whole\nhalf", 3), "OK\n");
    daemon.Signal(SIGTERM);
    daemon.AwaitLog("reason=SIGTERM");
    if (second_signal) {
      daemon.Signal(SIGTERM);
      EXPECT_EQ(daemon.AwaitExit(), kExitSecondSignal);
    } else {
      EXPECT_EQ(half.Exchange(" is whole\n", 3), "OK\n");
      EXPECT_EQ(half.ReceiveToFin(), "");
      half.Close();
      EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
    }
    EXPECT_TRUE(Files().empty());
  }
}

TEST_P(UnixListener, PathThatSomebodyReplacedIsLeftAlone) {
  Daemon daemon(Arguments());
  AwaitListening(&daemon);
  ASSERT_EQ(unlink(Path("echo").c_str()), 0);
  std::ofstream(Path("echo")) << "precious";
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
  EXPECT_EQ(Files(), std::vector<std::string>{"echo"});
  std::string text;
  std::getline(std::ifstream(Path("echo")), text);
  EXPECT_EQ(text, "precious");
}

TEST_P(UnixListener, PathIsFreeForTheNextServerAsSoonAsTheDrainBegins) {
  Daemon first(Arguments());
  AwaitListening(&first);
  Client half = Client::AtPath(Path("line"));
  EXPECT_EQ(half.Exchange("whole\nhalf", 3), "OK\n");  // keeps the drain from ending
  first.Signal(SIGTERM);
  // "draining" is said before it begins: the path goes a moment later.
  while (fs::exists(Path("line.lock"))) std::this_thread::yield();
  Daemon second(Arguments());
  AwaitListening(&second);
  Client client = Client::AtPath(Path("line"));
  EXPECT_EQ(client.Exchange("x\n", 3), "OK\n");
  EXPECT_EQ(half.Exchange("\n", 3), "OK\n");
  EXPECT_EQ(half.ReceiveToFin(), "");
  half.Close();
  EXPECT_EQ(first.AwaitExit(), kExitFinished);
  // Its end has not touched what is the second's.
  Client later = Client::AtPath(Path("line"));
  EXPECT_EQ(later.Exchange("x\n", 3), "OK\n");
}

TEST_P(UnixListener, DrainAnswersEverythingThatWasSent) {
  Daemon daemon(Arguments({"--shards=2"}));
  AwaitListening(&daemon);
  std::string requests, answers;
  for (int i = 0; i < 500; ++i) {
    requests += "request " + std::to_string(i) + "\n";
    answers += "OK\n";
  }
  std::vector<Client> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(Client::AtPath(Path("line")));
    ASSERT_TRUE(clients.back().Send(requests));  // a Unix socket's send is in the peer's queue when it returns
  }
  daemon.Signal(SIGTERM);
  for (Client& client : clients) {
    EXPECT_EQ(client.ReceiveToFin(), answers);
    client.Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

// Peers keep coming while the drain begins: who has connected is answered, who came too late finds no path.
TEST_P(UnixListener, NobodyWhoHasConnectedIsLostInADrain) {
  constexpr int kThreads = 4;
  Daemon daemon(Arguments({"--shards=2"}));
  AwaitListening(&daemon);
  std::atomic<int> answered{0};
  std::atomic<bool> draining{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const int fd = scenario::DialPath(Path("line"));
        if (fd < 0) {
          EXPECT_EQ(fd, -ENOENT);
          break;
        }
        EXPECT_EQ(send(fd, "x\n", 2, MSG_NOSIGNAL), 2);
        const bool sent_before = !draining;
        Client client = Client::Of(fd);
        client.ShutdownWrite();
        const std::string answer = client.ReceiveToFin();
        // Who connects in the drain may get its FIN before its question has come; nobody is reset.
        if (sent_before || !answer.empty()) {
          EXPECT_EQ(answer, "OK\n");
        }
        ++answered;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  draining = true;
  daemon.Signal(SIGTERM);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

// At a full table the queue waits, and is served as slots come free, in the drain too.
TEST_P(UnixListener, QueueBehindAFullTableIsServedInTheDrain) {
  Daemon daemon(Arguments({"--shards=2", "--max-connections=2"}));
  AwaitListening(&daemon);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Client::AtPath(Path("line")));
    ASSERT_TRUE(clients.back().Send("x\n"));
  }
  daemon.Signal(SIGTERM);
  for (Client& client : clients) {
    EXPECT_EQ(client.ReceiveToFin(), "OK\n");
    client.Close();
  }
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST_P(UnixListener, DeadlineCutsWhoHasNotFinished) {
  Daemon daemon(Arguments({"--drain-deadline=1"}));
  AwaitListening(&daemon);
  Client half = Client::AtPath(Path("line"));
  EXPECT_EQ(half.Exchange("whole\nhalf", 3), "OK\n");
  daemon.Signal(SIGTERM);
  Ending ending;
  EXPECT_EQ(half.ReceiveToEnd(&ending), "");
  EXPECT_NE(ending, Ending::kStillOpen);
  EXPECT_EQ(daemon.AwaitExit(), kExitCut);
}

TEST_P(UnixListener, LineOverItsLimitEndsTheConnection) {
  Daemon daemon(Arguments());
  AwaitListening(&daemon);
  Client line = Client::AtPath(Path("line"));
  EXPECT_EQ(line.Exchange(std::string(8192, 'x') + "\n", 3), "OK\n");
  ASSERT_TRUE(line.Send(std::string(8193, 'x') + "\n"));
  EXPECT_EQ(line.ReceiveToFin(), "");
}

TEST_P(UnixListener, StandsBesideTcp) {
  Daemon daemon({"--listen=echo=unix:" + Path("echo") + ",echo=127.0.0.1:0", "--shards=2",
                 "--transport=" + std::string(net::Name(world().transport))});
  const std::string rest = daemon.AwaitLine("listening: echo-2 on 127.0.0.1:");
  Client tcp(static_cast<uint16_t>(std::atoi(rest.c_str())));
  Client local = Client::AtPath(Path("echo"));
  EXPECT_EQ(tcp.Exchange("x", 1), "x");
  EXPECT_EQ(local.Exchange("x", 1), "x");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(tcp.ReceiveToFin(), "");
  EXPECT_EQ(local.ReceiveToFin(), "");
  tcp.Close();
  local.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

INSTANTIATE_TEST_SUITE_P(Worlds, UnixListener, ::testing::Values(scenario::World{net::TransportKind::kUring},
                                           scenario::World{net::TransportKind::kUringBase},
                                           scenario::World{net::TransportKind::kEpoll}),
                         scenario::WorldName());

// What needs no transport.

TEST(UnixPathErrors, AreOneLineThatSaysWhatToDo) {
  const std::string long_path = "/tmp/" + std::string(100, 'x');
  Daemon too_long({"--listen=echo=unix:" + long_path});
  EXPECT_EQ(too_long.AwaitExit(), kExitBadFlag);
  EXPECT_EQ(too_long.err(), "mooringd: --listen: 'unix:" + long_path +
                                "' is not an endpoint: its path has 105 bytes, and at most 103 are possible; write unix:PATH, "
                                "e.g. unix:/run/mooring/echo.sock\n");

  Daemon nowhere({"--listen=echo=unix:/nonexistent/echo"});
  EXPECT_EQ(nowhere.AwaitExit(), kExitFailedStart);
  EXPECT_THAT(nowhere.err(), HasSubstr("unix:/nonexistent/echo: its directory is not there"));

  char name[] = "/tmp/mooringd.XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string file = std::string(name) + "/file";
  std::ofstream(file) << "precious";
  Daemon occupied({"--listen=echo=unix:" + file});
  EXPECT_EQ(occupied.AwaitExit(), kExitFailedStart);
  EXPECT_THAT(occupied.err(), HasSubstr(file + " is there and is no socket, so it is left alone"));
  EXPECT_TRUE(fs::is_regular_file(file));
  fs::remove_all(name);
}

TEST(UnixPathErrors, RelativePathsAreOfTheDirectoryItWasStartedIn) {
  char name[] = "/tmp/mooringd.XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  Daemon::Options there;
  const std::string directory = name;
  there.before_exec = [&directory] { return chdir(directory.c_str()) == 0; };
  Daemon daemon({"--listen=echo=unix:echo"}, there);
  daemon.AwaitLine("listening: echo on unix:echo");
  Client client = Client::AtPath(directory + "/echo");
  EXPECT_EQ(client.Exchange("x", 1), "x");
  daemon.Signal(SIGTERM);
  client.Close();
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
  EXPECT_TRUE(fs::is_empty(directory));
  fs::remove_all(directory);
}

}  // namespace
}  // namespace mooring::server
