// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/services.h"

namespace mooring::server {
namespace {

const Program& Daemon() {
  static const Program program = Mooringd();
  return program;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const auto options = ParseOptions(arguments, Daemon());
  return options.ok() ? "(no error)" : std::string(options.status().message());
}

Options Parsed(const std::vector<std::string>& arguments) {
  const auto options = ParseOptions(arguments, Daemon());
  EXPECT_TRUE(options.ok()) << options.status().message();
  return options.ok() ? *options : Options();
}

TEST(Options, DefaultsAreEchoLineAndHttpOnLoopback) {
  const Options options = Parsed({});
  ASSERT_EQ(options.listen.size(), 3u);
  EXPECT_EQ(options.listen[0].service->name, "echo");
  EXPECT_EQ(options.listen[0].endpoint.ToString(), "127.0.0.1:7000");
  EXPECT_EQ(options.listen[1].service->name, "line");
  EXPECT_EQ(options.listen[1].endpoint.ToString(), "127.0.0.1:7001");
  EXPECT_EQ(options.listen[2].service->name, "http");
  EXPECT_EQ(options.listen[2].endpoint.ToString(), "127.0.0.1:8080");
  EXPECT_EQ(options.cpus, "");
  EXPECT_EQ(options.shards, 0);
  EXPECT_EQ(options.transport, std::nullopt);
  EXPECT_EQ(options.max_connections, 0u);
  EXPECT_EQ(options.drain_deadline_s, 30u);
  EXPECT_FALSE(options.help);
  EXPECT_FALSE(options.version);
}

TEST(Options, EachFlagIsTakenInBothSpellings) {
  for (const bool apart : {false, true}) {
    std::vector<std::string> arguments;
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"--listen", "discard=[::1]:9,line=0.0.0.0:0"},
             {"--cpus", "0-3,8"},
             {"--shards", "4"},
             {"--transport", "io_uring"},
             {"--max-connections", "123456789012"},
             {"--drain-deadline", "7"}}) {
      if (apart) {
        arguments.push_back(name);
        arguments.push_back(value);
      } else {
        arguments.push_back(name + "=" + value);
      }
    }
    const Options options = Parsed(arguments);
    ASSERT_EQ(options.listen.size(), 2u);
    EXPECT_EQ(options.listen[0].service->name, "discard");
    EXPECT_EQ(options.listen[0].endpoint.ToString(), "[::1]:9");
    EXPECT_EQ(options.listen[1].service->name, "line");
    EXPECT_EQ(options.listen[1].endpoint.ToString(), "0.0.0.0:0");
    EXPECT_EQ(options.cpus, "0-3,8");
    EXPECT_EQ(options.shards, 4);
    EXPECT_EQ(options.transport, net::TransportKind::kUring);
    EXPECT_EQ(options.max_connections, 123456789012u);
    EXPECT_EQ(options.drain_deadline_s, 7u);
  }
}

TEST(Options, ASecondCallStartsAfresh) {
  EXPECT_EQ(Parsed({"--shards=4", "--cpus=1"}).shards, 4);
  EXPECT_EQ(Parsed({}).shards, 0);
  EXPECT_EQ(Parsed({}).cpus, "");
}

TEST(Options, HelpAndVersionAreFlags) {
  EXPECT_TRUE(Parsed({"--help"}).help);
  EXPECT_TRUE(Parsed({"-h"}).help);
  EXPECT_TRUE(Parsed({"--version"}).version);
}

TEST(Options, DeadlineOfZeroIsAllowed) { EXPECT_EQ(Parsed({"--drain-deadline=0"}).drain_deadline_s, 0u); }

TEST(Options, UnixPathsStandBesideAddresses) {
  const Options options = Parsed({"--listen=echo=unix:/run/a=b.sock,line=unix:c,discard=127.0.0.1:9"});
  ASSERT_EQ(options.listen.size(), 3u);
  EXPECT_EQ(options.listen[0].endpoint.path(), "/run/a=b.sock");
  EXPECT_EQ(options.listen[1].endpoint.path(), "c");
  EXPECT_FALSE(options.listen[2].endpoint.is_unix());
}

TEST(Options, EveryTransportHasItsName) {
  EXPECT_EQ(Parsed({"--transport=auto"}).transport, std::nullopt);
  EXPECT_EQ(Parsed({"--transport=io_uring"}).transport, net::TransportKind::kUring);
  EXPECT_EQ(Parsed({"--transport=io_uring-base"}).transport, net::TransportKind::kUringBase);
  EXPECT_EQ(Parsed({"--transport=epoll"}).transport, net::TransportKind::kEpoll);
}

TEST(Options, PortZeroMayBeThereTwice) {
  EXPECT_EQ(Parsed({"--listen=echo=127.0.0.1:0,echo=127.0.0.1:0"}).listen.size(), 2u);
}

TEST(Options, EveryErrorNamesTheFlagAndWhatIsAllowed) {
  const std::string example = "; write HOST:PORT, e.g. 127.0.0.1:7000 or [::1]:7000";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--bogus"}, "'--bogus' is not a flag; mooringd --help lists them"},
      {{"--bogus=1"}, "'--bogus' is not a flag; mooringd --help lists them"},
      {{"echo"}, "'echo' is not a flag; mooringd --help lists them"},
      {{"-x"}, "'-x' is not a flag; mooringd --help lists them"},
      {{""}, "'' is not a flag; mooringd --help lists them"},
      {{"--"}, "'--' is not a flag; mooringd --help lists them"},
      {{"--shards"}, "--shards: has no value"},
      {{"--drain-deadline"}, "--drain-deadline: has no value"},
      {{"--shards=2", "--shards=2"}, "--shards: is given twice"},
      {{"--drain-deadline=2", "--drain-deadline", "3"}, "--drain-deadline: is given twice"},
      {{"--listen=echo=127.0.0.1:1", "--listen=echo=127.0.0.1:2"},
       "--listen: is given twice; give one list: --listen=echo=127.0.0.1:7000,line=[::1]:7001"},
      {{"--shards=two"}, "--shards: 'two' is not a whole number"},
      {{"--shards=-1"}, "--shards: '-1' is not a whole number"},
      {{"--shards=1.5"}, "--shards: '1.5' is not a whole number"},
      {{"--shards="}, "--shards: '' is not a whole number"},
      {{"--shards=99999999999"}, "--shards: '99999999999' is not a whole number"},
      {{"--max-connections=lots"}, "--max-connections: 'lots' is not a whole number"},
      {{"--drain-deadline=30s"}, "--drain-deadline: '30s' is not a whole number"},
      {{"--shards=0"}, "--shards: is a number from 1 to 1023"},
      {{"--shards=1024"}, "--shards: is a number from 1 to 1023"},
      {{"--max-connections=0"}, "--max-connections: is at least 1; without the flag the descriptor limit decides"},
      {{"--transport=tcp"}, "--transport: 'tcp' is not a transport; known are auto, io_uring, io_uring-base, epoll"},
      {{"--transport="}, "--transport: '' is not a transport; known are auto, io_uring, io_uring-base, epoll"},
      {{"--listen="}, "--listen: is empty; for example echo=127.0.0.1:7000"},
      {{"--listen=echo"}, "--listen: 'echo' is not SERVICE=HOST:PORT or SERVICE=unix:PATH; for example echo=127.0.0.1:7000"},
      {{"--listen=echo=127.0.0.1:1,"}, "--listen: '' is not SERVICE=HOST:PORT or SERVICE=unix:PATH; for example echo=127.0.0.1:7000"},
      {{"--listen=127.0.0.1:7000"},
       "--listen: '127.0.0.1:7000' is not SERVICE=HOST:PORT or SERVICE=unix:PATH; for example echo=127.0.0.1:7000"},
      {{"--listen=chargen=127.0.0.1:1"}, "--listen: 'chargen' is not a service; known are echo, discard, line, http"},
      {{"--listen=echo=localhost:1"},
       "--listen: 'localhost:1' is not an address: its host is a name, and names are not looked up" + example},
      {{"--listen=echo=127.0.0.1"}, "--listen: '127.0.0.1' is not an address: it has no port" + example},
      {{"--listen=echo=127.0.0.1:65536"},
       "--listen: '127.0.0.1:65536' is not an address: its port is not a number from 0 to 65535" + example},
      {{"--listen=echo=:7000"},
       "--listen: ':7000' is not an address: it has no host (0.0.0.0 or [::] means every address of this machine)" +
           example},
      {{"--listen=echo=127.0.0.1:1,line=127.0.0.1:1"}, "--listen: '127.0.0.1:1' is there twice"},
      {{"--listen=echo=unix:/a,line=unix:/a"}, "--listen: 'unix:/a' is there twice"},
      {{"--listen=echo=unix:"}, "--listen: 'unix:' is not an endpoint: it has no path; write unix:PATH, e.g. "
                                "unix:/run/mooring/echo.sock"},
  };
  for (const auto& [arguments, error] : cases) {
    EXPECT_EQ(ErrorOf(arguments), error);
    EXPECT_EQ(ErrorOf(arguments).find('\n'), std::string::npos) << "one line";
  }
}

TEST(Options, HelpNamesEveryFlagAndService) {
  const std::string help = HelpText(Daemon());
  for (const char* flag : {"--listen", "--cpus", "--shards", "--transport", "--max-connections", "--drain-deadline",
                           "--version", "--help"}) {
    EXPECT_NE(help.find(flag), std::string::npos) << flag;
  }
  for (const Service& service : Daemon().offered) {
    EXPECT_NE(help.find(service.summary), std::string::npos) << service.name;
  }
  EXPECT_NE(help.find("With no flag: echo on 127.0.0.1:7000, line on 127.0.0.1:7001, http on 127.0.0.1:8080."), std::string::npos) << help;
  EXPECT_NE(help.find("Flags of mooringd:\n  --drain-keepalive-grace=5\n"), std::string::npos) << help;
  EXPECT_NE(help.find("  --http-root=\n"), std::string::npos) << help;
}

TEST(Options, AServiceThatIsOfferedIsServedAsOftenAsItIsSaid) {
  const Options options = Parsed({"--listen=echo=127.0.0.1:1,line=127.0.0.1:2,echo=127.0.0.1:3,echo=tcp://[::1]:3"});
  std::vector<std::string> names;
  for (const ListenOption& listen : options.listen) names.push_back(listen.name);
  EXPECT_EQ(names, (std::vector<std::string>{"echo", "line", "echo-2", "echo-3"}));
  EXPECT_EQ(options.listen[3].endpoint.ToString(), "[::1]:3");
}

// A program with listeners of its own.

Program Chat() {
  Program chat;
  chat.name = "chat";
  chat.listeners.push_back({.service = {.name = "talk"}, .address = "tcp://127.0.0.1:7010"});
  chat.listeners.push_back({.service = {.name = "talk-2"}, .address = "unix:/run/chat.sock"});
  return chat;
}

TEST(ProgramOptions, ItsListenersAreThereAndListenMovesThem) {
  const Program chat = Chat();
  const auto plain = ParseOptions({}, chat);
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_EQ(plain->listen.size(), 2u);
  EXPECT_EQ(plain->listen[0].name, "talk");
  EXPECT_EQ(plain->listen[0].endpoint.ToString(), "127.0.0.1:7010");
  EXPECT_EQ(plain->listen[1].endpoint.ToString(), "unix:/run/chat.sock");

  const auto moved = ParseOptions({"--listen=talk-2=[::1]:9"}, chat);
  ASSERT_TRUE(moved.ok()) << moved.status();
  ASSERT_EQ(moved->listen.size(), 2u);
  EXPECT_EQ(moved->listen[0].endpoint.ToString(), "127.0.0.1:7010");
  EXPECT_EQ(moved->listen[1].name, "talk-2");
  EXPECT_EQ(moved->listen[1].endpoint.ToString(), "[::1]:9");
}

TEST(ProgramOptions, AProgramWithOneListenerNeedNotBeToldWhich) {
  Program one;
  one.name = "one";
  one.listeners.push_back({.service = {.name = "talk"}, .address = "tcp://127.0.0.1:7010"});
  for (const char* address : {"[::1]:9", "tcp://[::1]:9", "talk=[::1]:9"}) {
    const auto moved = ParseOptions({std::string("--listen=") + address}, one);
    ASSERT_TRUE(moved.ok()) << moved.status();
    ASSERT_EQ(moved->listen.size(), 1u);
    EXPECT_EQ(moved->listen[0].name, "talk");
    EXPECT_EQ(moved->listen[0].endpoint.ToString(), "[::1]:9");
  }
  EXPECT_FALSE(ParseOptions({"--listen=talk"}, one).ok());
  EXPECT_FALSE(ParseOptions({"--listen=[::1]:9,[::1]:8"}, one).ok()) << "two addresses";
  EXPECT_FALSE(ParseOptions({"--listen=[::1]:9"}, Chat()).ok()) << "it has two listeners";
  EXPECT_NE(HelpText(one).find("NAME= may be left out"), std::string::npos) << HelpText(one);
}

TEST(ProgramOptions, ErrorsSpeakOfItsListeners) {
  const Program chat = Chat();
  Program wrong = Chat();
  wrong.listeners[1].address = "chat.example:1";
  Program same = Chat();
  same.listeners[1].address = "127.0.0.1:7010";
  Program empty;
  empty.name = "empty";
  const auto error = [](const Program& program, const std::vector<std::string>& arguments) {
    const auto options = ParseOptions(arguments, program);
    return options.ok() ? "(no error)" : std::string(options.status().message());
  };
  EXPECT_EQ(error(chat, {"--listen=walk=127.0.0.1:1"}), "--listen: 'walk' is not a listener; known are talk, talk-2");
  EXPECT_EQ(error(chat, {"--listen=talk=127.0.0.1:1,talk=127.0.0.1:2"}), "--listen: 'talk' has two addresses");
  EXPECT_EQ(error(chat, {"--listen=talk"}),
            "--listen: 'talk' is not NAME=HOST:PORT or NAME=unix:PATH; for example talk=127.0.0.1:7000");
  EXPECT_EQ(error(chat, {"--listen=talk=127.0.0.1"}),
            "--listen: '127.0.0.1' is not an address: it has no port; write HOST:PORT, e.g. 127.0.0.1:7000 or [::1]:7000");
  EXPECT_EQ(error(chat, {"--bogus"}), "'--bogus' is not a flag; chat --help lists them");
  EXPECT_NE(error(wrong, {}).find("'chat.example:1' is not an address"), std::string::npos) << error(wrong, {});
  EXPECT_EQ(error(same, {}), "--listen: '127.0.0.1:7010' is there twice");
  EXPECT_EQ(error(empty, {}), "there is nothing to listen on");
}

}  // namespace
}  // namespace mooring::server
