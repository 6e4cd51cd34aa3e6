// SPDX-License-Identifier: Apache-2.0
// Echoes 64 bytes over the simulated kernel, one at a time, as often as it is told: what perf/count_instructions counts
// the instructions of. Each echo is some turns of its own, so what a turn costs counts in full.
//
//   echo TRANSPORT SERVICE ROUNDS       TRANSPORT: io_uring, epoll; SERVICE: callbacks, task
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/connection.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/sim_server.h"

namespace mooring {
namespace {

int Echo(net::TransportKind transport, bool task, int rounds) {
  net::SimServer::Options options;
  options.transport = transport;
  options.mood = sim::Mood::kCalm;
  net::SimServer server(1, options);
  const std::string at = task ? server.Listen(net::Coroutine(server::Line)) : server.Listen(net::Callbacks<server::Echo>());
  sim::SimPeer* peer = server.ConnectNow(at);
  const std::string message = std::string(63, 'x') + "\n";
  const std::string answer = task ? "OK\n" : message;
  for (int i = 0; i < rounds; ++i) {
    peer->Send(message);
    server.world.RunUntilIdle();
    if (peer->TakeReceived() != answer) {
      std::fprintf(stderr, "echo: round %d had another answer\n", i);
      return 1;
    }
  }
  peer->Close();
  server.world.RunFor(1000);
  return 0;
}

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  using mooring::net::TransportKind;
  const std::string_view transport = argc > 1 ? argv[1] : "io_uring";
  const bool task = argc > 2 && std::string_view(argv[2]) == "task";
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  return mooring::Echo(transport == "epoll" ? TransportKind::kEpoll : TransportKind::kUring, task, rounds);
}
