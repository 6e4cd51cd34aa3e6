// SPDX-License-Identifier: Apache-2.0
#include "server/config/value.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mooring::server::config {
namespace {

struct Case {
  Form form;
  std::string text;
  Value value;
  std::string again;  // as it is written, where that is not `text`
};

const Form kAuto = {.kind = Kind::kCount, .words = {{"auto", 0}}, .min = 1, .max = 100};
const Form kSize = {.kind = Kind::kBytes};
const Form kTime = {.kind = Kind::kSeconds};
const Form kShort = {.kind = Kind::kMilliseconds};
const Form kMem = {.kind = Kind::kMemory, .words = {{"none", UINT64_MAX}}};
const Form kWhere = {.kind = Kind::kEndpoint, .words = {{"off"}}};

TEST(Value, IsReadInEverySpellingAndWrittenAgain) {
  const std::vector<Case> cases = {
      {{.kind = Kind::kText}, "", {}, ""},
      {{.kind = Kind::kText}, "a b\xc3\xa4\"\\", {.text = "a b\xc3\xa4\"\\"}, ""},
      {{.kind = Kind::kBool}, "true", {.number = 1}, ""},
      {{.kind = Kind::kBool}, "yes", {.number = 1}, "true"},
      {{.kind = Kind::kBool}, "0", {.number = 0}, "false"},
      {kAuto, "auto", {.number = 0}, ""},
      {kAuto, "100", {.number = 100}, ""},
      {kAuto, "007", {.number = 7}, "7"},
      {kSize, "0", {.number = 0}, ""},
      {kSize, "500", {.number = 500}, ""},
      {kSize, "500B", {.number = 500}, "500"},
      {kSize, "65536", {.number = 65536}, "64KiB"},
      {kSize, "64KiB", {.number = 65536}, ""},
      {kSize, "1MB", {.number = 1000000}, ""},
      {kSize, "3GiB", {.number = uint64_t{3} << 30}, ""},
      {kSize, "18446744073709551615", {.number = UINT64_MAX}, ""},
      {kTime, "30", {.number = 30}, "30s"},
      {kTime, "90s", {.number = 90}, ""},
      {kTime, "2000ms", {.number = 2}, "2s"},
      {kTime, "5m", {.number = 300}, ""},
      {kTime, "1h", {.number = 3600}, ""},
      {kTime, "48h", {.number = 2 * 86400}, "2d"},
      {kShort, "500", {.number = 500}, "500ms"},
      {kShort, "2s", {.number = 2000}, ""},
      {kMem, "90%", {.number = 90, .percent = true}, ""},
      {kMem, "none", {.number = UINT64_MAX}, ""},
      {kMem, "2GiB", {.number = uint64_t{2} << 30}, ""},
      {kMem, "90", {.number = 90}, ""},
      {kWhere, "off", {}, ""},
      {kWhere, "[::1]:80", {.endpoint = *net::Endpoint::Parse("[::1]:80")}, ""},
      {kWhere, "tcp://[::1]:80", {.endpoint = *net::Endpoint::Parse("[::1]:80")}, "[::1]:80"},
      {kWhere, "unix:/run/x", {.endpoint = *net::Endpoint::Parse("unix:/run/x")}, ""},
      {{.kind = Kind::kCpus, .words = {{"all"}}}, "all", {}, ""},
      {{.kind = Kind::kCpus, .words = {{"all"}}}, "0-3,8", {.text = "0-3,8"}, ""},
      {{.kind = Kind::kChoice, .words = {{"text", 0}, {"json", 1}}}, "json", {.number = 1}, ""},
  };
  for (const Case& each : cases) {
    const auto value = ParseValue(each.form, {each.text});
    ASSERT_TRUE(value.ok()) << each.text << ": " << value.status();
    EXPECT_EQ(*value, each.value) << each.text;
    const std::string again = ToText(each.form, *value);
    EXPECT_EQ(again, each.again.empty() ? each.text : each.again);
    const auto second = ParseValue(each.form, {again});
    ASSERT_TRUE(second.ok()) << again << ": " << second.status();
    EXPECT_EQ(*second, *value) << again;
  }
}

TEST(Value, WhatCannotBeIsSaidWithWhatMay) {
  const std::string size = ": bytes, or with a unit, like 64KiB or 1MB";
  const std::string time = ": 30, or with a unit, like 30s, 5m or 1h";
  const std::vector<std::pair<std::pair<Form, std::string>, std::string>> cases = {
      {{{.kind = Kind::kText}, "a\nb"}, "has control bytes; it is one line of text"},
      {{{.kind = Kind::kText}, std::string("a\0b", 3)}, "has control bytes; it is one line of text"},
      {{{.kind = Kind::kBool}, "on"}, "'on' is not true or false"},
      {{kAuto, "0"}, "'0' is not a whole number from 1 to 100, or auto"},
      {{kAuto, "101"}, "'101' is not a whole number from 1 to 100, or auto"},
      {{kAuto, "-1"}, "'-1' is not a whole number from 1 to 100, or auto"},
      {{kAuto, "+1"}, "'+1' is not a whole number from 1 to 100, or auto"},
      {{kAuto, " 1"}, "' 1' is not a whole number from 1 to 100, or auto"},
      {{kAuto, "Auto"}, "'Auto' is not a whole number from 1 to 100, or auto"},
      {{kAuto, "18446744073709551617"}, "'18446744073709551617' is not a whole number from 1 to 100, or auto"},
      {{kSize, "64K"}, "'64K' is not a size" + size},
      {{kSize, "1.5MB"}, "'1.5MB' is not a size" + size},
      {{kSize, "KiB"}, "'KiB' is not a size" + size},
      {{kSize, "18446744073709551615KiB"}, "'18446744073709551615KiB' is not a size" + size},
      {{{.kind = Kind::kBytes, .min = 1024}, "1023"}, "'1023' is not a size, at least 1KiB" + size},
      {{kTime, "500ms"}, "'500ms' is not a time in whole seconds" + time},
      {{kTime, "18446744073709551615"}, "'18446744073709551615' is not a time in whole seconds" + time},
      {{{.kind = Kind::kSeconds, .max = 60}, "2m"}, "'2m' is not a time in whole seconds, at most 1m" + time},
      {{kMem, "0%"}, "'0%' is not a size: bytes, or with a unit, like 2GiB, or a part of the memory, like 90%, or none"},
      {{kMem, "101%"}, "'101%' is not a size: bytes, or with a unit, like 2GiB, or a part of the memory, like 90%, or none"},
      {{kMem, "%"}, "'%' is not a size: bytes, or with a unit, like 2GiB, or a part of the memory, like 90%, or none"},
      {{kWhere, "localhost:1"},
       "'localhost:1' is not an address: its host is a name, and names are not looked up; write HOST:PORT, e.g. 127.0.0.1:7000 or "
       "[::1]:7000, or off"},
      {{{.kind = Kind::kChoice, .words = {{"text", 0}, {"json", 1}}}, "xml"}, "'xml' is not one of text, json"},
      {{kAuto, std::string(100, 'x')}, "'" + std::string(60, 'x') + "...' is not a whole number from 1 to 100, or auto"},
  };
  for (const auto& [what, error] : cases) {
    const auto value = ParseValue(what.first, {what.second});
    EXPECT_EQ(value.ok() ? "(no error)" : std::string(value.status().message()), error) << what.second;
  }
}

TEST(Value, TheTypesOfAFileCount) {
  const Form text = {.kind = Kind::kText};
  const Form flag = {.kind = Kind::kBool};
  const std::vector<std::pair<std::pair<Form, Written>, std::string>> cases = {
      {{kAuto, {"5", Type::kWhole}}, ""},
      {{kAuto, {"auto", Type::kText}}, ""},
      {{kAuto, {"5", Type::kText}}, "\"5\" is text; it is a whole number from 1 to 100, or auto; numbers have no quotes"},
      {{kAuto, {"true", Type::kBool}}, "true is not a whole number from 1 to 100, or auto"},
      {{kTime, {"5", Type::kWhole}}, ""},
      {{kTime, {"5m", Type::kText}}, ""},
      {{kTime, {"a table", Type::kOther}}, "is a table, not a time in whole seconds: 30, or with a unit, like 30s, 5m or 1h"},
      {{flag, {"true", Type::kBool}}, ""},
      {{flag, {"true", Type::kText}}, "is not true or false, without quotes"},
      {{flag, {"1", Type::kWhole}}, "is not true or false, without quotes"},
      {{text, {"7", Type::kText}}, ""},
      {{text, {"7", Type::kWhole}}, "7 has no quotes; it is text: one line of text"},
      {{kWhere, {"7", Type::kWhole}}, "7 has no quotes; it is text: HOST:PORT or unix:PATH, or off"},
  };
  for (const auto& [what, error] : cases) {
    const auto value = ParseValue(what.first, what.second);
    EXPECT_EQ(value.ok() ? "" : std::string(value.status().message()), error) << what.second.text;
  }
}

TEST(Value, HasQuotesInAFileWhereTheyBelong) {
  EXPECT_EQ(ToToml(kAuto, {.number = 7}), "7");
  EXPECT_EQ(ToToml(kAuto, {.number = 0}), "\"auto\"");
  EXPECT_EQ(ToToml(kTime, {.number = 90}), "\"90s\"");
  EXPECT_EQ(ToToml(kTime, {.number = 0}), "0");
  EXPECT_EQ(ToToml({.kind = Kind::kBool}, {.number = 1}), "true");
  EXPECT_EQ(ToToml({.kind = Kind::kText}, {.text = "7"}), "\"7\"");
  EXPECT_EQ(ToToml({.kind = Kind::kText}, {.text = "a\"b\\"}), "\"a\\\"b\\\\\"");
}

}  // namespace
}  // namespace mooring::server::config
