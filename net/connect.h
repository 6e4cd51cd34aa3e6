// SPDX-License-Identifier: Apache-2.0
// Connect: an outbound connection for a coroutine that then owns it.
//
//   if (auto up = co_await Connect("db.example:5432", {.deadline = Seconds(2)}); up) {
//     up->Write("ping\n");
//     auto line = co_await up->ReadLine();
//   } else {
//     Note(up.Explain());
//   }
//
// A name is looked up (net/resolve.h), and its addresses are tried one after the other: in the resolver's order, the
// families taking turns (RFC 8305, section 4), without the race of its section 5. One deadline holds for all of it. An
// address that is silent may take an even part of what is left, at least 1 s, so that the next ones have theirs; one
// that refuses takes nothing.
//
// Cancelling the scope ends it at any stage: what is half made is aborted and not waited for.
//
// Threads:  one shard, inside its turn; the connection is that shard's.
// Owns:     what is half made; the result owns the connection.
// Limits:   the engine's slots (no credit of --max-connections is taken); 64 different `bounds` a shard.
#ifndef MOORING_NET_CONNECT_H_
#define MOORING_NET_CONNECT_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/clock.h"
#include "core/task.h"
#include "net/address.h"
#include "net/endpoint.h"
#include "net/owned_connection.h"
#include "net/service_options.h"

namespace mooring::net {

struct ConnectOptions {
  // For all of it, from now; 0 is none. 10 s: a lost first segment is sent again after 1, 3 and 7 s (tcp(7),
  // tcp_syn_retries); the kernel alone would try for two minutes.
  core::Nanos deadline = 10 * core::kNanosPerSecond;
  Address from = {};           // a local address; its port 0: any. Empty: the kernel chooses
  ServiceOptions bounds = {};  // of the connection, as of a listener's
};
static_assert(std::is_trivially_copyable_v<ConnectOptions>, "gcc 12 frees other temporaries of a co_await twice");

enum class ConnectFailure : uint8_t {
  kNone,       // connected
  kTarget,     // `target` is none that can be connected to
  kName,       // the look-up failed: `error` is an EAI_ code
  kConnect,    // no address took the connection: `tried`
  kDeadline,   // passed, before any address did
  kCancelled,  // the scope was
  kNoRoom,     // the shard has no slot left, or too many different `bounds`
  kCut,        // the shard has cut its connections: it ends
};

struct ConnectResult {
  struct Tried {
    Address address;
    int error;  // errno
  };

  explicit operator bool() const { return static_cast<bool>(connection); }
  Connection* operator->() const { return connection.get(); }
  Connection& operator*() const { return *connection; }

  // What failed and what to do about it, in a line: "127.0.0.1:5432: connection refused: nobody listens on the target".
  std::string Explain() const;

  OwnedConnection connection;  // none when it failed
  ConnectFailure failure = ConnectFailure::kNone;
  int error = 0;               // errno of the last attempt, when there was one
  std::string target;          // and what was wrong with it; empty when connected
  std::vector<Tried> tried;    // without success, in order; also when a later one was connected to
  uint32_t untried = 0;        // addresses for which no time was left
};

// HOST:PORT with a name or an address. Named sockets (unix:) give kTarget: those can be listened on, not connected to.
core::Task<ConnectResult> Connect(std::string target, ConnectOptions options = {});
// The same for an address that is known.
core::Task<ConnectResult> Connect(Endpoint target, ConnectOptions options = {});

// The order in which addresses are tried: each family in the order given, the families in turn, the first one's first.
std::vector<Address> Interleaved(const std::vector<Address>& addresses);

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECT_H_
