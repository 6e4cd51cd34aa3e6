// SPDX-License-Identifier: Apache-2.0
// EpollTransport: a shard's connections on one epoll instance, for kernels without io_uring and where it is switched
// off.
//
// A connection is added once, edge-triggered for everything, and never modified: an edge marks it readable and it is
// read until it is drained, a blocked send is tried again. Sends are made inside the downcall. The members are spread
// over files by operation: receive.cc, send.cc, accept.cc and so on; epoll_transport.cc has what they share. Three laws
// hold everywhere:
//
//   - Upcalls come from Poll only; what a downcall finds out at once waits in `pending_`.
//   - A Poll that has results to tell makes no system call for it, but never two in a row: so a connection that has
//     always something to tell cannot keep the shard from its events.
//   - One Poll reads each connection at most once, kKernelBatch blocks; what is left is for the next, which does not
//     wait.
//
// Threads:  the shard's; Wake from any.
// Owns:     the epoll instance, the descriptors of its connections and listeners, one spare receive block.
// Limits:   connections_max connections; beyond that peers wait in the backlog.
// Kernel:   any that has epoll.
#ifndef MOORING_NET_EPOLL_EPOLL_TRANSPORT_H_
#define MOORING_NET_EPOLL_EPOLL_TRANSPORT_H_

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/counters.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "net/address.h"
#include "net/epoll/epoll_area.h"
#include "net/epoll/transport_count.h"
#include "net/transport.h"

namespace mooring::net::epoll {

class EpollTransport final : public Transport {
 public:
  // Accepts in a row from a listener that all shards share; the rest is left to the others.
  static constexpr unsigned kSharedAccepts = 8;

  static absl::StatusOr<std::unique_ptr<Transport>> Open(core::Kernel* kernel, core::Shard* shard,
                                                         TransportEvents* events, const TransportOptions& options);
  ~EpollTransport() override;
  EpollTransport(const EpollTransport&) = delete;

  // epoll_transport.cc
  void Poll(core::Nanos wait, Sleeper* sleeper) override;
  bool ReadToEnd() const override { return read_to_end_; }
  std::string Describe() const override { return "epoll"; }
  void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const override;

  // watch.cc
  int Watch(int fd, uint32_t events, Watcher* watcher) override;
  void Unwatch(int fd) override;
  void Wake() override;

  // accept.cc
  void Listen(ListenerId listener, int listen_fd, int backlog, bool shared) override;
  void SetAcceptMode(ListenerId listener, AcceptMode mode) override;
  void RefuseNew(ListenerId listener) override;
  void StopAccept(ListenerId listener, bool empty_queue) override;

  // connect.cc
  void Connect(ConnId id, const Address& to, const Address& from) override;

  // receive.cc
  void SetReading(ConnId id, bool on) override;
  void Consumed(ConnId, uint32_t) override {}

  // send.cc
  void Send(ConnId id, const iovec* pieces, unsigned count, SendMode mode) override;

  // close.cc
  void ShutdownSend(ConnId id) override;
  void Close(ConnId id) override;
  void Abort(ConnId id) override;

  // question.cc
  void AskPeer(ConnId id) override;
  void AskOutQueue(ConnId id) override;

 private:
  struct Listener {
    int fd = -1;
    int family = 0;
    AcceptMode mode = AcceptMode::kStopped;
    bool shared = false;
    bool added = false;   // to the epoll instance
    bool halted = false;  // no credit, or an accept error: until the next SetAcceptMode
    bool stopping = false;
    bool empty_queue = false;
  };
  struct Watched {
    uint32_t events;
    uint32_t serial;
    Watcher* watcher;
  };
  struct Pending {
    enum class Kind : uint8_t {
      kSend,
      kReceiveEnd,
      kShutdown,
      kConnect,
      kPeer,
      kOutQueue,
      kReleased,
      kAcceptStopped,  // the slot is the listener, also in the next
      kAcceptError,
    };
    Kind kind;
    int result;
    ConnId id;
  };

  // What one receive may fill: a block, or two that lie side by side. `first` is null when the pool is dry.
  struct Space {
    alloc::Block* first;
    alloc::Block* second;
  };

  // Events of one wait. Each may take a receive block that is held until its answer is sent: with 512 a thousand busy
  // connections walk over so many blocks that none is in a cache (12 % more CPU a message than with 64, measured).
  static constexpr unsigned kEventsMax = 64;

  EpollTransport(core::Kernel* kernel, core::Shard* shard, TransportEvents* events, const TransportOptions& options)
      : kernel_(kernel), shard_(shard), events_(events), slots_max_(options.connections_max) {}
  absl::Status Start();

  // epoll_transport.cc
  EpollArea& AreaOf(ConnId id) {
    return *static_cast<EpollArea*>(events_->Area(id.slot, id.generation & 0xffffff));
  }
  // Null when `id` is gone, which an id in a list may be.
  EpollArea* Find(ConnId id);
  void Adopt(int fd, ConnId id, EpollArea& area);
  void Disown(EpollArea& area);
  int Add(int fd, uint32_t events, uint64_t data);
  bool Owns(int fd) const;
  int Wait(core::Nanos wait);
  void OnEvent(const epoll_event& event);
  void OnConnectionEvent(const epoll_event& event);
  void DeliverPending();
  bool HasOwnWork(bool stopping) const;
  void Later(Pending::Kind kind, int result, ConnId id) { pending_.push_back({kind, result, id}); }

  // watch.cc
  void OnWake();
  void OnWatch(const epoll_event& event);

  // accept.cc
  uint32_t FreeSlots() const { return slots_max_ - slots_used_; }
  bool MayAccept(const Listener& l) const;
  void Steer(ListenerId listener, Listener& l);
  void TakeOut(Listener& l);
  void AcceptFrom(ListenerId listener, Listener& l);
  void OnAcceptFailure(ListenerId listener, Listener& l, int error);
  void Accepted(ListenerId listener, const Listener& l, int fd, bool credit_taken);

  // connect.cc
  void OnConnectEvent(ConnId id, EpollArea& area);

  // receive.cc
  void List(ConnId id, EpollArea& area);
  Space TakeSpace(bool two);
  void KeepOrRelease(alloc::Block* block);
  void Read(ConnId id, EpollArea& area);
  void ReadListed();
  void ListStarved();

  // send.cc
  int Block(EpollArea& area, const iovec* pieces, unsigned count);
  void Unblock(EpollArea& area);
  void SendAgain(ConnId id, EpollArea& area);

  // question.cc
  void TellPeer(ConnId id, EpollArea& area);

  // close.cc
  void CloseFd(int fd);
  void Reset(int fd);
  void Leave(ConnId id, EpollArea& area, EpollArea::Flag how);

  core::Kernel* const kernel_;
  core::Shard* const shard_;
  TransportEvents* const events_;
  const uint32_t slots_max_;
  core::CounterSet<TransportCount> counters_;

  // Touched per event.
  int epoll_fd_ = -1;
  bool spared_ = false;       // the last Poll asked the kernel nothing
  bool read_to_end_ = false;
  alloc::Block* spare_ = nullptr;  // what the last receive did not need
  std::vector<ConnId> listed_;     // to be read; entries may be out of date, in the next two too
  std::vector<ConnId> reading_;
  std::deque<ConnId> starved_;
  std::vector<Pending> pending_;
  std::vector<Pending> delivering_;
  std::array<epoll_event, kEventsMax> ready_;

  uint32_t slots_used_ = 0;
  unsigned accepts_left_ = 0;  // of this Poll
  std::deque<Listener> listeners_;
  std::vector<bool> owned_;  // by descriptor: connections, which are closed with the transport

  int wake_fd_ = -1;
  absl::flat_hash_map<int, Watched> watched_;  // by descriptor
  uint32_t watch_serial_ = 0;
};

}  // namespace mooring::net::epoll

#endif  // MOORING_NET_EPOLL_EPOLL_TRANSPORT_H_
