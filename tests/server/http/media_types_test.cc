// SPDX-License-Identifier: Apache-2.0
#include "server/http/media_types.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace mooring::server::http {
namespace {

TEST(MediaTypes, BuiltIn) {
  const MediaTypes types;
  EXPECT_EQ(types.Of("index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(types.Of("a/b.c/site.css"), "text/css; charset=utf-8");
  EXPECT_EQ(types.Of("x.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(types.Of("x.json"), "application/json");
  EXPECT_EQ(types.Of("x.svg"), "image/svg+xml");
  EXPECT_EQ(types.Of("x.min.JPEG"), "image/jpeg");
}

TEST(MediaTypes, WhatNobodyKnowsIsBytes) {
  const MediaTypes types;
  for (const char* path : {"", "README", "x.nothing", "x.", "html", "a.html/b", "a.css/", "x.html~", "x. html"}) {
    EXPECT_EQ(types.Of(path), "application/octet-stream") << path;
  }
}

TEST(MediaTypes, ATableGoesBeforeTheBuiltIn) {
  const MediaTypes types = MediaTypes::Parse(
      "# a comment\n"
      "\n"
      "application/x-page\thtml HTM # not this\n"
      "text/x-note note\r\n"
      "no-type odd\n"
      "/half half\n"
      "half/ half\n"
      "text/b\x01" "ad bad\n"
      "application/alone\n"
      "image/last last");
  EXPECT_EQ(types.Of("a.html"), "application/x-page");
  EXPECT_EQ(types.Of("a.htm"), "application/x-page");
  EXPECT_EQ(types.Of("a.note"), "text/x-note; charset=utf-8");
  EXPECT_EQ(types.Of("a.last"), "image/last");
  EXPECT_EQ(types.Of("a.css"), "text/css; charset=utf-8");
  for (const char* path : {"a.odd", "a.half", "a.bad", "a.not", "a.this", "a.#"}) {
    EXPECT_EQ(types.Of(path), MediaTypes::kUnknown) << path;
  }
}

TEST(MediaTypes, ATableThatIsNotThereLeavesTheBuiltIn) {
  const MediaTypes types = MediaTypes::Load("/nonexistent/mime.types");
  EXPECT_EQ(types.Of("index.html"), "text/html; charset=utf-8");
}

TEST(MediaTypes, ReadsAFileUpToItsBound) {
  const std::string file = testing::TempDir() + "/mime.types";
  {
    std::ofstream out(file);
    out << "image/first first\n" << std::string(MediaTypes::kTableBytesMax, '#') << "\nimage/behind behind\n";
  }
  const MediaTypes types = MediaTypes::Load(file);
  unlink(file.c_str());
  EXPECT_EQ(types.Of("a.first"), "image/first");
  EXPECT_EQ(types.Of("a.behind"), MediaTypes::kUnknown);
}

}  // namespace
}  // namespace mooring::server::http
