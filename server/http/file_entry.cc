// SPDX-License-Identifier: Apache-2.0
#include "server/http/file_entry.h"

#include <cassert>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/http/http_date.h"

namespace mooring::server::http {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// Within this time two writes may have one time: the coarsest file systems count in steps of two seconds (FAT); ext4
// and XFS in the kernel's ticks, up to 10 ms.
constexpr int64_t kTimestampStepNs = 2 * kSecondNs;

// Rounds down, before 1970 too.
int64_t SecondsOf(int64_t ns) { return ns / kSecondNs - (ns % kSecondNs < 0 ? 1 : 0); }

// The last step of splitmix64: every bit of the result hangs on every one of the input.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The inode is in it because files are also replaced by ones of the same size and time (archives whose times are all
// the same); mixed, because nobody outside needs to know it.
std::string EtagOf(const core::FileInfo& info) {
  const uint64_t mixed = Mix(Mix(info.inode) ^ static_cast<uint64_t>(info.modified_ns));
  return absl::StrFormat("\"%x-%x\"", info.bytes, mixed);
}

void Fill(FileEntry* entry, ContentCoding coding) {
  FileVariant& variant = entry->of(coding);
  const bool negotiated = !entry->codings.only_identity();
  variant.there = true;
  variant.info = entry->infos[static_cast<size_t>(coding)];
  variant.etag = EtagOf(variant.info);
  std::string lines;
  lines.append("Content-Type: ").append(entry->type).append("\r\n");
  if (coding != ContentCoding::kIdentity) lines.append("Content-Encoding: ").append(Name(coding)).append("\r\n");
  if (entry->modified_s) {
    char date[kHttpDateBytes];
    FormatHttpDate(*entry->modified_s, date);
    lines.append("Last-Modified: ").append(date, kHttpDateBytes).append("\r\n");
  }
  lines.append("Accept-Ranges: bytes\r\n");
  std::string both;
  both.append("ETag: ").append(variant.etag).append("\r\n");
  if (negotiated) both.append("Vary: Accept-Encoding\r\n");
  lines.append(both);
  variant.lines = alloc::SharedBytes::Copy(lines);
  variant.not_modified_lines = alloc::SharedBytes::Copy(both);
}

}  // namespace

std::shared_ptr<FileEntry> MakeFileEntry(std::string key, std::string path, std::string_view type,
                                         const FileInfos& infos, int64_t now_ns) {
  assert(infos[0].kind == core::FileInfo::Kind::kRegular);
  auto entry = std::make_shared<FileEntry>();
  entry->key = std::move(key);
  entry->path = std::move(path);
  entry->type = type;
  entry->infos = infos;
  const int64_t modified_s = SecondsOf(infos[0].modified_ns);
  if (infos[0].modified_ns <= now_ns) entry->modified_s = modified_s;
  for (const ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kBrotli}) {
    const core::FileInfo& info = infos[static_cast<size_t>(coding)];
    // In whole seconds: who copies a folder writes its files in no certain order.
    if (info.kind == core::FileInfo::Kind::kRegular && SecondsOf(info.modified_ns) >= modified_s) {
      entry->codings.Add(coding);
    }
  }
  for (int i = 0; i < kContentCodings; ++i) {
    const auto coding = static_cast<ContentCoding>(i);
    if (!entry->codings.Has(coding)) continue;
    Fill(entry.get(), coding);
    if (entry->of(coding).info.modified_ns > now_ns - kTimestampStepNs) entry->just_written = true;
  }
  return entry;
}

}  // namespace mooring::server::http
