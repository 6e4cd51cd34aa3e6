// SPDX-License-Identifier: Apache-2.0
#include "server/http/conditional.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

constexpr int64_t kNow = 1'780'000'000;
constexpr int64_t kModified = 784'111'777;
constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kSame = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";

using Headers = std::vector<std::pair<std::string, std::string>>;

int StatusOf(const Headers& headers, const Validators& validators = {.etag = "\"a\"", .modified_s = kModified}) {
  RequestBuilder built(Method::kGet, "/");
  built.Header("Host", "x");
  for (const auto& [name, value] : headers) built.Header(name, value);
  switch (Conditions(built.request().fields()).Evaluate(validators, kNow)) {
    case Verdict::kGoOn: return 200;
    case Verdict::kNotModified: return 304;
    case Verdict::kPreconditionFailed: return 412;
  }
  return 0;
}

TEST(Conditional, IfNoneMatchComparesWeakly) {
  const std::pair<const char*, int> kCases[] = {
      {"\"a\"", 304},
      {"W/\"a\"", 304},
      {"*", 304},
      {"\"b\"", 200},
      {"\"b\", \"a\"", 304},
      {"\"b\",\"a\"", 304},
      {"\"b\" , W/\"a\" ", 304},
      {", ,\"a\",", 304},
      {"\"b,\"a\"", 200},
      {"\"A\"", 200},
      {"a", 200},
      {"w/\"a\"", 200},
      {"W/a", 200},
      {"\"a", 200},
      {"\"b\" \"a\"", 200},
      {"\"*\"", 200},
      {"*, \"b\"", 200},
      {"\"b, \\\"a\\\"\"", 200},
      {"", 200},
  };
  for (const auto& [value, status] : kCases) EXPECT_EQ(StatusOf({{"If-None-Match", value}}), status) << value;
  EXPECT_EQ(StatusOf({{"if-NONE-match", "\"a\""}}), 304);
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"b\""}, {"If-None-Match", "\"a\""}}), 304);
}

TEST(Conditional, IfMatchComparesStrongly) {
  const std::pair<const char*, int> kCases[] = {
      {"\"a\"", 200},   {"*", 200},      {"\"b\", \"a\"", 200}, {"W/\"a\"", 412},
      {"\"b\"", 412},   {"", 412},       {"garbage", 412},      {"W/\"a\", \"a\"", 200},
  };
  for (const auto& [value, status] : kCases) EXPECT_EQ(StatusOf({{"If-Match", value}}), status) << value;
}

TEST(Conditional, IfModifiedSince) {
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kBefore}}), 200);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kSame}}), 304);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kAfter}}), 304);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"}}), 304);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", "Sun Nov  6 08:49:37 1994"}}), 304);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", "yesterday"}}), 200);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", ""}}), 200);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kSame}, {"If-Modified-Since", kSame}}), 200);
}

TEST(Conditional, IfUnmodifiedSince) {
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", kBefore}}), 412);
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", kSame}}), 200);
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", kAfter}}), 200);
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", "never"}}), 200);
}

// RFC 9110, section 13.2.2.
TEST(Conditional, TheOrderOfTheStandard) {
  // A tag goes before a date.
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"b\""}, {"If-Modified-Since", kSame}}), 200);
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"a\""}, {"If-Modified-Since", kBefore}}), 304);
  EXPECT_EQ(StatusOf({{"If-Match", "\"a\""}, {"If-Unmodified-Since", kBefore}}), 200);
  EXPECT_EQ(StatusOf({{"If-Match", "\"b\""}, {"If-Unmodified-Since", kAfter}}), 412);
  // 412 before 304.
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"a\""}, {"If-Match", "\"b\""}}), 412);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kAfter}, {"If-Unmodified-Since", kBefore}}), 412);
  EXPECT_EQ(StatusOf({{"If-Match", "\"a\""}, {"If-None-Match", "\"a\""}}), 304);
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", kSame}, {"If-Modified-Since", kSame}}), 304);
}

TEST(Conditional, WithoutValidatorsNothingIsKnownToBeSo) {
  const Validators nothing = {};
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"a\""}}, nothing), 200);
  EXPECT_EQ(StatusOf({{"If-None-Match", "\"\""}}, nothing), 200);
  EXPECT_EQ(StatusOf({{"If-None-Match", "*"}}, nothing), 304);
  EXPECT_EQ(StatusOf({{"If-Match", "\"a\""}}, nothing), 412);
  EXPECT_EQ(StatusOf({{"If-Match", "*"}}, nothing), 200);
  EXPECT_EQ(StatusOf({{"If-Modified-Since", kAfter}}, nothing), 200);
  EXPECT_EQ(StatusOf({{"If-Unmodified-Since", kBefore}}, nothing), 200);
}

std::string RangeOf(const Headers& headers) {
  RequestBuilder built(Method::kGet, "/");
  for (const auto& [name, value] : headers) built.Header(name, value);
  const Conditions conditions(built.request().fields());
  return std::string(conditions.RangeFor({.etag = "\"a\"", .modified_s = kModified}).value_or("none"));
}

TEST(Conditional, IfRangeComparesStronglyAndTakesNoDate) {
  EXPECT_EQ(RangeOf({}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}}), "bytes=1-2");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", "\"a\""}}), "bytes=1-2");
  EXPECT_EQ(RangeOf({{"If-Range", "\"a\""}, {"Range", "bytes=1-2"}}), "bytes=1-2");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", "\"b\""}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", "W/\"a\""}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", "\"a\", \"b\""}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", kSame}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", ""}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"If-Range", "\"a\""}, {"If-Range", "\"a\""}}), "none");
  EXPECT_EQ(RangeOf({{"If-Range", "\"a\""}}), "none");
  EXPECT_EQ(RangeOf({{"Range", "bytes=1-2"}, {"Range", "bytes=1-2"}}), "none");
}

TEST(Conditional, OtherFieldsAreNone) {
  RequestBuilder built(Method::kGet, "/");
  built.Header("Host", "x").Header("Ranges", "1").Header("If-Matches", "*").Header("Xf-Match", "*").Header("Angel", "b");
  EXPECT_TRUE(Conditions(built.request().fields()).none());
  built.Header("RANGE", "bytes=0-0");
  EXPECT_FALSE(Conditions(built.request().fields()).none());
}

}  // namespace
}  // namespace mooring::server::http
