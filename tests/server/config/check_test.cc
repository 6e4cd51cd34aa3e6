// SPDX-License-Identifier: Apache-2.0
// Files and `check`, as operators of mooringd and of a program of the library's meet them.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/config/files.h"
#include "tests/server/daemon.h"

namespace mooring::server::config {
namespace {

using scenario::Client;

std::string Without(const Files& files, const std::string& text) { return absl::StrReplaceAll(text, {{files / "", ""}}); }

TEST(CheckCommand, SaysOkOnStdoutAndEndsWithZero) {
  Files files;
  const std::string path = files.Write("f", "[[listener]]\nservice = \"echo\"\naddress = \"127.0.0.1:1\"\n");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"check", "--config", path}, {"check", "--config=" + path}, {"-t", "--config", path}}) {
    Daemon daemon(arguments);
    EXPECT_EQ(daemon.AwaitExit(), kExitFinished) << daemon.err();
    EXPECT_EQ(Without(files, daemon.out()), "OK: f\nlistener echo: echo on 127.0.0.1:1\nadmin.listen = \"off\"\n");
    EXPECT_EQ(daemon.err(), "");
  }
}

TEST(CheckCommand, TellsAllErrorsOnStderrAndEndsWithTwo) {
  Files files;
  const std::string path = files.Write("f", "[drain]\ndelay = \"x\"\n[log]\nfil = 3\n");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"check", "--config", path}, {"-t", "--config", path}, {"--config", path}}) {
    Daemon daemon(arguments);
    EXPECT_EQ(daemon.AwaitExit(), kExitBadFlag);
    EXPECT_EQ(daemon.out(), "");
    EXPECT_EQ(Without(files, daemon.err()),
              "mooringd: f:2: drain.delay: 'x' is not a time in whole seconds, at most 1h: 30, or with a unit, like 30s, 5m or 1h\n"
              "mooringd: f:4: log.fil: is not a key; the nearest is log.file\n");
  }
}

TEST(CheckCommand, MakesTheServices) {
  Files files;
  const std::string path =
      files.Write("f", "[[listener]]\nservice = \"http\"\naddress = \"127.0.0.1:1\"\nroot = \"/nowhere/at/all\"\n");
  Daemon daemon({"check", "--config", path});
  EXPECT_EQ(daemon.AwaitExit(), kExitBadFlag);
  EXPECT_EQ(Without(files, daemon.err()),
            "mooringd: f:4: listener.root: cannot serve the folder \"/nowhere/at/all\": No such file or directory; create it, or "
            "name another one\n");
}

TEST(CheckCommand, BindsNothing) {
  Daemon first({"--listen=echo=127.0.0.1:0", "--shards=1"});
  const std::string taken = std::to_string(first.AwaitPort("echo"));
  Daemon check({"check", "--listen=echo=127.0.0.1:" + taken});
  EXPECT_EQ(check.AwaitExit(), kExitFinished) << check.err();
}

TEST(ConfigFile, IsServedAndSaidAtStart) {
  Files files;
  const std::string path = files.Write("f", R"(
[runtime]
shards = 1
[[listener]]
name = "front"
service = "echo"
address = "127.0.0.1:0"
[[listener]]
service = "http"
name = "web"
address = "127.0.0.1:0"
server = "told"
)");
  Daemon daemon({"--config", path});
  EXPECT_EQ(daemon.AwaitLine("configuration: "), path);
  EXPECT_EQ(Client(daemon.AwaitPort("front")).Exchange("x", 1), "x");
  Client web(daemon.AwaitPort("web"));
  ASSERT_TRUE(web.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  const std::string answer = web.ReceiveToFin();
  EXPECT_NE(answer.find("\r\nServer: told\r\n"), std::string::npos) << answer;
  web.Close();
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
}

TEST(ConfigFile, VariablesAreRead) {
  Daemon daemon({"--listen=echo=127.0.0.1:0"}, {.cpus = {}, .environment = {"MOORING_SHARDS=0"}});
  EXPECT_EQ(daemon.AwaitExit(), kExitBadFlag);
  EXPECT_EQ(daemon.err(), "mooringd: MOORING_SHARDS: '0' is not a whole number from 1 to 1023, or auto\n");
}

// tests/server/greeter.cc
TEST(ConfigFile, AProgramOfTheLibrarysHasOneToo) {
  Files files;
  const std::string path = files.Write("f", R"(
[runtime]
shards = 1
[[listener]]
name = "shout"
address = "127.0.0.1:0"
max_connections = 7
)");
  const Daemon::Options greeter = {.binary = "tests/server/greeter"};
  Daemon check({"check", "--config", path, "--loud"}, greeter);
  EXPECT_EQ(check.AwaitExit(), kExitFinished) << check.err();
  EXPECT_NE(check.out().find("listener shout: shout on 127.0.0.1:0\n  max_connections = 7\n"), std::string::npos) << check.out();
  Daemon bad({"check", "--config", path, "--most=many"}, greeter);
  EXPECT_EQ(bad.AwaitExit(), kExitBadFlag) << "its own flags are looked at as well";
  Daemon serves({"--config", path}, greeter);
  EXPECT_EQ(Client(serves.AwaitPort("shout")).Exchange("abc", 3), "xxx");
  serves.Signal(SIGTERM);
  EXPECT_EQ(serves.AwaitExit(), kExitFinished);
}

}  // namespace
}  // namespace mooring::server::config
