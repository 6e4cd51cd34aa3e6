// SPDX-License-Identifier: Apache-2.0
#include "server/http/file_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "alloc/shared_bytes.h"

namespace mooring::server::http {
namespace {

std::shared_ptr<FileEntry> Entry(std::string key, size_t bytes = 0) {
  FileInfos infos;
  infos[0] = {.kind = core::FileInfo::Kind::kRegular, .bytes = bytes, .modified_ns = 1, .inode = 1, .device = 1};
  auto entry = MakeFileEntry(key, key, "text/plain", infos, 1'000'000'000'000);
  if (bytes != 0) entry->of(ContentCoding::kIdentity).body = alloc::SharedBytes::Take(std::string(bytes, 'x'));
  return entry;
}

TEST(FileCache, FindsByTheWholeKey) {
  FileCache cache(1 << 20);
  cache.Insert(Entry("a/b"));
  cache.Insert(Entry(""));
  EXPECT_EQ(cache.Find("a/b")->key, "a/b");
  EXPECT_EQ(cache.Find("")->key, "");
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.Find("a/b/"), nullptr);
  EXPECT_EQ(cache.Hold("a/b").get(), cache.Find("a/b"));
  EXPECT_EQ(cache.Hold("b"), nullptr);
  EXPECT_EQ(cache.counters().Read(FileCacheCount::kHits), 3u);
  EXPECT_EQ(cache.counters().Read(FileCacheCount::kMisses), 2u);
}

TEST(FileCache, ANewEntryTakesThePlaceOfTheOldOne) {
  FileCache cache(1 << 20);
  const auto first = Entry("a", 1000);
  cache.Insert(first);
  const uint64_t one = cache.bytes();
  EXPECT_GT(one, 1000u);
  const auto second = Entry("a", 1000);
  cache.Insert(second);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.bytes(), one);
  EXPECT_EQ(cache.Hold("a"), second);
  cache.Erase(first);  // it is not in here any more
  EXPECT_EQ(cache.Hold("a"), second);
  cache.Recount(first.get());
  EXPECT_EQ(cache.bytes(), one);
  cache.Erase(second);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(FileCache, StaysWithinItsBudgetAndGivesTheBytesBack) {
  const uint64_t live_before = alloc::SharedBytes::Live().bytes;
  {
    FileCache cache(100'000);
    for (int i = 0; i < 100; ++i) {
      cache.Insert(Entry(absl::StrCat("file", i), 10'000));
      EXPECT_LE(cache.bytes(), 100'000u);
      EXPECT_LE(alloc::SharedBytes::Live().bytes - live_before, 100'000u);
    }
    EXPECT_GE(cache.size(), 8u);
    EXPECT_EQ(cache.counters().Read(FileCacheCount::kEvicted), 100u - cache.size());
  }
  EXPECT_EQ(alloc::SharedBytes::Live().bytes, live_before);
}

TEST(FileCache, WhatGetsItsBytesLaterIsCountedThen) {
  FileCache cache(100'000);
  std::vector<std::shared_ptr<FileEntry>> entries;
  for (int i = 0; i < 20; ++i) {
    entries.push_back(Entry(absl::StrCat("file", i)));
    cache.Insert(entries.back());
  }
  EXPECT_EQ(cache.size(), 20u);
  for (const auto& entry : entries) {
    entry->of(ContentCoding::kIdentity).body = alloc::SharedBytes::Take(std::string(10'000, 'x'));
    cache.Recount(entry.get());
    EXPECT_LE(cache.bytes(), 100'000u);
    EXPECT_EQ(cache.Hold(entry->key) == entry, cache.size() != 0 && cache.Hold(entry->key) != nullptr);
  }
  EXPECT_LT(cache.size(), 10u);
}

TEST(FileCache, WhoeverGetsItsBytesIsNotTheOneThatGoes) {
  FileCache cache(50'000);
  const auto first = Entry("first");
  cache.Insert(first);
  for (int i = 0; i < 3; ++i) cache.Insert(Entry(absl::StrCat("file", i), 10'000));
  first->of(ContentCoding::kIdentity).body = alloc::SharedBytes::Take(std::string(40'000, 'x'));
  cache.Recount(first.get());
  EXPECT_EQ(cache.Hold("first"), first);
  EXPECT_LE(cache.bytes(), 50'000u);
}

TEST(FileCache, WhatDoesNotFitAloneDoesNotStay) {
  FileCache cache(5'000);
  const auto large = Entry("large", 10'000);
  cache.Insert(large);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(large->of(ContentCoding::kIdentity).body.size(), 10'000u) << "who holds it can still answer";
}

TEST(FileCache, AWalkOverEverythingLeavesWhatIsUsed) {
  FileCache cache(200'000);
  for (int i = 0; i < 10; ++i) cache.Insert(Entry(absl::StrCat("hot", i), 10'000));
  for (int i = 0; i < 1'000; ++i) {
    for (int hot = 0; i % 5 == 0 && hot < 10; ++hot) EXPECT_NE(cache.Find(absl::StrCat("hot", hot)), nullptr) << i;
    cache.Insert(Entry(absl::StrCat("cold", i), 10'000));
  }
}

TEST(FileCache, WhatNobodyUsesAnyMoreGoes) {
  FileCache cache(100'000);
  cache.Insert(Entry("old", 10'000));
  ASSERT_NE(cache.Find("old"), nullptr);
  for (int i = 0; i < 100; ++i) cache.Insert(Entry(absl::StrCat("new", i), 10'000));
  EXPECT_EQ(cache.Find("old"), nullptr);
}

TEST(FileCache, AnEntryThatIsHeldLivesOn) {
  FileCache cache(30'000);
  cache.Insert(Entry("held", 10'000));
  const std::shared_ptr<FileEntry> held = cache.Hold("held");
  for (int i = 0; i < 10; ++i) cache.Insert(Entry(absl::StrCat("file", i), 10'000));
  ASSERT_EQ(cache.Find("held"), nullptr);
  EXPECT_EQ(held->of(ContentCoding::kIdentity).body.size(), 10'000u);
}

}  // namespace
}  // namespace mooring::server::http
