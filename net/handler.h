// SPDX-License-Identifier: Apache-2.0
// Handler: a service as callbacks.
//
// One handler serves all connections of a listener on a shard and keeps no state for them, or OnOpen makes one for its
// connection with conn.New<T>(). Every call runs on the connection's shard, inside its turn. Write, Pause, Close and
// Abort never call back from within; so a callback may close its own connection. A callback that throws ends its own
// connection (service_failed), never the process.
//
// Threads:  one instance per shard; nothing is shared unless the handler shares it.
#ifndef MOORING_NET_HANDLER_H_
#define MOORING_NET_HANDLER_H_

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "alloc/buffer_pool.h"
#include "net/close_cause.h"

namespace mooring::net {

class Connection;

class Handler {
 public:
  virtual ~Handler() = default;

  virtual void OnOpen(Connection& /*conn*/) {}
  // Bytes where the kernel put them, in order. Keep the lease, write it on (no copy), or let it go.
  virtual void OnData(Connection& conn, alloc::Lease data) = 0;
  // The peer has sent its FIN; writing still works. The default closes.
  virtual void OnEof(Connection& conn);
  // The time of Connection::SetDeadline has come, and it is set no more. The default closes: idle.
  virtual void OnDeadline(Connection& conn);
  // The queue had reached the high watermark and has fallen to the low one.
  virtual void OnWritable(Connection& /*conn*/) {}
  // The server is draining: said once, when everything received has been delivered. The default closes.
  virtual void OnDrain(Connection& conn);
  // Last, once. The connection can be looked at, not used.
  virtual void OnClose(Connection& /*conn*/, CloseCause /*cause*/) {}

  // Calls sink(name, value) for each thing that the service counts: constant names, "requests". From any thread.
  virtual void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> /*sink*/) const {}
};

}  // namespace mooring::net

#endif  // MOORING_NET_HANDLER_H_
