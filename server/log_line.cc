// SPDX-License-Identifier: Apache-2.0
#include "server/log_line.h"

#include <cassert>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mooring::server {
namespace {

constexpr char32_t kNoCharacter = 0xffffffff;

// How long the UTF-8 character at the beginning of `text` is, and which it is; 1 and kNoCharacter where there is none
// (Unicode, table 3-7: no overlong forms, no surrogates, nothing from 0x110000 on). REQUIRES: text is not empty.
size_t Character(std::string_view text, char32_t* character) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  *character = first;
  if (first < 0x80) return 1;
  *character = kNoCharacter;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 1;
  char32_t value = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 1;
    value = value << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || (value >= 0xd800 && value < 0xe000) || value >= 0x110000) return 1;
  *character = value;
  return length;
}

// Control characters, those of C1 too, what some take for a line break, and what turns the direction of writing around.
bool Obeyed(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// As text and JSON both escape it; false: it may stay.
bool AddEscaped(std::string* line, char32_t c) {
  switch (c) {
    case '"': *line += "\\\""; return true;
    case '\\': *line += "\\\\"; return true;
    case '\n': *line += "\\n"; return true;
    case '\r': *line += "\\r"; return true;
    case '\t': *line += "\\t"; return true;
    default: break;
  }
  if (!Obeyed(c)) return false;
  absl::StrAppendFormat(line, "\\u%04x", static_cast<unsigned>(c));
  return true;
}

void AddInner(std::string* line, LogSettings::Format format, std::string_view value) {
  const bool cut = value.size() > kLogValueBytes;
  if (cut) value = value.substr(0, kLogValueBytes);
  while (!value.empty()) {
    char32_t c;
    const size_t length = Character(value, &c);
    if (c == kNoCharacter && format == LogSettings::Format::kJson) {
      *line += "\xef\xbf\xbd";
    } else if (c == kNoCharacter) {
      absl::StrAppendFormat(line, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(value[0])));
    } else if (!AddEscaped(line, c)) {
      line->append(value.data(), length);
    }
    value.remove_prefix(length);
  }
  if (cut) *line += "...";
}

void AddQuoted(std::string* line, LogSettings::Format format, std::string_view value) {
  *line += '"';
  AddInner(line, format, value);
  *line += '"';
}

// A word of text that needs no quotes: nobody takes its parts for fields.
bool IsPlain(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') return false;
  }
  return !value.empty();
}

struct AddValue {
  void operator()(std::string_view value) const {
    if (format == LogSettings::Format::kText && IsPlain(value) && value.size() <= kLogValueBytes) {
      line->append(value);
    } else {
      AddQuoted(line, format, value);
    }
  }
  void operator()(int64_t value) const { absl::StrAppend(line, value); }
  void operator()(uint64_t value) const { absl::StrAppend(line, value); }
  void operator()(bool value) const { *line += value ? "true" : "false"; }
  void operator()(double value) const {
    char digits[32];
    // JSON has no word for what is no number.
    if (!std::isfinite(value)) {
      *line += format == LogSettings::Format::kJson ? "null" : std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
      return;
    }
    line->append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  }

  std::string* line;
  LogSettings::Format format;
};

const char* NameOf(Log::Level level) {
  switch (level) {
    case Log::Level::kDebug: return "debug";
    case Log::Level::kInfo: return "info";
    case Log::Level::kWarning: return "warning";
    case Log::Level::kError: return "error";
  }
  return "?";
}

// As in 2026-11-29T19:14:16.123Z. UTC, and without localtime(3), which takes a lock. Days from the civil calendar
// (proleptic Gregorian), counted from 1 March of the year 0, so that a leap day is a year's last.
void AddTime(std::string* line, int64_t wall_ms) {
  constexpr int64_t kMsPerDay = 86'400'000;
  const int64_t days = (wall_ms >= 0 ? wall_ms : wall_ms - kMsPerDay + 1) / kMsPerDay;
  const auto ms = static_cast<unsigned>(wall_ms - days * kMsPerDay);
  const int64_t since_0000 = days + 719'468;
  const int64_t era = (since_0000 >= 0 ? since_0000 : since_0000 - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(since_0000 - era * 146'097);
  const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned month_from_march = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  const int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  absl::StrAppendFormat(line, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, day, ms / 3'600'000, ms / 60'000 % 60,
                        ms / 1000 % 60, ms % 1000);
}

}  // namespace

std::string LogLine(LogSettings::Format format, int64_t wall_ms, Log::Level level, std::string_view message,
                    std::initializer_list<Log::Field> fields) {
  const bool json = format == LogSettings::Format::kJson;
  std::string line;
  line.reserve(256);
  if (json) line += "{\"time\":\"";
  AddTime(&line, wall_ms);
  if (json) {
    absl::StrAppend(&line, "\",\"level\":\"", NameOf(level), "\",\"message\":");
    AddQuoted(&line, format, message);
  } else {
    // Five letters, so that messages are below each other.
    absl::StrAppendFormat(&line, " %-5s ", level == Log::Level::kWarning ? "warn" : NameOf(level));
    AddInner(&line, format, message);
  }
  for (const Log::Field& field : fields) {
    const std::string_view name = field.name;
    assert(name != "time" && name != "level" && name != "message");
    assert(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string_view::npos);
    if (json) {
      line.append(",\"").append(name).append("\":");
    } else {
      line.append(" ").append(name).append("=");
    }
    std::visit(AddValue{&line, format}, field.value);
  }
  line += json ? "}\n" : "\n";
  return line;
}

}  // namespace mooring::server
