// SPDX-License-Identifier: Apache-2.0
#include "server/config/value.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/topology.h"

namespace mooring::server::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
// The first is what a plain number is in; from small to large.
constexpr Unit kBytesUnits[] = {{"B", 1},        {"KB", 1000},      {"KiB", 1 << 10},    {"MB", 1000 * 1000},
                                {"MiB", 1 << 20}, {"GB", 1000000000}, {"GiB", 1 << 30}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
constexpr size_t kShownBytes = 60;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string Quoted(const std::string& text) {
  if (text.size() <= kShownBytes) return absl::StrCat("'", text, "'");
  return absl::StrCat("'", text.substr(0, kShownBytes), "...'");
}

// Digits at the front of `text`, which are taken off; none: there are none, or they are more than 64 bits.
std::optional<uint64_t> TakeWhole(std::string_view* text) {
  size_t n = 0;
  uint64_t number = 0;
  for (; n < text->size() && (*text)[n] >= '0' && (*text)[n] <= '9'; ++n) {
    if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, (*text)[n] - '0', &number)) return {};
  }
  if (n == 0) return {};
  text->remove_prefix(n);
  return number;
}

// `plain`: the factor of a number without a unit.
template <size_t n>
std::optional<uint64_t> WithUnit(std::string_view text, const Unit (&units)[n], uint64_t plain) {
  std::optional<uint64_t> number = TakeWhole(&text);
  if (!number.has_value()) return {};
  uint64_t factor = plain;
  if (!text.empty()) {
    const Unit* const unit = std::find_if(units, units + n, [&](const Unit& each) { return each.name == text; });
    if (unit == units + n) return {};
    factor = unit->factor;
  }
  if (__builtin_mul_overflow(*number, factor, &*number)) return {};
  return number;
}

std::optional<uint64_t> NumberOf(Kind kind, const std::string& written) {
  std::string_view text = written;
  switch (kind) {
    case Kind::kBool:
      if (text == "true" || text == "1" || text == "yes") return 1;
      if (text == "false" || text == "0" || text == "no") return 0;
      return {};
    case Kind::kCount: {
      const std::optional<uint64_t> number = TakeWhole(&text);
      return text.empty() ? number : std::nullopt;
    }
    case Kind::kBytes:
    case Kind::kMemory: return WithUnit(text, kBytesUnits, 1);
    case Kind::kMilliseconds: return WithUnit(text, kTimeUnits, 1);
    case Kind::kSeconds: {
      const std::optional<uint64_t> ms = WithUnit(text, kTimeUnits, 1000);
      if (!ms.has_value() || *ms % 1000 != 0) return {};
      return *ms / 1000;
    }
    case Kind::kText:
    case Kind::kChoice:
    case Kind::kEndpoint:
    case Kind::kCpus: break;
  }
  return {};
}

template <size_t n>
std::string InUnit(uint64_t number, const Unit (&units)[n]) {
  for (size_t i = n; i-- > 0;) {
    if (number != 0 && number % units[i].factor == 0) return absl::StrCat(number / units[i].factor, View(units[i].name));
  }
  return "0";
}

std::string NumberText(Kind kind, uint64_t number) {
  switch (kind) {
    case Kind::kBool: return number != 0 ? "true" : "false";
    case Kind::kBytes:
    case Kind::kMemory: {
      const std::string text = InUnit(number, kBytesUnits);
      return text.size() > 1 && text.find_first_not_of("0123456789") == text.size() - 1 ? text.substr(0, text.size() - 1) : text;
    }
    case Kind::kMilliseconds: return InUnit(number, kTimeUnits);
    case Kind::kSeconds: {
      uint64_t ms = 0;
      return __builtin_mul_overflow(number, 1000, &ms) ? absl::StrCat(number) : InUnit(ms, kTimeUnits);
    }
    default: return absl::StrCat(number);
  }
}

std::string Bounds(const Form& form, uint64_t most) {
  const std::string min = NumberText(form.kind, form.min);
  const bool bounded = form.max < most;
  if (form.min == 0 && !bounded) return "";
  if (!bounded) return absl::StrCat(", at least ", min);
  if (form.min == 0) return absl::StrCat(", at most ", NumberText(form.kind, form.max));
  return absl::StrCat(" from ", min, " to ", NumberText(form.kind, form.max));
}

std::string AllowedOf(const Form& form) {
  switch (form.kind) {
    case Kind::kText: return "one line of text";
    case Kind::kBool: return "true or false";
    case Kind::kCount: return absl::StrCat("a whole number", Bounds(form, UINT64_MAX));
    case Kind::kBytes: return absl::StrCat("a size", Bounds(form, UINT64_MAX), ": bytes, or with a unit, like 64KiB or 1MB");
    case Kind::kMemory:
      return absl::StrCat("a size", Bounds(form, UINT64_MAX), ": bytes, or with a unit, like 2GiB, or a part of the memory, like 90%");
    case Kind::kSeconds:
      return absl::StrCat("a time in whole seconds", Bounds(form, UINT64_MAX), ": 30, or with a unit, like 30s, 5m or 1h");
    case Kind::kMilliseconds:
      return absl::StrCat("a time", Bounds(form, UINT64_MAX), ": milliseconds, or with a unit, like 500ms, 30s, 5m or 1h");
    case Kind::kChoice: return "";
    case Kind::kEndpoint: return "HOST:PORT or unix:PATH";
    case Kind::kCpus: return "a list of CPUs, like 0-3,8";
  }
  return "";
}

bool HasNumbers(Kind kind) {
  return kind == Kind::kCount || kind == Kind::kBytes || kind == Kind::kMemory || kind == Kind::kSeconds ||
         kind == Kind::kMilliseconds;
}

// What the types of a file say against it; empty: nothing.
std::string WrongType(const Form& form, const Written& written) {
  if (written.type == Type::kAny) return "";
  if (written.type == Type::kOther) return absl::StrCat("is ", written.text, ", not ", Allowed(form));
  const auto quoted = [&] { return absl::StrCat("\"", written.text.substr(0, kShownBytes), "\""); };
  if (form.kind == Kind::kBool) {
    return written.type == Type::kBool ? "" : absl::StrCat("is not ", AllowedOf(form), ", without quotes");
  }
  if (written.type == Type::kBool) return absl::StrCat(written.text, " is not ", Allowed(form));
  if (!HasNumbers(form.kind)) {
    return written.type == Type::kText ? "" : absl::StrCat(written.text, " has no quotes; it is text: ", Allowed(form));
  }
  const bool word = std::any_of(form.words.begin(), form.words.end(), [&](const Word& each) { return each.word == written.text; });
  if (form.kind == Kind::kCount && written.type == Type::kText && !word) {
    return absl::StrCat(quoted(), " is text; it is ", Allowed(form), "; numbers have no quotes");
  }
  return "";
}

}  // namespace

std::string Allowed(const Form& form) {
  std::vector<std::string> words;
  for (const Word& each : form.words) words.push_back(each.word);
  if (form.kind == Kind::kChoice) return absl::StrCat("one of ", absl::StrJoin(words, ", "));
  return absl::StrCat(AllowedOf(form), words.empty() ? "" : ", or ", absl::StrJoin(words, " or "));
}

absl::StatusOr<Value> ParseValue(const Form& form, const Written& written) {
  if (const std::string wrong = WrongType(form, written); !wrong.empty()) return absl::InvalidArgumentError(wrong);
  const std::string& text = written.text;
  for (const Word& each : form.words) {
    if (each.word == text) return Value{.text = {}, .number = each.number};
  }
  const auto unlike = [&] { return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is not ", Allowed(form))); };
  switch (form.kind) {
    case Kind::kChoice: return unlike();
    case Kind::kText: {
      const auto breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
      if (std::any_of(text.begin(), text.end(), breaks)) {
        return absl::InvalidArgumentError("has control bytes; it is one line of text");
      }
      return Value{.text = text};
    }
    case Kind::kEndpoint: {
      absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(text);
      if (!endpoint.ok()) {
        const std::string words = form.words.empty() ? "" : absl::StrCat(", or ", form.words[0].word);
        return absl::InvalidArgumentError(absl::StrCat(endpoint.status().message(), words));
      }
      return Value{.endpoint = *std::move(endpoint)};
    }
    case Kind::kCpus: {
      const absl::StatusOr<std::vector<int>> cpus = core::ParseCpuList(text);
      if (!cpus.ok()) return cpus.status();
      return Value{.text = text};
    }
    default: break;
  }
  if (form.kind == Kind::kMemory && !text.empty() && text.back() == '%') {
    const std::optional<uint64_t> percent = NumberOf(Kind::kCount, text.substr(0, text.size() - 1));
    if (!percent.has_value() || *percent < 1 || *percent > 100) return unlike();
    return Value{.number = *percent, .percent = true};
  }
  const std::optional<uint64_t> number = NumberOf(form.kind, text);
  if (!number.has_value() || *number < form.min || *number > form.max) return unlike();
  return Value{.number = *number};
}

std::string ToText(const Form& form, const Value& value) {
  const bool by_number = form.kind == Kind::kChoice || HasNumbers(form.kind);
  const bool nothing = form.kind == Kind::kEndpoint ? value.endpoint.empty() : value.text.empty();
  for (const Word& each : form.words) {
    if (by_number ? !value.percent && each.number == value.number : nothing) return each.word;
  }
  if (form.kind == Kind::kEndpoint) return value.endpoint.ToString();
  if (form.kind == Kind::kText || form.kind == Kind::kCpus) return value.text;
  if (value.percent) return absl::StrCat(value.number, "%");
  return NumberText(form.kind, value.number);
}

std::string ToToml(const Form& form, const Value& value) {
  std::string text = ToText(form, value);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (form.kind == Kind::kBool || (HasNumbers(form.kind) && digits)) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace mooring::server::config
