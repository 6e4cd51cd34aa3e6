// SPDX-License-Identifier: Apache-2.0
// Read, of the command line alone.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "server/config/help.h"
#include "server/services.h"

namespace mooring::server::config {
namespace {

const Program& Daemon() {
  static const Program program = Mooringd();
  return program;
}

// No file is looked for, and there is no environment.
Sources Only(const std::vector<std::string>& arguments) { return {.arguments = arguments, .etc = "/nowhere"}; }

std::string ErrorOf(const std::vector<std::string>& arguments, const Program& program = Daemon()) {
  const auto asked = Read(program, Only(arguments));
  return asked.ok() ? "(no error)" : std::string(asked.status().message());
}

Settings Parsed(const std::vector<std::string>& arguments, const Program& program = Daemon()) {
  const auto asked = Read(program, Only(arguments));
  EXPECT_TRUE(asked.ok()) << asked.status().message();
  return asked.ok() ? asked->settings : Settings();
}

What WhatOf(const std::vector<std::string>& arguments) {
  const auto asked = Read(Daemon(), Only(arguments));
  EXPECT_TRUE(asked.ok()) << asked.status().message();
  return asked.ok() ? asked->what : What::kServe;
}

TEST(Flags, DefaultsAreEchoLineAndHttpOnLoopback) {
  const Settings settings = Parsed({});
  ASSERT_EQ(settings.listeners.size(), 3u);
  EXPECT_EQ(settings.listeners[0].service->name, "echo");
  EXPECT_EQ(settings.listeners[0].endpoint.ToString(), "127.0.0.1:7000");
  EXPECT_EQ(settings.listeners[1].service->name, "line");
  EXPECT_EQ(settings.listeners[1].endpoint.ToString(), "127.0.0.1:7001");
  EXPECT_EQ(settings.listeners[2].service->name, "http");
  EXPECT_EQ(settings.listeners[2].endpoint.ToString(), "127.0.0.1:8080");
  EXPECT_EQ(settings.runtime.cpus, "");
  EXPECT_EQ(settings.runtime.shards, 0);
  EXPECT_EQ(settings.runtime.transport, std::nullopt);
  EXPECT_EQ(settings.runtime.max_connections, 0u);
  EXPECT_EQ(settings.drain.deadline_s, 30u);
}

TEST(Flags, EachFlagIsTakenInBothSpellings) {
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
    const Settings settings = Parsed(arguments);
    ASSERT_EQ(settings.listeners.size(), 2u);
    EXPECT_EQ(settings.listeners[0].service->name, "discard");
    EXPECT_EQ(settings.listeners[0].endpoint.ToString(), "[::1]:9");
    EXPECT_EQ(settings.listeners[1].service->name, "line");
    EXPECT_EQ(settings.listeners[1].endpoint.ToString(), "0.0.0.0:0");
    EXPECT_EQ(settings.runtime.cpus, "0-3,8");
    EXPECT_EQ(settings.runtime.shards, 4);
    EXPECT_EQ(settings.runtime.transport, net::TransportKind::kUring);
    EXPECT_EQ(settings.runtime.max_connections, 123456789012u);
    EXPECT_EQ(settings.drain.deadline_s, 7u);
  }
}

TEST(Flags, ASecondCallStartsAfresh) {
  EXPECT_EQ(Parsed({"--shards=4", "--cpus=1"}).runtime.shards, 4);
  EXPECT_EQ(Parsed({}).runtime.shards, 0);
  EXPECT_EQ(Parsed({}).runtime.cpus, "");
}

TEST(Flags, WhatIsAskedIsSaid) {
  EXPECT_EQ(WhatOf({}), What::kServe);
  EXPECT_EQ(WhatOf({"--help"}), What::kHelp);
  EXPECT_EQ(WhatOf({"-h"}), What::kHelp);
  EXPECT_EQ(WhatOf({"check", "--help"}), What::kHelp);
  EXPECT_EQ(WhatOf({"--version"}), What::kVersion);
  EXPECT_EQ(WhatOf({"check"}), What::kCheck);
  EXPECT_EQ(WhatOf({"-t"}), What::kCheck);
  EXPECT_EQ(WhatOf({"--shards=2", "-t"}), What::kCheck);
  const auto doctor = Read(Daemon(), Only({"doctor", "--connections", "5", "--help"}));
  ASSERT_TRUE(doctor.ok()) << doctor.status();
  EXPECT_EQ(doctor->what, What::kDoctor);
  EXPECT_EQ(doctor->rest, (std::vector<std::string>{"--connections", "5", "--help"})) << "they are for the doctor";
  const auto judged = Read(Daemon(), Only({"doctor", "--json", "--shards=3", "--connections=5", "--transport", "epoll"}));
  ASSERT_TRUE(judged.ok()) << judged.status();
  EXPECT_EQ(judged->what, What::kDoctor);
  EXPECT_EQ(judged->rest, (std::vector<std::string>{"--json", "--connections=5"}));
  EXPECT_EQ(judged->settings.runtime.shards, 3) << "the rest says what it judges for";
  EXPECT_EQ(judged->settings.runtime.transport, net::TransportKind::kEpoll);
  EXPECT_FALSE(Read(Daemon(), Only({"doctor", "--jsom"})).ok());
  EXPECT_FALSE(Read(Daemon(), Only({"--json"})).ok()) << "without a doctor nobody knows it";
}

TEST(Flags, DeadlineOfZeroIsAllowed) { EXPECT_EQ(Parsed({"--drain-deadline=0"}).drain.deadline_s, 0u); }

TEST(Flags, UnixPathsStandBesideAddresses) {
  const Settings settings = Parsed({"--listen=echo=unix:/run/a=b.sock,line=unix:c,discard=127.0.0.1:9"});
  ASSERT_EQ(settings.listeners.size(), 3u);
  EXPECT_EQ(settings.listeners[0].endpoint.path(), "/run/a=b.sock");
  EXPECT_EQ(settings.listeners[1].endpoint.path(), "c");
  EXPECT_FALSE(settings.listeners[2].endpoint.is_unix());
}

TEST(Flags, EveryTransportHasItsName) {
  EXPECT_EQ(Parsed({"--transport=auto"}).runtime.transport, std::nullopt);
  EXPECT_EQ(Parsed({"--transport=io_uring"}).runtime.transport, net::TransportKind::kUring);
  EXPECT_EQ(Parsed({"--transport=io_uring-base"}).runtime.transport, net::TransportKind::kUringBase);
  EXPECT_EQ(Parsed({"--transport=epoll"}).runtime.transport, net::TransportKind::kEpoll);
}

TEST(Flags, PortZeroMayBeThereTwice) {
  EXPECT_EQ(Parsed({"--listen=echo=127.0.0.1:0,echo=127.0.0.1:0"}).listeners.size(), 2u);
}

TEST(Flags, EveryErrorNamesTheFlagAndWhatIsAllowed) {
  const std::string example = "; write HOST:PORT, e.g. 127.0.0.1:7000 or [::1]:7000";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--bogus"}, "'--bogus' is not a flag; mooringd --help lists them"},
      {{"--bogus=1"}, "'--bogus' is not a flag; mooringd --help lists them"},
      {{"--shard=1"}, "'--shard' is not a flag; the nearest is --shards; mooringd --help lists them"},
      {{"--http-rooot=1"}, "'--http-rooot' is not a flag; the nearest is --http-root; mooringd --help lists them"},
      {{"--runtime-shards=1"}, "'--runtime-shards' is not a flag; the nearest is --shards; mooringd --help lists them"},
      {{"--track-peers=maybe"}, "--track-peers: 'maybe' is not true or false"},
      {{"echo"}, "'echo' is not a command; known are check, doctor"},
      {{"chekc"}, "'chekc' is not a command; the nearest is check"},
      {{"--shards=1", "echo"}, "'echo' is not a flag; mooringd --help lists them"},
      {{"-x"}, "'-x' is not a flag; mooringd --help lists them"},
      {{""}, "'' is not a flag; mooringd --help lists them"},
      {{"--"}, "'--' is not a flag; mooringd --help lists them"},
      {{"--shards"}, "--shards: has no value"},
      {{"--drain-deadline"}, "--drain-deadline: has no value"},
      {{"--shards=2", "--shards=2"}, "--shards: is given twice"},
      {{"--drain-deadline=2", "--drain-deadline", "3"}, "--drain-deadline: is given twice"},
      {{"--listen=echo=127.0.0.1:1", "--listen=echo=127.0.0.1:2"},
       "--listen: is given twice; give one list: --listen=echo=127.0.0.1:7000,line=[::1]:7001"},
      {{"--shards=two"}, "--shards: 'two' is not a whole number from 1 to 1023, or auto"},
      {{"--shards=-1"}, "--shards: '-1' is not a whole number from 1 to 1023, or auto"},
      {{"--shards=1.5"}, "--shards: '1.5' is not a whole number from 1 to 1023, or auto"},
      {{"--shards="}, "--shards: '' is not a whole number from 1 to 1023, or auto"},
      {{"--shards=99999999999"}, "--shards: '99999999999' is not a whole number from 1 to 1023, or auto"},
      {{"--max-connections=lots"}, "--max-connections: 'lots' is not a whole number, at least 1, or auto"},
      {{"--drain-deadline=30x"},
       "--drain-deadline: '30x' is not a time in whole seconds, at most 1d: 30, or with a unit, like 30s, 5m or 1h"},
      {{"--shards=0"}, "--shards: '0' is not a whole number from 1 to 1023, or auto"},
      {{"--shards=1024"}, "--shards: '1024' is not a whole number from 1 to 1023, or auto"},
      {{"--max-connections=0"}, "--max-connections: '0' is not a whole number, at least 1, or auto"},
      {{"--cpus=0-"}, "--cpus: CPU list \"0-\": \"0-\" is not a CPU number or range (0 to 65535); write for example 0-3,8"},
      {{"--transport=tcp"}, "--transport: 'tcp' is not one of auto, io_uring, io_uring-base, epoll"},
      {{"--transport="}, "--transport: '' is not one of auto, io_uring, io_uring-base, epoll"},
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

TEST(Flags, HelpNamesEveryFlagAndService) {
  const std::string help = HelpText(Daemon());
  for (const char* flag : {"--listen", "--config=FILE", "--cpus", "--shards", "--transport", "--max-connections", "--track-peers",
                           "--admin-listen", "--log-file", "--drain-deadline", "--http-root", "--version", "--help"}) {
    EXPECT_NE(help.find(flag), std::string::npos) << flag;
  }
  for (const Service& service : Daemon().offered) {
    EXPECT_NE(help.find(service.summary), std::string::npos) << service.name;
  }
  EXPECT_NE(help.find("With no flag: echo on 127.0.0.1:7000, line on 127.0.0.1:7001, http on 127.0.0.1:8080."), std::string::npos) << help;
  EXPECT_NE(help.find("Flags of http, for those of its listeners that say nothing else in the file:\n  --http-root=TEXT "), std::string::npos)
      << help;
  EXPECT_EQ(help.find("Flags of mooringd"), std::string::npos) << "it has none of its own\n" << help;
}

TEST(Flags, AServiceThatIsOfferedIsServedAsOftenAsItIsSaid) {
  const Settings settings = Parsed({"--listen=echo=127.0.0.1:1,line=127.0.0.1:2,echo=127.0.0.1:3,echo=tcp://[::1]:3"});
  std::vector<std::string> names;
  for (const ListenerSettings& listen : settings.listeners) names.push_back(listen.name);
  EXPECT_EQ(names, (std::vector<std::string>{"echo", "line", "echo-2", "echo-3"}));
  EXPECT_EQ(settings.listeners[3].endpoint.ToString(), "[::1]:3");
}

// A program with listeners of its own.

Program Chat() {
  Program chat;
  chat.name = "chat";
  chat.listeners.push_back({.service = {.name = "talk"}, .address = "tcp://127.0.0.1:7010"});
  chat.listeners.push_back({.service = {.name = "talk-2"}, .address = "unix:/run/chat.sock"});
  return chat;
}

TEST(ProgramFlags, ItsListenersAreThereAndListenMovesThem) {
  const Program chat = Chat();
  const auto plain = Read(chat, Only({}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_EQ(plain->settings.listeners.size(), 2u);
  EXPECT_EQ(plain->settings.listeners[0].name, "talk");
  EXPECT_EQ(plain->settings.listeners[0].endpoint.ToString(), "127.0.0.1:7010");
  EXPECT_EQ(plain->settings.listeners[1].endpoint.ToString(), "unix:/run/chat.sock");

  const auto moved = Read(chat, Only({"--listen=talk-2=[::1]:9"}));
  ASSERT_TRUE(moved.ok()) << moved.status();
  ASSERT_EQ(moved->settings.listeners.size(), 2u);
  EXPECT_EQ(moved->settings.listeners[0].endpoint.ToString(), "127.0.0.1:7010");
  EXPECT_EQ(moved->settings.listeners[1].name, "talk-2");
  EXPECT_EQ(moved->settings.listeners[1].endpoint.ToString(), "[::1]:9");
}

TEST(ProgramFlags, AProgramWithOneListenerNeedNotBeToldWhich) {
  Program one;
  one.name = "one";
  one.listeners.push_back({.service = {.name = "talk"}, .address = "tcp://127.0.0.1:7010"});
  for (const char* address : {"[::1]:9", "tcp://[::1]:9", "talk=[::1]:9"}) {
    const auto moved = Read(one, Only({std::string("--listen=") + address}));
    ASSERT_TRUE(moved.ok()) << moved.status();
    ASSERT_EQ(moved->settings.listeners.size(), 1u);
    EXPECT_EQ(moved->settings.listeners[0].name, "talk");
    EXPECT_EQ(moved->settings.listeners[0].endpoint.ToString(), "[::1]:9");
  }
  EXPECT_FALSE(Read(one, Only({"--listen=talk"})).ok());
  EXPECT_FALSE(Read(one, Only({"--listen=[::1]:9,[::1]:8"})).ok()) << "two addresses";
  EXPECT_FALSE(Read(Chat(), Only({"--listen=[::1]:9"})).ok()) << "it has two listeners";
  EXPECT_NE(HelpText(one).find("NAME= may be left out"), std::string::npos) << HelpText(one);
}

TEST(ProgramFlags, ErrorsSpeakOfItsListeners) {
  const Program chat = Chat();
  Program wrong = Chat();
  wrong.listeners[1].address = "chat.example:1";
  Program same = Chat();
  same.listeners[1].address = "127.0.0.1:7010";
  Program empty;
  empty.name = "empty";
  const auto error = [](const Program& program, const std::vector<std::string>& arguments) { return ErrorOf(arguments, program); };
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
}  // namespace mooring::server::config
