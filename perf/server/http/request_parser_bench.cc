// SPDX-License-Identifier: Apache-2.0
// A request's head through the parser, and how much of that is llhttp; chunked bodies.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "llhttp.h"
#include "server/http/request_parser.h"

namespace mooring::server::http {
namespace {

using Event = RequestParser::Event;

// What wrk sends, what wrk sends with a path and some fields, and a browser.
constexpr std::string_view kHeads[] = {
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
    "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n",
    "GET /articles/2026/11/how-a-byte-travels.html?from=front HTTP/1.1\r\nHost: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; seen=1732891557\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: same-origin\r\nIf-None-Match: \"5e1f-62cc7d\"\r\n\r\n",
};

void BM_RequestParserHead(benchmark::State& state) {
  const std::string head(kHeads[state.range(0)]);
  const RequestParser::Limits limits;
  RequestParser parser(&limits);
  std::array<Field, RequestParser::kFieldsMax> fields;
  for (auto _ : state) {
    parser.Reset();
    const RequestParser::Step step = parser.Feed(head, fields.data());
    if (step.event != Event::kHead) state.SkipWithError("refused");
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(head.size()));
}
BENCHMARK(BM_RequestParserHead)->DenseRange(0, 2);

// The same bytes through llhttp alone, with the callbacks that the parser uses.
void BM_LlhttpHead(benchmark::State& state) {
  const std::string head(kHeads[state.range(0)]);
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  const auto span = [](llhttp_t* parser, const char* at, size_t size) {
    benchmark::DoNotOptimize(parser);
    benchmark::DoNotOptimize(at + size);
    return 0;
  };
  settings.on_header_field = span;
  settings.on_header_value = span;
  settings.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
  for (auto _ : state) {
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    if (llhttp_execute(&parser, head.data(), head.size()) != HPE_PAUSED) state.SkipWithError("refused");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(head.size()));
}
BENCHMARK(BM_LlhttpHead)->DenseRange(0, 2);

// A body of 64 KiB in chunks of that many bytes.
void BM_RequestParserChunks(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  std::string message = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  char line[16];
  std::snprintf(line, sizeof line, "%zx\r\n", size);
  for (size_t i = 0; i < 65536 / size; ++i) message.append(line).append(size, 'x').append("\r\n");
  message += "0\r\n\r\n";
  const RequestParser::Limits limits;
  RequestParser parser(&limits);
  std::array<Field, RequestParser::kFieldsMax> fields;
  for (auto _ : state) {
    parser.Reset();
    std::string_view rest = message;
    for (;;) {
      const RequestParser::Step step = parser.Feed(rest, fields.data());
      rest.remove_prefix(step.taken);
      if (step.event == Event::kDone) break;
      if (step.event == Event::kRefused || step.event == Event::kMore) {
        state.SkipWithError("not complete");
        break;
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(message.size()));
}
BENCHMARK(BM_RequestParserChunks)->Arg(1)->Arg(64)->Arg(4096);

}  // namespace
}  // namespace mooring::server::http
