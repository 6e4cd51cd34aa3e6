// SPDX-License-Identifier: Apache-2.0
#include "server/http/content_coding.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

ContentCodings There(std::string_view suffixes) {
  ContentCodings there;
  if (suffixes.find("gz") != std::string_view::npos) there.Add(ContentCoding::kGzip);
  if (suffixes.find("br") != std::string_view::npos) there.Add(ContentCoding::kBrotli);
  return there;
}

std::string Choose(const std::vector<std::string>& values, std::string_view suffixes) {
  RequestBuilder built(Method::kGet, "/");
  built.Header("Accept", "br");
  for (const std::string& value : values) built.Header("Accept-Encoding", value);
  return std::string(Name(ChooseCoding(built.request().fields(), There(suffixes))));
}

TEST(ContentCoding, TheHeaviestOfWhatIsThere) {
  const struct {
    const char* value;
    const char* both;    // with .gz and .br
    const char* gzip;    // with .gz
    const char* brotli;  // with .br
  } kCases[] = {
      {"gzip", "gzip", "gzip", "identity"},
      {"br", "br", "identity", "br"},
      {"gzip, deflate, br, zstd", "br", "gzip", "br"},
      {"br, gzip", "br", "gzip", "br"},
      {"gzip;q=1.0, br;q=0.9", "gzip", "gzip", "br"},
      {"gzip;q=0.5, br;q=0.5", "br", "gzip", "br"},
      {"gzip;q=0.001", "gzip", "gzip", "identity"},
      {"gzip;q=0, br", "br", "identity", "br"},
      {"gzip;q=0", "identity", "identity", "identity"},
      {"gzip;q=0.000", "identity", "identity", "identity"},
      {"*", "br", "gzip", "br"},
      {"*;q=0.1", "br", "gzip", "br"},
      {"*, br;q=0", "gzip", "gzip", "identity"},
      {"*;q=0", "identity", "identity", "identity"},
      {"*;q=0, gzip", "gzip", "gzip", "identity"},
      {"identity", "identity", "identity", "identity"},
      {"identity, gzip;q=0.5", "identity", "identity", "identity"},
      {"identity;q=0.5, gzip", "gzip", "gzip", "identity"},
      {"identity;q=0.5, gzip;q=0.5", "gzip", "gzip", "identity"},
      {"identity;q=0", "identity", "identity", "identity"},  // better the file than a 406
      {"identity;q=0, gzip", "gzip", "gzip", "identity"},
      {"identity;q=0, *", "br", "gzip", "br"},
      {"", "identity", "identity", "identity"},
      {"deflate", "identity", "identity", "identity"},
      {"GZIP", "gzip", "gzip", "identity"},
      {"x-gzip", "gzip", "gzip", "identity"},
      {"  gzip\t;\tq=0.8 ,br ; Q=0.2", "gzip", "gzip", "br"},
      {"gzip;level=9;q=0.3", "gzip", "gzip", "identity"},
      {",,gzip,,", "gzip", "gzip", "identity"},
      {"gzip;q=2, br;q=-1", "identity", "identity", "identity"},
      {"gzip;q=1.001", "identity", "identity", "identity"},
      {"gzip;q=0.0001", "identity", "identity", "identity"},
      {"gzip;q=, br;q=x", "identity", "identity", "identity"},
      {"gzip;q=.5", "identity", "identity", "identity"},
      {"brx, xbr, gzipped", "identity", "identity", "identity"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Choose({c.value}, "gz br"), c.both) << c.value;
    EXPECT_EQ(Choose({c.value}, "gz"), c.gzip) << c.value;
    EXPECT_EQ(Choose({c.value}, "br"), c.brotli) << c.value;
    EXPECT_EQ(Choose({c.value}, ""), "identity") << c.value;
  }
}

TEST(ContentCoding, WithoutTheFieldTheFileItself) { EXPECT_EQ(Choose({}, "gz br"), "identity"); }

TEST(ContentCoding, SeveralFieldsAreOneList) {
  EXPECT_EQ(Choose({"gzip;q=0.5", "br"}, "gz br"), "br");
  EXPECT_EQ(Choose({"br;q=0", "*"}, "gz br"), "gzip");
}

}  // namespace
}  // namespace mooring::server::http
