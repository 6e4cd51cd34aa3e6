// SPDX-License-Identifier: Apache-2.0
// FileEntry: what is known of a file that was asked for: how it looked, what its heads say, its bytes.
//
// It knows the compressed siblings too, and which of them are not there, so that a hot file costs no system call until
// it is looked at again. A sibling that is older than its file is not served: it may be of another content, and a slow
// answer is better than a wrong one.
//
// Threads:  one shard.
// Owns:     its bytes and lines; responses share them.
#ifndef MOORING_SERVER_HTTP_FILE_ENTRY_H_
#define MOORING_SERVER_HTTP_FILE_ENTRY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "alloc/shared_bytes.h"
#include "core/event.h"
#include "core/files.h"
#include "server/http/content_coding.h"

namespace mooring::server::http {

// A file as it is, or compressed.
struct FileVariant {
  bool there = false;
  core::FileInfo info;
  std::string etag;
  alloc::SharedBytes lines;               // of 200 and 206, Content-Type to Vary
  alloc::SharedBytes not_modified_lines;  // of 304
  alloc::SharedBytes body;                // none: not read yet, or too large
  std::shared_ptr<core::Event> reading;   // set while somebody reads the body: wait for it
};

using FileInfos = std::array<core::FileInfo, kContentCodings>;  // what is no regular file: FileInfo()

struct FileEntry {
  std::string key;        // the safe path that was asked for
  std::string path;       // the file's, beneath the root
  std::string_view type;  // Content-Type; whoever made the entry keeps it
  int64_t checked_ms = 0;           // when it was last seen to be so, in the shard's time
  bool just_written = false;        // when it was looked at: another write could have left it looking the same
  std::optional<int64_t> modified_s;  // none: in the future
  FileInfos infos;                  // as they were found
  ContentCodings codings;           // that are served
  std::array<FileVariant, kContentCodings> variants;

  FileVariant& of(ContentCoding coding) { return variants[static_cast<size_t>(coding)]; }
  const FileVariant& of(ContentCoding coding) const { return variants[static_cast<size_t>(coding)]; }
  std::string PathOf(ContentCoding coding) const { return path + std::string(SuffixOf(coding)); }

 private:
  friend class FileCache;
  bool used_ = false;
  bool cached_ = false;
  uint64_t charge_ = 0;
  std::list<std::shared_ptr<FileEntry>>::iterator place_;
};

// Without bytes. `now_ns`: since 1970. REQUIRES: the file itself is a regular one.
std::shared_ptr<FileEntry> MakeFileEntry(std::string key, std::string path, std::string_view type,
                                         const FileInfos& infos, int64_t now_ns);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FILE_ENTRY_H_
