// SPDX-License-Identifier: Apache-2.0
#include "net/engine.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <new>
#include <utility>

#include "net/connection_set.h"
#include "net/reader.h"

namespace mooring::net {

// The connection that a member belongs to. Connection has neither bases nor virtual functions; that its members differ in
// access makes offsetof conditionally supported, and both compilers support it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
Connection& Engine::OfTimer(core::Timer* timer) {
  // One cache line has the handle, the transport's area and the deadline, the next one all else: a completion touches no
  // third. A slab's slots of 128 bytes begin where such a pair of lines does.
  static_assert(sizeof(Connection) == 128);
  static_assert(offsetof(Connection, handle) + sizeof(Connection::handle) == offsetof(Connection, area_));
  static_assert(offsetof(Connection, timer_) + sizeof(Connection::timer_) == 64);
  static_assert(offsetof(Connection, input_) == 64);
  return *reinterpret_cast<Connection*>(reinterpret_cast<char*>(timer) - offsetof(Connection, timer_));
}
Connection& Engine::OfScope(core::CancelScope* scope) {
  return *reinterpret_cast<Connection*>(reinterpret_cast<char*>(scope) - offsetof(Connection, scope_));
}
#pragma GCC diagnostic pop

Engine::Engine(core::Shard* shard, const Options& options)
    : shard_(shard),
      options_(options),
      connections_(options.connections_max, alloc::Purpose::kConnections, &shard->accounting()),
      epoch_ms_(shard->now_ms()),
      retained_max_(static_cast<uint32_t>(std::min<uint64_t>(
          kRetainedPerShard, options.block_bytes_max / 2 / alloc::BufferPool::kReceiveBlockBytes))),
      written_bytes_high_(options.block_bytes_max / 8 * 3),
      random_(options.seed ^ uint64_t{shard->id()} << 32) {
  shard->SetTurnEnd(this);
  shard->buffers().SetBlockBytesMax(options.block_bytes_max / 2);
  dirty_.reserve(1024);
  shard->wheel().SetExpire(
      core::TimerKind::kConnection,
      [](void* context, core::Timer* timer) {
        static_cast<Engine*>(context)->OnDeadline(OfTimer(timer));
      },
      this);
  shard->buffers().SetReturnHook(
      [](void* context, uint64_t charge) { static_cast<Engine*>(context)->OnBlockReturned(charge); }, this);
}

Engine::~Engine() {
  core::Shard::Enter enter(shard_);
  // Only what never got to OnReleased is left, when a shard was cut off: the memory is the pools' to give back.
  shard_->buffers().SetReturnHook(nullptr, nullptr);
  for (auto& listener : listeners_) shard_->wheel().Cancel(&listener->timer);
  shard_->wheel().Cancel(&rate_timer_);
  shard_->wheel().Cancel(&shed_timer_);
  shard_->wheel().Cancel(&notice_timer_);
  connections_.ForEach([this](Connection* conn) { ConnectionSet::LeaveAll(this, *conn); });  // sets may outlive it
  ForgetMemberships();
  shard_->SetTurnEnd(nullptr);
}

void Engine::LeaveLive() {
  connections_.LeaveLive();
  shard_->frames().LeaveLive();
  shard_->buffers().LeaveLive();
}

Connection* Engine::Find(ConnectionId id) {
  if (id.shard() != shard_->id()) return nullptr;
  return connections_.Find({id.slot(), id.generation()});
}

void Engine::CallIfOpen(ConnectionId id, absl::FunctionRef<void(Connection&)> f) {
  Connection* conn = Find(id);
  if (conn == nullptr || !conn->open()) return counters_.Add(EngineCount::kPostsStale);
  Doing(*conn);
  try {
    f(*conn);
  } catch (...) {
    End(*conn, CloseCause::kServiceFailed, /*abort=*/true);
  }
}

std::string_view Engine::ListenerName(uint32_t profile) const {
  if (profile >= kOwnedProfile) return "outbound";
  if (profile >= profiles_.size() || profiles_[profile] == nullptr) return {};
  return listeners_[profiles_[profile]->listener]->name;
}

void* Engine::Area(uint32_t slot, uint32_t generation_low24) {
  Connection* conn = connections_.FindLow(slot, generation_low24);
  return conn == nullptr ? nullptr : conn->area_;
}

// Opening.

ConnId Engine::OnAccept(ListenerId listener, bool credit_taken) {
  Listener& from = *listeners_[listener];
  settle_due_ = true;
  if (!credit_taken) {
    ++unasked_;
    ++from.holds;
  }
  Connection* conn = cut_ || memory_step_ != 0 ? nullptr : connections_.Acquire();
  if (conn == nullptr) {
    ++returned_;
    --from.holds;
    Refuse(cut_ ? RefuseCause::kAfterCut : memory_step_ != 0 ? RefuseCause::kMemory : RefuseCause::kSlabFull);
    return kNoConn;
  }
  counters_.Add(EngineCount::kAccepted);
  from.backoff_ms = 0;
  Admit(*conn, from.profile);
  return conn->handle;
}

void Engine::OnOpen(ConnId id) {
  Connection& conn = *connections_.At(id.slot);
  if (OptionsOf(conn).track_peers) Track(conn);
  if (!AsksPeer(conn)) return StartService(conn);
  SetState(conn, Connection::State::kNaming);
  transport_->AskPeer(id);
}

// What came before it is parked: the end of this turn delivers it.
void Engine::OnPeer(ConnId id, const Address& peer) {
  Connection& conn = *connections_.At(id.slot);
  if (conn.state_ != Connection::State::kNaming) return AnswerAskedPeer(id, peer);  // or it has ended meanwhile
  if (OptionsOf(conn).track_peers) peer_addresses_->Set(id.slot, peer);
  if (!HoldAddress(conn, peer)) return End(conn, CloseCause::kRefused, /*abort=*/true);
  StartService(conn);
  if (conn.input_ != nullptr || conn.Has(Connection::kEofDue)) MarkDirty(conn);
}

void Engine::EnsurePeerAddresses(const ServiceOptions& options) {
  if (!options.track_peers || peer_addresses_ != nullptr) return;
  peer_addresses_ = std::make_unique<PeerAddresses>(connections_.slots_max(), &shard_->accounting());
  tracked_ = std::make_unique<SlotTable<Tracked>>(connections_.slots_max(), &shard_->accounting());
}

void Engine::StartService(Connection& conn) {
  const ServiceOptions& options = OptionsOf(conn);
  if ((options.first_byte_s | options.max_age_s) != 0 && !StartLimits(conn, options)) {
    return End(conn, CloseCause::kRefused, /*abort=*/true);
  }
  SetState(conn, Connection::State::kOpen);
  conn.last_activity_s_ = now_s();
  conn.Set(Connection::kStarted | Connection::kOpened);
  if (options.full_duplex) conn.Set(Connection::kFullDuplex);
  ArmIdle(conn);
  CallNewcomer(conn);
  Call(conn, [&](Handler& handler) { handler.OnOpen(conn); });
}

Connection* Engine::Connect(ListenerId profile, const Address& to, const Address& from) {
  Connection* conn = cut_ ? nullptr : connections_.Acquire();
  if (conn == nullptr) return nullptr;
  ++gauges_.outbound;
  counters_.Add(EngineCount::kConnects);
  Admit(*conn, profile < kOwnedProfile ? listeners_[profile]->profile : profile);
  conn->Set(Connection::kOutbound | Connection::kStarted);  // OnClose comes in any case
  if (OptionsOf(*conn).track_peers) {
    Track(*conn);
    peer_addresses_->Set(conn->handle.slot, to);
  }
  transport_->Connect(conn->handle, to, from);
  return conn;
}

void Engine::OnConnect(ConnId id, int result) {
  Connection& conn = *connections_.At(id.slot);
  if (conn.state_ != Connection::State::kConnecting) return;  // closed meanwhile
  if (result == 0) {
    counters_.Add(EngineCount::kConnected);
    StartService(conn);
    return;
  }
  conn.read_parameter_ = static_cast<uint32_t>(-result);  // connect_error()
  End(conn, CloseCause::kConnectFailed, /*abort=*/true);
}

// Ending.

void Engine::MarkDirty(Connection& conn) {
  if (conn.Has(Connection::kDirty)) return;
  conn.Set(Connection::kDirty);
  dirty_.push_back(&conn);
}

void Engine::End(Connection& conn, CloseCause cause, bool abort) {
  using State = Connection::State;
  if (conn.cause_ == CloseCause::kNone) conn.cause_ = cause;
  if (conn.state_ >= State::kReleasing) return;
  if (abort) conn.Set(Connection::kAbortDue);
  if (conn.state_ <= State::kOpen) {
    SetState(conn, State::kClosing);
    conn.last_activity_s_ = now_s();  // what is queued has its time from now on
    ConnectionSet::LeaveAll(this, conn);
    Reader::Fail(conn, Reader::ReasonOf(conn));
    Reader::FailWriter(conn);
  }
  MarkDirty(conn);
}

Membership** Engine::MembershipsOf(uint32_t slot) {
  if (memberships_.size() <= slot) {
    const size_t before = memberships_.capacity();
    try {
      memberships_.resize(slot + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    AccountMemberships(before);
  }
  return &memberships_[slot];
}

void Engine::ForgetMemberships() {
  const size_t before = memberships_.capacity();
  std::vector<Membership*>().swap(memberships_);
  AccountMemberships(before);
}

void Engine::AccountMemberships(size_t capacity_before) {
  const int64_t more = static_cast<int64_t>(memberships_.capacity()) - static_cast<int64_t>(capacity_before);
  shard_->accounting().Add(alloc::Purpose::kOther, more * static_cast<int64_t>(sizeof(Membership*)));
}

void Engine::Settle(Connection& conn) {
  using State = Connection::State;
  conn.Unset(Connection::kDirty);
  if (conn.state_ == State::kReleased) return MaybeRelease(conn);
  if (conn.Has(Connection::kAbortDue)) return AbortTransport(conn);
  // A task may wait for no bytes at all.
  const bool undelivered = conn.input_ != nullptr || conn.Has(Connection::kEofDue | Connection::kTask);
  if (undelivered && conn.state_ == State::kOpen) DeliverParked(conn);
  if (conn.Has(Connection::kAbortDue)) return;  // by that delivery, which has marked it again
  if (conn.state_ == State::kOpen || conn.state_ == State::kClosing) {
    if (conn.output_ != nullptr) {
      if (!conn.Has(Connection::kSending)) StartSend(conn, SendMode::kTry);
      if (conn.state_ == Connection::State::kClosing) ArmAt(conn, conn.last_activity_s_ + kLingerTotalSeconds + 1);
    } else if (conn.state_ == State::kClosing) {
      StartClose(conn);
    } else if (conn.Has(Connection::kShutdownDue) && !conn.Has(Connection::kShutdownSent)) {
      conn.Set(Connection::kShutdownSent);
      transport_->ShutdownSend(conn.handle);
    }
  }
  if (conn.state_ == State::kOpen || conn.state_ == State::kNaming) UpdateReading(conn);
}

// The queue is empty and the service is done with writing: our FIN, then the peer's.
void Engine::StartClose(Connection& conn) {
  DropUndelivered(conn);
  if (conn.Has(Connection::kEofSeen)) return CloseTransport(conn);
  SetState(conn, Connection::State::kLingering);
  conn.read_max_ = now_s();
  conn.read_parameter_ = 0;
  conn.last_activity_s_ = now_s();
  if (!conn.Has(Connection::kShutdownSent)) {
    conn.Set(Connection::kShutdownSent);
    transport_->ShutdownSend(conn.handle);
  }
  if (conn.Has(Connection::kReadingOff)) {
    conn.Unset(Connection::kReadingOff);
    transport_->SetReading(conn.handle, true);
  }
  ArmAt(conn, now_s() + kLingerIdleSeconds + 1);
}

void Engine::CloseTransport(Connection& conn) {
  SetState(conn, Connection::State::kReleasing);
  shard_->wheel().Cancel(&conn.timer_);
  transport_->Close(conn.handle);
}

void Engine::AbortTransport(Connection& conn) {
  conn.Unset(Connection::kAbortDue);
  DropUndelivered(conn);
  if (!conn.Has(Connection::kSending)) DropOutput(conn);
  SetState(conn, Connection::State::kReleasing);
  shard_->wheel().Cancel(&conn.timer_);
  transport_->Abort(conn.handle);
}

void Engine::OnShutdown(ConnId) {}

void Engine::OnReleased(ConnId id) {
  Connection& conn = *connections_.At(id.slot);
  assert(conn.handle.generation == id.generation);
  DropUndelivered(conn);
  DropOutput(conn);
  if (!asked_peers_.empty()) AnswerAskedPeer(id, Address());
  SetState(conn, Connection::State::kReleased);
  conn.Set(Connection::kTransportDone);
  causes_.Add(conn.cause_);
  if (conn.Has(Connection::kStarted)) {
    Call(conn, [&](Handler& handler) { handler.OnClose(conn, conn.cause_); });
  }
  conn.Set(Connection::kClosedTold);
  MaybeRelease(conn);
}

void Engine::MaybeRelease(Connection& conn) {
  constexpr uint32_t kHeld =
      Connection::kDirty | Connection::kTask | Connection::kResuming | Connection::kWriterResuming | Connection::kSlotHeld;
  if (!conn.Has(Connection::kClosedTold) || conn.Has(kHeld)) return;
  if (conn.Has(Connection::kOwnHandler)) delete conn.own_handler();
  DropInput(conn);
  gauges_.retained_blocks -= conn.retained_;  // leases that the service keeps beyond its connection are charged to nobody
  shard_->wheel().Cancel(&conn.timer_);
  shard_->ArmTrim();
  if (conn.Has(Connection::kOutbound)) {
    --gauges_.outbound;
  } else {
    settle_due_ = true;
    ++returned_;  // an outbound one took no credit
    --listeners_[ListenerOf(conn)]->holds;
    if (address_holds_ != nullptr) LetGoOfAddress(conn.handle.slot);
  }
  if (opened_s_ != nullptr) opened_s_->Forget(conn.handle.slot);
  counters_.Add(EngineCount::kReleased);
  Dismiss(conn);
  if (peer_addresses_ != nullptr) {
    peer_addresses_->Forget(conn.handle.slot);
    tracked_->Forget(conn.handle.slot);
  }
  connections_.Release(&conn);
}

void Engine::OnServiceDone(core::CancelScope* scope, std::exception_ptr error) {
  Connection& conn = OfScope(scope);
  conn.Unset(Connection::kTask);
  if (error != nullptr) {
    End(conn, CloseCause::kServiceFailed, /*abort=*/true);
  } else if (conn.read_reason_ == ReadReason::kTooLong) {
    End(conn, CloseCause::kTooLong, /*abort=*/false);
  } else {
    conn.Close();
  }
  MarkDirty(conn);  // it may have been the last thing that held the slot
}

// Somebody may read a connection that is not its own task: its scope still names the connection when the read is over,
// and another task may be the one that waits there.
void Engine::OnCancelWait(void* connection, const core::CancelScope* scope) {
  auto& conn = *static_cast<Connection*>(connection);
  if (!connections_.LiveAt(&conn)) return;
  Reader::CancelWaits(conn, scope);
}

// Failures of the peer.

void Engine::OnReceiveEnd(ConnId id, int result) {
  using State = Connection::State;
  Connection& conn = *connections_.At(id.slot);
  conn.Set(Connection::kEofSeen);
  if (result < 0) {
    if (conn.state_ == State::kLingering) {
      AbortTransport(conn);  // said goodbye already: the cause stays
    } else {
      End(conn, CauseOfError(-result), /*abort=*/true);
    }
    return;
  }
  if (conn.state_ == State::kLingering) return CloseTransport(conn);
  if (conn.state_ == State::kNaming) return conn.Set(Connection::kEofDue);
  if (conn.state_ != State::kOpen) return MarkDirty(conn);
  conn.Set(Connection::kEofDue);
  if (conn.input_ == nullptr || conn.input_->parked.empty()) {
    DeliverEof(conn);
  } else {
    MarkDirty(conn);
  }
}

// The turn.

void Engine::CountLive() {
  live_counter_.Add(1);
  const auto live = static_cast<int64_t>(live_counter_.Read());
  if (live > gauges_.live_peak.Read()) gauges_.live_peak.Set(live);
}

bool Engine::OnTurnEnd() {
  if (!called_.empty() || !spreads_.empty()) NoticeTurn();
  if (pressure_) RelievePressure();
  if (options_.block_bytes_max != UINT64_MAX) CountBlocksRefused();
  if (!next_turn_.empty()) {
    for (ConnId id : std::exchange(next_turn_, {})) {
      if (Connection* conn = connections_.Find(id)) MarkDirty(*conn);
    }
  }
  if (!dirty_.empty()) {
    // Settling may mark others, or the same again; each such step uses up parked leases or ends something.
    for (size_t i = 0; i < dirty_.size(); ++i) Settle(*dirty_[i]);
    dirty_.clear();
    shard_->ArmTrim();
  }
  if (settle_due_ || NearChanged()) SettleCredit();
  if (draining_) [[unlikely]] {
    if (on_served_ && listeners_open_ == 0 && live() == gauges_.outbound) std::exchange(on_served_, nullptr)();
    if (drained() && on_drained_) std::exchange(on_drained_, nullptr)();
  }
  while (!to_tell_.empty()) {
    for (const std::function<void()>& tell : std::exchange(to_tell_, {})) tell();
  }
  // What settling gave back may have ended the pressure after it was looked at.
  const bool relieved = pressure_ && !Pressed();
  return !next_turn_.empty() || drain_looking_ || relieved;
}

bool Engine::OnTrim() {
  if (memberships_live_ == 0) ForgetMemberships();
  if (peer_addresses_ != nullptr) {
    peer_addresses_->Trim();
    tracked_->Trim();
  }
  if (address_holds_ != nullptr) address_holds_->Trim();
  if (opened_s_ != nullptr) opened_s_->Trim();
  return connections_.Trim();
}

}  // namespace mooring::net
