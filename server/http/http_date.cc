// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_date.h"

#include <algorithm>
#include <cstring>

namespace mooring::server::http {
namespace {

constexpr int64_t kDaySeconds = 86'400;
constexpr std::string_view kDays = "MonTueWedThuFriSatSun";
constexpr std::string_view kLongDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct Date {
  int64_t year;
  int month;  // 1 to 12
  int day;
};

// Days since 1970 and back, for years of the Gregorian calendar from 0 on: years that begin in March end with the leap
// day, and 400 of them have 146,097 days.
int64_t DaysOf(Date date) {
  const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}
Date DateOf(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1)};
}

int DaysIn(int month, int64_t year) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

void Digits(char* out, int count, int64_t value) {
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

// Takes a text apart from the left; once something is missing, nothing more is found.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && text_.empty(); }

  void Expect(std::string_view what) {
    if (text_.substr(0, what.size()) != what) ok_ = false;
    if (ok_) text_.remove_prefix(what.size());
  }
  int Number(size_t digits) {
    if (text_.size() < digits) ok_ = false;
    if (!ok_) return 0;
    int value = 0;
    for (const char c : text_.substr(0, digits)) {
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(digits);
    return ok_ ? value : 0;
  }
  // The number, from 0 on, of a name of three letters.
  int Name(std::string_view names) {
    for (size_t i = 0; i < names.size() && text_.size() >= 3; i += 3) {
      if (text_.substr(0, 3) != names.substr(i, 3)) continue;
      text_.remove_prefix(3);
      return static_cast<int>(i / 3);
    }
    ok_ = false;
    return 0;
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

struct Clock {
  int hour;
  int minute;
  int second;
};

Clock ReadClock(Reader* in) {
  Clock clock;
  clock.hour = in->Number(2);
  in->Expect(":");
  clock.minute = in->Number(2);
  in->Expect(":");
  clock.second = in->Number(2);
  return clock;
}

std::optional<int64_t> SecondsOf(Date date, Clock clock) {
  if (date.day < 1 || date.day > DaysIn(date.month, date.year)) return std::nullopt;
  if (clock.hour > 23 || clock.minute > 59 || clock.second > 60) return std::nullopt;  // 60: a leap second
  return DaysOf(date) * kDaySeconds + clock.hour * 3600 + clock.minute * 60 + clock.second;
}

std::optional<int64_t> ParseFixed(std::string_view text) {  // Sun, 06 Nov 1994 08:49:37 GMT
  Reader in(text);
  in.Name(kDays);
  in.Expect(", ");
  Date date;
  date.day = in.Number(2);
  in.Expect(" ");
  date.month = in.Name(kMonths) + 1;
  in.Expect(" ");
  date.year = in.Number(4);
  in.Expect(" ");
  const Clock clock = ReadClock(&in);
  in.Expect(" GMT");
  if (!in.at_end()) return std::nullopt;
  return SecondsOf(date, clock);
}

std::optional<int64_t> ParseRfc850(std::string_view text, int64_t now) {  // Sunday, 06-Nov-94 08:49:37 GMT
  const size_t comma = text.find(',');
  if (std::find(std::begin(kLongDays), std::end(kLongDays), text.substr(0, comma)) == std::end(kLongDays)) {
    return std::nullopt;
  }
  Reader in(text.substr(comma));
  in.Expect(", ");
  Date date;
  date.day = in.Number(2);
  in.Expect("-");
  date.month = in.Name(kMonths) + 1;
  in.Expect("-");
  const int two_digits = in.Number(2);
  in.Expect(" ");
  const Clock clock = ReadClock(&in);
  in.Expect(" GMT");
  if (!in.at_end()) return std::nullopt;
  const int64_t this_year = DateOf(now / kDaySeconds).year;
  date.year = this_year / 100 * 100 + two_digits;
  if (date.year > this_year + 50) date.year -= 100;
  return SecondsOf(date, clock);
}

std::optional<int64_t> ParseAsctime(std::string_view text) {  // Sun Nov  6 08:49:37 1994
  Reader in(text);
  in.Name(kDays);
  in.Expect(" ");
  Date date;
  date.month = in.Name(kMonths) + 1;
  in.Expect(" ");
  if (text.size() > 8 && text[8] == ' ') {
    in.Expect(" ");
    date.day = in.Number(1);
  } else {
    date.day = in.Number(2);
  }
  in.Expect(" ");
  const Clock clock = ReadClock(&in);
  in.Expect(" ");
  date.year = in.Number(4);
  if (!in.at_end()) return std::nullopt;
  return SecondsOf(date, clock);
}

}  // namespace

void FormatHttpDate(int64_t seconds, char* out) {
  static const int64_t kFirst = DaysOf({.year = 0, .month = 1, .day = 1}) * kDaySeconds;
  static const int64_t kLast = DaysOf({.year = 10'000, .month = 1, .day = 1}) * kDaySeconds - 1;
  seconds = std::clamp(seconds, kFirst, kLast);
  int64_t days = seconds / kDaySeconds;
  int64_t rest = seconds % kDaySeconds;
  if (rest < 0) {
    rest += kDaySeconds;
    --days;
  }
  const Date date = DateOf(days);
  const auto week_day = static_cast<size_t>(((days + 3) % 7 + 7) % 7);  // 1970 began on a Thursday
  std::memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", kHttpDateBytes);
  std::memcpy(out, kDays.data() + 3 * week_day, 3);
  Digits(out + 5, 2, date.day);
  std::memcpy(out + 8, kMonths.data() + 3 * (date.month - 1), 3);
  Digits(out + 12, 4, date.year);
  Digits(out + 17, 2, rest / 3600);
  Digits(out + 20, 2, rest / 60 % 60);
  Digits(out + 23, 2, rest % 60);
}

std::optional<int64_t> ParseHttpDate(std::string_view text, int64_t now) {
  if (text.size() == kHttpDateBytes && text[3] == ',') return ParseFixed(text);
  if (text.find(',') != std::string_view::npos) return ParseRfc850(text, now);
  return ParseAsctime(text);
}

}  // namespace mooring::server::http
