// SPDX-License-Identifier: Apache-2.0
// StaticFiles: a folder as routes: what is in it goes out, and nothing else.
//
//   router.Fallback(StaticFiles({.root = "/srv/www"}).action());
//
// A path is percent-decoded once and resolved beneath the root (openat2, RESOLVE_BENEATH): a symbolic link that leads out
// of it, a component that begins with a dot, an encoded slash or a NUL find nothing. Only regular files are served; a
// folder is its index, and its name without the last slash redirects to the one with it. Whatever is not served is a 404,
// for what reason ever: a folder without an index and a file that must not be read are not told from nothing.
//
// Small files are answered from a cache that belongs to the shard; larger ones, and those not cached yet, are read beside
// the shard's turn and streamed, never loaded whole. A stream reads from the file that it has opened, so a new one under
// the old name does not reach into it; a file that becomes shorter breaks its connection off.
//
// Threads:  made by one; copies are one shard's each.
// Owns:     the root's descriptor, shared by its copies; each shard's cache, which is one of the shard's Locals.
// Limits:   cache_bytes_max; kReadsMax files that are read into the cache at a time, and kPieceBytes of a stream beside
//           what its connection queues.
#ifndef MOORING_SERVER_HTTP_STATIC_FILES_H_
#define MOORING_SERVER_HTTP_STATIC_FILES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "server/http/router.h"

namespace mooring::server::http {

struct StaticOptions {
  std::string root = {};
  std::string index = "index.html";
  uint32_t cached_file_bytes_max = 1 << 20;     // larger ones are streamed
  uint64_t cache_bytes_max = 64 << 20;          // of a shard
  uint32_t recheck_ms = 1000;                   // a cached file is compared with the folder's at most so long ago
  std::string media_types = "/etc/mime.types";  // Debian's media-types; a small built-in set where it is absent
  core::Kernel* kernel = nullptr;               // null: the machine's
};

class StaticFiles {
 public:
  // Opens the root. The error says what to mend.
  static absl::StatusOr<StaticFiles> Open(StaticOptions options);

  // For Router::Fallback or Router::Get with a pattern that ends with {path...}; without that name the whole path counts.
  Action action() const;

  static constexpr uint32_t kReadsMax = 16;            // of a shard
  static constexpr uint32_t kPieceBytes = 64 << 10;

 private:
  struct Shared;
  class OnShard;
  explicit StaticFiles(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<const Shared> shared_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_STATIC_FILES_H_
