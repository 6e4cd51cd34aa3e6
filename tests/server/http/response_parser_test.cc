// SPDX-License-Identifier: Apache-2.0
// Responses as they come and as they must not, each whole, byte by byte and cut at every offset: the verdict is the
// same.
#include "server/http/response_parser.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "tests/server/http/response_reader.h"

namespace mooring::server::http {
namespace {

using Event = ResponseParser::Event;
using Verdict = ResponseReader::Verdict;
using namespace std::string_view_literals;

constexpr ResponseParser::Limits kLimits = {
    .head_bytes = 512, .fields = 8, .chunk_extension_bytes = 16, .chunk_extensions_bytes = 40};

Verdict Whole(std::string_view bytes, Method method = Method::kGet) {
  ResponseReader reader(method, &kLimits);
  reader.Feed(bytes);
  return reader.End();
}

void ExpectSameHoweverCut(std::string_view bytes, Method method = Method::kGet) {
  const Verdict want = Whole(bytes, method);
  const auto expect = [&](ResponseReader* reader, const char* how, size_t at) {
    EXPECT_EQ(reader->End(), want) << how << ", " << at << ": " << bytes;
    EXPECT_TRUE(reader->right()) << how << ", " << at << ": " << bytes;
  };
  {
    ResponseReader reader(method, &kLimits);
    for (const char& c : bytes) reader.Feed({&c, 1});
    expect(&reader, "byte by byte", 0);
  }
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    ResponseReader reader(method, &kLimits);
    reader.Feed(bytes.substr(0, cut));
    reader.Feed(bytes.substr(cut));
    expect(&reader, "cut at", cut);
  }
}

struct Good {
  std::string_view bytes;
  Method method;
  Verdict want;
};

TEST(ResponseParser, ReadsWhatServersSend) {
  const Good table[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
       Method::kGet,
       {.complete = true, .status = 200, .keep_alive = true, .fields = "Content-Length=5;", .body = "hello"}},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1",
       Method::kGet,
       {.complete = true,
        .status = 200,
        .keep_alive = true,
        .fields = "Content-Length=5;",
        .body = "hello",
        .left = 8}},
      {"HTTP/1.1 404 \r\nA:\r\nb: \t x y \t\r\nContent-Length: 0\r\n\r\n",
       Method::kGet,
       {.complete = true, .status = 404, .keep_alive = true, .fields = "A=;b=x y;Content-Length=0;"}},
      {"HTTP/1.1 999\r\nContent-Length: 000000000000000000000000002\r\n\r\nab",
       Method::kGet,
       {.complete = true,
        .status = 999,
        .keep_alive = true,
        .fields = "Content-Length=000000000000000000000000002;",
        .body = "ab"}},
      {"HTTP/1.1 200 OK\r\nconnection: foo, CLOSE\r\ncontent-length: 1\r\n\r\nx",
       Method::kGet,
       {.complete = true, .status = 200, .fields = "connection=foo, CLOSE;content-length=1;", .body = "x"}},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
       Method::kGet,
       {.complete = true, .status = 200, .fields = "Content-Length=1;", .body = "x"}},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
       Method::kGet,
       {.complete = true,
        .status = 200,
        .keep_alive = true,
        .fields = "Connection=keep-alive;Content-Length=1;",
        .body = "x"}},
      // To the end of the connection.
      {"HTTP/1.1 200 OK\r\n\r\nall of it", Method::kGet, {.complete = true, .status = 200, .body = "all of it"}},
      {"HTTP/1.0 200 gr\xfc\xdf dich\r\nX: \xff\r\n\r\n",
       Method::kPost,
       {.complete = true, .status = 200, .fields = "X=\xff;"}},
      // Chunks, extensions, trailers.
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A;a=b\r\n, you all.\r\n0\r\n\r\n",
       Method::kGet,
       {.complete = true,
        .status = 200,
        .keep_alive = true,
        .fields = "Transfer-Encoding=Chunked;",
        .body = "hello, you all."}},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nHTTP",
       Method::kGet,
       {.complete = true,
        .status = 200,
        .keep_alive = true,
        .fields = "Transfer-Encoding=chunked;",
        .body = "x",
        .left = 4}},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       Method::kGet,
       {.complete = true, .status = 200, .keep_alive = true, .fields = "Transfer-Encoding=chunked;"}},
      // Without a body, whatever the head says.
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
       Method::kHead,
       {.complete = true, .status = 200, .keep_alive = true, .fields = "Content-Length=5;"}},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       Method::kHead,
       {.complete = true, .status = 200, .keep_alive = true, .fields = "Transfer-Encoding=chunked;"}},
      {"HTTP/1.1 200 OK\r\n\r\n", Method::kHead, {.complete = true, .status = 200, .keep_alive = true}},
      {"HTTP/1.1 204 No Content\r\n\r\nx",
       Method::kGet,
       {.complete = true, .status = 204, .keep_alive = true, .left = 1}},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
       Method::kGet,
       {.complete = true, .status = 304, .keep_alive = true, .fields = "Content-Length=5;"}},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
       Method::kPost,
       {.complete = true, .status = 100, .keep_alive = true, .left = 17}},
      {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes",
       Method::kGet,
       {.complete = true, .status = 101, .keep_alive = true, .fields = "Connection=upgrade;Upgrade=x;", .left = 5}},
      // What is not whole.
      {"", Method::kGet, {}},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Method::kGet, {}},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
       Method::kGet,
       {.status = 200, .keep_alive = true, .fields = "Content-Length=5;", .body = "hell"}},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
       Method::kGet,
       {.status = 200, .keep_alive = true, .fields = "Transfer-Encoding=chunked;", .body = "x"}},
  };
  for (const Good& row : table) {
    EXPECT_EQ(Whole(row.bytes, row.method), row.want) << row.bytes;
    ExpectSameHoweverCut(row.bytes, row.method);
  }
}

struct Bad {
  std::string_view bytes;
  Refusal why;
};

TEST(ResponseParser, RefusesWhatCouldBeReadInTwoWays) {
  static const std::string long_head = "HTTP/1.1 200 OK\r\nA: " + std::string(600, 'a') + "\r\n\r\n";
  static const std::string long_reason = "HTTP/1.1 200 " + std::string(600, 'a') + "\r\n\r\n";
  static const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const std::string many_fields =
      "HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\nA: 9\r\n\r\n";
  static const std::string trailers = "1\r\nx\r\n0\r\nA: " + std::string(600, 'a') + "\r\n\r\n";
  const Bad heads[] = {
      // The status line.
      {"HTTP/2.0 200 OK\r\n\r\n", Refusal::kVersion},
      {"HTTP/1.2 200 OK\r\n\r\n", Refusal::kVersion},
      {"HTTP/0.9 200 OK\r\n\r\n", Refusal::kVersion},
      {"HTTP/1.10 200 OK\r\n\r\n", Refusal::kNoHttp},
      {"http/1.1 200 OK\r\n\r\n", Refusal::kNoHttp},
      {"ICY 200 OK\r\n\r\n", Refusal::kNoHttp},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", Refusal::kNoHttp},
      {" HTTP/1.1 200 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1  200 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1 2000 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1 20 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1 099 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1 2x0 OK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1 200\tOK\r\n\r\n", Refusal::kNoHttp},
      {"HTTP/1.1\r\n\r\n", Refusal::kNoHttp},
      {"<html>", Refusal::kNoHttp},
      {"HTTP/1.1 200 O\0K\r\n\r\n"sv, Refusal::kControlByte},
      {"HTTP/1.1 200 OK\n\r\n", Refusal::kBareLf},
      {"HTTP/1.1 200\n\r\n", Refusal::kBareLf},
      {"HTTP/1.1 200 OK\rX\r\n\r\n", Refusal::kBareCr},
      {long_reason, Refusal::kFieldsTooLarge},
      // Fields.
      {"HTTP/1.1 200 OK\r\nA: b\n\r\n", Refusal::kBareLf},
      {"HTTP/1.1 200 OK\r\nA: b\r\n\nContent-Length: 0\r\n\r\n", Refusal::kBareLf},
      {"HTTP/1.1 200 OK\r\nA\n\r\n", Refusal::kBareLf},
      {"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\n", Refusal::kBareCr},
      {"HTTP/1.1 200 OK\r\n\rA: b\r\n\r\n", Refusal::kBareCr},
      {"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", Refusal::kBareCr},
      {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Refusal::kObsFold},
      {"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", Refusal::kObsFold},
      {"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", Refusal::kObsFold},
      {"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", Refusal::kSpaceBeforeColon},
      {"HTTP/1.1 200 OK\r\nContent-Length\t: 5\r\n\r\nhello", Refusal::kSpaceBeforeColon},
      {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", Refusal::kFieldName},
      {"HTTP/1.1 200 OK\r\nA\r\n\r\n", Refusal::kFieldName},
      {"HTTP/1.1 200 OK\r\nA(: x\r\n\r\n", Refusal::kFieldName},
      {"HTTP/1.1 200 OK\r\n\xc3\xa4: x\r\n\r\n", Refusal::kFieldName},
      {"HTTP/1.1 200 OK\r\nA\0: x\r\n\r\n"sv, Refusal::kControlByte},
      {"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"sv, Refusal::kControlByte},
      {"HTTP/1.1 200 OK\r\nA: \x7f\r\n\r\n", Refusal::kControlByte},
      {"HTTP/1.1 200 OK\r\n\0: x\r\n\r\n"sv, Refusal::kControlByte},
      {long_head, Refusal::kFieldsTooLarge},
      {many_fields, Refusal::kTooManyFields},
      // Framing.
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::kLengthAndCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Refusal::kLengthAndCoding},
      {"HTTP/1.1 304 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Refusal::kLengthAndCoding},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello", Refusal::kLengthRepeated},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Refusal::kLengthRepeated},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Refusal::kLengthRepeated},
      {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775809\r\n\r\n", Refusal::kLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\n", Refusal::kLength},
      {"HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 100 OK\r\nContent-Length: 5\r\n\r\nhello", Refusal::kLength},
      {"HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0b"
       "chunked\r\n\r\n",
       Refusal::kControlByte},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", Refusal::kCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", Refusal::kCoding},
  };
  const Bad bodies[] = {
      {"\r\n\r\n", Refusal::kChunkSize},
      {"x\r\n", Refusal::kChunkSize},
      {"+1\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"-1\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"0x1\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"1_0\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {" 1\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"1 \r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"1 ;a\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"00000000000000001\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"10000000000000000\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"ffffffffffffffff\r\nx\r\n0\r\n\r\n", Refusal::kChunkSize},
      {"1\nx\r\n0\r\n\r\n", Refusal::kBareLf},
      {"1\rx\r\n0\r\n\r\n", Refusal::kBareCr},
      {"1;a\nx\r\n0\r\n\r\n", Refusal::kBareLf},
      {"1;a\rb\r\nx\r\n0\r\n\r\n", Refusal::kBareCr},
      {"1;a\x01\r\nx\r\n0\r\n\r\n", Refusal::kControlByte},
      {"1;a=bcdefghijklmnopq\r\nx\r\n0\r\n\r\n", Refusal::kChunkExtension},
      {"1;a=234567890\r\nx\r\n1;a=234567890\r\nx\r\n1;a=234567890\r\nx\r\n1;a=234567890\r\nx\r\n0\r\n\r\n",
       Refusal::kChunkExtension},
      {"1;[]\r\nx\r\n0\r\n\r\n", Refusal::kChunkExtension},
      {"1\r\nxy\r\n0\r\n\r\n", Refusal::kChunkEnd},
      {"1\r\nx\n0\r\n\r\n", Refusal::kChunkEnd},
      {"1\r\nx\ry0\r\n\r\n", Refusal::kChunkEnd},
      {"1\r\nx0\r\n\r\n", Refusal::kChunkEnd},
      {"0\r\n\n", Refusal::kBareLf},
      {"0\r\n\rX", Refusal::kBareCr},
      {"0\r\nA: b\n\r\n", Refusal::kBareLf},
      {"0\r\nA: b\r\n c\r\n\r\n", Refusal::kObsFold},
      {"0\r\nA : b\r\n\r\n", Refusal::kSpaceBeforeColon},
      {"0\r\nA\r\n\r\n", Refusal::kFieldName},
      {"0\r\nA: \x01\r\n\r\n", Refusal::kControlByte},
      {"0\r\nA:1\r\nA:2\r\nA:3\r\nA:4\r\nA:5\r\nA:6\r\nA:7\r\nA:8\r\nA:9\r\n\r\n", Refusal::kTooManyFields},
      {trailers, Refusal::kFieldsTooLarge},
  };
  const auto expect = [](std::string_view bytes, Refusal why) {
    const Verdict got = Whole(bytes);
    EXPECT_EQ(Name(got.refusal), Name(why)) << bytes;
    ExpectSameHoweverCut(bytes);
  };
  for (const Bad& row : heads) expect(row.bytes, row.why);
  for (const Bad& row : bodies) expect(chunked + std::string(row.bytes), row.why);
}

TEST(ResponseParser, ALimitIsWhatStillPasses) {
  const auto head_of = [](size_t bytes) {
    const std::string fixed = "HTTP/1.1 204 OK\r\nA: \r\n\r\n";
    return "HTTP/1.1 204 OK\r\nA: " + std::string(bytes - fixed.size(), 'a') + "\r\n\r\n";
  };
  EXPECT_TRUE(Whole(head_of(512)).complete);
  EXPECT_EQ(Whole(head_of(513)).refusal, Refusal::kFieldsTooLarge);
  const std::string eight = "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\n";
  EXPECT_TRUE(Whole("HTTP/1.1 204 OK\r\n" + eight + "\r\n").complete);
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_TRUE(Whole(chunked + "0\r\n" + eight + "\r\n").complete);
  EXPECT_TRUE(Whole(chunked + "1;a=34567890123456\r\nx\r\n0\r\n\r\n").complete);
  EXPECT_EQ(Whole(chunked + "1;a=345678901234567\r\nx\r\n0\r\n\r\n").refusal, Refusal::kChunkExtension);
  EXPECT_TRUE(Whole(chunked + "1;a=34567890123456\r\nx\r\n1;a=34567890123456\r\nx\r\n0\r\n\r\n").complete);
  EXPECT_TRUE(Whole(chunked + "0000000000000001\r\nx\r\n0\r\n\r\n").complete);
}

TEST(ResponseParser, IsUsedAgain) {
  ResponseParser parser(&kLimits);
  std::array<Field, 8> fields;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(parser.begun());
    const std::string_view bytes =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\nA: b\r\n\r\n";
    const auto head = parser.FeedHead(bytes, fields.data());
    ASSERT_EQ(head.event, Event::kHead);
    EXPECT_TRUE(parser.begun());
    std::string_view rest = bytes.substr(head.taken);
    const auto piece = parser.FeedBody(rest);
    EXPECT_EQ(piece.body, "x");
    rest.remove_prefix(piece.taken);
    const auto end = parser.FeedBody(rest);
    EXPECT_EQ(end.event, Event::kDone);
    EXPECT_EQ(end.taken, rest.size());
    EXPECT_EQ(parser.FeedBody("more").event, Event::kDone);
    parser.Reset(Method::kGet);
  }
  EXPECT_EQ(parser.FeedHead("X", fields.data()).event, Event::kRefused);
  parser.Reset(Method::kGet);
  EXPECT_EQ(parser.FeedHead("HTTP", fields.data()).event, Event::kMore);
}

}  // namespace
}  // namespace mooring::server::http
