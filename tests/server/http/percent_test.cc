// SPDX-License-Identifier: Apache-2.0
#include "server/http/percent.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace mooring::server::http {
namespace {

using namespace std::string_literals;

TEST(Percent, DecodesEachByteInBothCases) {
  for (int byte = 0; byte < 256; ++byte) {
    for (const char* form : {"a%%%02xz", "a%%%02Xz"}) {
      char text[8];
      std::snprintf(text, sizeof(text), form, byte);
      EXPECT_EQ(PercentDecode(text), "a"s + static_cast<char>(byte) + "z") << text;
    }
  }
}

TEST(Percent, LeavesTheRestAsItIs) {
  EXPECT_EQ(PercentDecode(""), "");
  EXPECT_EQ(PercentDecode("plain/+~text"), "plain/+~text");
  EXPECT_EQ(PercentDecode("%25%32%35"), "%25");  // once, not until nothing is left to decode
}

TEST(Percent, PlusIsASpaceOnlyInForms) {
  EXPECT_EQ(PercentDecode("a+b%2Bc", true), "a b+c");
  EXPECT_EQ(PercentDecode("a+b%2Bc"), "a+b+c");
}

TEST(Percent, MalformedEscapesAreNone) {
  for (const char* text : {"%", "a%", "%4", "%g0", "%0g", "%%41", "%-1", "% 1", "%0x", "%@0", "%`0", "%:0", "%/0"}) {
    EXPECT_EQ(PercentDecode(text), std::nullopt) << text;
    EXPECT_EQ(PercentDecode(text, true), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace mooring::server::http
