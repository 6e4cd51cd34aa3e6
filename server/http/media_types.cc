// SPDX-License-Identifier: Apache-2.0
#include "server/http/media_types.h"

#include <fstream>

namespace mooring::server::http {
namespace {

constexpr std::string_view kBuiltIn =
    "text/html html htm\n"
    "text/css css\n"
    "text/javascript js mjs\n"
    "text/plain txt text log\n"
    "text/csv csv\n"
    "text/markdown md\n"
    "text/xml xml\n"
    "application/json json map\n"
    "application/manifest+json webmanifest\n"
    "application/pdf pdf\n"
    "application/wasm wasm\n"
    "application/gzip gz\n"
    "application/zip zip\n"
    "application/x-tar tar\n"
    "application/atom+xml atom\n"
    "application/rss+xml rss\n"
    "audio/mpeg mp3\n"
    "audio/ogg ogg oga\n"
    "audio/flac flac\n"
    "font/woff woff\n"
    "font/woff2 woff2\n"
    "font/ttf ttf\n"
    "font/otf otf\n"
    "image/avif avif\n"
    "image/gif gif\n"
    "image/jpeg jpg jpeg\n"
    "image/png png\n"
    "image/svg+xml svg\n"
    "image/vnd.microsoft.icon ico\n"
    "image/webp webp\n"
    "video/mp4 mp4\n"
    "video/webm webm\n";

constexpr std::string_view kBlanks = " \t\r\v\f";

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view TakeWord(std::string_view* line) {
  const size_t begin = line->find_first_not_of(kBlanks);
  line->remove_prefix(begin == std::string_view::npos ? line->size() : begin);
  const std::string_view word = line->substr(0, line->find_first_of(kBlanks));
  line->remove_prefix(word.size());
  return word;
}

// It becomes a field's value as it is.
bool IsMediaType(std::string_view word) {
  const size_t slash = word.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == word.size()) return false;
  for (const char c : word) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace

MediaTypes::MediaTypes() { Read(kBuiltIn); }

MediaTypes MediaTypes::Parse(std::string_view table) {
  MediaTypes types;
  types.Read(table);
  return types;
}

MediaTypes MediaTypes::Load(const std::string& file) {
  std::string table(kTableBytesMax, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(table.data(), static_cast<std::streamsize>(table.size()));
  table.resize(static_cast<size_t>(in.gcount()));
  return Parse(table);
}

void MediaTypes::Read(std::string_view table) {
  while (!table.empty()) {
    const size_t end = table.find('\n');
    std::string_view line = table.substr(0, end);
    table.remove_prefix(end == std::string_view::npos ? table.size() : end + 1);
    line = line.substr(0, line.find('#'));
    const std::string_view type = TakeWord(&line);
    if (!IsMediaType(type)) continue;
    std::string value(type);
    if (type.substr(0, 5) == "text/") value.append("; charset=utf-8");
    for (std::string_view extension = TakeWord(&line); !extension.empty(); extension = TakeWord(&line)) {
      types_[LowerCase(extension)] = value;
    }
  }
}

std::string_view MediaTypes::Of(std::string_view path) const {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return kUnknown;
  const auto found = types_.find(LowerCase(path.substr(dot + 1)));
  return found == types_.end() ? kUnknown : std::string_view(found->second);
}

}  // namespace mooring::server::http
