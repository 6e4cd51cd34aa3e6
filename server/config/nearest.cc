// SPDX-License-Identifier: Apache-2.0
#include "server/config/nearest.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace mooring::server::config {
namespace {

constexpr size_t kNameBytesMax = 64;  // longer ones are near to nothing

// Optimal string alignment: insertions, deletions, changes, and neighbours that changed places.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string Nearest(std::string_view wrong, const std::vector<std::string>& known) {
  if (wrong.size() > kNameBytesMax) return {};
  std::string nearest;
  size_t least = wrong.size() / 2 + 1;
  for (const std::string& each : known) {
    const size_t distance = Distance(wrong, each);
    if (distance >= least) continue;
    least = distance;
    nearest = each;
  }
  return nearest;
}

std::string DidYouMean(std::string_view wrong, const std::vector<std::string>& known, const std::string& before) {
  if (known.empty()) return {};
  if (const std::string nearest = Nearest(wrong, known); !nearest.empty()) {
    return absl::StrCat("; the nearest is ", before, nearest);
  }
  std::string text = "; known are ";
  for (size_t i = 0; i < known.size(); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", before, known[i]);
  return text;
}

}  // namespace mooring::server::config
