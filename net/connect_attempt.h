// SPDX-License-Identifier: Apache-2.0
// ConnectAttempt: one connect to one address, awaited by whoever is going to own the connection.
//
//   Connect ──OnOpen──> owned: goes on at once
//      ├──OnClose (it failed, or the shard was cut)──> its errno, through the run queue
//      └──deadline, or the scope was cancelled: aborted, not waited for──> ETIMEDOUT or ECANCELED, likewise
//
// Threads:  one shard, inside its turn.
// Owns:     the half-made connection, until it is somebody's or has failed.
#ifndef MOORING_NET_CONNECT_ATTEMPT_H_
#define MOORING_NET_CONNECT_ATTEMPT_H_

#include <coroutine>
#include <cstdint>

#include "core/cancel_scope.h"
#include "core/shard.h"
#include "net/address.h"
#include "net/close_cause.h"
#include "net/handler.h"
#include "net/owned_connection.h"
#include "net/transport.h"

namespace mooring::net {

class [[nodiscard]] ConnectAttempt final : private Handler, private core::WaitPoint {
 public:
  struct Outcome {
    OwnedConnection connection;  // none when it failed
    int error = 0;               // errno. ECANCELED: the scope was. ESHUTDOWN: the engine was cut
    bool full = false;           // ENOBUFS by the engine, which has no slot, not by the kernel
  };

  // `deadline_ms` is of the shard's clock; 0 is none.
  ConnectAttempt(const Address& to, const Address& from, ListenerId profile, int64_t deadline_ms)
      : to_(to), from_(from), profile_(profile), deadline_ms_(deadline_ms) {}
  ConnectAttempt(const ConnectAttempt&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> task) {
    handle = task;
    cancel = [](WaitPoint* self) { static_cast<ConnectAttempt*>(self)->GiveUp(ECANCELED); };
    Begin(task.promise().scope());
  }
  Outcome await_resume();

 private:
  void OnOpen(Connection& conn) override;
  void OnData(Connection&, alloc::Lease) override {}
  void OnClose(Connection& conn, CloseCause cause) override;
  void Begin(core::CancelScope* scope);
  void GiveUp(int error);
  void Finish(int error);

  const Address to_;
  const Address from_;
  const ListenerId profile_;
  const int64_t deadline_ms_;
  core::CancelScope* scope_ = nullptr;
  core::CallTimer timer_;
  Connection* conn_ = nullptr;
  Outcome outcome_;
  bool finished_ = false;
};

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECT_ATTEMPT_H_
