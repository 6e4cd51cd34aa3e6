// SPDX-License-Identifier: Apache-2.0
// QueryKeys: the query of a request, of which everything is understood: a key that nobody knows is an error, for a
// filter that is misspelt shows everything, and a drain that is misspelt drains everything.
//
// Threads:  a value.
#ifndef MOORING_SERVER_ADMIN_QUERY_KEYS_H_
#define MOORING_SERVER_ADMIN_QUERY_KEYS_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mooring::server::admin {

class QueryKeys {
 public:
  // `query` as sent. The error names the key, and those that are known; so does one for a key that is there twice.
  static absl::StatusOr<QueryKeys> Parse(std::string_view query, std::initializer_list<std::string_view> known);

  bool Has(std::string_view key) const { return values_.contains(key); }
  std::optional<std::string> Text(std::string_view key) const;
  // None where it is not there. The error says what is allowed.
  absl::StatusOr<std::optional<uint64_t>> Number(std::string_view key, uint64_t min, uint64_t max) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_QUERY_KEYS_H_
