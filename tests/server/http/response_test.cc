// SPDX-License-Identifier: Apache-2.0
#include "server/http/response.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <utility>

namespace mooring::server::http {
namespace {

using namespace std::string_literals;

core::Task<> Writes(BodyWriter&) { return {}; }
core::Task<> Serves(net::Connection&) { return {}; }

TEST(Response, IsSmallEnoughToBeMoved) {
  std::printf("sizeof(Response) = %zu\n", sizeof(Response));
  EXPECT_LE(sizeof(Response), 152u);
}

TEST(Response, NothingSaidIs200WithoutABody) {
  const Response response;
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(response.type(), "");
  EXPECT_EQ(response.body(), "");
  EXPECT_EQ(response.length(), 0u);
  EXPECT_FALSE(response.streams() || response.takes_over() || response.closes());
}

TEST(Response, PlainSaysItsStatusWhereABodyMayBe) {
  const Response missing = Response::Plain(404);
  EXPECT_EQ(missing.status(), 404);
  EXPECT_EQ(missing.type(), "text/plain; charset=utf-8");
  EXPECT_EQ(missing.body(), "404 Not Found\n");
  EXPECT_EQ(missing.length(), 14u);
  EXPECT_EQ(Response::Plain(599).body(), "599 Unknown\n");
  for (const int status : {204, 205, 304}) {
    const Response response = Response::Plain(status);
    EXPECT_EQ(response.status(), status);
    EXPECT_EQ(response.type(), "") << status;
    EXPECT_EQ(response.length(), 0u) << status;
  }
}

// The registry of IANA, without 104 (temporary), 306, 418 (unused): where a name is missing or one too many is there.
TEST(Response, EveryRegisteredStatusHasItsName) {
  std::string named;
  for (int status = 0; status < 1000; ++status) {
    if (ReasonOf(status) != "Unknown") named += std::to_string(status) + " ";
  }
  EXPECT_EQ(named,
            "100 101 102 103 200 201 202 203 204 205 206 207 208 226 300 301 302 303 304 305 307 308 "
            "400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 421 422 423 424 425 426 428 429 431 "
            "451 500 501 502 503 504 505 506 507 508 510 511 ");
  EXPECT_EQ(ReasonOf(200), "OK");
  EXPECT_EQ(ReasonOf(413), "Content Too Large");
  EXPECT_EQ(ReasonOf(431), "Request Header Fields Too Large");
  EXPECT_EQ(ReasonOf(-1), "Unknown");
}

TEST(Response, KindsHaveTheirTypes) {
  EXPECT_EQ(Response::Text("a").type(), "text/plain; charset=utf-8");
  EXPECT_EQ(Response::Html("a").type(), "text/html; charset=utf-8");
  EXPECT_EQ(Response::Json("{}").type(), "application/json");
  const Response response = Response::Of("image/png", "abc").Status(203).Close();
  EXPECT_EQ(response.type(), "image/png");
  EXPECT_EQ(response.body(), "abc");
  EXPECT_EQ(response.status(), 203);
  EXPECT_TRUE(response.closes());
}

TEST(Response, SharedBodyIsAPartOrAllOfIt) {
  const alloc::SharedBytes bytes = alloc::SharedBytes::Copy("0123456789");
  const Response all = Response::Shared("a/b", bytes);
  EXPECT_EQ(all.body(), "0123456789");
  EXPECT_EQ(all.body().data(), bytes.view().data());
  const Response part = Response::SharedPart("a/b", bytes, 3, 4);
  EXPECT_EQ(part.body(), "3456");
  EXPECT_EQ(part.length(), 4u);
  EXPECT_EQ(Response::SharedPart("a/b", bytes, 10, 0).body(), "");
  EXPECT_EQ(Response::Shared("a/b", alloc::SharedBytes()).body(), "");
  EXPECT_EQ(bytes.holders(), 3u);
}

TEST(ResponseDeathTest, APartBeyondItsBodyIsAMistake) {
#ifndef NDEBUG
  const alloc::SharedBytes bytes = alloc::SharedBytes::Copy("0123456789");
  EXPECT_DEATH(Response::SharedPart("a/b", bytes, 11, 0), "offset <= body.size()");
  EXPECT_DEATH(Response::SharedPart("a/b", bytes, 4, 7), "size <= body.size");
  EXPECT_DEATH(Response::SharedPart("a/b", bytes, 4, ~uint32_t{0}), "size <= body.size");
#else
  GTEST_SKIP() << "without assertions";
#endif
}

TEST(Response, FieldsGoOutInOrder) {
  Response response = Response::Text("a").Header("X-One", "1").Header("Set-Cookie", "a=b").Header("set-cookie", "");
  EXPECT_TRUE(response.AddHeader("X-Tab", "a\tb \xc3\xa9"));
  EXPECT_EQ(response.header_lines(), "X-One: 1\r\nSet-Cookie: a=b\r\nset-cookie: \r\nX-Tab: a\tb \xc3\xa9\r\n");
  EXPECT_EQ(response.left_out(), 0);
}

TEST(Response, FieldsThatWouldBreakTheHeadAreLeftOut) {
  Response response;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string value = "a"s + static_cast<char>(byte) + "b";
    const bool fits = byte == '\t' || (byte >= 32 && byte != 127);
    EXPECT_EQ(response.AddHeader("X", value), fits) << byte;
    const bool mark = "!#$%&'*+-.^_`|~"s.find(static_cast<char>(byte)) != std::string::npos;
    const bool token = mark || (byte < 128 && std::isalnum(byte));
    EXPECT_EQ(response.AddHeader(value, "v"), token) << byte;
  }
  EXPECT_FALSE(response.AddHeader("", "v"));
  EXPECT_EQ(response.left_out(), 32 + 256 - 77 + 1);
  EXPECT_EQ(Response().Header("X", "a\r\nSet-Cookie: b").header_lines(), "");
  for (int i = 0; i < 300; ++i) response.AddHeader("", "v");
  EXPECT_EQ(response.left_out(), 255) << "it does not begin again";
}

TEST(Response, FieldsOfTheServerAreLeftOutInAnyCase) {
  Response response;
  for (const char* name :
       {"Date", "server", "CONTENT-LENGTH", "Transfer-encoding", "connection", "Keep-Alive", "uPGRADE"}) {
    EXPECT_FALSE(response.AddHeader(name, "x")) << name;
  }
  EXPECT_EQ(response.header_lines(), "");
  EXPECT_EQ(response.left_out(), 7);
  EXPECT_TRUE(response.AddHeader("Dated", "x"));
  EXPECT_TRUE(response.AddHeader("X-Connection", "x"));
}

TEST(Response, ContentTypeAsAFieldReplacesTheOneThatWasThere) {
  Response response = Response::Text("a").Header("A", "1").Header("content-type", "text/css").Header("B", "2");
  EXPECT_EQ(response.type(), "");
  EXPECT_EQ(response.header_lines(), "A: 1\r\ncontent-type: text/css\r\nB: 2\r\n");
  EXPECT_TRUE(response.AddHeader("Content-Type", "text/csv"));
  EXPECT_EQ(response.header_lines(), "A: 1\r\nB: 2\r\nContent-Type: text/csv\r\n");
  EXPECT_TRUE(response.AddHeader("Content-Type-Options", "x"));
  EXPECT_FALSE(response.AddHeader("Content-Type", "a\nb"));
  EXPECT_EQ(response.header_lines(), "A: 1\r\nB: 2\r\nContent-Type: text/csv\r\nContent-Type-Options: x\r\n");
  EXPECT_EQ(Response::Text("a").Header("Content-Type", "a\nb").type(), "text/plain; charset=utf-8");
}

TEST(Response, RedirectSaysWhereToGo) {
  const Response response = Response::Redirect(308, "/there/?a=b");
  EXPECT_EQ(response.status(), 308);
  EXPECT_EQ(response.header_lines(), "Location: /there/?a=b\r\n");
  EXPECT_EQ(response.body(), "308 Permanent Redirect\n");
  const Response broken = Response::Redirect(303, "/a\r\nSet-Cookie: b");
  EXPECT_EQ(broken.status(), 500);
  EXPECT_EQ(broken.header_lines(), "");
}

TEST(Response, StreamKeepsItsFunction) {
  Response response = Response::Stream("text/event-stream", Writes);
  EXPECT_TRUE(response.streams());
  EXPECT_FALSE(response.takes_over());
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(response.length(), Response::kUnknownLength);
  EXPECT_EQ(Response::Stream("a/b", Writes, 7).length(), 7u);
  Response moved = std::move(response);
  EXPECT_TRUE(moved.streams());
}

TEST(Response, TakeOverSwitchesProtocols) {
  const Response response = Response::TakeOver("websocket", Serves);
  EXPECT_EQ(response.status(), 101);
  EXPECT_TRUE(response.takes_over());
  EXPECT_FALSE(response.streams());
  EXPECT_EQ(response.length(), 0u);
  EXPECT_EQ(Response::TakeOver("a\r\nb", Serves).status(), 500);
}

TEST(Response, EmptyFunctionsAnswer500) {
  Response::StreamFunction write = Writes;
  const Response::StreamFunction taken = std::move(write);
  EXPECT_EQ(Response::Stream("a/b", std::move(write)).status(), 500);  // NOLINT: moved from on purpose
  EXPECT_FALSE(Response::Stream("a/b", nullptr, 7).streams());
  EXPECT_EQ(Response::Stream("a/b", nullptr, 7).length(), Response::Plain(500).length());
  EXPECT_EQ(Response::TakeOver("x", nullptr).status(), 500);
  EXPECT_FALSE(Response::TakeOver("x", nullptr).takes_over());
}

TEST(Response, MovedFromIsEmptyAndSafe) {
  for (int kind = 0; kind < 3; ++kind) {
    Response response = kind == 0   ? Response::SharedPart("a/b", alloc::SharedBytes::Copy("0123"), 1, 2)
                        : kind == 1 ? Response::Text("a text that is longer than any small string")
                                    : Response::Stream("a/b", Writes);
    Response moved = std::move(response);
    EXPECT_EQ(response.body(), "") << kind;  // NOLINT: moved from on purpose
    EXPECT_FALSE(response.streams()) << kind;
    EXPECT_EQ(response.length(), 0u) << kind;
    response = std::move(moved);
    EXPECT_TRUE(response.streams() || !response.body().empty()) << kind;
  }
}

}  // namespace
}  // namespace mooring::server::http
