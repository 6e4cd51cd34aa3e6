// SPDX-License-Identifier: Apache-2.0
// Amounts for people: 1,048,576 and 23.5 GB.
//
// Threads:  any; pure functions.
#ifndef MOORING_SERVER_DOCTOR_AMOUNT_H_
#define MOORING_SERVER_DOCTOR_AMOUNT_H_

#include <cstdint>
#include <string>

namespace mooring::server::doctor {

// With commas. What no machine has (a limit that is none) is written as "unlimited".
std::string Count(uint64_t n);
// In the unit (of 1024) in which it has one to four digits before the point.
std::string Bytes(uint64_t bytes);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_AMOUNT_H_
