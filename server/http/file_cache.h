// SPDX-License-Identifier: Apache-2.0
// FileCache: what a shard remembers of the files it has served, within a budget.
//
// An entry is found by the safe path that was asked for. Who evicts is a clock's hand: an entry that was used since the
// hand came by stays once more. A new entry counts as not used, so a walk over a whole tree, each file once, throws out
// what it brought itself before what others come back for.
//
// Threads:  one shard.
// Owns:     the entries; who answers with one holds it, or its bytes, beyond its end here.
// Limits:   bytes_max, of entries with all they hold; the hand moves over each entry at most twice a call.
#ifndef MOORING_SERVER_HTTP_FILE_CACHE_H_
#define MOORING_SERVER_HTTP_FILE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <functional>
#include <list>
#include <memory>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "core/count_table.h"
#include "core/counters.h"
#include "server/http/file_entry.h"

namespace mooring::server::http {

enum class FileCacheCount : uint8_t {
  kHits,
  kMisses,
  kEvicted,
  kReplaced,
  kBytesAdded,    // less those that went: bytes()
  kBytesRemoved,
  kCount
};
inline constexpr std::string_view kFileCacheCountNames[] = {
    "hits", "misses", "evicted", "replaced", "bytes_added", "bytes_removed",
};
static_assert(std::size(kFileCacheCountNames) == static_cast<size_t>(FileCacheCount::kCount));

class FileCache {
 public:
  explicit FileCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  ~FileCache() { Uncharge(bytes_); }
  FileCache(const FileCache&) = delete;

  // Null when there is none. It lives until the cache is next changed.
  FileEntry* Find(std::string_view key);
  std::shared_ptr<FileEntry> Hold(std::string_view key);

  // In place of one with the same key.
  void Insert(std::shared_ptr<FileEntry> entry);
  // Nothing where it is not in here any more.
  void Erase(const std::shared_ptr<FileEntry>& entry);
  // After it has got a body: others make room for it.
  void Recount(FileEntry* entry);

  uint64_t bytes() const { return bytes_; }
  size_t size() const { return by_key_.size(); }
  const core::CounterSet<FileCacheCount>& counters() const { return counters_.set(); }

 private:
  struct Hash {
    size_t operator()(std::string_view key) const {
      return absl::Hash<absl::string_view>()(absl::string_view(key.data(), key.size()));
    }
  };

  static uint64_t ChargeOf(const FileEntry& entry);
  void Charge(uint64_t bytes) {
    bytes_ += bytes;
    counters_.Add(FileCacheCount::kBytesAdded, bytes);
  }
  void Uncharge(uint64_t bytes) {
    bytes_ -= bytes;
    counters_.Add(FileCacheCount::kBytesRemoved, bytes);
  }
  void Remove(FileEntry* entry);
  void MakeRoom(const FileEntry* keep);

  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  std::list<std::shared_ptr<FileEntry>> ring_;  // the hand is at its front
  absl::flat_hash_map<std::string_view, FileEntry*, Hash, std::equal_to<std::string_view>> by_key_;
  core::SharedCounts<FileCacheCount> counters_{"file_cache", "", kFileCacheCountNames};
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FILE_CACHE_H_
