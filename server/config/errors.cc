// SPDX-License-Identifier: Apache-2.0
#include "server/config/errors.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mooring::server::config {

void Errors::Add(const std::string& where, const std::string& what, int line) { Add(absl::StrCat(where, ": ", what), line); }

void Errors::Add(std::string whole, int line) {
  if (whole.size() > kErrorBytesMax) whole = whole.substr(0, kErrorBytesMax) + "...";
  const auto breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(whole.begin(), whole.end(), breaks, ' ');
  // Two listeners of a service meet the same one.
  if (!all_.empty() && all_.back().second == whole) return;
  all_.emplace_back(line, std::move(whole));
}

absl::Status Errors::status() const {
  if (all_.empty()) return absl::OkStatus();
  std::vector<std::pair<int, std::string>> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (size_t i = 0; i < std::min(sorted.size(), kErrorsMax); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : "\n", sorted[i].second);
  }
  if (sorted.size() > kErrorsMax) absl::StrAppend(&text, "\nand ", sorted.size() - kErrorsMax, " more");
  return absl::InvalidArgumentError(text);
}

}  // namespace mooring::server::config
