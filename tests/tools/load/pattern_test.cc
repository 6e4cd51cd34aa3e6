// SPDX-License-Identifier: Apache-2.0
#include "tools/load/pattern.h"

#include <string>

#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

std::string Bytes(const Pattern& pattern, uint64_t position, size_t size) {
  std::string bytes(size, '\0');
  pattern.Fill(position, bytes.data(), size);
  return bytes;
}

TEST(Pattern, PiecesAreTheWholeWhereverTheyAreCut) {
  const Pattern pattern(7);
  const std::string whole = Bytes(pattern, 0, 100);
  for (size_t begin = 0; begin < 20; ++begin) {
    for (size_t size = 0; size < 30; ++size) EXPECT_EQ(Bytes(pattern, begin, size), whole.substr(begin, size));
  }
}

TEST(Pattern, ChecksPiecesAtAnyPosition) {
  const Pattern pattern(7);
  const std::string whole = Bytes(pattern, 0, 100);
  for (size_t begin = 0; begin < 20; ++begin) {
    for (size_t size = 0; size < 30; ++size) {
      EXPECT_EQ(pattern.Check(begin, std::string_view(whole).substr(begin, size)), size);
    }
  }
}

TEST(Pattern, FindsTheFirstWrongByte) {
  const Pattern pattern(7);
  for (size_t wrong = 0; wrong < 40; ++wrong) {
    std::string bytes = Bytes(pattern, 3, 40);
    bytes[wrong] = static_cast<char>(bytes[wrong] ^ 1);
    EXPECT_EQ(pattern.Check(3, bytes), wrong);
  }
}

TEST(Pattern, SeesLostDoubledAndForeignBytes) {
  const Pattern pattern(7);
  const std::string bytes = Bytes(pattern, 0, 64);
  EXPECT_LT(pattern.Check(0, std::string_view(bytes).substr(8)), 56u);             // 8 lost
  EXPECT_LT(pattern.Check(8, std::string_view(bytes).substr(0, 16)), 16u);         // 8 doubled
  EXPECT_LT(Pattern(8).Check(0, bytes), 8u);                                       // of the neighbouring connection
  EXPECT_LT(Pattern(7 | uint64_t{1} << 32).Check(0, bytes), 8u);                   // of the same one on another shard
}

}  // namespace
}  // namespace mooring::tools::load
