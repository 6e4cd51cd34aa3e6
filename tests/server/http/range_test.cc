// SPDX-License-Identifier: Apache-2.0
#include "server/http/range.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mooring::server::http {
namespace {

std::string Say(std::string_view value, uint64_t size) {
  const Range range = ParseRange(value, size);
  switch (range.kind) {
    case Range::Kind::kWhole: return "whole";
    case Range::Kind::kUnsatisfiable: return "unsatisfiable";
    case Range::Kind::kPart: return absl::StrCat(range.offset, "+", range.bytes);
  }
  return "?";
}

TEST(Range, OnePart) {
  EXPECT_EQ(Say("bytes=0-0", 100), "0+1");
  EXPECT_EQ(Say("bytes=0-99", 100), "0+100");
  EXPECT_EQ(Say("bytes=0-100", 100), "0+100");
  EXPECT_EQ(Say("bytes=10-19", 100), "10+10");
  EXPECT_EQ(Say("bytes=99-", 100), "99+1");
  EXPECT_EQ(Say("bytes=0-", 100), "0+100");
  EXPECT_EQ(Say("bytes=-1", 100), "99+1");
  EXPECT_EQ(Say("bytes=-100", 100), "0+100");
  EXPECT_EQ(Say("bytes=-101", 100), "0+100");
  EXPECT_EQ(Say("BYTES=5-5", 100), "5+1");
}

TEST(Range, NumbersOfAnyLength) {
  EXPECT_EQ(Say("bytes=0-18446744073709551615", 100), "0+100");
  EXPECT_EQ(Say("bytes=0-99999999999999999999999999", 100), "0+100");
  EXPECT_EQ(Say("bytes=-99999999999999999999999999", 100), "0+100");
  EXPECT_EQ(Say("bytes=99999999999999999999999999-", 100), "unsatisfiable");
  EXPECT_EQ(Say("bytes=18446744073709551616-18446744073709551617", 100), "unsatisfiable");
  EXPECT_EQ(Say("bytes=00000000000000000000000000010-11", 100), "10+2");
  EXPECT_EQ(Say("bytes=18446744073709551613-", ~uint64_t{0}), "18446744073709551613+2");
}

TEST(Range, BehindTheEndIsUnsatisfiable) {
  EXPECT_EQ(Say("bytes=100-", 100), "unsatisfiable");
  EXPECT_EQ(Say("bytes=100-100", 100), "unsatisfiable");
  EXPECT_EQ(Say("bytes=-0", 100), "unsatisfiable");
}

TEST(Range, OfNothingThereIsNoPart) {
  for (const char* value : {"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"}) EXPECT_EQ(Say(value, 0), "whole") << value;
}

TEST(Range, SeveralOtherUnitsAndMalformedOnesAreTheWhole) {
  for (const char* value : {
           "", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=1", "bytes=a-b", "bytes=0-a", "bytes=a-0", "bytes=5-4",
           "bytes=0-0,1-1", "bytes=0-0,", ",bytes=0-0", "bytes=0-0;q=1", "bytes =0-0", "bytes= 0-0", "bytes=0 -0",
           "bytes=0- 0", "bytes=0-0 ", "bytes=+0-0", "bytes=0x0-1", "bytes=-1-2", "bytes:0-0", "items=0-0", "byte=0-0",
           "bytesx=0-0", "bytes=1-2-3",
       }) {
    EXPECT_EQ(Say(value, 100), "whole") << value;
  }
}

}  // namespace
}  // namespace mooring::server::http
