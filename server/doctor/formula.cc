// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/formula.h"

#include <algorithm>

namespace mooring::server::doctor {
namespace {

using Value = std::optional<uint64_t>;

class Parser {
 public:
  Parser(std::string_view text, const Variables& variables) : text_(text), variables_(variables) {}

  Value Whole() {
    const Value value = Sum();
    return Peek() == '\0' ? value : std::nullopt;
  }

 private:
  // The next character that is no blank; at the end 0.
  char Peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  Value Sum() {
    Value value = Product();
    while (value.has_value() && (Peek() == '+' || Peek() == '-')) {
      const bool plus = text_[at_++] == '+';
      const Value next = Product();
      if (!next.has_value()) return std::nullopt;
      value = plus ? *value + *next : *value - std::min(*value, *next);
    }
    return value;
  }

  Value Product() {
    Value value = Atom();
    while (value.has_value() && (Peek() == '*' || Peek() == '/')) {
      const bool times = text_[at_++] == '*';
      const Value next = Atom();
      if (!next.has_value() || (!times && *next == 0)) return std::nullopt;
      value = times ? *value * *next : *value / *next;
    }
    return value;
  }

  Value Atom() {
    const char first = Peek();
    if (first == 'N' || first == 'M') {
      ++at_;
      return first == 'N' ? variables_.connections : variables_.memory_bytes;
    }
    if (first == '(') {
      ++at_;
      const Value value = Sum();
      if (Peek() != ')') return std::nullopt;
      ++at_;
      return value;
    }
    if (first < '0' || first > '9') return std::nullopt;
    uint64_t number = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      number = number * 10 + static_cast<uint64_t>(text_[at_++] - '0');
    }
    return number;
  }

  const std::string_view text_;
  const Variables variables_;
  size_t at_ = 0;
};

}  // namespace

std::optional<uint64_t> Evaluate(std::string_view formula, const Variables& variables) {
  return Parser(formula, variables).Whole();
}

}  // namespace mooring::server::doctor
