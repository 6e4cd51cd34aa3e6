// SPDX-License-Identifier: Apache-2.0
// Reader: how the task of a connection reads: finding messages in what has arrived, and resuming who waits for them.
//
// A message that lies in one receive block is seen where the kernel put it. Only when a reader suspends with a part of a
// message are its bytes copied, into a carry block that grows by what arrives (256 B, 1, 4, 16 KB, then doubling), so a
// stalled peer holds its own bytes and no receive block. A read that finds its message goes on at once; one that fails
// goes on through the run queue, so that a loop which ignores failures can't freeze its shard.
//
// Threads:  one shard, inside its turn.
// Owns:     nothing; all state is the Connection's.
#ifndef MOORING_NET_READER_H_
#define MOORING_NET_READER_H_

#include <coroutine>
#include <cstdint>

#include "net/connection.h"
#include "net/engine.h"

namespace mooring::net {

class Reader {
 public:
  // Begins a read; true when its result is there.
  static bool Begin(Connection& conn, ReadMode mode, uint32_t parameter, const ReadOptions& options);
  static ReadResult Take(Connection& conn);
  // The task waits from now on: fails at once if the read can't succeed, else carries what is unfinished.
  static void Suspend(Connection& conn, std::coroutine_handle<> task, core::CancelScope* scope);

  // Bytes for a task that waits in a read; resumes it when they make its message.
  static void Deliver(Connection& conn, alloc::Lease data);
  // Looks again whether a waiting read can be met from what is parked.
  static void Poke(Connection& conn);
  // Ends a waiting read with `reason`, through the run queue. Nothing when no task waits in one.
  static void Fail(Connection& conn, ReadReason reason);
  static void FailWriter(Connection& conn);
  // The same with `cancelled` for whoever waits in this scope.
  static void CancelWaits(Connection& conn, const core::CancelScope* scope);
  static void ResumeWriter(Connection& conn);

  static bool Begun(const Connection& conn) { return conn.input_ != nullptr && !conn.input_->current.empty(); }
  static ReadReason ReasonOf(const Connection& conn);

 private:
  enum class Found : uint8_t { kNotYet, kYes, kFailed };
  static Found Look(Connection& conn);
  static Found LookForTerminator(Connection& conn);
  static Found Done(Connection& conn, uint32_t size, uint32_t drop);
  static Found Failed(Connection& conn, ReadReason reason);
  static bool Carry(Connection& conn, alloc::Lease data);
  static void Resume(Connection& conn);
};

}  // namespace mooring::net

#endif  // MOORING_NET_READER_H_
