// SPDX-License-Identifier: Apache-2.0
// Transport: what moves bytes for a shard. The seam between connections and a kernel, or a user-space TCP stack.
//
// It speaks ids, leases and results, never file descriptors, because a user-space stack has none. One virtual call per
// operation, none per byte. Deadlines are not its business.
//
// Life of a connection as seen here:
//
//   OnAccept -> id -> OnOpen ─┐                ┌─ Close ─┐
//   Connect(id) -> OnConnect ─┴─> reading, ────┤         ├─> OnReleased(id): nothing names it any more
//                                 Send/OnSend  └─ Abort ─┘
//
// Threads:  one per shard, made and used on the shard's thread. Upcalls come from inside Poll only, never from a
//           downcall.
// Owns:     its listeners' sockets, the kernel's side of every connection, and what is in flight. The bytes of a Send
//           belong to the transport until its OnSend.
#ifndef MOORING_NET_TRANSPORT_H_
#define MOORING_NET_TRANSPORT_H_

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "alloc/buffer_pool.h"
#include "alloc/slab.h"
#include "core/event_port.h"
#include "core/shard.h"
#include "net/address.h"

namespace mooring::net {

// A connection on its shard: slab slot and 32-bit generation. Generation 0 is none.
using ConnId = alloc::SlabHandle;
inline constexpr ConnId kNoConn = {0, 0};

// A listener by its number; the same on every shard of the process.
using ListenerId = uint16_t;

// How freely a listener may accept, as far as the engine's caps are concerned. The transport is also careful by itself
// when its own table fills up.
enum class AcceptMode : uint8_t {
  kStopped,  // accept nothing; peers wait in the backlog
  kNear,     // near a cap: TakeCredit before each accept, ReturnCredit when there was nothing to accept
  kRoomy,    // accept whatever comes
};

enum class SendMode : uint8_t {
  kTry,   // what fits now, maybe nothing: completes in the Poll that submits it
  kWait,  // completes when some bytes were taken, or on failure
};

// Upcalls. Results are 0 or more, or -errno.
class TransportEvents {
 public:
  // A peer has connected; `credit_taken` says that TakeCredit was asked for it. The answer is the slot that the engine
  // took for it, or kNoConn: the transport then resets the peer. Up to 64 a Poll; further ones come in the next.
  virtual ConnId OnAccept(ListenerId listener, bool credit_taken) = 0;
  // The accepted connection `id` is set up, and reading has been asked for.
  virtual void OnOpen(ConnId id) = 0;
  virtual bool TakeCredit(ListenerId listener) = 0;
  virtual void ReturnCredit(ListenerId listener) = 0;
  // Accepting failed for want of descriptors or memory; `listener` stays stopped until the next SetAcceptMode.
  virtual void OnAcceptError(ListenerId listener, int error) = 0;
  virtual void OnAcceptStopped(ListenerId listener) = 0;  // answers StopAccept, once; the listener is closed
  virtual void OnConnect(ConnId id, int result) = 0;      // after a failure: Close(id) or Abort(id) still releases it

  // 32 bytes in the connection for the transport, zeroed when the slot was taken; null when (slot, low 24 bits of the
  // generation) names no live connection: a stale completion.
  virtual void* Area(uint32_t slot, uint32_t generation_low24) = 0;

  // In order. A lease on a whole receive block; after Close or Abort there is none any more.
  virtual void OnReceive(ConnId id, alloc::Lease data) = 0;
  virtual void OnReceiveEnd(ConnId id, int result) = 0;  // once, not after Close or Abort: 0 is FIN, else -errno
  virtual void OnSend(ConnId id, int result) = 0;        // once per Send, also after Close or Abort
  virtual void OnShutdown(ConnId id) = 0;                // ShutdownSend has sent its FIN (or failed: the peer is gone)
  virtual void OnPeer(ConnId id, const Address& peer) = 0;     // answers AskPeer; empty when there is none to be had
  virtual void OnOutQueue(ConnId id, int result) = 0;          // answers AskOutQueue: bytes not acknowledged yet
  virtual void OnReleased(ConnId id) = 0;                      // last, once

 protected:
  ~TransportEvents() = default;
};

class Transport : public core::EventPort {
 public:
  static constexpr unsigned kGatherMax = 64;           // pieces of one Send
  static constexpr unsigned kAcceptsPerPoll = 64;
  // Receive blocks that a kernel delivers of one connection before it turns to the next. It may come back to it within
  // one Poll, so only the blocks that are published bound what one connection gets in a Poll.
  static constexpr unsigned kKernelBatch = 33;

  // Listeners. Takes over `listen_fd`, bound, listening and nonblocking; accepting starts stopped. `backlog` is what
  // listen(2) was given. `shared`: the open socket behind it serves all shards (a Unix path, or one that was inherited),
  // each through a descriptor of its own; accepting must then leave the others their part.
  virtual void Listen(ListenerId listener, int listen_fd, int backlog, bool shared) = 0;
  virtual void SetAcceptMode(ListenerId listener, AcceptMode mode) = 0;
  // From now on new handshakes are ignored; those under way finish and are accepted. Nothing on a shared one: a filter would
  // stay in the socket of whoever listens on.
  virtual void RefuseNew(ListenerId listener) = 0;
  // Stops and closes the listener: with `empty_queue` after accepting what has already connected (as far as credit and
  // the table allow, waiting for both), else at once. OnAcceptStopped says when.
  virtual void StopAccept(ListenerId listener, bool empty_queue) = 0;

  // Connects `id`, whose area is zeroed, to `to`, from `from` (empty: any; port 0: any port). Reading starts by itself.
  virtual void Connect(ConnId id, const Address& to, const Address& from) = 0;

  // Off: what the Poll under way delivers may still come. On again: what the kernel holds comes next.
  virtual void SetReading(ConnId id, bool on) = 0;
  // The reader took bytes: opens a user-space stack's window; nothing on kernel sockets.
  virtual void Consumed(ConnId id, uint32_t bytes) = 0;
  // One at a time per connection; `pieces` are copied, the bytes they name are not. REQUIRES: 1 <= count <= kGatherMax.
  virtual void Send(ConnId id, const iovec* pieces, unsigned count, SendMode mode) = 0;
  // FIN after everything sent. REQUIRES: no Send in flight.
  virtual void ShutdownSend(ConnId id) = 0;
  virtual void Close(ConnId id) = 0;  // REQUIRES: no Send in flight. FIN if none was sent; then OnReleased
  virtual void Abort(ConnId id) = 0;  // RST; a Send in flight ends first; then OnReleased. Also after Close
  virtual void AskPeer(ConnId id) = 0;
  virtual void AskOutQueue(ConnId id) = 0;  // one at a time per connection

  // True when the last Poll left nothing behind in the kernel that it could have delivered: every connection that is
  // read has been read to the end.
  virtual bool ReadToEnd() const = 0;

  // Receive blocks that a Poll brings of one connection which has more. REQUIRES: 1 to kKernelBatch.
  virtual unsigned ReceiveBatch() const { return kKernelBatch; }

  // What it is and which features it found, in a line for people: "io_uring: modern no_iowait ...".
  virtual std::string Describe() const = 0;

  // Calls sink(name, value) for each of the transport's counters.
  virtual void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const = 0;
};

enum class TransportKind : uint8_t {
  kUring,      // Linux 6.14 or newer: direct descriptors, multishot receive
  kUringBase,  // Linux 6.1 or newer: plain descriptors, one-shot receive
  kEpoll,      // any Linux
};
inline constexpr TransportKind kTransportKinds[] = {TransportKind::kUring, TransportKind::kUringBase,
                                                    TransportKind::kEpoll};

// As --transport and Describe spell it.
constexpr std::string_view Name(TransportKind kind) {
  switch (kind) {
    case TransportKind::kUring: return "io_uring";
    case TransportKind::kUringBase: return "io_uring-base";
    case TransportKind::kEpoll: return "epoll";
  }
  return "?";
}

// Whether a connection takes one of the process's descriptors (RLIMIT_NOFILE, all shards together) and not one of the
// shard's ring alone.
constexpr bool TakesDescriptors(TransportKind kind) { return kind != TransportKind::kUring; }

struct TransportOptions {
  uint32_t connections_max = 1024;       // of this shard: the size of its direct table, where it has one
  uint32_t shards = 1;                   // of the process: some bounds are shared out
  std::string features_off = {};         // core::ForceOff's list
  unsigned sq_entries = 1024;
  unsigned cq_entries = 8192;
};

// Makes the per-shard parts. One per process, outlives them.
class TransportProvider {
 public:
  virtual ~TransportProvider() = default;
  virtual TransportKind kind() const = 0;
  // On the shard's own thread. Errors name the cause and what to type.
  virtual absl::StatusOr<std::unique_ptr<Transport>> Open(core::Shard* shard, TransportEvents* events,
                                                          const TransportOptions& options) = 0;
};

}  // namespace mooring::net

#endif  // MOORING_NET_TRANSPORT_H_
