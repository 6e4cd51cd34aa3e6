// SPDX-License-Identifier: Apache-2.0
// File: a configuration file as its tables and keys, with their lines; what they mean is not known here.
//
// Threads:  one.
// Limits:   kFileBytesMax, kDotsMax; toml++ takes what it has made apart by recursion, so its depth is bounded here.
#ifndef MOORING_SERVER_CONFIG_FILE_H_
#define MOORING_SERVER_CONFIG_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/value.h"

namespace mooring::server::config {

inline constexpr size_t kFileBytesMax = 1 << 20;
inline constexpr int kDotsMax = 100;  // on a line that is no comment; three dots are an address

struct FileEntry {
  std::string key;
  Written written;
  int line = 0;
};

struct FileTable {
  std::string name;                  // "drain"
  bool in_array = false;             // [[name]]
  int line = 0;
  std::vector<FileEntry> entries = {};  // by line
};

struct File {
  std::string path = {};
  std::vector<FileTable> tables = {};   // by line
  std::vector<FileEntry> outside = {};  // of any table
};

// The bytes of a file. NotFound where there is none; else the error names it and says what to mend.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// The error is one line: PATH:LINE:COLUMN, and what is wrong there.
absl::StatusOr<File> ParseFile(std::string_view text, const std::string& path);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_FILE_H_
