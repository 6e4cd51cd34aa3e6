// SPDX-License-Identifier: Apache-2.0
#include "server/http/byte_scan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

namespace mooring::server::http {
namespace {

// Each byte at each place of runs of each length, in memory that ends where the run does.
template <uint8_t byte_class>
void ExpectStopsAtEachOther(char inside) {
  for (size_t size = 0; size <= 50; ++size) {
    const std::unique_ptr<char[]> bytes(new char[size]);
    std::memset(bytes.get(), inside, size);
    EXPECT_EQ(Skip<byte_class>(bytes.get(), bytes.get() + size), bytes.get() + size);
    for (size_t place = 0; place < size; ++place) {
      for (int c = 0; c < 256; ++c) {
        bytes[place] = static_cast<char>(c);
        const char* const stop = Skip<byte_class>(bytes.get(), bytes.get() + size);
        const size_t expected = Is(static_cast<char>(c), byte_class) ? size : place;
        ASSERT_EQ(static_cast<size_t>(stop - bytes.get()), expected)
            << "byte " << c << " at " << place << " of " << size;
      }
      bytes[place] = inside;
    }
  }
}

TEST(ByteScan, TargetsStopAtEachOtherByte) { ExpectStopsAtEachOther<kTargetByte>('/'); }
TEST(ByteScan, ValuesStopAtEachOtherByte) { ExpectStopsAtEachOther<kValueByte>('\xff'); }
TEST(ByteScan, TokensStopAtEachOtherByte) { ExpectStopsAtEachOther<kTokenByte>('x'); }

TEST(ByteScan, ClassesAreTheRfcs) {
  std::string tokens;
  std::string no_values;
  std::string no_visible_targets;
  for (int c = 0; c < 256; ++c) {
    if (Is(static_cast<char>(c), kTokenByte)) tokens += static_cast<char>(c);
    if (!Is(static_cast<char>(c), kValueByte)) no_values += static_cast<char>(c);
    if (c > 0x20 && c < 0x7f && !Is(static_cast<char>(c), kTargetByte)) no_visible_targets += static_cast<char>(c);
    if (c <= 0x20 || c >= 0x7f) {
      EXPECT_FALSE(Is(static_cast<char>(c), kTargetByte)) << c;
    }
  }
  EXPECT_EQ(tokens, "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
  std::string controls;
  for (char c = 0; c < 0x20; ++c) {
    if (c != '\t') controls += c;
  }
  EXPECT_EQ(no_values, controls + "\x7f");
  EXPECT_EQ(no_visible_targets, "#");
}

}  // namespace
}  // namespace mooring::server::http
