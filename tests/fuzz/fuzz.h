// SPDX-License-Identifier: Apache-2.0
// What fuzz targets share: the entry point, how they take decisions from an input, and how they say that it was wrong.
//
// Threads:  one.
#ifndef MOORING_TESTS_FUZZ_FUZZ_H_
#define MOORING_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace mooring::fuzz {

// An input's bytes, front to back. At the end: zeros.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  uint8_t Next() {
    if (left_.empty()) return 0;
    const auto next = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return next;
  }
  // One of a table's values.
  template <class T, size_t n>
  const T& Of(const T (&table)[n]) {
    return table[Next() % n];
  }
  // The next n, or what is left.
  std::string Take(size_t n) {
    const std::string taken(left_.substr(0, n));
    left_.remove_prefix(taken.size());
    return taken;
  }
  size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
};

// Ends the process, which is how a target tells the fuzzer and the corpus test alike.
inline void Expect(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "fuzz: not so: %s\n", what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace mooring::fuzz

#endif  // MOORING_TESTS_FUZZ_FUZZ_H_
