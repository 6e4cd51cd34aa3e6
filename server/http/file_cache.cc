// SPDX-License-Identifier: Apache-2.0
#include "server/http/file_cache.h"

#include <cassert>
#include <utility>

namespace mooring::server::http {
namespace {

// The list's node, the table's slot and the shared pointer's count.
constexpr uint64_t kBesideEntry = 96;
// In front of a body (SharedBytes), and the allocator's rounding.
constexpr uint64_t kBesideBytes = 48;

uint64_t BytesOf(const alloc::SharedBytes& bytes) { return bytes ? bytes.size() + kBesideBytes : 0; }

}  // namespace

uint64_t FileCache::ChargeOf(const FileEntry& entry) {
  uint64_t charge = sizeof(FileEntry) + kBesideEntry + entry.key.capacity() + entry.path.capacity();
  for (const FileVariant& variant : entry.variants) {
    charge += BytesOf(variant.lines) + BytesOf(variant.not_modified_lines) + BytesOf(variant.body);
    charge += variant.etag.capacity();
  }
  return charge;
}

FileEntry* FileCache::Find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    counters_.Add(FileCacheCount::kMisses);
    return nullptr;
  }
  counters_.Add(FileCacheCount::kHits);
  found->second->used_ = true;
  return found->second;
}

std::shared_ptr<FileEntry> FileCache::Hold(std::string_view key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : *found->second->place_;
}

void FileCache::Insert(std::shared_ptr<FileEntry> entry) {
  assert(!entry->cached_);
  if (const auto old = by_key_.find(entry->key); old != by_key_.end()) {
    counters_.Add(FileCacheCount::kReplaced);
    Remove(old->second);
  }
  FileEntry* const added = entry.get();
  added->charge_ = ChargeOf(*added);
  added->place_ = ring_.insert(ring_.end(), std::move(entry));
  added->cached_ = true;
  by_key_.emplace(added->key, added);
  Charge(added->charge_);
  MakeRoom(added);
}

void FileCache::Erase(const std::shared_ptr<FileEntry>& entry) {
  if (entry->cached_) Remove(entry.get());
}

void FileCache::Recount(FileEntry* entry) {
  if (!entry->cached_) return;
  Uncharge(entry->charge_);
  entry->charge_ = ChargeOf(*entry);
  Charge(entry->charge_);
  MakeRoom(entry);
}

void FileCache::Remove(FileEntry* entry) {
  by_key_.erase(entry->key);
  Uncharge(entry->charge_);
  entry->cached_ = false;
  ring_.erase(entry->place_);
}

void FileCache::MakeRoom(const FileEntry* keep) {
  while (bytes_ > bytes_max_ && !ring_.empty()) {
    FileEntry* const oldest = ring_.front().get();
    const bool stays = oldest->used_ || (oldest == keep && ring_.size() > 1);
    if (stays) {
      oldest->used_ = false;
      ring_.splice(ring_.end(), ring_, ring_.begin());
      continue;
    }
    counters_.Add(FileCacheCount::kEvicted);
    Remove(oldest);
  }
}

}  // namespace mooring::server::http
