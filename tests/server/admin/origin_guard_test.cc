// SPDX-License-Identifier: Apache-2.0
#include "server/admin/origin_guard.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/http/request_builder.h"

namespace mooring::server::admin {
namespace {

using http::Method;
using http::RequestBuilder;

net::Endpoint At(const char* text) { return *net::Endpoint::Parse(text); }

// The status that a request with these fields gets; 200: it may pass.
int Verdict(const char* listening, const std::vector<std::pair<std::string, std::string>>& fields,
            Method method = Method::kGet) {
  RequestBuilder built(method, "/drain");
  for (const auto& [name, value] : fields) built.Header(name, value);
  const OriginGuard guard(At(listening));
  const std::optional<http::Response> refused = guard(built.request());
  return refused.has_value() ? refused->status() : 200;
}

TEST(OriginGuard, AnswersWhoNamesAnAddressOfItsOwn) {
  for (const char* host :
       {"127.0.0.1:7070", "127.0.0.1", "127.8.9.1:1", "localhost", "LocalHost:7070", "[::1]:7070", "[::1]"}) {
    EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}}), 200) << host;
    EXPECT_EQ(Verdict("unix:/run/admin", {{"Host", host}}), 200) << host;
    EXPECT_EQ(Verdict("192.0.2.7:7070", {{"Host", host}}), 200) << host;
  }
  EXPECT_EQ(Verdict("192.0.2.7:7070", {{"Host", "192.0.2.7:7070"}}), 200);
  EXPECT_EQ(Verdict("192.0.2.7:7070", {{"Host", "192.0.2.7:80"}}), 200) << "behind a forwarded port";
  EXPECT_EQ(Verdict("[2001:db8::7]:7070", {{"Host", "[2001:DB8:0::7]:7070"}}), 200);
  EXPECT_EQ(Verdict("0.0.0.0:7070", {{"Host", "198.51.100.1:7070"}}), 200);
  EXPECT_EQ(Verdict("[::]:7070", {{"Host", "[2001:db8::9]:7070"}}), 200);
  EXPECT_EQ(Verdict("127.0.0.1:7070", {}), 200) << "HTTP/1.0 without a Host is no browser's";
}

// DNS rebinding: the attacker's name resolves to us, and its page is ours for the browser.
TEST(OriginGuard, RefusesNamesAndForeignAddresses) {
  for (const char* host : {"evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.1.evil.example",
                           "192.0.2.8:7070", "[2001:db8::1]:7070", "128.0.0.1", "127.1", "0.0.0.0:7070", "localhost.",
                           "127.0.0.1:x", "user@localhost", ""}) {
    EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}}), 421) << host;
    EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}}, Method::kPost), 421) << host;
  }
  EXPECT_EQ(Verdict("0.0.0.0:7070", {{"Host", "evil.example"}}), 421);
  EXPECT_EQ(Verdict("unix:/run/admin", {{"Host", "192.0.2.7"}}), 421);
}

TEST(OriginGuard, RefusesPagesOfOtherSites) {
  const std::string host = "127.0.0.1:7070";
  for (const Method method : {Method::kGet, Method::kPost}) {
    for (const char* site : {"same-origin", "none"}) {
      EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}, {"Sec-Fetch-Site", site}}, method), 200) << site;
    }
    for (const char* site : {"cross-site", "same-site", "", "nonsense"}) {
      EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}, {"Sec-Fetch-Site", site}}, method), 403) << site;
    }
    for (const char* origin : {"http://127.0.0.1:7070", "https://127.0.0.1:7070"}) {
      EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}, {"Origin", origin}}, method), 200) << origin;
    }
    for (const char* origin : {"null", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:8080",
                               "http://localhost:7070", "ftp://127.0.0.1:7070", "127.0.0.1:7070", ""}) {
      EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Host", host}, {"Origin", origin}}, method), 403) << origin;
    }
    EXPECT_EQ(Verdict("127.0.0.1:7070", {{"Origin", "http://"}}, method), 403) << "without a Host nothing is the same";
  }
}

TEST(OriginGuard, SaysWhatItRefused) {
  std::vector<int> statuses;
  const OriginGuard guard(At("127.0.0.1:1"), [&](const http::Request&, int status) { statuses.push_back(status); });
  RequestBuilder foreign(Method::kPost, "/drain"), own(Method::kPost, "/drain");
  foreign.Header("Host", "evil.example");
  own.Header("Host", "localhost:1");
  EXPECT_TRUE(guard(foreign.request()).has_value());
  EXPECT_FALSE(guard(own.request()).has_value());
  EXPECT_EQ(statuses, std::vector<int>{421});
}

TEST(OriginGuard, MakesEveryAnswerOneThatNobodyKeepsOrFrames) {
  for (const char* host : {"localhost", "evil.example"}) {
    RequestBuilder built(Method::kGet, "/");
    built.Header("Host", host);
    const OriginGuard guard(At("127.0.0.1:7070"));
    const std::optional<http::Response> refused = guard(built.request());
    const std::string& lines = built.extra_lines();
    EXPECT_NE(lines.find("Cache-Control: no-store\r\n"), std::string::npos) << lines;
    EXPECT_NE(lines.find("X-Content-Type-Options: nosniff\r\n"), std::string::npos) << lines;
    EXPECT_NE(lines.find("default-src 'none'"), std::string::npos) << lines;
    EXPECT_NE(lines.find("frame-ancestors 'none'"), std::string::npos) << lines;
    EXPECT_EQ(lines.find("Access-Control"), std::string::npos) << lines;
    EXPECT_EQ(lines.find("unsafe"), std::string::npos) << lines;
  }
}

}  // namespace
}  // namespace mooring::server::admin
