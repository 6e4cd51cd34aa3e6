// SPDX-License-Identifier: Apache-2.0
// OwnedConnection: a connection that was made by Connect and belongs to whoever holds this.
//
//   if (auto up = co_await Connect("127.0.0.1:5432", options); up) {
//     up->Write("ping\n");
//     auto line = co_await up->ReadLine({.deadline = Seconds(5)});
//   }                                                      // closed here: what is queued is still sent
//
// It has no service and no task of its own. Any coroutine of the shard may read it and write to it (one that reads, one
// that waits for room), and a wait hangs on the scope of the coroutine that waits. A reset, the peer's end, a deadline
// and the drain's deadline all end its waits. It gets no notice of a drain: a proxy must still get its answer, and the
// connection that it serves gets one. Draining waits for it to be let go.
//
// Threads:  the shard's that made it; made, moved and destroyed in its turns.
// Owns:     the connection's slot: even after its end, the connection may be asked until this lets go.
#ifndef MOORING_NET_OWNED_CONNECTION_H_
#define MOORING_NET_OWNED_CONNECTION_H_

#include <utility>

#include "net/connection.h"

namespace mooring::net {

class OwnedConnection {
 public:
  OwnedConnection() = default;  // none
  OwnedConnection(OwnedConnection&& other) noexcept : conn_(std::exchange(other.conn_, nullptr)) {}
  OwnedConnection& operator=(OwnedConnection&& other) noexcept {
    std::swap(conn_, other.conn_);
    other.Reset();
    return *this;
  }
  // As Connection::Close, if it is open still. Abort() before it, where the peer need not see a good end: that frees
  // the socket at once.
  ~OwnedConnection() { Reset(); }

  // Closes and lets go; none is left. Who still waits in a read or for room is told `closed`.
  void Reset();

  // There is one. It may have ended all the same: open() tells, as does whatever is asked of it.
  explicit operator bool() const { return conn_ != nullptr; }
  Connection* operator->() const { return conn_; }
  Connection& operator*() const { return *conn_; }
  Connection* get() const { return conn_; }

 private:
  friend class ConnectAttempt;
  friend class Pool;
  explicit OwnedConnection(Connection* conn) : conn_(conn) {}

  Connection* conn_ = nullptr;
};

}  // namespace mooring::net

#endif  // MOORING_NET_OWNED_CONNECTION_H_
