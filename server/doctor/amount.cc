// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/amount.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mooring::server::doctor {

std::string Count(uint64_t n) {
  if (n >= uint64_t{1} << 62) return "unlimited";  // LONG_MAX and ULONG_MAX are how the kernel says that
  std::string digits = absl::StrCat(n);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string Bytes(uint64_t bytes) {
  if (bytes >= uint64_t{1} << 62) return "unlimited";
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  double size = static_cast<double>(bytes);
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  return unit == 0 || size >= 100 ? absl::StrFormat("%.0f %s", size, kUnits[unit])
                                  : absl::StrFormat("%.1f %s", size, kUnits[unit]);
}

}  // namespace mooring::server::doctor
