// SPDX-License-Identifier: Apache-2.0
#include "server/http/request.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

using namespace std::string_literals;

TEST(Request, QueryIsDecodedAsFormsAre) {
  RequestBuilder built(Method::kGet, "/x?name=ada+l%2Bx&empty=&bare&n%61%20me=7&two+words=8&a=b=c&&=nameless");
  const Request& request = built.request();
  EXPECT_EQ(request.path(), "/x");
  EXPECT_EQ(request.Query("name"), "ada l+x");
  EXPECT_EQ(request.Query("empty"), "");
  EXPECT_EQ(request.Query("bare"), "");
  EXPECT_EQ(request.Query("na me"), "7");
  EXPECT_EQ(request.Query("two words"), "8");
  EXPECT_EQ(request.Query("a"), "b=c");
  EXPECT_EQ(request.Query(""), "nameless");
  EXPECT_EQ(request.Query("missing"), std::nullopt);
  EXPECT_EQ(request.Query("nam"), std::nullopt);
  EXPECT_EQ(request.Query("Name"), std::nullopt);
}

TEST(Request, FirstValueOfTheQueryCountsAndMalformedOnesDoNot) {
  EXPECT_EQ(RequestBuilder(Method::kGet, "/?a=1&a=2").request().Query("a"), "1");
  EXPECT_EQ(RequestBuilder(Method::kGet, "/?a=%&a=2").request().Query("a"), "2");
  EXPECT_EQ(RequestBuilder(Method::kGet, "/?a=%4&%=b").request().Query("a"), std::nullopt);
  EXPECT_EQ(RequestBuilder(Method::kGet, "/?a=b%00c%2f").request().Query("a"), "b\0c/"s);
  for (const char* target : {"/", "/?", "/?&", "/?&&&"}) {
    EXPECT_EQ(RequestBuilder(Method::kGet, target).request().Query("a"), std::nullopt) << target;
    EXPECT_EQ(RequestBuilder(Method::kGet, target).request().Query(""), std::nullopt) << target;
  }
}

TEST(Request, WhatFiltersSetGoesOutAndIsFound) {
  RequestBuilder built(Method::kGet, "/");
  Request& request = built.request();
  EXPECT_EQ(request.HeaderSet("X-Id"), "");
  EXPECT_TRUE(request.SetHeader("X-Id", "7"));
  EXPECT_TRUE(request.SetHeader("Set-Cookie", "a=b"));
  EXPECT_TRUE(request.SetHeader("Set-Cookie", "c=d"));
  EXPECT_TRUE(request.SetHeader("X-Empty", ""));
  EXPECT_EQ(built.extra_lines(), "X-Id: 7\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Empty: \r\n");
  EXPECT_EQ(request.HeaderSet("x-id"), "7");
  EXPECT_EQ(request.HeaderSet("Set-Cookie"), "a=b");
  EXPECT_EQ(request.HeaderSet("X-Empty"), "");
  EXPECT_EQ(request.HeaderSet("X"), "");
}

TEST(Request, WhatWouldBreakTheHeadOrIsNotAFiltersIsLeftOut) {
  RequestBuilder built(Method::kGet, "/");
  EXPECT_FALSE(built.request().SetHeader("X", "a\r\nb: c"));
  EXPECT_FALSE(built.request().SetHeader("X Y", "a"));
  EXPECT_FALSE(built.request().SetHeader("content-length", "7"));
  EXPECT_FALSE(built.request().SetHeader("content-type", "text/plain"));
  EXPECT_EQ(built.extra_lines(), "");
}

TEST(Request, WithoutAConnectionThePeerIsNobody) {
  RequestBuilder built(Method::kGet, "/");
  EXPECT_EQ(built.request().peer().ToString(), net::Address().ToString());
  EXPECT_EQ(built.request().Param("name"), "");
  EXPECT_EQ(built.request().RawParam("name"), "");
}

}  // namespace
}  // namespace mooring::server::http
