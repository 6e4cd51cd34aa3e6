// SPDX-License-Identifier: Apache-2.0
// UringTransport: a shard's connections on one io_uring, in one of two personalities (personality.h).
//
// Every connection is a descriptor, direct (kUring) or plain (kUringBase), with a receive armed for life, multishot or
// one-shot, or a poll while it is silent (idle.cc); every wait is the one enter of Poll. The members are spread over
// files by operation: receive.cc, send.cc, accept.cc and so on; uring_transport.cc has what they share. Three laws hold
// everywhere:
//
//   - An operation in flight is counted in its connection's area; the connection is released when it is leaving and the
//     count is zero. Only then is its descriptor closed (Close), or it was closed before to force them to end
//     (Abort).
//   - What an operation found at submission may be forgotten after it (SUBMIT_STABLE); what it writes to stays until
//     its last completion.
//   - Upcalls come from Poll only; what a downcall finds out at once waits in `pending_`.
//
// Threads:  the shard's; Wake from any.
// Owns:     the ring, its connections' descriptors, the receive group, its listeners' descriptors.
// Kernel:   kUring 6.14: bounded multishot receive, ACCEPT_DONTWAIT, FIXED_FD_INSTALL, socket commands (6.10), direct
//           descriptors that close at once (6.13, which no feature bit tells). kUringBase 6.1.
#ifndef MOORING_NET_URING_URING_TRANSPORT_H_
#define MOORING_NET_URING_URING_TRANSPORT_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/counters.h"
#include "core/kernel.h"
#include "core/ring.h"
#include "core/shard.h"
#include "net/address.h"
#include "net/transport.h"
#include "net/uring/descriptors.h"
#include "net/uring/gather_arena.h"
#include "net/uring/receive_group.h"
#include "net/uring/transport_count.h"
#include "net/uring/uring_area.h"

namespace mooring::net::uring {

class UringTransport final : public Transport {
 public:
  static absl::StatusOr<std::unique_ptr<Transport>> Open(core::Kernel* kernel, TransportKind kind, core::Shard* shard,
                                                         TransportEvents* events, const TransportOptions& options);
  ~UringTransport() override;
  UringTransport(const UringTransport&) = delete;

  // uring_transport.cc
  void Poll(core::Nanos wait, Sleeper* sleeper) override;
  bool ReadToEnd() const override { return read_to_end_; }
  unsigned ReceiveBatch() const override { return descriptors_.direct() ? kKernelBatch : 1; }
  std::string Describe() const override;
  void Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const override;

  // watch.cc
  int Watch(int fd, uint32_t events, Watcher* watcher) override;
  void Unwatch(int fd) override;
  void Wake() override;

  // accept.cc; further accept_many.cc, accept_near.cc, accepted.cc
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

  // half_close.cc, close.cc
  void ShutdownSend(ConnId id) override;
  void Close(ConnId id) override;
  void Abort(ConnId id) override;

  // socket_command.cc. One AskPeer at a time, not while connecting.
  void AskPeer(ConnId id) override;
  void AskOutQueue(ConnId id) override;

 private:
  // Many while there is room, one by one near a bound: idle -> polling -> accepting -> idle (see accept.cc).
  struct Listener {
    enum class State : uint8_t { kIdle, kMany, kPolling, kAccepting };

    int fd = -1;
    int room = 0;  // how many it could hand over at once
    int family = 0;
    AcceptMode mode = AcceptMode::kStopped;
    State state = State::kIdle;
    bool shared = false;
    uint8_t many_armed = 0;      // accepts in flight in kMany, a bit each
    uint8_t many_cancelled = 0;  // those that are being cancelled
    bool poll_cancelled = false;
    bool halted = false;       // no credit, or an accept error: until the next SetAcceptMode
    bool credit_taken = false;  // for the accept in flight
    bool stopping = false;
    bool empty_queue = false;
    bool try_now = false;  // accept without a poll, in this Poll's second half
    unsigned parked = 0;
  };
  struct Parked {
    ListenerId listener;
    bool credit_taken;
    int handle;
  };
  // Memory that an operation in flight writes to, for connections that need it.
  struct Scratch {
    Address address;
    int fd = -1;
  };
  static_assert(sizeof(Scratch) % 8 == 0);  // alloc/poison.h
  struct Watched {
    uint32_t events;
    uint32_t serial;
    bool armed;
    Watcher* watcher;
  };
  struct Pending {
    enum class Kind : uint8_t { kReleased, kConnect, kPeer, kOutQueue, kShutdown, kAcceptStopped };
    Kind kind;
    int result;
    ConnId id;  // of kAcceptStopped: the slot is the listener
  };

  static constexpr unsigned kOverflowRoundsMax = 8;
  static constexpr unsigned kCloseRoundsMax = 64;
  static constexpr unsigned kSharedAccepts = 8;  // in flight on a listener that is shared with other shards
  // Receives that an enter runs whatever it is asked for: twice IO_LOCAL_TW_DEFAULT_MAX (io_uring/io_uring.c).
  static constexpr unsigned kReceivesAlways = 40;
  static constexpr unsigned kInstallsMax = 512;  // half-closes in flight in the whole process
  static constexpr int64_t kIdleTickMs = 1000;
  static constexpr uint32_t kSilentTicks = 4;      // begun: at least 3 s
  static constexpr uint8_t kWakesMax = 20;
  static constexpr unsigned kIdleLooksMax = 1024;  // a millisecond
  static constexpr unsigned kFallSilentMin = 8;    // a millisecond
  static constexpr unsigned kFallSilentMax = 128;
  static constexpr size_t kListMin = 1024;         // connections

  UringTransport(core::Kernel* kernel, TransportKind kind, core::Shard* shard, TransportEvents* events,
                 const TransportOptions& options);
  absl::Status Start(const TransportOptions& options);
  absl::Status RegisterTable();

  // uring_transport.cc
  UringArea& AreaOf(ConnId id) {
    return *static_cast<UringArea*>(events_->Area(id.slot, id.generation & 0xffffff));
  }
  // An entry that names the connection's descriptor and counts as in flight until its last completion. Called after the
  // liburing prep, which clears what is set here. Track: it counts only.
  void Begin(io_uring_sqe* sqe, Op op, ConnId id, UringArea& area);
  void Track(io_uring_sqe* sqe, Op op, ConnId id, UringArea& area);
  void Cancel(uint64_t target, uint64_t user_data);
  void OnCompletion(const io_uring_cqe& cqe);
  void OnConnectionCompletion(const io_uring_cqe& cqe, Op op);
  void Reap();
  void DeliverPending();
  bool HasOwnWork() const;
  uint32_t TakeScratch();
  void ReleaseScratch(UringArea& area);

  // watch.cc
  void ArmWake();
  void ArmWatch(int fd, Watched& watched);
  void OnWatch(const io_uring_cqe& cqe);

  // accept.cc
  void JudgeRoom();
  bool MayAccept(const Listener& l) const;
  bool MayAcceptMany(const Listener& l) const;
  void Steer(ListenerId listener, Listener& l);

  // accept_many.cc
  void ArmMany(ListenerId listener, Listener& l);
  void CancelMany(ListenerId listener, Listener& l);
  void OnAcceptMany(const io_uring_cqe& cqe);

  // accept_near.cc
  void ArmListenPoll(ListenerId listener, Listener& l);
  void OnListenPoll(const io_uring_cqe& cqe);
  void AcceptOne(ListenerId listener, Listener& l);
  bool TakeForOne(ListenerId listener, Listener& l);
  bool FinishOne(ListenerId listener, Listener& l, int result);
  void OnAcceptOne(const io_uring_cqe& cqe);

  // accepted.cc
  void OnAcceptFailure(ListenerId listener, Listener& l, int error);
  void Accepted(ListenerId listener, Listener& l, int handle, bool credit_taken);
  void DeliverParked();
  void DeliverAccept(ListenerId listener, const Listener& l, int handle, bool credit_taken);

  // receive.cc
  void ArmReceive(ConnId id, UringArea& area, bool data_there);
  void CancelReceive(ConnId id, UringArea& area);
  void LookBehind(ConnId id, UringArea& area);
  void OnReceiveCompletion(const io_uring_cqe& cqe, ConnId id, UringArea& area);
  void OnCancelMissed(const io_uring_cqe& cqe);
  void OnReceiveTerminal(int result, bool more_there, ConnId id, UringArea& area);
  void Starve(ConnId id, UringArea& area);
  void AwaitBlock(ConnId id, UringArea& area);
  void ArmStarved();
  // Of the published blocks, those that the receives in the queue leave if each takes one.
  unsigned BlocksLeft() const { return group_.published() - std::min(group_.published(), receives_queued_); }

  // idle.cc
  void Heard(ConnId id, UringArea& area);
  void MakeRoomInList();
  UringArea* ListedArea(ConnId id);
  bool Silent(const UringArea& area) const { return idle_tick_ - area.heard >= kSilentTicks << area.wakes / 4; }
  unsigned FallSilentMax() const;
  void ArmIdleTimer();
  void LookForSilent();
  void ArmPoll(ConnId id, UringArea& area);
  void OnPollCompletion(int result, ConnId id, UringArea& area);

  // half_close.cc
  void Install(ConnId id, UringArea& area);
  void InstallNext();
  void OnInstall(int result, ConnId id, UringArea& area);
  void ShutdownByWorker(ConnId id, UringArea& area);

  // socket_command.cc
  Address PlainPeer(const UringArea& area);

  // close.cc
  void CloseHandle(int handle);
  void ResetAndClose(int handle);
  void FinishIfIdle(ConnId id, UringArea& area);
  void OnAbortCompletion(int result, ConnId id, UringArea& area);

  // connect.cc
  void StartConnect(int handle, ConnId id, UringArea& area);
  void OnUpdate(int result, ConnId id, UringArea& area);
  void OnConnectCompletion(int result, ConnId id, UringArea& area);

  core::Kernel* const kernel_;
  const TransportKind kind_;
  core::Shard* const shard_;
  TransportEvents* const events_;
  const unsigned installs_max_;

  std::unique_ptr<core::Ring> ring_;
  ReceiveGroup group_;
  GatherArena gather_;
  Descriptors descriptors_;
  core::CounterSet<TransportCount> counters_;

  // Touched per completion.
  unsigned tries_ = 0;            // kTry sends that no completion has been seen of
  unsigned receives_queued_ = 0;  // receives, and polls in their place, armed and not submitted yet
  uint32_t idle_tick_ = 0;        // seconds, while anybody may fall silent
  uint32_t rounds_ = 0;           // Polls that have submitted all that was queued
  bool nothing_left_ = false;     // the last Poll took every completion there was
  bool read_to_end_ = false;

  std::deque<ConnId> starved_;  // receives that wait for a block; entries may be out of date
  std::vector<Pending> pending_;
  std::vector<Pending> delivering_;

  std::vector<ConnId> may_fall_silent_;  // has a receive armed, or had; entries may be out of date
  size_t idle_next_ = 0;                 // below it are those to look at in this second
  core::CallTimer idle_timer_;

  int rooms_ = 0;  // of all listeners
  bool roomy_ = true;
  unsigned accepts_left_ = 0;  // of this Poll
  std::deque<Listener> listeners_;
  std::deque<Parked> parked_;

  unsigned installs_ = 0;  // in flight
  std::deque<ConnId> install_queue_;

  std::deque<Scratch> scratch_;  // a deque, because the kernel knows the addresses
  std::vector<uint32_t> scratch_free_;

  int wake_fd_ = -1;
  uint64_t wake_value_ = 0;
  absl::flat_hash_map<int, Watched> watched_;  // by descriptor
  uint32_t watch_serial_ = 0;
  size_t memory_bytes_ = 0;
};

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_URING_TRANSPORT_H_
