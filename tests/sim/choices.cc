// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/choices.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace mooring::sim {

Choices::Choices(uint64_t seed, bool calm) : seed_(seed), calm_(calm), state_(seed) {}

// S. Vigna's splitmix64 (public domain, prng.di.unimi.it): the same numbers on every platform and library.
uint64_t Choices::Random() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

size_t Choices::Pick(size_t n) { return calm_ ? 0 : Random() % n; }

bool Choices::Chance(unsigned percent) { return !calm_ && Random() % 100 < percent; }

size_t Choices::Between(size_t low, size_t high) { return low + Random() % (high - low + 1); }

size_t Choices::Some(size_t available) {
  if (calm_ || available <= 1) return available;
  switch (Random() % 4) {
    case 0: return Between(1, std::min<size_t>(available, 8));
    case 1: return Between(1, available);
    default: return available;
  }
}

size_t Choices::LostWithReset(size_t in_flight) { return calm_ ? 0 : Between(0, in_flight); }

size_t Choices::SendBuffer() {
  if (calm_) return 2'500'000;  // about what a loopback socket takes by itself: tcp_wmem's 4 MB, less overhead
  return Chance(30) ? Between(1, 4096) : Between(4096, 512 << 10);
}

size_t Choices::ReceiveBuffer() {
  if (calm_) return 1'000'000;
  return Chance(30) ? Between(1, 4096) : Between(4096, 512 << 10);
}

void Choices::Fail(const char* format, ...) const {
  std::fprintf(stderr, "simulated kernel (seed %" PRIu64 "): ", seed_);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::fflush(stderr);
  std::abort();
}

}  // namespace mooring::sim
