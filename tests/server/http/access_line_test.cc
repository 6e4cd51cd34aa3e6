// SPDX-License-Identifier: Apache-2.0
#include "server/http/access_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

#include "net/address.h"

namespace mooring::server::http {
namespace {

constexpr int64_t kThen = 1795964645;  // date -u -d @1795964645: Sun Nov 29 15:04:05 UTC 2026

std::string Line(const AccessRecord& record, int64_t wall_s = kThen) { return std::string(AccessLine(record, wall_s).view()); }
std::string LineOf(const char* peer) {
  const net::Address address = *net::Address::Parse(peer);
  return Line({.peer = &address, .request_line = "GET / HTTP/1.1", .status = 200, .body_bytes = 1});
}

TEST(AccessLine, IsOfTheCombinedFormat) {
  const net::Address peer = *net::Address::Parse("127.0.0.1:5000");
  EXPECT_EQ(Line({.peer = &peer,
                  .request_line = "GET /a?b HTTP/1.1",
                  .status = 200,
                  .body_bytes = 1024,
                  .referer = "http://referer/",
                  .user_agent = "curl/7.88"}),
            "127.0.0.1 - - [29/Nov/2026:15:04:05 +0000] \"GET /a?b HTTP/1.1\" 200 1024 \"http://referer/\" \"curl/7.88\"\n");
}

TEST(AccessLine, ShowsWhatIsNotKnownAsADash) {
  const std::string rest = " - - [29/Nov/2026:15:04:05 +0000] \"-\" 400 0 \"-\" \"-\"\n";
  const net::Address empty{};
  EXPECT_EQ(Line({.status = 400}), "-" + rest);
  EXPECT_EQ(Line({.peer = &empty, .status = 400}), "-" + rest);
}

TEST(AccessLine, NamesAnIpv4ClientAlikeOnEitherSocket) {
  EXPECT_EQ(LineOf("[2001:db8::7]:1").rfind("2001:db8::7 - - [", 0), 0u);
  EXPECT_EQ(LineOf("192.0.2.7:1").rfind("192.0.2.7 - - [", 0), 0u);
  EXPECT_EQ(LineOf("[::ffff:192.0.2.7]:1").rfind("192.0.2.7 - - [", 0), 0u);
}

TEST(AccessLine, HasTheTimeThatStrftimeHas) {
  std::mt19937_64 random(7);  // the seed
  std::uniform_int_distribution<int64_t> any(-60'000'000'000, 250'000'000'000);
  for (int i = 0; i < 20'000; ++i) {
    const int64_t wall_s = i == 0 ? 0 : i == 1 ? 951782400 : i == 2 ? 1709164800 : any(random);  // 0, 29 February twice
    const time_t now = wall_s;
    tm parts = {};
    gmtime_r(&now, &parts);
    char month[8], expected[64];
    strftime(month, sizeof(month), "%b", &parts);
    std::snprintf(expected, sizeof(expected), "- - - [%02d/%s/%04d:%02d:%02d:%02d +0000] ", parts.tm_mday, month,
                  parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    ASSERT_EQ(Line({}, wall_s).substr(0, std::string(expected).size()), expected) << wall_s;
  }
}

// What a log reader makes of a quoted part.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    EXPECT_EQ(text[i + 1], 'x');
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16));
    i += 3;
  }
  return out;
}

struct Parts {
  std::string request, referer, user_agent;
  size_t request_bytes = 0, referer_bytes = 0, user_agent_bytes = 0;  // as they stand there
};
Parts Read(const std::string& line) {
  std::vector<size_t> quotes;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quotes.push_back(i);
  }
  EXPECT_EQ(quotes.size(), 6u) << line;
  if (quotes.size() != 6) return {};
  const auto part = [&](size_t i) { return Unescaped(line.substr(quotes[i] + 1, quotes[i + 1] - quotes[i] - 1)); };
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_TRUE(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; })) << line;
  const auto bytes = [&](size_t i) { return quotes[i + 1] - quotes[i] - 1; };
  return {part(0), part(2), part(4), bytes(0), bytes(2), bytes(4)};
}

TEST(AccessLine, CannotBeForgedByAnyByte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const Parts parts = Read(Line({.request_line = all, .status = 200, .referer = all, .user_agent = all}));
  EXPECT_EQ(parts.request, all);
  EXPECT_EQ(parts.referer, all.substr(0, parts.referer.size()));
  EXPECT_EQ(parts.user_agent, all.substr(0, parts.user_agent.size()));
  EXPECT_EQ(Line({.request_line = "GET /\"\\\x7f\xff\r\n HTTP/1.1"}).find(R"("GET /\x22\x5C\x7F\xFF\x0D\x0A HTTP/1.1")"),
            std::string("- - - [29/Nov/2026:15:04:05 +0000] ").size());
}

TEST(AccessLine, CutsLongPartsAndNeverInsideAnEscape) {
  const std::string plain(10'000, 'a');
  Parts parts = Read(Line({.request_line = plain, .referer = plain, .user_agent = plain}));
  EXPECT_EQ(parts.request.size(), AccessLine::kRequestBytes);
  EXPECT_EQ(parts.referer.size(), AccessLine::kRefererBytes);
  EXPECT_EQ(parts.user_agent.size(), AccessLine::kUserAgentBytes);
  for (size_t shift = 0; shift < 4; ++shift) {
    const std::string hard = std::string(shift, 'a') + std::string(10'000, '\n');
    const net::Address peer = *net::Address::Parse("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
    const std::string line = Line({.peer = &peer,
                                   .request_line = hard,
                                   .status = 599,
                                   .body_bytes = ~uint64_t{0},
                                   .referer = hard,
                                   .user_agent = hard});
    EXPECT_LE(line.size(), AccessLog::kLineBytes);
    parts = Read(line);
    EXPECT_EQ(parts.request, hard.substr(0, parts.request.size()));
    EXPECT_LE(parts.request_bytes, AccessLine::kRequestBytes);
    EXPECT_LE(parts.referer_bytes, AccessLine::kRefererBytes);
    EXPECT_LE(parts.user_agent_bytes, AccessLine::kUserAgentBytes);
    EXPECT_GT(parts.request_bytes, AccessLine::kRequestBytes - 4);
  }
}

}  // namespace
}  // namespace mooring::server::http
