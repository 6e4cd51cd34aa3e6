// SPDX-License-Identifier: Apache-2.0
// Value: what a key can be set to, and how that is written: 30, 30s, 64KiB, true, auto.
//
// The spelling is the same on the command line, in the environment and in the file; a file has types besides, and there
// 30 and true stand without quotes, all else with them.
//
// Threads:  values.
#ifndef MOORING_SERVER_CONFIG_VALUE_H_
#define MOORING_SERVER_CONFIG_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/endpoint.h"

namespace mooring::server::config {

enum class Kind : uint8_t {
  kText,          // one line
  kBool,
  kCount,
  kBytes,         // 65536, 64KiB, 1MB
  kSeconds,       // 30, 30s, 5m, 1h
  kMilliseconds,  // 500, 500ms, 2s
  kMemory,        // as kBytes, or 90%
  kChoice,        // one of Form::words
  kEndpoint,      // as net::Endpoint reads it
  kCpus,          // 0-3,8
};

// 24 days. TCP_USER_TIMEOUT is milliseconds in an int (tcp(7)).
inline constexpr uint64_t kSecondsMax = 24 * 24 * 3600;

// A word that stands for a number, or for nothing at all: auto, off.
struct Word {
  std::string word;
  uint64_t number = 0;
};

// What may be written for a key.
struct Form {
  Kind kind = Kind::kText;
  std::vector<Word> words = {};  // kChoice: all there is. Else: beside what the kind has
  uint64_t min = 0;              // of numbers; words may lie outside
  uint64_t max = UINT64_MAX;
};

struct Value {
  std::string text = {};        // kText, kCpus
  uint64_t number = 0;          // count, bytes, seconds, milliseconds, percent; 0 or 1; of the word
  bool percent = false;         // kMemory: `number` is one
  net::Endpoint endpoint = {};  // kEndpoint; empty for a word

  friend bool operator==(const Value&, const Value&) = default;
};

// What the file's syntax says a value is. What has no type, on the command line, is kAny.
enum class Type : uint8_t { kAny, kText, kWhole, kBool, kOther };

struct Written {
  std::string text = {};  // without quotes; of kOther: what it is, "a table"
  Type type = Type::kAny;
};

// The error says what is wrong and what is allowed, with `written` in it, in words that follow a colon.
absl::StatusOr<Value> ParseValue(const Form& form, const Written& written);
// "a whole number from 1 to 1023, or auto".
std::string Allowed(const Form& form);
// As ParseValue reads it, in the shortest unit that is exact: 64KiB, 90s, 1h.
std::string ToText(const Form& form, const Value& value);
// Likewise, as a file has it: with quotes where they belong.
std::string ToToml(const Form& form, const Value& value);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_VALUE_H_
