// SPDX-License-Identifier: Apache-2.0
// The parser's interface, call by call, and random requests against what they were built of. What it accepts and
// refuses is in the table: refusal_table_test.cc.
#include "server/http/request_parser.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "llhttp.h"
#include "tests/server/http/feeding.h"

namespace mooring::server::http {
namespace {

using Event = RequestParser::Event;
using Step = RequestParser::Step;

static_assert(std::is_trivially_copyable_v<RequestParser>);
static_assert(sizeof(RequestParser) <= 192);

class RequestParserTest : public testing::Test {
 protected:
  Step Feed(std::string_view bytes) { return parser_.Feed(bytes, fields_.data()); }
  void ExpectStep(const Step& step, Event event, uint32_t taken, std::string_view body = {}) {
    EXPECT_EQ(step.event, event);
    EXPECT_EQ(step.taken, taken);
    EXPECT_EQ(step.body, body);
  }

  RequestParser::Limits limits_;
  RequestParser parser_{&limits_};
  std::array<Field, RequestParser::kFieldsMax> fields_;
};

TEST_F(RequestParserTest, AHeadEndsBehindItsEmptyLineAndWithoutABodyTheMessageIsComplete) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next";
  ExpectStep(Feed(bytes), Event::kHead, 27);
  ExpectStep(Feed(std::string_view(bytes).substr(27)), Event::kDone, 0);
}

TEST_F(RequestParserTest, DoneNeedsNoByte) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  ExpectStep(Feed(""), Event::kMore, 0);
  ExpectStep(Feed("ab"), Event::kBody, 2, "ab");
  ExpectStep(Feed(""), Event::kDone, 0);
}

TEST_F(RequestParserTest, ASizedBodyTakesNoByteOfTheNextMessage) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  ExpectStep(Feed("abc"), Event::kBody, 3, "abc");
  ExpectStep(Feed("deGET"), Event::kBody, 2, "de");
  ExpectStep(Feed("GET"), Event::kDone, 0);
}

TEST_F(RequestParserTest, EachPieceOfAChunkComesAsItIs) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  ExpectStep(Feed("3\r\nab"), Event::kBody, 5, "ab");
  ExpectStep(Feed("c\r\n1\r\nd\r\n"), Event::kBody, 1, "c");
  ExpectStep(Feed("\r\n1\r\nd\r\n"), Event::kBody, 6, "d");
  ExpectStep(Feed("\r\n"), Event::kMore, 2);
  ExpectStep(Feed("0\r\n\r\nGET"), Event::kDone, 5);
}

TEST_F(RequestParserTest, AfterResetTheNextRequestIsReadAsIfItWereTheFirst) {
  const std::string first =
      "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
  ExpectStep(Feed(first), Event::kHead, static_cast<uint32_t>(first.size()));
  EXPECT_EQ(parser_.head().fields, 3);
  parser_.Reset();
  EXPECT_FALSE(parser_.begun());
  EXPECT_EQ(parser_.head().fields, 0);
  const std::string second = "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  ExpectStep(Feed(second), Event::kHead, static_cast<uint32_t>(second.size()));
  EXPECT_TRUE(parser_.head().chunked);
  EXPECT_EQ(parser_.head().minor, 1);
  ExpectStep(Feed("0\r\nA: b\r\n\r\n"), Event::kDone, 11);
  parser_.Reset();
  ExpectStep(Feed("\n"), Event::kRefused, 0);
  EXPECT_EQ(parser_.refusal(), Refusal::kBareLf);
  parser_.Reset();
  EXPECT_EQ(parser_.refusal(), Refusal::kNone);
  ExpectStep(Feed(second), Event::kHead, static_cast<uint32_t>(second.size()));
}

TEST_F(RequestParserTest, HasBegunWithTheFirstByte) {
  EXPECT_FALSE(parser_.begun());
  ExpectStep(Feed(""), Event::kMore, 0);
  EXPECT_FALSE(parser_.begun());
  ExpectStep(Feed("G"), Event::kMore, 1);
  EXPECT_TRUE(parser_.begun());
}

TEST_F(RequestParserTest, WhereEmptyLinesCameFirstTheMethodIsBehindThem) {
  const std::string bytes = "\r\n\r\nPUT /x HTTP/1.1\r\nHost: a\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(parser_.head().method_at(), 4);
  EXPECT_EQ(bytes.substr(parser_.head().method_at(), parser_.head().method_bytes), "PUT");
}

TEST_F(RequestParserTest, ALengthOverTheLimitIsRefusedBehindTheHeadWithoutAByte) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  ExpectStep(Feed(""), Event::kRefused, 0);
  EXPECT_EQ(parser_.refusal(), Refusal::kBodyTooLarge);
}

TEST_F(RequestParserTest, ARouteMayHaveALargerLimit) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
  parser_.LimitBody(1048577);
  ExpectStep(Feed("a"), Event::kBody, 1, "a");
}

TEST_F(RequestParserTest, ARouteMayHaveASmallerLimitForBothFramings) {
  const std::string sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  ExpectStep(Feed(sized), Event::kHead, static_cast<uint32_t>(sized.size()));
  parser_.LimitBody(4);
  ExpectStep(Feed("abcde"), Event::kRefused, 0);
  parser_.Reset();
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  ExpectStep(Feed(chunked), Event::kHead, static_cast<uint32_t>(chunked.size()));
  parser_.LimitBody(4);
  ExpectStep(Feed("3\r\nabc"), Event::kBody, 6, "abc");
  ExpectStep(Feed("\r\n2\r\nde"), Event::kRefused, 4);
  EXPECT_EQ(parser_.refusal(), Refusal::kBodyTooLarge);
}

TEST_F(RequestParserTest, ALimitOfNothingLetsAMessageWithoutContentPass) {
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  ExpectStep(Feed(chunked), Event::kHead, static_cast<uint32_t>(chunked.size()));
  parser_.LimitBody(0);
  ExpectStep(Feed("0\r\n\r\n"), Event::kDone, 5);
}

TEST_F(RequestParserTest, WithoutLimitsItHasTheUsualOnes) {
  parser_ = RequestParser();
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  ExpectStep(Feed(bytes), Event::kHead, static_cast<uint32_t>(bytes.size()));
}

TEST_F(RequestParserTest, TheMostFieldsThatAreAllowedFit) {
  limits_.fields = RequestParser::kFieldsMax;
  limits_.request_line_bytes = 8 << 10;
  limits_.fields_bytes = RequestParser::kHeadBytesMax - limits_.request_line_bytes;
  std::string bytes = "\r\n\r\n\r\n\r\nGET /" + std::string(limits_.request_line_bytes - 14, 'a') + " HTTP/1.1\r\n";
  bytes += "Host: a\r\n";
  size_t left = limits_.fields_bytes - 9;
  for (uint32_t i = 1; i < limits_.fields - 1; ++i, left -= 6) bytes += "A: b\r\n";
  bytes += "B: " + std::string(left - 5, 'x') + "\r\n\r\n";
  Feeding feeding(limits_);
  feeding.Feed(bytes);
  ASSERT_EQ(feeding.last(), Event::kDone) << feeding.Summary().substr(0, 80);
  const Fields fields = feeding.fields();
  ASSERT_EQ(fields.size(), RequestParser::kFieldsMax);
  EXPECT_EQ(fields.name(254), "A");
  EXPECT_EQ(fields.value(254), "b");
  EXPECT_EQ(fields.name(255), "B");
  EXPECT_EQ(fields.value(255), std::string(left - 5, 'x'));
}

// The names that the screen knows are the ones that llhttp takes for HTTP.
TEST_F(RequestParserTest, KnowsTheMethodsThatLlhttpKnows) {
  constexpr std::pair<std::string_view, int> kAll[] = {
#define NAME_AND_NUMBER(number, name, string) {#string, number},
      HTTP_ALL_METHOD_MAP(NAME_AND_NUMBER)
#undef NAME_AND_NUMBER
  };
  int known = 0;
  for (const auto& [name, number] : kAll) {
    const std::string bytes = std::string(name) + " / HTTP/1.1\r\nHost: a\r\n\r\n";
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    llhttp_t llhttp;
    llhttp_init(&llhttp, HTTP_REQUEST, &settings);
    const int error = llhttp_execute(&llhttp, bytes.data(), bytes.size());
    const bool http = (error == HPE_OK || error == HPE_PAUSED_UPGRADE) && number != HTTP_CONNECT;
    parser_.Reset();
    const Step step = Feed(bytes);
    if (number == HTTP_CONNECT) continue;  // has another form of target
    EXPECT_EQ(step.event == Event::kHead, http) << name;
    if (step.event != Event::kHead) continue;
    ++known;
    const Method method = parser_.head().method;
    EXPECT_TRUE(method == Method::kOther || Name(method) == name) << name;
    EXPECT_EQ(parser_.head().method_bytes, name.size());
  }
  EXPECT_EQ(known, 33);
}

// Random requests.

struct Built {
  std::string bytes;
  std::string summary;
};

class Builder {
 public:
  explicit Builder(uint64_t seed) : random_(seed) {}

  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool Chance(size_t of) { return Below(of) == 0; }

  Built Request() {
    const char* const method = Of({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "LINK", "M-SEARCH"});
    std::string path = "/" + Text("abcXYZ019-._~!$&'()*+,;=:@/%", 40);
    const std::string query = Chance(2) ? Text("abc=&?/%", 30) : "";
    const std::string host = "h" + Text("abc.-", 20);
    const int minor = Chance(5) ? 0 : 1;
    Built built;
    built.bytes = (Chance(10) ? "\r\n" : "") + std::string(method) + " " + (Chance(5) ? "http://" + host : "") + path +
                  (query.empty() ? "" : "?" + query) + " HTTP/1." + std::to_string(minor) + "\r\n";
    std::vector<std::pair<std::string, std::string>> fields{{"Host", host}};
    for (size_t i = Below(12); i > 0; --i) {
      fields.emplace_back("x-" + Text("abcdefXYZ-_!#$%&'*+.^`|~09", 20), Value());
    }
    bool keep_alive = minor == 1;
    if (Chance(3)) {
      const bool close = Chance(2);
      fields.emplace_back("Connection", close ? Of({"close", "Close", "x, close"}) : Of({"keep-alive", "Keep-Alive"}));
      keep_alive = !close;
    }
    const std::string body = Chance(2) ? Text(std::string_view("ab\0\r\n\xff" "0;", 8), 300) : "";
    const size_t framing = Below(minor == 0 ? 2 : 3);
    if (framing == 1) fields.emplace_back("Content-Length", std::to_string(body.size()));
    if (framing == 2) fields.emplace_back("transfer-encoding", "chunked");
    for (size_t i = fields.size() - 1; i > 0; --i) std::swap(fields[i], fields[Below(i + 1)]);

    std::string lines;
    for (const auto& [name, value] : fields) {
      built.bytes += name + ":" + std::string(Below(3), ' ') + value + std::string(Chance(4) ? 1 : 0, ' ') + "\r\n";
      lines += "\n" + name + "=" + value;
    }
    built.bytes += "\r\n";
    if (framing == 1) built.bytes += body;
    if (framing == 2) AppendChunks(body, built.bytes);

    built.summary = std::string(method) + " " + path + (query.empty() ? "" : "|" + query) + " 1." +
                    std::to_string(minor) + (keep_alive ? " keep" : "") + (framing == 2 ? " chunked" : "") +
                    (framing == 1 && !body.empty() ? " length=" + std::to_string(body.size()) : "") + lines + "\n\n" +
                    (framing == 0 ? "" : body);
    return built;
  }

 private:
  const char* Of(std::vector<const char*> choices) { return choices[Below(choices.size())]; }
  std::string Text(std::string_view alphabet, size_t at_most) {
    std::string text(Below(at_most), ' ');
    for (char& c : text) c = alphabet[Below(alphabet.size())];
    return text;
  }
  std::string Value() {
    std::string value = Text("abc XYZ\t,;=\"\\/\xc3\xa4\xff()<>@:?[]{}", 80);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.erase(0, 1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
    return value;
  }
  void AppendChunks(std::string_view body, std::string& bytes) {
    char line[24];
    while (!body.empty()) {
      const size_t size = 1 + Below(body.size());
      std::snprintf(line, sizeof line, Chance(2) ? "%zx" : "%03zX", size);
      bytes.append(line).append(Chance(4) ? ";a=b" : "").append("\r\n");
      bytes.append(body.substr(0, size)).append("\r\n");
      body.remove_prefix(size);
    }
    bytes += Chance(2) ? "0\r\n" : "0000;x\r\n";
    for (size_t i = Below(3); i > 0; --i) bytes += "Trailer-" + std::to_string(i) + ": x\r\n";
    bytes += "\r\n";
  }

  std::mt19937_64 random_;
};

TEST(RequestParserProperty, PipelinedRequestsAreReadAsTheyWereBuiltHoweverTheyAreCut) {
  const char* const given = std::getenv("TEST_SEED");
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "TEST_SEED=" << first << "\n";
  const RequestParser::Limits limits;
  for (uint64_t seed = first; seed < first + 1500; ++seed) {
    Builder builder(seed);
    std::vector<Built> requests;
    std::string stream;
    for (size_t i = 1 + builder.Below(4); i > 0; --i) {
      requests.push_back(builder.Request());
      stream += requests.back().bytes;
    }
    std::string_view rest = stream;
    const size_t piece_max = builder.Chance(3) ? 3 : 1 + builder.Below(400);
    for (const Built& request : requests) {
      Feeding feeding(limits);
      size_t taken = 0;
      // A piece may reach into the next request, which must be left alone.
      do {
        feeding.Feed(rest.substr(taken, 1 + builder.Below(piece_max)));
        taken = feeding.taken();
      } while (!feeding.over() && taken < rest.size());
      ASSERT_EQ(feeding.Summary(), request.summary) << "seed " << seed;
      ASSERT_EQ(taken, request.bytes.size()) << "seed " << seed;
      rest.remove_prefix(taken);
    }
    ASSERT_TRUE(rest.empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mooring::server::http
