// SPDX-License-Identifier: Apache-2.0
#include "server/http/safe_path.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace mooring::server::http {
namespace {

TEST(SafePath, IsDecodedOnceAndHasSingleSlashes) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"/", ""},
      {"", ""},
      {"//", ""},
      {"/a", "a"},
      {"a", "a"},
      {"/a/", "a/"},
      {"/a//b///c", "a/b/c"},
      {"//etc/passwd", "etc/passwd"},
      {"/a//", "a/"},
      {"/a%20b", "a b"},
      {"/%61/b", "a/b"},
      {"/a%252e%252e", "a%2e%2e"},
      {"/%25", "%"},
      {"/a.b/c..d/e...", "a.b/c..d/e..."},
      {"/\\..\\x", "\\..\\x"},
      {"/a\\b", "a\\b"},
      {"/a+b", "a+b"},
      {"/%c3%a4", "\xc3\xa4"},
      {"/%ff", "\xff"},
      {"/a%0ab", "a\nb"},
      {"/a;b=c", "a;b=c"},
      {"/~root", "~root"},
  };
  for (const auto& [raw, path] : kCases) EXPECT_EQ(SafePath(raw), path) << raw;
}

TEST(SafePath, RefusesWhatIsHiddenLeadsAwayOrCanBeReadInTwoWays) {
  for (const std::string_view raw : {
           "/..", "/../", "/../etc/passwd", "/a/../b", "/a/..", "/.", "/./a", "/a/./b", "/a/.", "/...", "/.git/config",
           "/a/.htaccess", "/.well-known", "/%2e", "/%2e%2e/", "/%2E%2E/etc/passwd", "/.%2e/", "/%2e./", "/%2egit",
           "/..%2f", "/..%2fetc%2fpasswd", "/a%2fb", "/a%2Fb", "/%2f", "/%2fetc/passwd", "/%00", "/a%00", "/a%00.html",
           "/%", "/%2", "/a%zz", "/%g0", "/a%", "/..%5c..%5c", "/%2e%2e%5c",
       }) {
    EXPECT_EQ(SafePath(raw), std::nullopt) << raw;
  }
  EXPECT_EQ(SafePath("/" + std::string(256, 'x')), std::nullopt);
  EXPECT_EQ(SafePath("/" + std::string(255, 'x')), std::string(255, 'x'));
}

TEST(SafePath, AVerbatimPathIsTheSafeOneOrNone) {
  EXPECT_EQ(VerbatimPath("/a/b"), "a/b");
  EXPECT_EQ(VerbatimPath("/"), "");
  EXPECT_EQ(VerbatimPath("a"), "a");
  EXPECT_EQ(VerbatimPath("/a%20b"), std::nullopt);
  // Found among safe paths under the wrong name would be what another request asks for.
  for (const std::string_view raw : {"/a/b", "//a", "/a//b", "/a/", "/a/../b", "/%61"}) {
    const auto verbatim = VerbatimPath(raw);
    const auto safe = SafePath(raw);
    if (verbatim && safe && *verbatim != *safe) {
      EXPECT_NE(SafePath(*verbatim), *verbatim) << raw << ": no safe path has this name";
    }
  }
}

TEST(SafePath, ALocationStaysOnThisServer) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"/docs", "/docs/"},
      {"/docs/", "/docs/"},
      {"", "/"},
      {"//evil.example", "/evil.example/"},
      {"///evil.example//x", "/evil.example/x/"},
      {"/\\evil.example", "/%5Cevil.example/"},
      {"\\\\evil.example", "/%5C%5Cevil.example/"},
      {"/a%20b", "/a%20b/"},
      {"/a b\"<>", "/a%20b%22%3C%3E/"},
      {"/a\r\nX: y", "/a%0D%0AX:%20y/"},
      {"/a?b", "/a%3Fb/"},
      {"/\xc3\xa4", "/%C3%A4/"},
      {"/a-._~!$&'()*+,;=:@", "/a-._~!$&'()*+,;=:@/"},
  };
  for (const auto& [raw, location] : kCases) EXPECT_EQ(LocationOfFolder(raw), location) << raw;
}

}  // namespace
}  // namespace mooring::server::http
