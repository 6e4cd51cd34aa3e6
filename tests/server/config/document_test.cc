// SPDX-License-Identifier: Apache-2.0
// The commented file that ships, and docs/CONFIGURATION.md: both are the table's, and what they say is true.
#include "server/config/document.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_split.h"
#include "server/config/configure.h"
#include "server/config/keys.h"
#include "server/services.h"
#include "tests/server/config/files.h"

namespace mooring::server::config {
namespace {

const Program& Daemon() {
  static const Program program = Mooringd();
  return program;
}

std::string Shipped(const std::string& path) {
  const char* const runfiles = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  std::ifstream file(runfiles == nullptr ? path : std::string(runfiles) + "/" + workspace + "/" + path);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// With each "#key = value" said.
std::string Uncommented(const std::string& text) {
  std::string out;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.remove_prefix(1);
    out += std::string(line) + "\n";
  }
  return out;
}

constexpr char kAnew[] = "the table has changed; write it anew: bazel run //server/config:document";

TEST(Document, TheExampleIsUpToDate) { EXPECT_TRUE(Shipped("server/config/mooringd.toml") == ExampleFile(Daemon())) << kAnew; }

TEST(Document, TheReferenceIsUpToDate) { EXPECT_TRUE(Shipped("docs/CONFIGURATION.md") == Reference(Daemon())) << kAnew; }

TEST(Document, TheExampleIsTheDefault) {
  Files files;
  const auto plain = Read(Daemon(), {.etc = "/nowhere"});
  ASSERT_TRUE(plain.ok());
  const auto example = Read(Daemon(), files.With(Shipped("server/config/mooringd.toml")));
  ASSERT_TRUE(example.ok()) << example.status().message();
  Settings settings = example->settings;
  settings.file = "";
  EXPECT_EQ(settings, plain->settings);
}

TEST(Document, EachOfItsDefaultsIsTrue) {
  Files files;
  const auto plain = Read(Daemon(), {.etc = "/nowhere"});
  const auto said = Read(Daemon(), files.With(Uncommented(Shipped("server/config/mooringd.toml"))));
  ASSERT_TRUE(said.ok()) << said.status().message();
  EXPECT_EQ(said->settings.runtime, plain->settings.runtime);
  EXPECT_EQ(said->settings.log, plain->settings.log);
  EXPECT_EQ(said->settings.drain, plain->settings.drain);
  EXPECT_EQ(said->settings.admin.listen, plain->settings.admin.listen);
  EXPECT_EQ(said->settings.admin.metrics_listen, plain->settings.admin.metrics_listen);
  const auto usual = Configure(plain->settings);
  const auto configured = Configure(said->settings);
  ASSERT_TRUE(configured.ok()) << configured.status();
  ASSERT_EQ(configured->size(), usual->size());
  for (size_t i = 0; i < usual->size(); ++i) {
    EXPECT_EQ((*configured)[i].options, (*usual)[i].options) << plain->settings.listeners[i].name;
    EXPECT_EQ(said->settings.listeners[i].values, plain->settings.listeners[i].values);
    EXPECT_EQ(said->settings.listeners[i].limits, net::ListenerLimits());
  }
}

TEST(Document, EachKeyIsInBoth) {
  const std::string example = Uncommented(Shipped("server/config/mooringd.toml"));
  const std::string reference = Shipped("docs/CONFIGURATION.md");
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  };
  for (const Key& key : Keys()) {
    has(example, "\n" + key.name + " = ");
    has(reference, "| `--" + FlagOf(key) + "` |");
  }
  for (const ListenerKey& key : ListenerKeys()) {
    has(example, "\n" + key.name + " = ");
    has(reference, "\n| `" + key.name + (key.fixed ? "` *fixed* |" : "` |"));
  }
  for (const Service* service : ServicesWithSettings(Daemon())) {
    for (const ServiceSetting& setting : service->settings) {
      has(example, "\n" + setting.name + " = ");
      has(reference, "| `--" + FlagOf(*service, setting) + "` |");
      EXPECT_FALSE(setting.reason.empty()) << setting.name << ": every default has a reason";
    }
  }
}

}  // namespace
}  // namespace mooring::server::config
