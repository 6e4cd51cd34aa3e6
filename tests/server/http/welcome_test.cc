// SPDX-License-Identifier: Apache-2.0
#include "server/http/welcome.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace mooring::server::http {
namespace {

WelcomeFacts Facts() {
  return {.name = "mooringd",
          .version = "0.4.0",
          .transport = "io_uring: modern no_iowait",
          .shards = 2,
          .cpus = "0-1",
          .listeners = {{.name = "echo", .address = "127.0.0.1:7000", .summary = "sends back what it gets"},
                        {.name = "http", .address = "127.0.0.1:8080"}},
          .uptime_s = 93,
          .shard = 1,
          .connections = 3};
}

// What is wrong with its tags: each one is closed, in turn, and all text is in one. Empty: nothing.
std::string WhatIsWrong(std::string_view page) {
  static const std::set<std::string_view> kVoid = {"meta", "link", "br", "!DOCTYPE"};
  std::vector<std::string_view> open;
  for (size_t at = 0; (at = page.find_first_of("<>", at)) != std::string_view::npos;) {
    if (page[at] == '>') return "a stray > at " + std::to_string(at);
    const size_t end = page.find_first_of("<>", at + 1);
    if (end == std::string_view::npos || page[end] == '<') return "a stray < at " + std::to_string(at);
    const std::string_view tag = page.substr(at + 1, end - at - 1);
    const std::string_view name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find(' '));
    at = end + 1;
    if (kVoid.contains(name)) continue;
    if (tag[0] != '/') {
      open.push_back(name);
      continue;
    }
    if (open.empty() || open.back() != name) return "</" + std::string(name) + "> closes nothing";
    open.pop_back();
    if (open.empty() && page.substr(at) != "\n") return "something behind the end";
  }
  return open.empty() ? "" : "<" + std::string(open.back()) + "> is not closed";
}

TEST(WelcomePage, SaysWhatIsRunning) {
  const std::string page = WelcomePage(Facts());
  for (const char* fact : {"<title>mooringd</title>", "0.4.0", "from shard 1", "1 min 33 s", "io_uring: modern no_iowait",
                           "2 shards on CPUs 0-1", "3 connections", "127.0.0.1:7000", "sends back what it gets",
                           "127.0.0.1:8080", "mooringd --http-root DIR"}) {
    EXPECT_NE(page.find(fact), std::string::npos) << fact;
  }
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  EXPECT_LT(page.size(), 4096u);
}

TEST(WelcomePage, IsWellFormed) {
  EXPECT_EQ(WhatIsWrong(WelcomePage(Facts())), "");
  EXPECT_EQ(WhatIsWrong(WelcomePage({.name = "", .version = "", .transport = ""})), "");
}

TEST(WelcomePage, EscapesWhateverAFactIs) {
  const std::string hard = "</td><script>alert(\"1\" + '&lt;')</script>";
  WelcomeFacts facts = {.name = hard,
                        .version = hard,
                        .transport = hard,
                        .cpus = hard,
                        .listeners = {{.name = hard, .address = hard, .summary = hard}}};
  const std::string page = WelcomePage(facts);
  EXPECT_EQ(WhatIsWrong(page), "");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  size_t seen = 0;
  const std::string escaped = "&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot; + &#39;&amp;lt;&#39;)&lt;/script&gt;";
  for (size_t at = 0; (at = page.find(escaped, at)) != std::string::npos; ++at) ++seen;
  EXPECT_EQ(seen, 9u);  // the name thrice
}

TEST(WelcomePage, FetchesNothing) {
  const std::string page = WelcomePage(Facts());
  for (const char* other : {"http:", "https:", "//", "src=", "url(", "@import", "<script"}) {
    EXPECT_EQ(page.find(other), std::string::npos) << other;
  }
  EXPECT_NE(page.find("<link rel=\"icon\" href=\"data:,\">"), std::string::npos);  // or a browser asks for one
}

TEST(WelcomePage, HasColoursForLightAndDark) {
  const std::string page = WelcomePage(Facts());
  EXPECT_NE(page.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(page.find("<meta name=\"color-scheme\" content=\"light dark\">"), std::string::npos);
}

TEST(WelcomePage, SaysHowOldTheServerIsInTwoUnits) {
  const auto said = [](int64_t seconds) {
    WelcomeFacts facts = Facts();
    facts.uptime_s = seconds;
    const std::string page = WelcomePage(facts);
    const std::string head = "Running for</th><td>";
    const size_t begin = page.find(head) + head.size();
    return page.substr(begin, page.find('<', begin) - begin);
  };
  EXPECT_EQ(said(0), "0 s");
  EXPECT_EQ(said(59), "59 s");
  EXPECT_EQ(said(60), "1 min 0 s");
  EXPECT_EQ(said(3600 + 61), "1 h 1 min");
  EXPECT_EQ(said(86400), "1 day 0 h");
  EXPECT_EQ(said(3 * 86400 + 4 * 3600 + 59), "3 days 4 h");
}

TEST(WelcomePage, CountsInTheSingularToo) {
  WelcomeFacts facts = Facts();
  facts.shards = 1;
  facts.cpus.clear();
  facts.connections = 1;
  const std::string page = WelcomePage(facts);
  EXPECT_NE(page.find("<td>1 shard</td>"), std::string::npos);
  EXPECT_NE(page.find("<td>1 connection</td>"), std::string::npos);
}

}  // namespace
}  // namespace mooring::server::http
