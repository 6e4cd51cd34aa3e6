// SPDX-License-Identifier: Apache-2.0
// Fields: the header fields of one message, as places in the bytes of its head.
//
// Threads:  a value; the head it looks at belongs to the message.
#ifndef MOORING_SERVER_HTTP_FIELDS_H_
#define MOORING_SERVER_HTTP_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::server::http {

// Places in a head, which has less than 64 KiB. The value is without the whitespace around it.
struct Field {
  uint16_t name = 0;
  uint16_t name_bytes = 0;
  uint16_t value = 0;
  uint16_t value_bytes = 0;
};

// As ASCII, which is all that field names and tokens are (RFC 9110, section 5.6.2).
bool SameIgnoringCase(std::string_view a, std::string_view b);
// Whether `token` is an element of the comma-separated `list`, in any case. Parameters (";q=1") are not part of an
// element; commas in quoted strings do not separate.
bool ListHas(std::string_view list, std::string_view token);

class Fields {
 public:
  Fields() = default;
  Fields(const char* head, const Field* fields, uint32_t count) : head_(head), fields_(fields), count_(count) {}

  uint32_t size() const { return count_; }
  std::string_view name(uint32_t i) const { return {head_ + fields_[i].name, fields_[i].name_bytes}; }
  std::string_view value(uint32_t i) const { return {head_ + fields_[i].value, fields_[i].value_bytes}; }

  // The value of the first field of that name, in any case; none when there is no such field.
  std::optional<std::string_view> Find(std::string_view name) const;
  // How many fields of that name there are.
  uint32_t Count(std::string_view name) const;
  // Whether `token` is in the list that all fields of that name make, as in `Connection: keep-alive, Upgrade`.
  bool HasToken(std::string_view name, std::string_view token) const;

 private:
  const char* head_ = nullptr;
  const Field* fields_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FIELDS_H_
