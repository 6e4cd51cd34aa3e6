// SPDX-License-Identifier: Apache-2.0
// MediaTypes: the Content-Type of a file by the end of its name.
//
// From a table in the form of /etc/mime.types, above a small built-in set that also says what to serve where there is
// no such table. Texts are said to be UTF-8.
//
// Threads:  immutable once made; any.
// Limits:   kTableBytesMax of a table; what is behind them is not read.
#ifndef MOORING_SERVER_HTTP_MEDIA_TYPES_H_
#define MOORING_SERVER_HTTP_MEDIA_TYPES_H_

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace mooring::server::http {

class MediaTypes {
 public:
  static constexpr size_t kTableBytesMax = 1 << 20;
  static constexpr std::string_view kUnknown = "application/octet-stream";

  MediaTypes();                                     // the built-in set
  static MediaTypes Load(const std::string& file);  // the same where the file cannot be read
  static MediaTypes Parse(std::string_view table);

  // Of a name or a path; kUnknown where the table has nothing. Lives as long as this does.
  std::string_view Of(std::string_view path) const;

 private:
  void Read(std::string_view table);

  absl::flat_hash_map<std::string, std::string> types_;  // by extension, in lower case
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_MEDIA_TYPES_H_
