// SPDX-License-Identifier: Apache-2.0
// A response's head through the client's parser, and chunked bodies.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "server/http/response_parser.h"

namespace mooring::server::http {
namespace {

using Event = ResponseParser::Event;

// What Mooring answers, and what an API behind a proxy does.
constexpr std::string_view kHeads[] = {
    "HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 15:00:00 GMT\r\nServer: mooring\r\nContent-Type: text/plain\r\n"
    "Content-Length: 13\r\n\r\n",
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 29 Nov 2026 15:00:00 GMT\r\nContent-Type: "
    "application/json; charset=utf-8\r\nContent-Length: 1024\r\nConnection: keep-alive\r\nVary: Accept-Encoding, "
    "Origin\r\n"
    "Cache-Control: max-age=0, private, must-revalidate\r\nETag: W/\"0123456789abcdef0123456789abcdef\"\r\n"
    "X-Request-Id: 0123456789abcdef0123456789abcdef\r\nX-Runtime: 0.012345\r\nStrict-Transport-Security: "
    "max-age=63072000; includeSubDomains\r\nX-Content-Type-Options: nosniff\r\n\r\n",
};

void BM_ResponseParserHead(benchmark::State& state) {
  const std::string head(kHeads[state.range(0)]);
  const ResponseParser::Limits limits;
  ResponseParser parser(&limits);
  std::array<Field, ResponseParser::kFieldsMax> fields;
  for (auto _ : state) {
    parser.Reset(Method::kGet);
    const ResponseParser::Step step = parser.FeedHead(head, fields.data());
    if (step.event != Event::kHead) state.SkipWithError("refused");
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(head.size()));
}
BENCHMARK(BM_ResponseParserHead)->DenseRange(0, 1);

// A body of 64 KiB in chunks of that many bytes.
void BM_ResponseParserChunks(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  char line[20];
  std::snprintf(line, sizeof(line), "%zx\r\n", size);
  std::string body;
  for (size_t bytes = 0; bytes < 65536; bytes += size) body += line + std::string(size, 'x') + "\r\n";
  body += "0\r\n\r\n";
  const std::string_view head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const ResponseParser::Limits limits;
  ResponseParser parser(&limits);
  std::array<Field, ResponseParser::kFieldsMax> fields;
  for (auto _ : state) {
    parser.Reset(Method::kGet);
    if (parser.FeedHead(head, fields.data()).event != Event::kHead) state.SkipWithError("refused");
    for (std::string_view rest = body;;) {
      const ResponseParser::Step step = parser.FeedBody(rest);
      rest.remove_prefix(step.taken);
      if (step.event == Event::kDone) break;
      if (step.event != Event::kBody) {
        state.SkipWithError("refused");
        break;
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(BM_ResponseParserChunks)->Arg(16)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace mooring::server::http
