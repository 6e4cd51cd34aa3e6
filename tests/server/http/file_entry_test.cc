// SPDX-License-Identifier: Apache-2.0
#include "server/http/file_entry.h"

#include <gtest/gtest.h>

#include <string>

namespace mooring::server::http {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kModified = 784'111'777 * kSecond;
constexpr int64_t kNow = kModified + 100 * kSecond;

core::FileInfo Regular(int64_t modified_ns = kModified, uint64_t inode = 7, uint64_t bytes = 10) {
  return {.kind = core::FileInfo::Kind::kRegular, .bytes = bytes, .modified_ns = modified_ns, .inode = inode, .device = 1};
}
std::shared_ptr<FileEntry> Make(const FileInfos& infos, int64_t now = kNow) {
  return MakeFileEntry("k", "p", "text/html", infos, now);
}
std::string EtagOf(const core::FileInfo& info) { return Make({info})->of(ContentCoding::kIdentity).etag; }

TEST(FileEntry, LinesOfAFileAlone) {
  const auto entry = Make({Regular()});
  const FileVariant& file = entry->of(ContentCoding::kIdentity);
  EXPECT_EQ(file.lines.view(), "Content-Type: text/html\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                               "Accept-Ranges: bytes\r\nETag: " + file.etag + "\r\n");
  EXPECT_EQ(file.not_modified_lines.view(), "ETag: " + file.etag + "\r\n");
  EXPECT_TRUE(entry->codings.only_identity());
  EXPECT_FALSE(entry->of(ContentCoding::kGzip).there);
}

TEST(FileEntry, ASiblingHasItsOwnTagAndAllOfThemVary) {
  const auto entry = Make({Regular(), Regular(kModified, 8), core::FileInfo()});
  const FileVariant& file = entry->of(ContentCoding::kIdentity);
  const FileVariant& gzip = entry->of(ContentCoding::kGzip);
  EXPECT_NE(file.etag, gzip.etag);
  EXPECT_NE(file.lines.view().find("\r\nVary: Accept-Encoding\r\n"), std::string::npos);
  EXPECT_EQ(file.lines.view().find("Content-Encoding"), std::string::npos);
  EXPECT_NE(gzip.lines.view().find("\r\nContent-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_EQ(gzip.lines.view().find("Content-Type: text/html\r\n"), 0u);
  EXPECT_EQ(gzip.not_modified_lines.view(), "ETag: " + gzip.etag + "\r\nVary: Accept-Encoding\r\n");
  EXPECT_FALSE(entry->codings.Has(ContentCoding::kBrotli));
}

TEST(FileEntry, ASiblingThatIsOlderIsNotServed) {
  EXPECT_FALSE(Make({Regular(), Regular(kModified - kSecond)})->codings.Has(ContentCoding::kGzip));
  EXPECT_TRUE(Make({Regular(kModified + kSecond / 2), Regular(kModified)})->codings.Has(ContentCoding::kGzip))
      << "the same second";
  EXPECT_TRUE(Make({Regular(), Regular(kModified + 1)})->codings.Has(ContentCoding::kGzip));
}

TEST(FileEntry, ATagHangsOnSizeTimeAndInode) {
  const std::string tag = EtagOf(Regular());
  EXPECT_EQ(tag, EtagOf(Regular()));
  EXPECT_NE(tag, EtagOf(Regular(kModified + 1)));
  EXPECT_NE(tag, EtagOf(Regular(kModified, 8)));
  EXPECT_NE(tag, EtagOf(Regular(kModified, 7, 11)));
  EXPECT_EQ(tag.front(), '"');
  EXPECT_EQ(tag.back(), '"');
  EXPECT_EQ(tag.find_first_not_of("0123456789abcdef-\""), std::string::npos);
}

TEST(FileEntry, ATimeInTheFutureIsNotTold) {
  const auto entry = Make({Regular(kNow + 1)});
  EXPECT_EQ(entry->of(ContentCoding::kIdentity).lines.view().find("Last-Modified"), std::string::npos);
  EXPECT_EQ(entry->modified_s, std::nullopt);
  EXPECT_NE(Make({Regular(kNow)})->modified_s, std::nullopt);
}

TEST(FileEntry, SecondsAreRoundedDownBefore1970Too) {
  EXPECT_EQ(Make({Regular(-1)})->modified_s, -1);
  EXPECT_EQ(Make({Regular(-kSecond)})->modified_s, -1);
  EXPECT_EQ(Make({Regular(1)})->modified_s, 0);
}

TEST(FileEntry, WhatWasJustWrittenIsKnownToBe) {
  EXPECT_TRUE(Make({Regular()}, kModified + kSecond)->just_written);
  EXPECT_FALSE(Make({Regular()}, kModified + 2 * kSecond)->just_written);
  EXPECT_TRUE(Make({Regular(), Regular(kNow)})->just_written) << "a sibling";
}

}  // namespace
}  // namespace mooring::server::http
