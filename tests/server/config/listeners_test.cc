// SPDX-License-Identifier: Apache-2.0
// [[listener]] tables, as Read has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "server/config/configure.h"
#include "server/services.h"
#include "tests/server/config/files.h"

namespace mooring::server::config {
namespace {

const Program& Daemon() {
  static const Program program = Mooringd();
  return program;
}

Program Chat() {
  Program chat;
  chat.name = "chat";
  chat.listeners.push_back({.service = {.name = "talk"}, .address = "tcp://127.0.0.1:7010"});
  chat.listeners.push_back({.service = {.name = "talk-2"}, .address = "unix:/run/chat.sock"});
  return chat;
}

Settings Parsed(const Sources& sources, const Program& program = Daemon()) {
  const auto asked = Read(program, sources);
  EXPECT_TRUE(asked.ok()) << asked.status().message();
  return asked.ok() ? asked->settings : Settings();
}

std::vector<std::string> Written(const Settings& settings) {
  std::vector<std::string> out;
  for (const ListenerSettings& each : settings.listeners) {
    out.push_back(each.name + " " + each.service->name + " " + each.endpoint.ToString());
  }
  return out;
}

constexpr char kEcho[] = "[[listener]]\nservice = \"echo\"\naddress = \"127.0.0.1:1\"\n";

TEST(Listeners, EveryKeyIsTaken) {
  Files files;
  const Settings settings = Parsed(files.With(std::string(kEcho) + R"(name = "front.1"
first_byte = 1
idle = "2s"
write_stall = 3
max_age = "1h"
queue_high = "32KiB"
queue_low = 8192
queue_cap = "2MiB"
drop_when_full = true
defer_accept = true
max_connections = 10
max_connections_per_address = 11
accept_rate = 12
)"));
  ASSERT_EQ(settings.listeners.size(), 1u);
  const ListenerSettings& listener = settings.listeners[0];
  EXPECT_EQ(listener.name, "front.1");
  EXPECT_EQ(listener.service, &Daemon().offered[0]);
  EXPECT_EQ(listener.options, (OptionOverrides{.first_byte_s = 1,
                                               .idle_s = 2,
                                               .write_stall_s = 3,
                                               .max_age_s = 3600,
                                               .queue_high_bytes = 32 << 10,
                                               .queue_low_bytes = 8 << 10,
                                               .queue_cap_bytes = 2 << 20,
                                               .drop_when_full = true,
                                               .defer_accept = true}));
  EXPECT_EQ(listener.limits, (net::ListenerLimits{.connections_max = 10, .accepts_per_s = 12, .per_address_max = 11}));
  EXPECT_EQ(listener.said.at, files / "f:1");
}

TEST(Listeners, WhatIsNotSaidIsTheServices) {
  Files files;
  const Settings settings = Parsed(files.With("[[listener]]\nservice = \"line\"\naddress = \"127.0.0.1:1\"\nwrite_stall = 9\n"));
  const auto configured = Configure(settings);
  ASSERT_TRUE(configured.ok()) << configured.status();
  EXPECT_EQ((*configured)[0].options.idle_timeout_s, 300u);
  EXPECT_EQ((*configured)[0].options.write_stall_s, 9u);
  EXPECT_NE((*configured)[0].make(), nullptr);
}

TEST(Listeners, NamesAreTheServicesOrNumbered) {
  Files files;
  const auto with = [](const std::string& name, int port) {
    return "[[listener]]\n" + (name.empty() ? "" : "name = \"" + name + "\"\n") + "service = \"line\"\naddress = \"127.0.0.1:" +
           std::to_string(port) + "\"\n";
  };
  EXPECT_EQ(Written(Parsed(files.With(with("", 1) + with("", 2) + with("line-2", 3)))),
            (std::vector<std::string>{"line line 127.0.0.1:1", "line-3 line 127.0.0.1:2", "line-2 line 127.0.0.1:3"}));
}

TEST(Listeners, ListenReplacesTheTablesAsAWhole) {
  Files files;
  const std::string text = std::string(kEcho) + "max_connections = 5\nidle = 7\n";
  for (const Sources& sources : {files.With(text, {"--listen=echo=127.0.0.1:2,line=[::1]:3"}),
                                 files.With(text, {}, {{"MOORING_LISTEN", "echo=127.0.0.1:2,line=[::1]:3"}})}) {
    const Settings settings = Parsed(sources);
    EXPECT_EQ(Written(settings), (std::vector<std::string>{"echo echo 127.0.0.1:2", "line line [::1]:3"}));
    EXPECT_EQ(settings.listeners[0].options, OptionOverrides());
    EXPECT_EQ(settings.listeners[0].limits, net::ListenerLimits());
  }
  EXPECT_EQ(files.ErrorOf(Daemon(), files.With("[[listener]]\nservice = \"bogus\"\n", {"--listen=echo=127.0.0.1:2"})),
            "f:2: listener.service: 'bogus' is not a service; known are echo, discard, line, http")
      << "they are looked at all the same";
}

TEST(Listeners, AServicesSettingsAreOfEachListener) {
  Files files;
  const std::string http = "[[listener]]\nservice = \"http\"\naddress = \"127.0.0.1:0\"\n";
  const Settings settings = Parsed(files.With(http + "keepalive = \"2m\"\nwrite_stall = 4\n" + http + "server = \"\"\n",
                                              {"--http-keepalive=7", "--http-write-stall=8"}, {{"MOORING_HTTP_BODY_MAX", "3MiB"}}));
  ASSERT_EQ(settings.listeners.size(), 2u);
  const ServiceValues& first = settings.listeners[0].values;
  const ServiceValues& second = settings.listeners[1].values;
  EXPECT_EQ(first.Number("keepalive"), 120u) << "what a listener says itself goes first";
  EXPECT_EQ(second.Number("keepalive"), 7u) << "the flag holds for the rest";
  EXPECT_EQ(first.Number("body_max"), 3u << 20);
  EXPECT_EQ(second.Number("body_max"), 3u << 20);
  EXPECT_EQ(first.Number("header_deadline"), 15u);
  EXPECT_EQ(first.Text("server"), "mooring");
  EXPECT_EQ(second.Text("server"), "");
  EXPECT_EQ(first.Said("keepalive"), files / "f:4: listener.keepalive");
  EXPECT_EQ(second.Said("keepalive"), "--http-keepalive");
  EXPECT_EQ(first.Said("body_max"), "MOORING_HTTP_BODY_MAX");

  const auto configured = Configure(settings);
  ASSERT_TRUE(configured.ok()) << configured.status();
  EXPECT_EQ((*configured)[0].options.write_stall_s, 4u) << "http's own setting of that name";
  EXPECT_EQ((*configured)[1].options.write_stall_s, 8u);
  EXPECT_TRUE((*configured)[0].options.own_deadlines);
}

TEST(Listeners, EveryErrorIsToldWithItsLine) {
  Files files;
  const std::string example = "; write HOST:PORT, e.g. 127.0.0.1:7000 or [::1]:7000";
  const std::string echo = kEcho;
  const std::string http = "[[listener]]\nservice = \"http\"\naddress = \"127.0.0.1:2\"\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[listener]]\n", "f:1: [[listener]]: has no service; known are echo, discard, line, http"},
      {"[[listener]]\nservice = \"echo\"\n",
       "f:1: [[listener]]: has no address; write address = \"HOST:PORT\" or \"unix:PATH\", e.g. \"127.0.0.1:7000\""},
      {"[[listener]]\nservice = \"eco\"\naddress = \"127.0.0.1:1\"\n", "f:2: listener.service: 'eco' is not a service; the nearest is echo"},
      {"[[listener]]\nservice = 4\n", "f:2: listener.service: is not text in quotes"},
      {"[[listener]]\nservice = \"echo\"\naddress = \"localhost:1\"\n",
       "f:3: listener.address: 'localhost:1' is not an address: its host is a name, and names are not looked up" + example},
      {"[[listener]]\nservice = \"echo\"\naddress = 7000\n", "f:3: listener.address: is not text in quotes"},
      {echo + "name = \"a b\"\n", "f:4: listener.name: 'a b' is not a name of 1 to 64 letters, digits, '-', '_' and '.'"},
      {echo + "name = \"\"\n", "f:4: listener.name: '' is not a name of 1 to 64 letters, digits, '-', '_' and '.'"},
      {echo + "idel = 4\n", "f:4: listener.idel: is not a key of a listener of echo; the nearest is idle"},
      {echo + "root = \"/srv\"\n",
       "f:4: listener.root: is not a key of a listener of echo; known are name, service, address, first_byte, idle, write_stall, "
       "max_age, queue_high, queue_low, queue_cap, drop_when_full, defer_accept, max_connections, max_connections_per_address, "
       "accept_rate"},
      {echo + "idle = \"soon\"\n",
       "f:4: listener.idle: 'soon' is not a time in whole seconds, at most 24d: 30, or with a unit, like 30s, 5m or 1h"},
      {echo + "idle.x = 4\n",
       "f:4: listener.idle: is a table, not a time in whole seconds, at most 24d: 30, or with a unit, like 30s, 5m or 1h"},
      {echo + "drop_when_full = \"true\"\n", "f:4: listener.drop_when_full: is not true or false, without quotes"},
      {"[[listener]]\nservice = \"echo\"\naddress = \"unix:/x\"\ndefer_accept = true\n",
       "f:1: [[listener]]: defer_accept is for TCP; a Unix-domain socket has no such thing"},
      {echo + "queue_high = \"16KiB\"\n",
       "f:1: [[listener]]: queue_low is 16384 bytes; it must be less than queue_high, which is 16384"},
      {echo + "queue_cap = \"63KiB\"\n",
       "f:1: [[listener]]: queue_high is 65536 bytes; it must be at most queue_cap, which is 64512"},
      {http + "idle = 4\n",
       "f:4: listener.idle: http has deadlines of its own instead: header_deadline, body_idle, keepalive, write_stall, connection_age"},
      {http + "rot = \"/\"\n", "f:4: listener.rot: is not a key of a listener of http; the nearest is root"},
      {http + "fields_max = 257\n", "f:4: listener.fields_max: '257' is not a whole number from 1 to 256"},
      {http + "keepalive = \"25d\"\n",
       "f:4: listener.keepalive: '25d' is not a time in whole seconds, at most 24d: 30, or with a unit, like 30s, 5m or 1h"},
      {echo + "\n" + echo, "f:5: [[listener]]: '127.0.0.1:1' is there twice: line 1 has it"},
      {echo + "name = \"x\"\n" + http + "name = \"x\"\n", "f:5: [[listener]]: 'x' is the name of another one, too"},
      {"[[listener]]\nservice = \"bogus\"\n" + http + "bogus = 1\nidle = 3\n",
       "f:2: listener.service: 'bogus' is not a service; known are echo, discard, line, http\n"
       "f:6: listener.bogus: is not a key of a listener of http; known are name, service, address, root, access_log, server, "
       "request_line_max, fields_max_bytes, fields_max, body_max, header_deadline, body_idle, body_rate, keepalive, write_stall, "
       "requests_max, connection_age, cache_bytes, cached_file_max, first_byte, idle, write_stall, max_age, queue_high, queue_low, "
       "queue_cap, drop_when_full, defer_accept, max_connections, max_connections_per_address, accept_rate\n"
       "f:7: listener.idle: http has deadlines of its own instead: header_deadline, body_idle, keepalive, write_stall, "
       "connection_age"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(files.ErrorOf(Daemon(), files.With(text)), error) << text;
}

TEST(Listeners, PortZeroMayBeThereTwice) {
  Files files;
  const std::string echo = "[[listener]]\nservice = \"echo\"\naddress = \"127.0.0.1:0\"\n";
  EXPECT_EQ(Parsed(files.With(echo + echo)).listeners.size(), 2u);
}

// A program with listeners of its own.
TEST(ProgramListeners, AFileMovesAndBoundsThemByName) {
  Files files;
  const Program chat = Chat();
  const Settings settings =
      Parsed(files.With("[[listener]]\nname = \"talk-2\"\naddress = \"[::1]:9\"\nidle = 7\n[[listener]]\nname = \"talk\"\nmax_connections = 3\n"), chat);
  EXPECT_EQ(Written(settings), (std::vector<std::string>{"talk talk 127.0.0.1:7010", "talk-2 talk-2 [::1]:9"}));
  EXPECT_EQ(settings.listeners[0].limits.connections_max, 3u) << "and it stays where it is";
  EXPECT_EQ(settings.listeners[1].options.idle_s, 7u);
}

TEST(ProgramListeners, ListenReplacesWhatTheFileSays) {
  Files files;
  const Program chat = Chat();
  const Settings settings =
      Parsed(files.With("[[listener]]\nname = \"talk-2\"\naddress = \"[::1]:9\"\nidle = 7\n", {"--listen=talk=127.0.0.1:5"}), chat);
  EXPECT_EQ(Written(settings), (std::vector<std::string>{"talk talk 127.0.0.1:5", "talk-2 talk-2 unix:/run/chat.sock"}));
  EXPECT_EQ(settings.listeners[1].options, OptionOverrides());
}

TEST(ProgramListeners, ErrorsSpeakOfThem) {
  Files files;
  const Program chat = Chat();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[listener]]\n", "f:1: [[listener]]: has no name; chat's own: its listeners are talk, talk-2"},
      {"[[listener]]\nname = \"walk\"\n", "f:2: listener.name: 'walk' is no listener of chat; its listeners are talk, talk-2"},
      {"[[listener]]\nname = \"talk\"\nservice = \"echo\"\n",
       "f:3: listener.service: is not for you to say: chat has listeners of its own, by name: talk, talk-2"},
      {"[[listener]]\nname = \"talk\"\n[[listener]]\nname = \"talk\"\n",
       "f:4: listener.name: 'talk' is the name of the listener of line 1, too"},
      {"[[listener]]\nname = \"talk\"\naddress = \"unix:/run/chat.sock\"\n", "--listen: 'unix:/run/chat.sock' is there twice: line 1 has it"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(files.ErrorOf(chat, files.With(text)), error) << text;
}

TEST(Configure, WhatCannotBeIsSaidAsItWasSaid) {
  Files files;
  const std::string http = "[[listener]]\nservice = \"http\"\naddress = \"127.0.0.1:0\"\n";
  const Settings settings = Parsed(files.With(http + http + "root = \"/nowhere/at/all\"\n" + http + http,
                                              {"--http-access-log=/nowhere/log"}));
  for (const bool only_check : {false, true}) {
    const auto configured = Configure(settings, only_check);
    ASSERT_FALSE(configured.ok());
    const std::string error(configured.status().message());
    EXPECT_NE(error.find("--http-access-log: cannot write the access log '/nowhere/log': No such file or directory"), std::string::npos) << error;
    EXPECT_NE(error.find("\n" + files / "f:7: listener.root: cannot serve the folder \"/nowhere/at/all\""), std::string::npos) << error;
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 2) << "the last two say the same\n" << error;
  }
}

TEST(Configure, ACheckMakesNoFile) {
  Files files;
  const std::string log = files / "log";
  const Settings settings = Parsed(
      {.arguments = {"--listen=http=127.0.0.1:0", "--http-access-log=" + log}, .etc = "/nowhere"});
  ASSERT_TRUE(Configure(settings, true).ok());
  EXPECT_FALSE(std::filesystem::exists(log));
  ASSERT_TRUE(Configure(settings).ok());
  EXPECT_TRUE(std::filesystem::exists(log));
}

TEST(Configure, DrainsGraceAndTrackedPeersReachTheServices) {
  Program program;
  program.name = "p";
  uint32_t grace = 0;
  program.listeners.push_back({.service = {.name = "s",
                                           .settings = {{.name = "depth", .kind = ServiceSetting::Kind::kCount, .default_value = "3", .help = "h"}},
                                           .configure =
                                               [&](const ServiceValues& values, const Surroundings& surroundings) {
                                                 grace = surroundings.drain_keepalive_grace_s;
                                                 EXPECT_EQ(surroundings.all.size(), 1u);
                                                 EXPECT_EQ(surroundings.all[0].address, "127.0.0.1:5");
                                                 EXPECT_EQ(values.Number("depth"), 4u);
                                                 return absl::StatusOr<Configured>(Configured{});
                                               }},
                               .address = "127.0.0.1:5"});
  const Settings settings = Parsed(
      {.arguments = {"--drain-keepalive-grace=9", "--s-depth=4", "--track-peers"}, .etc = "/nowhere"}, program);
  const auto configured = Configure(settings);
  ASSERT_TRUE(configured.ok()) << configured.status();
  EXPECT_EQ(grace, 9u);
  EXPECT_TRUE((*configured)[0].options.track_peers);
}

TEST(Check, SaysWhatWouldBeServedAndWhatIsNotUsual) {
  Files files;
  const Settings settings = Parsed(files.With(
      std::string(kEcho) + "max_connections = 5\n[[listener]]\nname = \"web\"\nservice = \"http\"\naddress = \"127.0.0.1:2\"\nkeepalive = 7\n"
                           "[drain]\ndelay = 3\n",
      {"--transport=epoll"}));
  const auto text = Check(Daemon(), settings);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "OK: " + files / "f" +
                       "\n"
                       "listener echo: echo on 127.0.0.1:1\n"
                       "  max_connections = 5\n"
                       "listener web: http on 127.0.0.1:2\n"
                       "  keepalive = \"7s\"\n"
                       "runtime.transport = \"epoll\"\n"
                       "drain.delay = \"3s\"\n");
}

}  // namespace
}  // namespace mooring::server::config
