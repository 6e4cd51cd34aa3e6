// SPDX-License-Identifier: Apache-2.0
#include "server/config/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_MAX_NESTED_VALUES 16
// toml++ 3.3 asserts what the file controls ("[[[" is enough), and with NDEBUG assumes it; behind each it refuses the same
// as an error.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace mooring::server::config {
namespace {

absl::Status Unreadable(const std::string& path, const std::string& why, const char* what_to_do) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": cannot read it: ", why, "; ", what_to_do));
}

int LineOf(const toml::source_region& region) { return static_cast<int>(region.begin.line); }

Written WrittenOf(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string: return {node.as_string()->get(), Type::kText};
    case toml::node_type::integer: return {absl::StrCat(node.as_integer()->get()), Type::kWhole};
    case toml::node_type::boolean: return {node.as_boolean()->get() ? "true" : "false", Type::kBool};
    case toml::node_type::floating_point: return {"a number with a fraction", Type::kOther};
    case toml::node_type::table: return {"a table", Type::kOther};
    case toml::node_type::array: return {"an array", Type::kOther};
    case toml::node_type::none:
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: break;
  }
  return {"a date or a time", Type::kOther};
}

template <class T>
void SortByLine(std::vector<T>* all) {
  std::stable_sort(all->begin(), all->end(), [](const T& a, const T& b) { return a.line < b.line; });
}

FileEntry EntryOf(const toml::key& key, const toml::node& node) {
  return {.key = std::string(key.str()), .written = WrittenOf(node), .line = LineOf(key.source())};
}

FileTable TableOf(const std::string& name, bool in_array, int line, const toml::table& table) {
  FileTable out = {.name = name, .in_array = in_array, .line = line};
  for (const auto& [key, node] : table) out.entries.push_back(EntryOf(key, node));
  SortByLine(&out.entries);
  return out;
}

// The line on which there are more dots than one would need, or 0.
int LineOfTooManyDots(std::string_view text) {
  int line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view one = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    const size_t first = one.find_first_not_of(" \t");
    if (first != std::string_view::npos && one[first] == '#') continue;
    if (std::count(one.begin(), one.end(), '.') > kDotsMax) return line;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const std::string why = strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) {
      return absl::NotFoundError(absl::StrCat(path, ": cannot read it: ", why, "; create it, or name another file"));
    }
    return Unreadable(path, why, "the user that runs the server must be allowed to");
  }
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat facts;
  if (fstat(fd, &facts) != 0) return Unreadable(path, strerror(errno), "name another file");
  // A pipe would be empty when SIGHUP has it read again.
  const bool null = S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(1, 3);
  if (!S_ISREG(facts.st_mode) && !null) {
    return Unreadable(path, S_ISDIR(facts.st_mode) ? "it is a folder" : "it is no regular file", "name the file");
  }
  std::string text;
  char chunk[16 << 10];
  for (;;) {
    const ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unreadable(path, strerror(errno), "name another file");
    if (n == 0) return text;
    text.append(chunk, static_cast<size_t>(n));
    if (text.size() > kFileBytesMax) return Unreadable(path, "it is larger than 1 MiB", "a configuration is not");
  }
}

absl::StatusOr<File> ParseFile(std::string_view text, const std::string& path) {
  if (const int line = LineOfTooManyDots(text); line != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": a line has more than ", kDotsMax, " dots"));
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    const std::string_view what = error.description();
    return absl::InvalidArgumentError(absl::StrCat(path, ":", error.source().begin.line, ":", error.source().begin.column,
                                                   ": this is not TOML: ", absl::string_view(what.data(), what.size())));
  }
  File file;
  file.path = path;
  for (const auto& [key, node] : parsed.table()) {
    const std::string name(key.str());
    if (const toml::table* const table = node.as_table(); table != nullptr) {
      file.tables.push_back(TableOf(name, false, LineOf(key.source()), *table));
    } else if (node.is_array_of_tables()) {
      for (const toml::node& each : *node.as_array()) {
        file.tables.push_back(TableOf(name, true, LineOf(each.source()), *each.as_table()));
      }
    } else {
      file.outside.push_back(EntryOf(key, node));
    }
  }
  SortByLine(&file.tables);
  SortByLine(&file.outside);
  return file;
}

}  // namespace mooring::server::config
