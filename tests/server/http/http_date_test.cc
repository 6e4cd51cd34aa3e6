// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_date.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>

namespace mooring::server::http {
namespace {

constexpr int64_t kNow = 1'780'000'000;  // in 2026

std::string Format(int64_t seconds) {
  char out[kHttpDateBytes];
  FormatHttpDate(seconds, out);
  return std::string(out, kHttpDateBytes);
}

TEST(HttpDate, WritesTheFormOfTheStandard) {
  EXPECT_EQ(Format(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(Format(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(Format(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(Format(4'102'444'799), "Thu, 31 Dec 2099 23:59:59 GMT");
}

TEST(HttpDate, StaysInsideOfWhatFourDigitsSay) {
  EXPECT_EQ(Format(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(Format(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(HttpDate, SaysWhatTheSystemSaysAndIsReadBack) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 dice(seed);
  std::uniform_int_distribution<int64_t> seconds_of(-62'000'000'000, 253'402'300'799);
  for (int i = 0; i < 20'000; ++i) {
    const time_t seconds = seconds_of(dice);
    tm parts{};
    gmtime_r(&seconds, &parts);
    char expected[64];
    strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    const std::string text = Format(seconds);
    if (parts.tm_year + 1900 >= 1000) {  // glibc writes %Y without zeros in front
      ASSERT_EQ(text, expected) << seconds;
    }
    ASSERT_EQ(ParseHttpDate(text, kNow), seconds) << text;
  }
}

TEST(HttpDate, ReadsTheThreeForms) {
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT", kNow), 784'111'777);
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", kNow), 784'111'777);
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 1994", kNow), 784'111'777);
  EXPECT_EQ(ParseHttpDate("Wed Nov 16 08:49:37 1994", kNow), 784'111'777 + 10 * 86'400);
}

TEST(HttpDate, TwoDigitsOfAYearAreAtMostFiftyYearsAhead) {
  EXPECT_EQ(ParseHttpDate("Friday, 01-Jan-27 00:00:00 GMT", kNow), ParseHttpDate("Fri, 01 Jan 2027 00:00:00 GMT", kNow));
  EXPECT_EQ(ParseHttpDate("Friday, 01-Jan-76 00:00:00 GMT", kNow), ParseHttpDate("Wed, 01 Jan 2076 00:00:00 GMT", kNow));
  EXPECT_EQ(ParseHttpDate("Friday, 01-Jan-77 00:00:00 GMT", kNow), ParseHttpDate("Sat, 01 Jan 1977 00:00:00 GMT", kNow));
  EXPECT_EQ(ParseHttpDate("Friday, 01-Jan-00 00:00:00 GMT", kNow), ParseHttpDate("Sat, 01 Jan 2000 00:00:00 GMT", kNow));
}

TEST(HttpDate, ALeapSecondIsTheNextOne) {
  EXPECT_EQ(ParseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT", kNow), ParseHttpDate("Sun, 01 Jan 2017 00:00:00 GMT", kNow));
}

TEST(HttpDate, WhatIsNoDateIsNone) {
  for (const char* text : {
           "",
           "0",
           "Sun",
           "Sun,",
           "Sun, 06 Nov 1994 08:49:37",
           "Sun, 06 Nov 1994 08:49:37 UTC",
           "Sun, 06 Nov 1994 08:49:37 GMT ",
           " Sun, 06 Nov 1994 08:49:37 GMT",
           "sun, 06 Nov 1994 08:49:37 GMT",
           "Xyz, 06 Nov 1994 08:49:37 GMT",
           "Sun, 06 nov 1994 08:49:37 GMT",
           "Sun, 6 Nov 1994 08:49:37 GMT",
           "Sun, 00 Nov 1994 08:49:37 GMT",
           "Sun, 31 Nov 1994 08:49:37 GMT",
           "Sun, 29 Feb 1900 08:49:37 GMT",
           "Sun, 29 Feb 2023 08:49:37 GMT",
           "Sun, 06 Nov 1994 24:49:37 GMT",
           "Sun, 06 Nov 1994 08:60:37 GMT",
           "Sun, 06 Nov 1994 08:49:61 GMT",
           "Sun, 06 Nov 1994 08:49:3x GMT",
           "Sun, -6 Nov 1994 08:49:37 GMT",
           "Sunday, 06-Nov-1994 08:49:37 GMT",
           "Sun, 06-Nov-94 08:49:37 GMT",
           "Funday, 06-Nov-94 08:49:37 GMT",
           "Sun Nov 6 08:49:37 1994",
           "Sun Nov  6 08:49:37 94",
           "Sun Nov  6 08:49:37 1994 GMT",
           "784111777",
           "99999999999999999999",
       }) {
    EXPECT_EQ(ParseHttpDate(text, kNow), std::nullopt) << text;
  }
}

TEST(HttpDate, EveryCutDateIsNone) {
  for (const std::string whole : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      EXPECT_EQ(ParseHttpDate(whole.substr(0, bytes), kNow), std::nullopt) << whole.substr(0, bytes);
    }
  }
}

}  // namespace
}  // namespace mooring::server::http
