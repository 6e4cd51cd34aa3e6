// SPDX-License-Identifier: Apache-2.0
// The whole path of requests: whatever the bytes, and however they are cut, the same answers come, each as RFC 9112 has
// it, the connection ends, and nothing is left behind.
//
// Input: how many chunk sizes (1 byte), a byte each; how often the rest is repeated (1); the stream. Every stream is
// served twice: in these chunks, and in whole blocks.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "core/task.h"
#include "net/connection.h"
#include "net/engine.h"
#include "server/http/http_service.h"
#include "tests/fuzz/chunk_transport.h"
#include "tests/fuzz/fuzz.h"
#include "tests/server/http/answers.h"
#include "tests/server/http/sample_routes.h"

namespace mooring::server::http {
namespace {

using fuzz::Bytes;
using fuzz::ChunkTransport;
using fuzz::Expect;

constexpr size_t kStreamBytesMax = 30'000;
constexpr int kTurnsMax = 300'000;

Router Routes() {
  Router router = SampleRoutes();
  // Its chunks are not those of the request.
  router.Post("/kept", [](Request& request) -> core::Task<Response> {
    const BodyEnd end = co_await request.ReadAll();
    if (end != BodyEnd::kComplete) co_return Response::Plain(500);
    co_return Response::Of("application/octet-stream", std::string(request.body()));
  });
  router.Get("/said/{words...}", [](Request& request) { return Response::Text(request.Param("words")); });
  router.Get("/query", [](Request& request) { return Response::Text(request.Query("q").value_or("none")); });
  router.Get("/up", [](Request& request) {
    if (!request.upgrade()) return Response::Plain(426);
    return Response::TakeOver("lines", [](net::Connection& conn) -> core::Task<> {
      while (auto line = co_await conn.ReadLine()) {
        conn.Write(*line);
        conn.Write("!\n");
        if (const bool room = co_await conn.Writable(); !room) co_return;
      }
    });
  });
  return router;
}

// No deadline: how long a stream takes is decided by its cuts.
HttpOptions Options() {
  HttpOptions options;
  options.request_line_bytes_max = 300;
  options.fields_bytes_max = 600;
  options.fields_max = 8;
  options.body_bytes_max = 5000;
  options.header_deadline_s = options.body_idle_s = options.body_rate_after_s = 0;
  options.keepalive_s = options.handler_deadline_s = options.connection_age_s = options.write_stall_s = 0;
  options.requests_max = 50;
  return options;
}

class Served {
 public:
  Served(const std::string& stream, std::vector<uint8_t> chunks)
      : service_(Routes(), Options()), transport_(&shard_, stream, std::move(chunks)) {
    transport_.events = engine_.events();
    shard_.SetPort(&transport_);
    engine_.SetTransport(&transport_);
    engine_.AddListener("fuzz", &service_, Http(Routes(), Options()).limits());
    for (int turns = 0; !transport_.released(); ++turns) {
      Expect(turns < kTurnsMax, "a connection whose peer has sent its FIN comes to its end");
      clock_.Set(clock_.Now() + core::kNanosPerMs);
      shard_.RunTurn(0);
    }
    // Tasks that nobody waits for any more see that they are cancelled.
    for (int turns = 0; turns < 20; ++turns) {
      clock_.Set(clock_.Now() + core::kNanosPerMs);
      shard_.RunTurn(0);
    }
    Expect(engine_.live() == 0, "no slot is left");
    Expect(shard_.frames().live() == 0, "no frame is left");
    Expect(shard_.buffers().receive_live() == 0, "no receive block is left");
    Expect(shard_.buffers().blocks_live() == 0, "no block is left");
    Expect(shard_.buffers().shared_live() == 0, "no shared bytes are left");
    Expect(engine_.retained_blocks() == 0, "nothing is retained");
  }

  const std::string& answered() const { return transport_.answered; }
  bool aborted() const { return transport_.aborted(); }

 private:
  core::ManualClock clock_{core::kNanosPerSecond};
  core::Shard shard_{{.clock = &clock_}};
  core::Shard::Enter enter_{&shard_};
  net::Engine engine_{&shard_, {.connections_max = 4}};
  HttpService service_;
  ChunkTransport transport_;
};

// Without what a cut, or a second that passes, may change.
std::string Gist(std::string text) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (size_t at; (at = text.find(kContinue)) != std::string::npos;) text.erase(at, kContinue.size());
  for (size_t at = 0; (at = text.find("\r\nDate: ", at)) != std::string::npos;) {
    text.erase(at, text.find("\r\n", at + 2) - at);
  }
  return text;
}

void Run(Bytes in) {
  std::vector<uint8_t> chunks(1 + in.Next() % 32);
  for (uint8_t& chunk : chunks) chunk = in.Next();
  const unsigned repeat = 1 + in.Next() % 16;
  const std::string part = in.Take(in.left());
  std::string stream;
  for (unsigned i = 0; i < repeat && stream.size() + part.size() <= kStreamBytesMax; ++i) stream += part;
  // The sizes of an echo's chunks are those of its cuts.
  for (size_t at; (at = stream.find("/echoed")) != std::string::npos;) stream.replace(at, 7, "/kept");

  const Served cut(stream, chunks);
  const Served whole(stream, {});
  const std::string of_cut = Gist(cut.answered());
  const std::string of_whole = Gist(whole.answered());
  if (of_cut != of_whole) std::fprintf(stderr, "--- cut\n%s\n--- whole\n%s\n", of_cut.c_str(), of_whole.c_str());
  Expect(of_cut == of_whole, "cuts change no answer");
  Expect(cut.aborted() == whole.aborted(), "cuts change no ending");
  // Whether an answer has a body is told by the request where that is a HEAD; what follows a 101 is not HTTP.
  if (stream.find("HEAD") != std::string::npos || whole.answered().find("HTTP/1.1 101 ") != std::string::npos) return;
  const Answers answers(whole.answered());
  Expect(answers.error().empty(), "answers are as RFC 9112 has them");
  if (whole.aborted()) return;
  Expect(answers.rest() == 0, "no half a head is at the end");
  for (size_t i = 0; i < answers.size(); ++i) {
    Expect(answers[i].complete || answers[i].to_end, "who half-closes has all that he asked for");
  }
}

}  // namespace
}  // namespace mooring::server::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mooring::server::http::Run(mooring::fuzz::Bytes(data, size));
  return 0;
}
