// SPDX-License-Identifier: Apache-2.0
// Read and ReadAgain: flags, environment and file together. The command line alone is flags_test, [[listener]]
// listeners_test.
#include "server/config/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "server/config/keys.h"
#include "server/services.h"
#include "tests/server/config/files.h"

namespace mooring::server::config {
namespace {

const Program& Daemon() {
  static const Program program = Mooringd();
  return program;
}

Settings Parsed(const Sources& sources) {
  const auto asked = Read(Daemon(), sources);
  EXPECT_TRUE(asked.ok()) << asked.status().message();
  return asked.ok() ? asked->settings : Settings();
}

TEST(Config, EverySectionOfAFileIsTaken) {
  Files files;
  const Settings settings = Parsed(files.With(R"(
[runtime]
cpus = "0"
shards = 4
transport = "io_uring-base"
max_connections = 1000
max_connections_per_address = 10
accept_rate = 500
memory_ceiling = "80%"
track_peers = true
watchdog_warn = 50
watchdog_abort = "1m"
[admin]
listen = "unix:/run/admin"
metrics_listen = "[::]:9100"
[log]
file = "/var/log/x"
format = "json"
level = "warning"
summary = 0
[drain]
delay = 3
spread = "10s"
deadline = "2m"
keepalive_grace = "7s"
)"));
  EXPECT_EQ(settings.runtime, (RuntimeSettings{.cpus = "0",
                                               .shards = 4,
                                               .transport = net::TransportKind::kUringBase,
                                               .memory_ceiling_percent = 80,
                                               .track_peers = true,
                                               .max_connections = 1000,
                                               .max_connections_per_address = 10,
                                               .accept_rate = 500,
                                               .watchdog_warn_ms = 50,
                                               .watchdog_abort_s = 60}));
  EXPECT_EQ(settings.admin.listen->ToString(), "unix:/run/admin");
  EXPECT_FALSE(settings.admin.listen_is_default);
  EXPECT_EQ(settings.admin.metrics_listen->ToString(), "[::]:9100");
  EXPECT_EQ(settings.log, (LogSettings{.file = "/var/log/x", .format = LogSettings::Format::kJson,
                                       .level = LogSettings::Level::kWarning, .summary_s = 0}));
  EXPECT_EQ(settings.drain, (DrainSettings{.delay_s = 3, .spread_s = 10, .deadline_s = 120, .keepalive_grace_s = 7}));
  EXPECT_EQ(settings.listeners.size(), 3u) << "it says nothing of listeners: the usual ones";
  EXPECT_EQ(settings.file, files / "f");
}

TEST(Config, DefaultsAreThoseOfSettings) {
  Settings settings = Parsed({.etc = "/nowhere"});
  EXPECT_EQ(settings.runtime, RuntimeSettings());
  EXPECT_EQ(settings.log, LogSettings());
  EXPECT_EQ(settings.drain, DrainSettings());
  EXPECT_EQ(settings.admin.listen->ToString(), kAdminListen);
  EXPECT_TRUE(settings.admin.listen_is_default);
  EXPECT_EQ(settings.admin.metrics_listen, std::nullopt);
  EXPECT_EQ(settings.file, "");
}

TEST(Config, MemoryCeilingIsBytesOrAPartOrNone) {
  Files files;
  const auto ceiling = [&](const std::string& text) {
    const Settings settings = Parsed({.arguments = {"--memory-ceiling=" + text}, .etc = "/nowhere"});
    return std::make_pair(settings.runtime.memory_ceiling_bytes, settings.runtime.memory_ceiling_percent);
  };
  EXPECT_EQ(ceiling("2GiB"), std::make_pair(uint64_t{2} << 30, uint32_t{90}));
  EXPECT_EQ(ceiling("50%"), std::make_pair(uint64_t{0}, uint32_t{50}));
  EXPECT_EQ(ceiling("none"), std::make_pair(UINT64_MAX, uint32_t{90}));
}

// Each key of the table, from each source, over each source behind it.
TEST(Config, FlagGoesBeforeEnvironmentBeforeFile) {
  Files files;
  const auto deadline = [&](std::vector<std::string> arguments, Environment environment, const std::string& text) {
    return Parsed(files.With(text, std::move(arguments), std::move(environment))).drain.deadline_s;
  };
  const std::string file = "[drain]\ndeadline = 3\n";
  EXPECT_EQ(deadline({"--drain-deadline=1"}, {{"MOORING_DRAIN_DEADLINE", "2"}}, file), 1u);
  EXPECT_EQ(deadline({}, {{"MOORING_DRAIN_DEADLINE", "2"}}, file), 2u);
  EXPECT_EQ(deadline({}, {}, file), 3u);
  EXPECT_EQ(deadline({}, {}, ""), 30u);
}

TEST(Config, EveryKeyHasAFlagAVariableAndAPlaceInTheFile) {
  Files files;
  for (const Key& key : Keys()) {
    // Something that is not the default.
    std::string other;
    for (const char* candidate : {"7", "true", "0-1", "33s", "31MiB", "epoll", "json", "error", "127.0.0.1:9", "name"}) {
      const auto value = ParseValue(key.form, {candidate});
      if (value.ok() && !(*value == *ParseValue(key.form, {key.default_value}))) other = candidate;
    }
    ASSERT_NE(other, "") << NameOf(key);
    const Value value = *ParseValue(key.form, {other});
    const std::string flag = FlagOf(key);
    const Settings by_flag = Parsed({.arguments = {"--" + flag + "=" + other}, .etc = "/nowhere"});
    const Settings by_variable = Parsed({.environment = {{EnvironmentOf(flag), other}}, .etc = "/nowhere"});
    const Settings by_file = Parsed(files.With("[" + key.section + "]\n" + key.name + " = " + ToToml(key.form, value) + "\n"));
    EXPECT_EQ(key.get(by_flag), value) << NameOf(key);
    EXPECT_EQ(key.get(by_variable), value) << NameOf(key);
    EXPECT_EQ(key.get(by_file), value) << NameOf(key);
    // And nothing else has changed.
    Settings plain = Parsed({.etc = "/nowhere"});
    key.set(value, &plain);
    plain.admin.listen_is_default = by_flag.admin.listen_is_default;
    EXPECT_EQ(by_flag, plain) << NameOf(key);
    EXPECT_FALSE(key.reason.empty()) << NameOf(key);
  }
}

TEST(Config, NamesAreOneEverywhere) {
  std::vector<std::string> names;
  for (const Key& key : Keys()) names.push_back(NameOf(key) + " --" + FlagOf(key) + " " + EnvironmentOf(FlagOf(key)));
  EXPECT_EQ(names[1], "runtime.shards --shards MOORING_SHARDS");
  EXPECT_EQ(names.back(), "drain.keepalive_grace --drain-keepalive-grace MOORING_DRAIN_KEEPALIVE_GRACE");
}

TEST(Config, FileIsLookedForUnderEtcByTheProgramsName) {
  Files files;
  const Sources sources = {.etc = files / "etc"};
  EXPECT_EQ(Parsed(sources).file, "");
  const std::string path = files.Write("etc/mooringd/mooringd.toml", "[runtime]\nshards = 9\n");
  EXPECT_EQ(Parsed(sources).file, path);
  EXPECT_EQ(Parsed(sources).runtime.shards, 9);
  Sources other = sources;
  other.environment = {{"MOORING_CONFIG", files.Write("other", "[runtime]\nshards = 8\n")}};
  EXPECT_EQ(Parsed(other).runtime.shards, 8);
  other.arguments = {"--config", files.Write("third", "[runtime]\nshards = 7\n")};
  EXPECT_EQ(Parsed(other).runtime.shards, 7);
  other.arguments = {"--config=/dev/null"};
  EXPECT_EQ(Parsed(other).runtime.shards, 0) << "nothing is read";
}

TEST(Config, EveryErrorOfAFileIsToldWithItsLine) {
  Files files;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[runtime]\nshard = 4\n", "f:2: runtime.shard: is not a key; the nearest is runtime.shards"},
      {"[drain]\nbogus = 4\n",
       "f:2: drain.bogus: is not a key; known are drain.delay, drain.spread, drain.deadline, drain.keepalive_grace"},
      {"\n[runtim]\n", "f:2: [runtim]: is not a section; the nearest is runtime"},
      {"[[runtime]]\n", "f:1: [[runtime]]: there is only one; write [runtime]"},
      {"[[drane]]\n", "f:1: [[drane]]: is not a section; the nearest is drain"},
      {"[listener]\n", "f:1: [listener]: there may be several; write [[listener]]"},
      {"shards = 4\n", "f:1: shards: stands in no section; it belongs below [runtime]"},
      {"bogus = 4\n", "f:1: bogus: stands in no section; each key belongs below a [SECTION]"},
      {"drain = 4\n", "f:1: drain: is a section; write [drain]"},
      {"listener = 4\n", "f:1: listener: write [[listener]], a table for each"},
      {"[runtime]\nshards = 1024\n", "f:2: runtime.shards: '1024' is not a whole number from 1 to 1023, or auto"},
      {"[runtime]\nshards = -1\n", "f:2: runtime.shards: '-1' is not a whole number from 1 to 1023, or auto"},
      {"[runtime]\nshards = 1.5\n", "f:2: runtime.shards: is a number with a fraction, not a whole number from 1 to 1023, or auto"},
      {"[runtime]\nshards = 1979-05-27\n", "f:2: runtime.shards: is a date or a time, not a whole number from 1 to 1023, or auto"},
      {"[runtime]\nshards = [1]\n", "f:2: runtime.shards: is an array, not a whole number from 1 to 1023, or auto"},
      {"[runtime]\nshards.x = 1\n", "f:2: runtime.shards: is a table, not a whole number from 1 to 1023, or auto"},
      {"[log]\nfile = \"a\\nb\"\n", "f:2: log.file: has control bytes; it is one line of text"},
      // All of them, by line; what stands before a section is no reason not to look further.
      {"a = 1\n[log]\nformat = \"xml\"\nlevel = 3\n[drain]\ndelay = \"soon\"\n",
       "f:1: a: stands in no section; each key belongs below a [SECTION]\n"
       "f:3: log.format: 'xml' is not one of text, json\n"
       "f:4: log.level: 3 has no quotes; it is text: one of debug, info, warning, error\n"
       "f:6: drain.delay: 'soon' is not a time in whole seconds, at most 1h: 30, or with a unit, like 30s, 5m or 1h"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(files.ErrorOf(Daemon(), files.With(text)), error) << text;
}

TEST(Config, WhatIsNoTomlIsToldWithItsPlace) {
  Files files;
  for (const auto& [text, begin] : std::vector<std::pair<std::string, std::string>>{
           {"[drain\n", "f:1:7: this is not TOML: "},
           {"[drain]\ndelay\n", "f:2:6: this is not TOML: "},
           {"[drain]\ndelay = 1\ndelay = 2\n", "f:3:9: this is not TOML: "},
           {"[drain]\n[log]\n[drain]\n", "f:3:1: this is not TOML: "},
           {"[log]\nfile = \"\xff\"\n", "f:2:8: this is not TOML: "},
           {std::string("[log]\nfile = \"a\0b\"\n", 18), "f:2:10: this is not TOML: "},
           {"[drain]\ndelay = 99999999999999999999\n", "f:2:29: this is not TOML: "},
           {"[[[", "f:1:3: this is not TOML: "},
           {"\xc3\xbc = 1\n", "f:1:1: this is not TOML: "},
           {"[draa\xc3\xbcn]\n", "f:1:6: this is not TOML: "},
           {"[drain]\ndelay = \xd1\x9e\n", "f:2:9: this is not TOML: "},
           {"[ = ]\n", "f:1:3: this is not TOML: "},
           {std::string(200, '[') + "\n", "f:1:3: this is not TOML: "},
           {"a = " + std::string(200, '[') + "\n", "f:1:21: this is not TOML: "},
           {"a" + std::string(101, '.') + "\n", "f:1: a line has more than 100 dots"},
       }) {
    const std::string error = files.ErrorOf(Daemon(), files.With(text));
    EXPECT_EQ(error.substr(0, begin.size()), begin) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Config, AFileThatCannotBeReadIsSaid) {
  Files files;
  const auto error = [&](const std::string& path) { return files.ErrorOf(Daemon(), {.arguments = {"--config=" + path}, .etc = "/nowhere"}); };
  EXPECT_EQ(error("/nowhere/f"), "/nowhere/f: cannot read it: No such file or directory; create it, or name another file");
  EXPECT_EQ(error(""), ": cannot read it: No such file or directory; create it, or name another file");
  EXPECT_EQ(error("/"), "/: cannot read it: it is a folder; name the file");
  EXPECT_EQ(error("/dev/zero"), "/dev/zero: cannot read it: it is no regular file; name the file");
  EXPECT_EQ(error(files.Write("large", std::string((1 << 20) + 1, '#'))),
            "large: cannot read it: it is larger than 1 MiB; a configuration is not");
  EXPECT_EQ(error(files.Write("largest", std::string(1 << 20, '#'))), "(no error)");
  ASSERT_EQ(mkfifo((files / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error(files / "pipe"), "pipe: cannot read it: it is no regular file; name the file") << "and it is not waited for";
  ASSERT_EQ(symlink("loop", (files / "loop").c_str()), 0);
  EXPECT_EQ(error(files / "loop"),
            "loop: cannot read it: Too many levels of symbolic links; the user that runs the server must be allowed to");
}

TEST(Config, VariablesAreHeldToTheSame) {
  const auto error = [](const std::string& name, const std::string& value) {
    const auto asked = Read(Daemon(), {.environment = {{"PATH", "/bin"}, {name, value}}, .etc = "/nowhere"});
    return asked.ok() ? "(no error)" : std::string(asked.status().message());
  };
  const std::string known = "each is a flag of --help in capitals: MOORING_SHARDS, MOORING_DRAIN_DEADLINE";
  EXPECT_EQ(error("MOORING_SHARDS", "two"), "MOORING_SHARDS: 'two' is not a whole number from 1 to 1023, or auto");
  EXPECT_EQ(error("MOORING_SHARD", "2"), "MOORING_SHARD: is not a variable of this program; the nearest is MOORING_SHARDS; " + known);
  EXPECT_EQ(error("MOORING_RUNTIME_SHARDS", "2"),
            "MOORING_RUNTIME_SHARDS: is not a variable of this program; the nearest is MOORING_SHARDS; " + known);
  EXPECT_EQ(error("MOORING_Q", "2"), "MOORING_Q: is not a variable of this program; " + known);
  EXPECT_EQ(error("MOORING_LISTEN", "chargen=127.0.0.1:1"),
            "MOORING_LISTEN: 'chargen' is not a service; known are echo, discard, line, http");
  EXPECT_EQ(error("MOORING_CONFIG", "/nowhere"),
            "/nowhere: cannot read it: No such file or directory; create it, or name another file");
  EXPECT_EQ(error("MOORINGSHARDS", "two"), "(no error)");
}

TEST(Config, ErrorsOfAllSourcesAreToldTogether) {
  Files files;
  EXPECT_EQ(files.ErrorOf(Daemon(), files.With("[drain]\ndelay = -1\n", {"--shard=2", "--drain-deadline=x"}, {{"MOORING_DRAIN_DELAY", "y"}})),
            "'--shard' is not a flag; the nearest is --shards; mooringd --help lists them\n"
            "MOORING_DRAIN_DELAY: 'y' is not a time in whole seconds, at most 1h: 30, or with a unit, like 30s, 5m or 1h\n"
            "--drain-deadline: 'x' is not a time in whole seconds, at most 1d: 30, or with a unit, like 30s, 5m or 1h\n"
            "f:2: drain.delay: '-1' is not a time in whole seconds, at most 1h: 30, or with a unit, like 30s, 5m or 1h");
}

TEST(Config, ManyErrorsAreCounted) {
  Files files;
  std::string text = "[drain]\n";
  for (int i = 0; i < 60; ++i) text += "x" + std::to_string(i) + " = 1\n";
  const std::string error = files.ErrorOf(Daemon(), files.With(text));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 50);
  EXPECT_EQ(error.substr(error.rfind('\n') + 1), "and 10 more");
}

TEST(Config, AdminMayNotHaveAListenersAddress) {
  const auto asked = Read(Daemon(), {.arguments = {"--listen=echo=127.0.0.1:1", "--admin-listen=127.0.0.1:1"}, .etc = "/nowhere"});
  ASSERT_FALSE(asked.ok());
  EXPECT_EQ(asked.status().message(), "--admin-listen: '127.0.0.1:1' is the address of the listener echo, too");
}

TEST(Config, ReadAgainTakesTheFileAsItIsNow) {
  Files files;
  const Sources sources = files.With("[drain]\ndelay = 1\ndeadline = 5\n", {"--drain-deadline=9"});
  const Settings before = Parsed(sources);
  EXPECT_EQ(*ReadAgain(Daemon(), sources, before), before);
  files.Write("f", "# a line more\n[drain]\ndelay = 2\ndeadline = 6\n");
  const auto after = ReadAgain(Daemon(), sources, before);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->drain.delay_s, 2u);
  EXPECT_EQ(after->drain.deadline_s, 9u) << "the flag still goes first";
  files.Write("f", "[drain\n");
  EXPECT_FALSE(ReadAgain(Daemon(), sources, before).ok());
}

TEST(Config, ReadAgainFailsWhereTheFileIsGone) {
  Files files;
  const Sources sources = {.etc = files / "etc"};
  EXPECT_TRUE(ReadAgain(Daemon(), sources, Parsed(sources)).ok()) << "there was none";
  const std::string path = files.Write("etc/mooringd/mooringd.toml", "[drain]\ndelay = 1\n");
  const Settings before = Parsed(sources);
  ASSERT_EQ(unlink(path.c_str()), 0);
  const auto after = ReadAgain(Daemon(), sources, before);
  ASSERT_FALSE(after.ok());
  EXPECT_EQ(after.status().message(), path + ": cannot read it: No such file or directory; create it, or name another file");
}

TEST(Config, KeysThatAreFixedAtStartAreNamed) {
  const Settings before = Parsed({.etc = "/nowhere"});
  EXPECT_EQ(FixedKeysChanged(before, before), std::vector<std::string>());
  Settings after = before;
  after.runtime.track_peers = true;
  after.drain.delay_s = 4;
  after.runtime.max_connections = 5;
  EXPECT_EQ(FixedKeysChanged(before, after), std::vector<std::string>());
  after.runtime.cpus = "0";
  after.runtime.shards = 2;
  after.runtime.transport = net::TransportKind::kEpoll;
  after.runtime.memory_ceiling_percent = 50;
  EXPECT_EQ(FixedKeysChanged(before, after), (std::vector<std::string>{"runtime.cpus", "runtime.shards", "runtime.transport",
                                                                       "runtime.memory_ceiling"}));
}

TEST(Config, ProcessEnvironmentHasOurVariablesOnly) {
  setenv("MOORING_TEST_X", "a=b", 1);
  setenv("OTHER_TEST_X", "c", 1);
  const Environment environment = ProcessEnvironment();
  EXPECT_NE(std::find(environment.begin(), environment.end(), std::make_pair(std::string("MOORING_TEST_X"), std::string("a=b"))),
            environment.end());
  for (const auto& [name, value] : environment) EXPECT_EQ(name.rfind("MOORING_", 0), 0u) << name;
}

}  // namespace
}  // namespace mooring::server::config
