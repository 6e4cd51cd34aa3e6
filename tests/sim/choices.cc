// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/choices.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace mooring::sim {

// S. Vigna's splitmix64 (public domain, prng.di.unimi.it): the same numbers on every platform and library.
uint64_t SeededDecisions::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

namespace {

uint64_t SeedOf(const uint8_t* bytes, size_t size) {  // FNV-1a
  uint64_t seed = 0xcbf29ce484222325;
  for (size_t i = 0; i < size; ++i) seed = (seed ^ bytes[i]) * 0x100000001b3;
  return seed;
}

}  // namespace

ByteDecisions::ByteDecisions(const uint8_t* bytes, size_t size)
    : bytes_(bytes), size_(size), rest_(SeedOf(bytes, size)) {}

uint64_t ByteDecisions::Below(uint64_t n) {
  uint64_t value = 0;
  for (uint64_t range = n - 1; range != 0; range >>= 8) {
    if (used_up()) return rest_.Below(n);
    value = value << 8 | bytes_[at_++];
  }
  return value % n;
}

Choices::Choices(uint64_t seed, bool calm) : seed_(seed), calm_(calm), seeded_(seed) {}

size_t Choices::Pick(size_t n) { return calm_ ? 0 : decisions_->Below(n); }

bool Choices::Chance(unsigned percent) { return !calm_ && decisions_->Below(100) < percent; }

size_t Choices::Between(size_t low, size_t high) { return low + decisions_->Below(high - low + 1); }

size_t Choices::Some(size_t available) {
  if (calm_ || available <= 1) return available;
  switch (decisions_->Below(4)) {
    case 0: return Between(1, std::min<size_t>(available, 8));
    case 1: return Between(1, available);
    default: return available;
  }
}

size_t Choices::ReceiveChunk(size_t available) {
  switch (receives_) {
    case Receives::kSome: break;
    case Receives::kCrumbs: return std::min<size_t>(available, Between(1, 8));
    case Receives::kWhole: return available;
  }
  return Some(available);
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
