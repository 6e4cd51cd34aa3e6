// SPDX-License-Identifier: Apache-2.0
// What a server does again and again, over the simulated kernel: counting.py counts the instructions of it.
//
//   workload TRANSPORT WHAT [ROUNDS]     TRANSPORT: io_uring, epoll
//   workload                             a few rounds of each
//
//   echo-callbacks, echo-coroutine       64 bytes and back, one at a time
//   line                                 a line of 64 bytes, answered OK
//   http, http-pipelined                 a route that answers 13 bytes; one request at a time, and 16 of them at once
//   churn                                connect, one echo, close
//
// Each round is some turns of its own, so what a turn costs counts in full. Counted is what MeasuredRounds does, after
// as many rounds that are not: then pools and tables are as large as they will be.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/task.h"
#include "net/connection.h"
#include "server/echo.h"
#include "server/http/http_service.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "server/http/router.h"
#include "server/line.h"
#include "tests/net/sim_server.h"

// Does `rounds` of them; false when one had another answer. callgrind finds it by its name.
extern "C" [[gnu::noinline]] bool MeasuredRounds(const std::function<bool()>& round, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    if (!round()) return false;
  }
  return true;
}

namespace mooring {
namespace {

constexpr int kPipelined = 16;
constexpr std::string_view kWhat[] = {"echo-callbacks", "echo-coroutine", "line", "http", "http-pipelined", "churn"};

core::Task<> EchoByTask(net::Connection& conn) {
  for (;;) {
    net::ReadResult piece = co_await conn.Read();
    if (!piece) co_return;
    if (!conn.Write(*piece)) co_return;
  }
}

std::string Listen(net::SimServer* server, std::string_view what) {
  if (what == "echo-coroutine") return server->Listen(net::Coroutine(EchoByTask));
  if (what == "line") return server->Listen(net::Coroutine(server::Line));
  if (what != "http" && what != "http-pipelined") return server->Listen(net::Callbacks<server::Echo>());
  using namespace server::http;
  Router router;
  router.Get("/", [](Request&) { return Response::Text("Hello, world!"); });
  const HttpOptions options = {.requests_max = 0};
  return server->Listen([=] { return std::make_unique<HttpService>(router, options); }, Http(router, options).limits());
}

// What is sent, and what its answer ends with. Of requests in a row the last one's: they are answered in order.
std::pair<std::string, std::string> Exchange(std::string_view what) {
  const std::string line = std::string(63, 'x') + "\n";
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  if (what == "line") return {line, "OK\n"};
  if (what == "http") return {request, "\r\n\r\nHello, world!"};
  if (what != "http-pipelined") return {line, line};
  std::string requests;
  for (int i = 0; i < kPipelined; ++i) requests += request;
  return {requests, "\r\n\r\nHello, world!"};
}

bool Run(net::TransportKind transport, std::string_view what, int rounds) {
  net::SimServer::Options options;
  options.transport = transport;
  options.mood = sim::Mood::kCalm;
  net::SimServer server(1, options);
  const std::string at = Listen(&server, what);
  const auto [sent, answer] = Exchange(what);
  const bool churn = what == "churn";
  sim::SimPeer* peer = churn ? nullptr : server.ConnectNow(at);
  const auto round = [&, sent = sent, answer = answer] {
    if (churn) peer = server.ConnectNow(at);
    peer->Send(sent);
    server.world.RunUntilIdle();
    const bool right = std::string(peer->TakeReceived()).ends_with(answer);
    if (churn) {
      peer->Close();
      server.world.RunUntilIdle();
    }
    return right;
  };
  for (int i = 0; i < rounds; ++i) {
    if (!round()) return false;
  }
  const bool right = MeasuredRounds(round, rounds);
  if (!churn) peer->Close();
  server.world.RunFor(1000);
  return right;
}

bool Told(std::string_view transport, std::string_view what, int rounds) {
  const auto kind = transport == "epoll" ? net::TransportKind::kEpoll : net::TransportKind::kUring;
  if (Run(kind, what, rounds)) return true;
  std::fprintf(stderr, "workload: %.*s over %.*s had another answer\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(transport.size()), transport.data());
  return false;
}

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  if (argc > 2) return mooring::Told(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 3) ? 0 : 1;
  bool right = true;
  for (const char* transport : {"io_uring", "epoll"}) {
    for (const std::string_view what : mooring::kWhat) right &= mooring::Told(transport, what, 3);
  }
  return right ? 0 : 1;
}
