// SPDX-License-Identifier: Apache-2.0
#include "alloc/poison.h"

#ifdef MOORING_ASAN

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>

namespace mooring::alloc {
namespace {

std::mutex mutex;

// Address -> bytes, of the whole process. Never destroyed: pools may go after it would.
std::map<uintptr_t, size_t>& Loans() {
  static auto& loans = *new std::map<uintptr_t, size_t>;
  return loans;
}

uintptr_t At(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

// The loan that `memory` is in, or the next one behind it.
auto LoanFrom(const void* memory) {
  auto& loans = Loans();
  auto loan = loans.upper_bound(At(memory));
  if (loan != loans.begin() && std::prev(loan)->first + std::prev(loan)->second > At(memory)) --loan;
  return loan;
}

[[noreturn]] void Fail(const void* memory, const char* what) {
  std::fprintf(stderr, "poison: memory at %p %s\n", memory, what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace

void Lend(const void* memory, size_t bytes) {
  CheckNotLent(memory, bytes);
  const std::lock_guard lock(mutex);
  Loans().emplace(At(memory), bytes);
  Poison(memory, bytes);
}

void Reclaim(const void* memory) {
  const std::lock_guard lock(mutex);
  const auto loan = Loans().find(At(memory));
  if (loan == Loans().end()) Fail(memory, "is reclaimed from an operation that it was not lent to");
  Unpoison(memory, loan->second);
  Loans().erase(loan);
}

bool Lent(const void* memory, size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto loan = LoanFrom(memory);
  return loan != Loans().end() && loan->first <= At(memory) && At(memory) + bytes <= loan->first + loan->second;
}

void CheckNotLent(const void* memory, size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto loan = LoanFrom(memory);
  if (loan != Loans().end() && loan->first < At(memory) + bytes) {
    Fail(memory, "is given away while an operation in flight owns it");
  }
}

}  // namespace mooring::alloc

#endif
