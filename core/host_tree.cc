// SPDX-License-Identifier: Apache-2.0
#include "core/host_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace mooring::core {
namespace {

constexpr size_t kFileBytesMax = 256 * 1024;
constexpr std::string_view kBlank = " \t\r\n";

}  // namespace

std::optional<std::string> HostTree::Read(const std::string& path) const {
  const int fd = open((root_ + path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  char piece[4096];
  ssize_t got = 0;
  while (text.size() < kFileBytesMax && (got = read(fd, piece, sizeof(piece))) > 0) {
    text.append(piece, static_cast<size_t>(got));
  }
  close(fd);
  if (got < 0) return std::nullopt;
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return std::string();
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<uint64_t> HostTree::ReadNumber(const std::string& path) const {
  const std::optional<std::string> text = Read(path);
  return text.has_value() ? ParseNumber(*text) : std::nullopt;
}

std::vector<std::string> HostTree::List(const std::string& path) const {
  std::vector<std::string> names;
  DIR* const folder = opendir((root_ + path).c_str());
  if (folder == nullptr) return names;
  while (const dirent* const entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t begin = text.find_first_not_of(kBlank); begin < text.size();) {
    const size_t end = std::min(text.find_first_of(kBlank, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlank, end);
  }
  return words;
}

}  // namespace mooring::core
