// SPDX-License-Identifier: Apache-2.0
// proxy: passes one TCP port on to another, no byte copied. Each client has a connection of its own to the target.
// A half-close and a reset are passed on; who reads slowly slows down the sender, and costs no memory.
//
//   proxy --to=127.0.0.1:7001 &
//   printf 'hello\n' | nc -N 127.0.0.1 7003
#include <string>

#include "absl/flags/flag.h"
#include "mooring/mooring.h"

ABSL_FLAG(std::string, to, "127.0.0.1:7001", "where to: HOST:PORT, a name or an address");

using namespace mooring;

// One direction, to its end.
Task<> Pass(Connection& from, Connection& to) {
  for (;;) {
    const auto data = co_await from.Read({.max_bytes = 65536});
    if (data.reason == ReadReason::kEof || data.reason == ReadReason::kDraining) co_return to.ShutdownWrite();
    if (!data) co_return to.Abort();
    if (!to.Write(from.Keep(data))) co_return from.Abort();
    co_await to.Writable();
  }
}

Task<> Proxy(Connection& client) {
  auto upstream = co_await Connect(absl::GetFlag(FLAGS_to), {.deadline = Seconds(5)});
  if (!upstream) co_return;
  co_await WhenAll(Pass(client, *upstream), Pass(*upstream, client));
}

int main(int argc, char** argv) {
  // full_duplex: a client that does not read now is read from all the same, as it would be without a proxy.
  return Server(argc, argv).Listen("tcp://127.0.0.1:7003", Proxy, {.limits = {.full_duplex = true}}).Run();
}
