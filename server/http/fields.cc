// SPDX-License-Identifier: Apache-2.0
#include "server/http/fields.h"

#include <cstddef>

namespace mooring::server::http {
namespace {

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

constexpr bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The first such byte outside of quoted strings.
size_t FindUnquoted(std::string_view text, char sought) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == sought) {
      return i;
    }
  }
  return text.size();
}

}  // namespace

bool SameIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

std::optional<std::string_view> Fields::Find(std::string_view name) const {
  for (uint32_t i = 0; i < count_; ++i) {
    if (SameIgnoringCase(this->name(i), name)) return value(i);
  }
  return std::nullopt;
}

uint32_t Fields::Count(std::string_view name) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < count_; ++i) count += SameIgnoringCase(this->name(i), name) ? 1 : 0;
  return count;
}

bool Fields::HasToken(std::string_view name, std::string_view token) const {
  for (uint32_t i = 0; i < count_; ++i) {
    if (SameIgnoringCase(this->name(i), name) && ListHas(value(i), token)) return true;
  }
  return false;
}

bool ListHas(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = FindUnquoted(list, ',');
    const std::string_view element = list.substr(0, comma);
    if (SameIgnoringCase(Trim(element.substr(0, FindUnquoted(element, ';'))), token)) return true;
    list.remove_prefix(comma == list.size() ? comma : comma + 1);
  }
  return false;
}

}  // namespace mooring::server::http
