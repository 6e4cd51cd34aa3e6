// SPDX-License-Identifier: Apache-2.0
// Formula: what tools/sysctls writes as a value, "N + N / 4 + 65536": the part of shell arithmetic that it needs.
//
// Threads:  any; pure functions.
// Limits:   whole numbers of 64 bits, + - * / ( ), and the variables N and M. What goes below zero is zero.
#ifndef MOORING_SERVER_DOCTOR_FORMULA_H_
#define MOORING_SERVER_DOCTOR_FORMULA_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::server::doctor {

struct Variables {
  uint64_t connections = 0;   // N
  uint64_t memory_bytes = 0;  // M
};

// None: it is not a formula, or it divides by zero.
std::optional<uint64_t> Evaluate(std::string_view formula, const Variables& variables);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_FORMULA_H_
