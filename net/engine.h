// SPDX-License-Identifier: Apache-2.0
// Engine: a shard's connections and listeners: who is open, what is queued, when it is over.
//
// The transport reports what happened; the engine turns it into deliveries, and at the end of the turn settles each
// connection that something happened to, once:
//
//   1. deliver what was parked, as far as the connection may be read
//   2. send what is queued: first attempt now, the rest stays armed
//   3. when nothing is queued: the half-close or close that was asked for
//   4. tell the transport whether to read on
//
// Threads:  the shard's. Counters may be read from any.
// Owns:     the connections. Not handlers, shard, transport or credit, which outlive it.
// Limits:   the constants of this class.
#ifndef MOORING_NET_ENGINE_H_
#define MOORING_NET_ENGINE_H_

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "alloc/slab.h"
#include "core/counters.h"
#include "core/shard.h"
#include "net/accept_failure.h"
#include "net/connection.h"
#include "net/handler.h"
#include "net/listener_bounds.h"
#include "net/listener_counters.h"
#include "net/peer_addresses.h"
#include "net/refuse_cause.h"
#include "net/service_options.h"
#include "net/slot_table.h"
#include "net/stop_cause.h"
#include "net/transport.h"

namespace mooring::net {

class ConnectionSet;
struct ConnectionFigures;
struct Membership;

enum class EngineCount : uint8_t {
  kAccepted,
  kConnects,             // begun by this side; each ends as kConnected, or with a cause before it was open
  kConnected,
  kReleased,
  kBytesReceived,
  kBytesSent,
  kMessages,             // received pieces for a service: a block, or the part of one that came at once
  kSends,                // attempts to send: what a connection had queued, up to 64 pieces
  kSendsBlocked,         // first attempts that did not take all
  kPauses,               // the transport was told to stop reading one connection
  kAcceptErrors,
  kWritesAfterClose,
  kWritesDropped,        // over the cap, with drop_when_full
  kWritesSkipped,        // of a ConnectionSet, to a slow member
  kLingerExpired,
  kLeasesCompacted,
  kPressure,             // turns in which the shard held too many retained blocks, or too many bytes in blocks
  kBlocksOverBound,      // blocks that there was no memory for: Options::block_bytes_max
  kPostsStale,           // mail to a connection that was not open any more
  kCount
};

// What a shard's connections hold now.
struct alignas(64) EngineGauges {
  core::Gauge live_peak;
  core::Shown<uint32_t> outbound;         // of those live
  core::Shown<uint32_t> retained_blocks;  // receive blocks
  core::Shown<uint32_t> parked_leases;
  core::Shown<uint64_t> queued_bytes;     // written and not taken by the kernel yet
};

class Engine final : private TransportEvents, private core::Shard::TurnEnd {
 public:
  static constexpr uint32_t kRetainedPerConnection = 8;  // receive blocks; from there on it is not read
  static constexpr uint32_t kRetainedPerShard = 2048;
  static constexpr uint32_t kParkedMax = 33;
  static constexpr uint32_t kCarriedAlways = 4 << 10;    // bytes of an unfinished message, however short of blocks a shard is
  static constexpr uint32_t kLingerIdleSeconds = 5;
  static constexpr uint32_t kLingerTotalSeconds = 30;
  static constexpr uint32_t kLingerBytes = 256 << 10;
  static constexpr uint8_t kDrainLooks = 16;
  static constexpr uint8_t kDrainLooksAgain = 4;         // of them, after a time in which the connection was not read
  static constexpr int64_t kRefuseMs = 200;              // between refusing new handshakes and closing a listener
  // From its notice on, a connection of max_age_s has a tenth of that more, and at least this, to become quiet.
  static constexpr uint32_t kMaxAgeGraceSeconds = 30;
  // Closing idle connections at the memory ceiling: as many of those looked at, every so often, no other than who was idle for
  // this long.
  static constexpr uint32_t kShedAtOnce = 64;
  static constexpr uint32_t kShedLooks = 4096;
  static constexpr int64_t kShedMs = 100;
  static constexpr uint32_t kShedIdleSeconds = 1;
  static constexpr int64_t kRateWaitMs = 10;             // at least, until a listener that had no token asks again
  static constexpr int64_t kNoticeStepMs = 10;           // of notices that are spread over a time

  static constexpr uint32_t kListedPerCall = 1000;       // so that a list of all connections stalls nobody
  static constexpr uint32_t kNoSlot = UINT32_MAX;

  static constexpr ListenerId kOwnedProfile = 0x8000;    // the first of a connection that a coroutine owns
  static constexpr ListenerId kNoProfile = 0xffff;
  static constexpr size_t kOwnedProfilesMax = 64;        // a program has one for each kind of upstream

  struct Options {
    uint32_t connections_max = 1024;
    uint32_t shards = 1;
    Credit* credit = nullptr;  // null: no cap but connections_max
    AddressTable* addresses = nullptr;  // null: no cap
    AcceptRate* rate = nullptr;         // null: no bound
    // Bytes of blocks that connections of this shard may hold: half of it for what they have received and not taken, half
    // for what is queued and what they have of unfinished messages. From the first half, and from three quarters of the
    // second, who holds some is not read (what a Poll has just brought comes on top). At the second half there is no
    // memory for another block, and who needs one ends.
    uint64_t block_bytes_max = UINT64_MAX;
    uint64_t seed = 1;         // of what is chosen at random
  };

  Engine(core::Shard* shard, const Options& options);
  ~Engine();

  // The engine of the shard whose turn this is.
  static Engine* Current() { return static_cast<Engine*>(core::Shard::Current()->turn_end()); }

  TransportEvents* events() { return this; }
  void SetTransport(Transport* transport) { transport_ = transport; }
  Transport* transport() { return transport_; }
  core::Shard* shard() { return shard_; }
  // The engines of all shards, which mail each other when credit comes back.
  void SetPeers(std::vector<Engine*> peers) { peers_ = std::move(peers); }

  // Listeners come and go, inside any turn. A number names one until its socket is closed and its last connection is
  // gone; then AddListener gives it again. `handler` serves the listener on this shard. kNoProfile when kListenersMax
  // are in use.
  ListenerId AddListener(std::string name, Handler* handler, const ServiceOptions& options,
                         const ListenerBounds& bounds = {});
  // The same under a number that the caller has chosen, where all shards must have the same: AddListener's differ from
  // when shards part with the last connection of a listener at different times. REQUIRES: nothing has the number.
  void AddListenerAs(ListenerId id, std::string name, Handler* handler, const ServiceOptions& options,
                     const ListenerBounds& bounds = {});
  // From now on; with the same ones, where what they bound has changed. A credit learns of the connections that are open,
  // an address table only of new ones.
  void ChangeBounds(ListenerId listener, const ListenerBounds& bounds);
  // What the listener's new connections get from now on; those that live keep the handler and options they were opened
  // with. `forgotten(handler)` comes once, at the end of the turn in which the last connection that the old handler
  // served for this listener is gone; not if the listener has the same handler (again). False, and nothing has changed,
  // when 32,768 profiles have connections.
  bool ChangeListener(ListenerId id, Handler* handler, const ServiceOptions& options,
                      std::function<void(Handler*)> forgotten = nullptr);
  // Closes the listener's socket without losing anybody, as a drain does; its connections live on. `closed` comes once,
  // at the end of the turn in which it is; `gone` when its last connection is gone too: then its handler may go, and its
  // number may be given again. REQUIRES: not said before.
  void RetireListener(ListenerId id, std::function<void()> closed = nullptr, std::function<void()> gone = nullptr);
  // Gives connections a drain's notice while the server goes on: `percent` % of those that the listener has now, chosen
  // at random, evenly over `spread_ms`. They end with the cause `operator`. 100 of a listener that retires: also those
  // that come out of its queue later.
  void NotifyConnections(ListenerId id, uint32_t percent, int64_t spread_ms);
  uint32_t LiveOf(ListenerId id) const { return static_cast<uint32_t>(CountersOf(id)->live()); }
  // From any thread. Null where the number was never used.
  const ListenerCounters* CountersOf(ListenerId id) const { return listener_counters_.Find(id); }
  // Of the process. 0: no pressure; 1: who connects is accepted and reset; 2: idle connections are closed, too (kShed),
  // some at a time, the longest idle first among those looked at. Those that are being served live on.
  void SetMemoryPressure(int step);
  // The listener or profile that a connection came by.
  ListenerId ListenerOf(const Connection& conn) const {
    return conn.profile_ < kOwnedProfile ? profiles_[conn.profile_]->listener : conn.profile_;
  }
  // Accepting starts at the end of the turn. See Transport::Listen. REQUIRES: no BeginDrain.
  void Listen(ListenerId listener, int listen_fd, int backlog, bool shared = false);
  // Outbound: OnOpen when it is connected, OnClose(kConnectFailed) when it could not be. Null when the slab is full,
  // and after CutAll.
  // `profile` is a listener without a socket: its handler and options serve the connection.
  Connection* Connect(ListenerId profile, const Address& to, const Address& from);
  // A profile of this engine's own for connections that a coroutine owns, the same one for the same options; its number
  // is none of AddListener's. kNoProfile when kOwnedProfilesMax different ones are in use.
  ListenerId OwnedProfile(const ServiceOptions& options);

  // Null when `id` is stale or of another shard.
  Connection* Find(ConnectionId id);
  // Calls f with the connection if it is open; else it is counted. What f throws ends the connection.
  void CallIfOpen(ConnectionId id, absl::FunctionRef<void(Connection&)> f);
  uint32_t live() const { return connections_.live(); }
  template <class F>
  void ForEach(F&& f) {
    connections_.ForEach(f);
  }

  // For people. Calls f for up to kListedPerCall connections by rising slot, the first at `from` or behind it, and says
  // from where to go on in a later turn; kNoSlot: that were all. Who lives all the while is among them, once.
  uint32_t ListConnections(uint32_t from, absl::FunctionRef<void(const ConnectionFigures&)> f) const;
  // With the cause kOperator: what is queued is still sent; `abort`: its task is cancelled and its peer reset. False when
  // it is gone.
  bool CloseConnection(ConnectionId id, bool abort);
  // Who is at the other end, also where peers are not tracked: for a few. Answers once, at the end of a turn; empty when
  // the connection is not open, or when there is no address to be had.
  void AskPeer(ConnectionId id, std::function<void(const Address&)> answer);

  struct DrainOptions {
    int64_t spread_ms = 0;  // over which the notices are spread evenly; who has none yet is served as before
  };
  // Drain: listeners close without losing anybody, each connection gets its notice once all it has sent is read.
  // `drained` is called once, at the end of the turn in which the last connection and listener are gone; `served`, where
  // given, before it: when only outbound connections are left. The caller calls CutAll at its deadline. A second call
  // changes nothing.
  void BeginDrain(const DrainOptions& options, std::function<void()> drained, std::function<void()> served = nullptr);
  void BeginDrain(std::function<void()> drained, std::function<void()> served = nullptr) {
    BeginDrain(DrainOptions(), std::move(drained), std::move(served));
  }
  bool drained() const { return draining_ && listeners_open_ == 0 && live() == 0; }
  bool draining() const { return draining_; }
  bool cut() const { return cut_; }  // CutAll was called
  // Cancels every task and aborts every connection. Returns how many there were.
  uint32_t CutAll();

  // This shard is cut off: what connections hold when engine and shard are destroyed is no leak (alloc/checked.h).
  void LeaveLive();

  const core::CounterSet<EngineCount>& counters() const { return counters_; }
  const core::CounterSet<CloseCause>& causes() const { return causes_; }
  const core::CounterSet<RefuseCause>& refusals() const { return refusals_; }
  const core::CounterSet<StopCause>& stops() const { return stops_; }            // how often a listener had to stop
  const core::CounterSet<StopCause>& stopped_ms() const { return stopped_ms_; }  // and for how long, once it is over
  const core::CounterSet<AcceptFailure>& accept_failures() const { return accept_failures_; }
  // Live connections; readable from any thread.
  const core::Counter& live_counter() const { return live_counter_; }
  const EngineGauges& gauges() const { return gauges_; }  // likewise
  uint32_t retained_blocks() const { return gauges_.retained_blocks; }
  // In blocks, see Options::block_bytes_max.
  uint64_t block_bytes() const {
    return uint64_t{gauges_.retained_blocks} * alloc::BufferPool::kReceiveBlockBytes + shard_->buffers().block_bytes();
  }

  // Checks what holds between two turns, O(live); for tests. Null, or what does not.
  const char* Validate() const;

 private:
  friend class Connection;
  friend class ConnectionSet;
  friend class Reader;
  friend class TaskService;
  friend class OwnedConnection;
  friend class ConnectAttempt;
  friend class Pool;

  struct Listener {
    std::string name;
    uint16_t profile = 0;   // of its new connections
    int backlog = 0;
    bool listening = false;
    bool stopping = false;
    bool retired = false;
    bool gone = false;         // its number may be given again
    bool notify_all = false;   // also who comes out of its queue
    std::function<void()> on_closed;
    std::function<void()> on_gone;
    ListenerCounters* counters = nullptr;
    AcceptMode told = AcceptMode::kStopped;
    bool backing_off = false;
    uint32_t backoff_ms = 0;
    core::CallTimer timer;  // accept back-off, and the wait between refusing and closing
    ListenerBounds bounds;
    int64_t holds = 0;    // connections, and accepts under way that have taken credit
    int64_t settled = 0;  // of bounds.credit
    StopCause stop_cause = StopCause::kCount;  // kCount: it is not stopped
    int64_t stopped_at_ms = 0;
    Engine* engine = nullptr;
    ListenerId id = 0;
  };

  // What connections are served by: what their listener had when they were opened. It goes with the last of them.
  struct Profile {
    Handler* handler;
    ServiceOptions options;
    ListenerId listener;
    ListenerCounters* counters;
    uint32_t live = 0;
    bool current = true;  // of its listener
    std::function<void(Handler*)> forgotten = nullptr;
  };

  // A connection that was called for its notice, and looked at since; see NoticeTurn.
  struct Called {
    ConnId id;
    uint32_t since;  // drain_looks_ then
    uint8_t looks = 0;
  };
  // Connections that are called one after the other, evenly over a time.
  struct Spread {
    std::vector<ConnId> ids;
    size_t next = 0;
    int64_t began_ms;
    int64_t spread_ms;
    Connection::NoticeWhy why;
  };

  // A credit whose other users may change how listeners are to accept.
  struct Watched {
    const Credit* credit;
    int64_t near_below;  // what is left
    bool near = false;   // when modes were last chosen
    bool Near() const { return credit->left() < near_below; }
  };

  // Of a connection whose listener tracks peers.
  struct Tracked {
    uint32_t opened_s = 0;
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
  };
  struct AskedPeer {
    ConnId id;
    std::function<void(const Address&)> answer;
  };

  // Of a connection that nobody has lent a handler: its owner reads and writes, or it is on its way out.
  struct NoService final : Handler {
    void OnData(Connection&, alloc::Lease) override {}
    void OnEof(Connection&) override {}
    void OnDrain(Connection&) override {}
  };

  // TransportEvents
  ConnId OnAccept(ListenerId listener, bool credit_taken) override;
  void OnOpen(ConnId id) override;
  bool TakeCredit(ListenerId listener) override;
  void ReturnCredit(ListenerId listener) override;
  void OnAcceptError(ListenerId listener, int error) override;
  void OnAcceptStopped(ListenerId listener) override;
  void OnConnect(ConnId id, int result) override;
  void* Area(uint32_t slot, uint32_t generation_low24) override;
  void OnReceive(ConnId id, alloc::Lease data) override;
  void OnReceiveEnd(ConnId id, int result) override;
  void OnSend(ConnId id, int result) override;
  void OnShutdown(ConnId id) override;
  void OnPeer(ConnId id, const Address& peer) override;
  void OnOutQueue(ConnId id, int result) override;
  void OnReleased(ConnId id) override;

  // Shard::TurnEnd
  bool OnTurnEnd() override;
  void OnServiceDone(core::CancelScope* scope, std::exception_ptr error) override;
  void OnCancelWait(void* connection, const core::CancelScope* scope) override;
  bool OnTrim() override;
  std::string_view ListenerName(uint32_t profile) const override;

  // engine.cc: opening, settling, ending
  static Connection& OfTimer(core::Timer* timer);
  static Connection& OfScope(core::CancelScope* scope);
  Handler* HandlerOf(Connection& conn) {
    if (conn.Has(Connection::kOwnHandler | Connection::kLentHandler)) return conn.own_handler();
    return conn.profile_ < kOwnedProfile ? profiles_[conn.profile_]->handler : &no_service_;
  }
  const ServiceOptions& OptionsOf(const Connection& conn) const {
    if (conn.profile_ < kOwnedProfile) [[likely]] return profiles_[conn.profile_]->options;
    return *owned_profiles_[conn.profile_ - kOwnedProfile];
  }
  // Before anything of the connection's service runs (core/turn_times.h).
  void Doing(const Connection& conn) { shard_->turns().Doing(core::kService + conn.profile_); }
  // A callback of the service. What it throws ends its own connection.
  template <class F>
  void Call(Connection& conn, F&& f) {
    Doing(conn);
    try {
      f(*HandlerOf(conn));
    } catch (...) {
      End(conn, CloseCause::kServiceFailed, /*abort=*/true);
    }
  }
  void SetState(Connection& conn, Connection::State to) {
    if (conn.profile_ < kOwnedProfile) profiles_[conn.profile_]->counters->Move(conn.state_, to);
    conn.state_ = to;
  }
  void MarkDirty(Connection& conn);
  void Settle(Connection& conn);
  void End(Connection& conn, CloseCause cause, bool abort);  // marks; the first cause stays
  void StartClose(Connection& conn);
  void CloseTransport(Connection& conn);
  void AbortTransport(Connection& conn);
  void TellClosed(Connection& conn);
  void MaybeRelease(Connection& conn);
  void StartService(Connection& conn);
  void Track(Connection& conn);
  void EnsurePeerAddresses(const ServiceOptions& options);

  // limits.cc: who may be accepted, when a connection has been here too long, memory that runs out
  struct AddressHold {
    uint64_t source;
    AddressTable* process;   // null: it is not counted there
    AddressTable* listener;
  };
  bool MayHoldAddress(const Connection& conn) const;
  bool AsksPeer(const Connection& conn) const { return OptionsOf(conn).track_peers || MayHoldAddress(conn); }
  bool HoldAddress(Connection& conn, const Address& peer);
  void LetGoOfAddress(uint32_t slot);
  void Refuse(RefuseCause cause) { refusals_.Add(cause); }
  StopCause TakeBounds(Listener& listener);
  void SettleCredit(Listener& listener);
  bool Watch(const Credit* credit, int64_t backlogs);
  bool NearChanged() const {
    for (const Watched& each : watched_) {
      if (each.Near() != each.near) return true;
    }
    return false;
  }
  bool HasRate(const Listener& listener) const;
  void BeginStop(Listener& listener, StopCause cause);
  void EndStop(Listener& listener);
  void ArmRateTimer(core::Nanos due);
  void WakeWaiting(Credit* credit);
  // Null: no bound. A listener that is being emptied does not wait for tokens: those in its queue have connected.
  static AcceptRate* RateOf(const Listener& listener, AcceptRate* rate) {
    return rate != nullptr && rate->on() && !listener.stopping ? rate : nullptr;
  }
  void GiveBackTokens(const Listener& listener);
  template <class T>
  bool SetBeside(std::unique_ptr<SlotTable<T>>* table, uint32_t slot, const T& value);
  bool StartLimits(Connection& conn, const ServiceOptions& options);
  void LookAtLimits(Connection& conn, const ServiceOptions& options);
  static uint32_t AgeDue(const Connection& conn, uint32_t max_age_s, uint32_t opened_s);
  bool Served(const Connection& conn) const;
  void Shed();
  void CountBlocksRefused();
  bool BytesPressed() const { return shard_->buffers().block_bytes() >= written_bytes_high_; }
  // What it has received waits: its queue is too long, or there is one at all where blocks run short. (At the end of the
  // stream that would save nothing.)
  bool ReadsHeld(const Connection& conn) const {
    if (conn.ReadsHeld()) return true;
    return conn.output_ != nullptr && BytesPressed() && !conn.Has(Connection::kFullDuplex | Connection::kEofSeen);
  }
  bool Pressed() const { return gauges_.retained_blocks >= retained_max_ || BytesPressed(); }

  // owned_connection.cc: connections that a coroutine owns
  void Own(Connection& conn);
  void LetGo(Connection& conn);

  // delivery.cc: receiving, parking, pausing
  Input* EnsureInput(Connection& conn);
  void DropInput(Connection& conn);
  void DropUndelivered(Connection& conn);
  bool MayDeliver(const Connection& conn) const;
  void Deliver(Connection& conn, alloc::Lease data);
  void DeliverParked(Connection& conn);
  void DeliverEof(Connection& conn);
  void Park(Connection& conn, alloc::Lease data);
  void UpdateReading(Connection& conn);
  void Charge(Connection& conn, alloc::Block* block);
  void OnBlockReturned(uint64_t charge);
  bool CarriesTooMuch(const Connection& conn) const;
  void Press(Connection& conn);
  void RelievePressure();

  // sending.cc: the queue and its watermarks
  bool Append(Connection& conn, std::string_view bytes);
  Output* EnsureOutput(Connection& conn);
  void DropOutput(Connection& conn);
  void StartSend(Connection& conn, SendMode mode);
  void Compact(Connection& conn);
  void BelowLow(Connection& conn);

  // engine.cc: the sets that a connection is in; null when there is no memory for the table
  Membership** MembershipsOf(uint32_t slot);
  void ForgetMemberships();  // REQUIRES: nobody is in a set
  void AccountMemberships(size_t capacity_before);

  void CountLive();  // engine.cc: one more

  // deadlines.cc
  void ArmAt(Connection& conn, uint32_t due_s);
  void ArmIdle(Connection& conn);
  void OnDeadline(Connection& conn);
  uint32_t now_s() const { return static_cast<uint32_t>((shard_->now_ms() - epoch_ms_) / 1000); }

  // validate.cc
  const char* Validate(const Connection& conn) const;
  const char* Validate(const Listener& listener) const;

  // accepting.cc: modes, credit, back-off
  void SettleCredit();
  void UpdateAcceptModes(bool again);

  // listeners.cc: listeners that come and go, and what their connections are served by
  uint16_t AddProfile(ListenerId listener, Handler* handler, const ServiceOptions& options);
  void Admit(Connection& conn, uint16_t profile);
  void Dismiss(Connection& conn);
  void StopCurrent(uint16_t profile);
  void ForgetIfUnused(uint16_t profile);
  void RefuseThenStop(Listener& listener);
  void StopListener(Listener& listener);
  void EndListener(Listener& listener);

  // operator.cc: lists, closing by hand
  void AnswerAskedPeer(ConnId id, const Address& peer);

  // drain.cc: notices
  void CallForNotice(Connection& conn, Connection::NoticeWhy why);
  void CallNewcomer(Connection& conn);
  void CallDue();
  void NoticeTurn();
  void Notice(Connection& conn);
  uint64_t Random();

  core::Shard* const shard_;
  const Options options_;
  Transport* transport_ = nullptr;
  alloc::Slab<Connection> connections_;
  std::vector<std::unique_ptr<Listener>> listeners_;   // by number; one that is gone stays until the number is given again
  std::vector<std::unique_ptr<Profile>> profiles_;     // null: free
  ListenerCountersTable listener_counters_;
  std::vector<std::unique_ptr<const ServiceOptions>> owned_profiles_;
  NoService no_service_;
  std::vector<Connection*> dirty_;
  std::vector<ConnId> next_turn_;  // more to deliver, but had its share of this turn
  std::vector<ConnId> pressed_;
  std::vector<Engine*> peers_;
  std::vector<Membership*> memberships_;  // by slot, of those who are in a set: a Connection has no room for it
  uint64_t memberships_live_ = 0;
  std::unique_ptr<PeerAddresses> peer_addresses_;  // null unless some listener or profile tracks peers
  std::unique_ptr<SlotTable<uint32_t>> opened_s_;  // null unless some listener has a deadline from accept on
  std::unique_ptr<SlotTable<AddressHold>> address_holds_;  // null unless somebody has been counted in a table

  std::unique_ptr<SlotTable<Tracked>> tracked_;    // likewise
  std::vector<AskedPeer> asked_peers_;             // AskPeer

  const int64_t epoch_ms_;
  bool pressure_ = false;
  const uint32_t retained_max_;         // from here on who holds some is not read
  const uint64_t written_bytes_high_;   // likewise, of blocks that are no receive blocks
  uint64_t blocks_refused_ = 0;      // of the pool's count

  int memory_step_ = 0;
  uint32_t shed_next_ = 0;  // the slot from which on to look
  core::CallTimer shed_timer_;
  core::CallTimer rate_timer_;

  bool settle_due_ = false;        // since the last SettleCredit something was accepted, refused, stopped or released
  std::vector<Watched> watched_;   // by UpdateAcceptModes: the process's and those of listeners that listen
  int64_t unasked_ = 0;   // accepted this turn without asking for credit
  int64_t returned_ = 0;  // released this turn
  uint32_t backlogs_ = 0;
  uint32_t listeners_open_ = 0;

  bool draining_ = false;
  bool cut_ = false;
  std::function<void()> on_drained_;
  std::function<void()> on_served_;
  bool drain_looking_ = false;  // some connection that was called has not had its notice: the next turn must not wait
  uint32_t drain_looks_ = 0;
  uint32_t drain_turns_ = 0;
  std::vector<Called> called_;
  std::vector<Spread> spreads_;
  core::CallTimer notice_timer_;  // when the next of a spread is due
  std::vector<std::function<void()>> to_tell_;  // at the end of the turn
  uint64_t random_;

  core::CounterSet<EngineCount> counters_;
  core::CounterSet<CloseCause> causes_;
  core::CounterSet<RefuseCause> refusals_;
  core::CounterSet<StopCause> stops_;
  core::CounterSet<StopCause> stopped_ms_;
  core::CounterSet<AcceptFailure> accept_failures_;
  core::Counter live_counter_;
  EngineGauges gauges_;
};

}  // namespace mooring::net

#endif  // MOORING_NET_ENGINE_H_
