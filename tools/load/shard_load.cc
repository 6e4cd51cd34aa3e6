// SPDX-License-Identifier: Apache-2.0
#include "tools/load/shard_load.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mooring::tools::load {
namespace {

constexpr std::string_view kLineReply = "OK\n";
constexpr uint32_t kBlockBytes = 64 << 10;  // of messages to be sent as one lease

// The client reads whatever its own queue holds: if both sides stopped reading above a watermark, an echo larger than
// the kernel's buffers would never end.
net::ServiceOptions Unbounded() {
  constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();
  return {.queue_high_bytes = kNever, .queue_low_bytes = kNever / 2, .queue_cap_bytes = kNever};
}

}  // namespace

ShardLoad::ShardLoad(net::Engine* engine, const Options& options, Share share)
    : shard_(engine->shard()),
      options_(options),
      share_(std::move(share)),
      echo_(options.protocol == Protocol::kEcho),
      sizes_(options.message_bytes),
      dialer_(engine, {.profile = engine->AddListener("load", this, Unbounded()),
                          .target = options.target,
                          .sources = share_.sources,
                          .per_source_max = share_.per_source_max,
                          .in_flight_max = share_.connecting_max}),
      slow_(shard_) {
  pump_timer_.call = [](void* self) { static_cast<ShardLoad*>(self)->PumpSoon(); };
  pump_timer_.argument = this;
}

absl::Status ShardLoad::SetUp() {
  peers_.resize(share_.connections + kSlotsSpare);
  times_.resize(peers_.size() * options_.depth);
  if (echo_ && options_.verify) return absl::OkStatus();  // each message is another
  const uint32_t each = sizes_.Largest();
  const uint32_t at_once = options_.slow > 0 ? kDepthMax : options_.depth;
  block_messages_ = sizes_.mixed() ? 1 : std::clamp(kBlockBytes / each, 1u, at_once);
  const uint32_t bytes = block_messages_ * each;
  alloc::Block* block = shard_->buffers().Acquire(bytes);
  if (block == nullptr) return absl::ResourceExhaustedError("no memory for the message");
  messages_ = alloc::Lease(block, 0, bytes);
  std::memset(messages_.data(), 'm', bytes);
  if (options_.protocol == Protocol::kLine) {
    for (uint32_t end = each; end <= bytes; end += each) messages_.data()[end - 1] = '\n';
    while (replies_.size() < alloc::BufferPool::kReceiveBlockBytes + kLineReply.size()) replies_ += kLineReply;
  }
  return absl::OkStatus();
}

void ShardLoad::Release() {
  shard_->wheel().Cancel(&pump_timer_);
  slow_.Stop();
  messages_.Reset();
}

void ShardLoad::Open(core::Nanos from, core::Nanos until) {
  from_ = from;
  until_ = until;
  opening_since_ = shard_->now();
  phase_ = Phase::kOpening;
  PumpSoon();
}

void ShardLoad::Start(const Work& work) {
  work_ = work;
  from_ = work.from;
  until_ = work.until;
  first_sent_ = last_reply_ = walk_ended_at_ = 0;
  latency_.Clear();
  if (options_.slow > 0 && !std::exchange(slow_begun_, true)) BeginSlow();
  ChooseTargets();
  cursor_ = walk_ahead_ = 0;
  ahead_max_ = work.ahead == 0 ? std::numeric_limits<uint32_t>::max() : work.ahead;
  walk_ended_ = false;
  switch (work.kind) {
    case Work::Kind::kUntil:
    case Work::Kind::kCount:
      phase_ = Phase::kStarting;
      break;
    case Work::Kind::kTogether:
      phase_ = Phase::kWaiting;
      return WakeAt(from_);
    case Work::Kind::kPaced:
      if (targets_.empty()) return EndWalk();
      phase_ = Phase::kPacing;
      due_ = 0;
      const double all = work.active == 0 ? options_.connections - options_.slow : work.active;
      schedule_ = Schedule({.start = work.start,
                            .until = until_,
                            .rate = work.rate * static_cast<double>(targets_.size()) / all,
                            .offset = static_cast<double>(share_.index) / share_.shards,
                            .grain = share_.own_cpu ? 1 : core::kNanosPerMs});
      break;
  }
  PumpSoon();
}

void ShardLoad::Close() {
  phase_ = Phase::kClosing;
  cursor_ = walk_ahead_ = 0;
  ahead_max_ = kWalkAhead;
  walk_ended_ = false;
  PumpSoon();
}

void ShardLoad::CutUnanswered() {
  phase_ = Phase::kIdle;
  until_ = 0;
  work_ = Work{.until = 0};
  for (Peer& peer : peers_) {
    if (peer.conn == nullptr || peer.in_flight == 0 || peer.slow) continue;
    peer.ours = true;
    peer.conn->Abort();
  }
  EndWalk();
}

// The open connections that have part, spread evenly over all of them.
void ShardLoad::ChooseTargets() {
  targets_.clear();
  for (uint32_t slot = 0; slot < peers_.size(); ++slot) {
    Peer& peer = peers_[slot];
    peer.begun = 0;
    if (peer.conn != nullptr && !peer.ours && !peer.slow) targets_.push_back(slot);
  }
  if (work_.active != 0) {
    const uint64_t all = targets_.size();
    const uint64_t active = std::min<uint64_t>(PartOf(work_.active, share_.index, share_.shards), all);
    for (uint64_t i = 0; i < active; ++i) targets_[i] = targets_[i * all / active];
    targets_.resize(active);
  }
  for (uint32_t i = 0; i < targets_.size(); ++i) peers_[targets_[i]].position = i;
}

// Opening and walking, a part each turn.

void ShardLoad::PumpSoon() {
  if (std::exchange(pump_queued_, true)) return;
  shard_->MakeRunnable([](void* self) { static_cast<ShardLoad*>(self)->Pump(); }, this);
}

void ShardLoad::Pump() {
  pump_queued_ = false;
  switch (phase_) {
    case Phase::kIdle: return;
    case Phase::kOpening: return OpenMore();
    case Phase::kWaiting: return StartTogether();
    case Phase::kStarting: return WalkToStart();
    case Phase::kPacing: return Pace();
    case Phase::kClosing: return WalkToClose();
  }
}

uint64_t ShardLoad::AllowedByRamp() const {
  const double ramp = RampSeconds(options_);
  if (ramp <= 0) return std::numeric_limits<uint64_t>::max();
  const double passed = static_cast<double>(shard_->now() - opening_since_) / core::kNanosPerSecond;
  return static_cast<uint64_t>(share_.connections * passed / ramp) + 1;
}

bool ShardLoad::MayOpenMore() const {
  if (failures_in_a_row_ >= kFailuresMax) return false;
  if (options_.mode != Mode::kChurn) return started_ < share_.connections;
  return shard_->now() < until_ && (share_.total == 0 || started_ < share_.total);
}

void ShardLoad::OpenMore() {
  const uint64_t allowed = AllowedByRamp();
  while (MayOpenMore() && active_ < share_.connections) {
    if (started_ >= allowed) {
      shard_->wheel().Arm(&pump_timer_, core::TimerKind::kFunction, shard_->now_ms() + 1);
      break;
    }
    net::Connection* conn = dialer_.Open();
    if (conn == nullptr) {
      if (dialer_.in_flight() > 0 || active_ > 0) break;  // the next OnOpen or OnClose comes back here
      ++errors_["no_room"];
      failures_in_a_row_ = kFailuresMax;
      break;
    }
    ++started_;
    ++active_;
    TimesOf(conn->handle.slot)[0] = shard_->now();
  }
  CheckOpened();
}

void ShardLoad::CheckOpened() {
  if (MayOpenMore()) return;
  if (dialer_.in_flight() == 0 && counters_.Read(LoadCount::kSettled) == 0) counters_.Add(LoadCount::kSettled);
  if (active_ == 0 && counters_.Read(LoadCount::kChurnDone) == 0) counters_.Add(LoadCount::kChurnDone);
}

void ShardLoad::WalkToStart() {
  const bool counted = work_.kind == Work::Kind::kCount;
  const uint32_t each = counted ? std::min(options_.depth, work_.messages) : options_.depth;
  uint32_t budget = kWalkPerTurn;
  for (; cursor_ < targets_.size() && shard_->now() < until_; ++cursor_) {
    Peer& peer = peers_[targets_[cursor_]];
    if (peer.conn == nullptr || peer.ours) continue;
    if (walk_ahead_ >= ahead_max_) return;  // WalkStep comes back here
    if (budget-- == 0) return PumpSoon();
    ++walk_ahead_;
    Send(*peer.conn, peer, each, shard_->now());
  }
  EndWalk();
}

void ShardLoad::WalkToClose() {
  uint32_t budget = kWalkPerTurn;
  for (; cursor_ < peers_.size(); ++cursor_) {
    Peer& peer = peers_[cursor_];
    if (peer.conn == nullptr || peer.ours) continue;
    if (walk_ahead_ >= ahead_max_) return;
    if (budget-- == 0) return PumpSoon();
    ++walk_ahead_;
    peer.ours = true;
    if (peer.slow) {
      peer.conn->Abort();  // what waits for it would take minutes
    } else {
      peer.conn->Close();
    }
  }
  EndWalk();
}

// In one turn, and a turn later all of them are with the kernel.
void ShardLoad::StartTogether() {
  if (shard_->now() < from_) return WakeAt(from_);
  if (cursor_ == targets_.size()) return EndWalk();
  for (; cursor_ < targets_.size(); ++cursor_) {
    Peer& peer = peers_[targets_[cursor_]];
    if (peer.conn != nullptr && !peer.ours) Send(*peer.conn, peer, 1, from_);
  }
  PumpSoon();
}

void ShardLoad::EndWalk() {
  if (std::exchange(walk_ended_, true)) return;
  walk_ended_at_ = shard_->now();
  counters_.Add(LoadCount::kWalkDone);
}

// What the walk had begun with one connection is over.
void ShardLoad::WalkStep(bool done) {
  if (!done || walk_ended_ || walk_ahead_ == 0) return;
  if (--walk_ahead_ <= ahead_max_ / 2) PumpSoon();
}

// The open loop.

// Message k is of target k modulo their number. What finds no room there waits: AfterReplies sends it, by its time.
void ShardLoad::Pace() {
  if (walk_ended_) return;
  const core::Nanos now = shard_->now();
  const uint64_t due = schedule_.DueBy(now);
  for (uint32_t budget = kPacedPerTurn; due_ < due; ++due_) {
    if (budget-- == 0) return PumpSoon();
    Peer& peer = peers_[targets_[due_ % targets_.size()]];
    if (peer.conn == nullptr || peer.ours || peer.in_flight == options_.depth) continue;
    const core::Nanos time = schedule_.TimeOf(due_);
    if (time >= from_ && now - time > kLateNs) counters_.Add(LoadCount::kLate);
    Send(*peer.conn, peer, 1, time);
  }
  if (now >= until_) return EndPacing();
  WakeAt(std::min(schedule_.TimeOf(due_), until_));
}

// The wheel knows milliseconds: who has a CPU of its own wakes before the time, and then looks at the clock.
void ShardLoad::WakeAt(core::Nanos time) {
  const int64_t ms = (share_.own_cpu ? time : time + core::kNanosPerMs - 1) / core::kNanosPerMs;
  if (ms <= shard_->now_ms()) return PumpSoon();
  shard_->wheel().Arm(&pump_timer_, core::TimerKind::kFunction, ms);
}

bool ShardLoad::NextIsDue(const Peer& peer, core::Nanos* time) const {
  const uint64_t next = uint64_t{peer.begun} * targets_.size() + peer.position;
  if (next >= due_) return false;
  *time = schedule_.TimeOf(next);
  return true;
}

// What waits for room has waited so long at the least.
void ShardLoad::EndPacing() {
  core::Nanos time = 0;
  for (const uint32_t slot : targets_) {
    Peer& peer = peers_[slot];
    for (; peer.conn != nullptr && NextIsDue(peer, &time); ++peer.begun) {
      if (time < from_) continue;
      latency_.Record(static_cast<uint64_t>(shard_->now() - time));
      counters_.Add(LoadCount::kUnsent);
    }
  }
  EndWalk();
}

// Slow connections: they write as long as no more than kSlowBytesMax is to come back, and take that slowly.

// As many as there are to be, spread evenly over the order in which they were opened.
bool ShardLoad::IsToBeSlow(const Peer& peer) const {
  const uint64_t slow = PartOf(options_.slow, share_.index, share_.shards);
  return peer.serial * slow / share_.connections != (peer.serial - 1) * slow / share_.connections;
}

void ShardLoad::BeginSlow() {
  for (Peer& peer : peers_) {
    if (peer.conn == nullptr || peer.ours || peer.in_flight > 0 || !IsToBeSlow(peer)) continue;
    peer.slow = true;
    FillSlow(*peer.conn, peer);
  }
}

void ShardLoad::FillSlow(net::Connection& conn, Peer& peer) {
  const uint32_t each = echo_ ? sizes_.Largest() : static_cast<uint32_t>(kLineReply.size());
  const uint32_t most = std::clamp(kSlowBytesMax / each, 1u, 32'768u);
  if (peer.in_flight >= most) return;
  const uint32_t more = most - peer.in_flight;
  peer.in_flight = static_cast<uint16_t>(most);
  Write(conn, peer, more);
}

void ShardLoad::TakeSlowly(net::Connection& conn, Peer& peer, uint32_t bytes) {
  uint32_t left = bytes;
  while (left >= peer.reply_left && peer.in_flight > 0) {
    left -= peer.reply_left;
    --peer.in_flight;
    peer.reply_left = ReplyBytesOf(peer, peer.number - peer.in_flight);
  }
  if (left > 0 && peer.in_flight == 0) return Fail(conn, peer, "unasked_bytes");
  peer.reply_left -= left;
  FillSlow(conn, peer);
  slow_.Took(&conn, bytes);
}

// Connections.

void ShardLoad::OnOpen(net::Connection& conn) {
  dialer_.OnOpen(conn);
  counters_.Add(LoadCount::kOpened);
  failures_in_a_row_ = 0;
  const core::Nanos now = shard_->now();
  const uint32_t slot = conn.handle.slot;
  if (options_.mode != Mode::kChurn) {
    connect_latency_.Record(static_cast<uint64_t>(now - TimesOf(slot)[0]));
  } else if (now >= from_ && now < until_) {
    connect_latency_.Record(static_cast<uint64_t>(now - TimesOf(slot)[0]));
    counters_.Add(LoadCount::kMeasuredConnects);
  }
  Peer& peer = peers_[slot];
  peer = Peer{.conn = &conn,
              .serial = static_cast<uint32_t>(counters_.Read(LoadCount::kOpened))};
  peer.reply_left = ReplyBytesOf(peer, 0);
  if (options_.mode != Mode::kClosedLoop) Send(conn, peer, 1, now);
  PumpSoon();
}

void ShardLoad::OnClose(net::Connection& conn, net::CloseCause cause) {
  dialer_.OnClose(conn, cause);
  --active_;
  if (phase_ == Phase::kOpening) PumpSoon();
  if (cause == net::CloseCause::kConnectFailed) {
    ++failures_in_a_row_;
    counters_.Add(LoadCount::kConnectFailed);
    return;
  }
  Peer& peer = peers_[conn.handle.slot];
  WalkStep(phase_ == Phase::kClosing || (phase_ == Phase::kStarting && peer.in_flight > 0));
  if (!peer.ours) ++errors_[absl::StrCat("closed_", net::Name(cause))];
  if (peer.slow) slow_.Forget(&conn);
  if (peer.in_flight > 0 && !peer.slow) {
    counters_.Add(LoadCount::kLost, peer.in_flight);
    errors_["unanswered"] += peer.in_flight;
  }
  peer = Peer{};
  counters_.Add(LoadCount::kClosed);
}

void ShardLoad::Fail(net::Connection& conn, Peer& peer, const char* cause) {
  if (!peer.ours) ++errors_[cause];
  peer.ours = true;
  conn.Abort();
}

// Messages.

void ShardLoad::Send(net::Connection& conn, Peer& peer, uint32_t messages, core::Nanos time) {
  core::Nanos* times = TimesOf(conn.handle.slot);
  uint32_t next = uint32_t{peer.oldest} + peer.in_flight;
  for (uint32_t i = 0; i < messages; ++i, ++next) times[next % options_.depth] = time;
  if (first_sent_ == 0) first_sent_ = time;
  peer.in_flight = static_cast<uint16_t>(peer.in_flight + messages);
  peer.begun += messages;
  counters_.Add(LoadCount::kSent, messages);
  Write(conn, peer, messages);
}

void ShardLoad::Write(net::Connection& conn, Peer& peer, uint32_t messages) {
  for (uint32_t n = 0; messages > 0; messages -= n) {
    const uint32_t each = BytesOf(peer, peer.number);
    n = 1;
    if (Checked(peer.number)) {
      SendPattern(conn, peer);
    } else {
      n = std::min(messages, block_messages_);
      // The end of the block, for a line ends with it. False: the connection has ended, and OnClose tells.
      conn.Write(messages_.Share(messages_.size() - n * each, n * each));
    }
    peer.number += n;
    peer.sent += n * each;
  }
}

void ShardLoad::SendPattern(net::Connection& conn, Peer& peer) {
  const uint32_t bytes = BytesOf(peer, peer.number);
  alloc::Block* block = shard_->buffers().Acquire(bytes);
  if (block == nullptr) return Fail(conn, peer, "no_memory");
  // What is on its way is less than 4 GB.
  const uint64_t position = peer.received + (peer.sent - static_cast<uint32_t>(peer.received));
  Pattern(SeedOf(peer)).Fill(position, block->data, bytes);
  conn.Write(alloc::Lease(block, 0, bytes));
}

void ShardLoad::OnData(net::Connection& conn, alloc::Lease data) {
  Peer& peer = peers_[conn.handle.slot];
  uint32_t left = data.size();
  if (!Check(peer, data.view())) return Fail(conn, peer, "mismatch");
  peer.received += left;
  if (peer.slow) return TakeSlowly(conn, peer, left);

  const core::Nanos now = shard_->now();
  const bool paced = phase_ == Phase::kPacing;
  uint32_t measured = 0;
  uint64_t measured_bytes = 0;
  const core::Nanos* times = TimesOf(conn.handle.slot);
  uint32_t replies = 0;
  while (left >= peer.reply_left && peer.in_flight > 0) {
    left -= peer.reply_left;
    if (paced ? times[peer.oldest] >= from_ : now >= from_ && now < until_) {
      latency_.Record(static_cast<uint64_t>(now - times[peer.oldest]));
      ++measured;
      measured_bytes += ReplyBytesOf(peer, peer.number - peer.in_flight);
    }
    if (++peer.oldest == options_.depth) peer.oldest = 0;
    --peer.in_flight;
    peer.reply_left = ReplyBytesOf(peer, peer.number - peer.in_flight);
    ++replies;
  }
  if (left > 0 && peer.in_flight == 0) return Fail(conn, peer, "unasked_bytes");
  peer.reply_left -= left;
  if (replies == 0) return;

  counters_.Add(LoadCount::kReplied, replies);
  if (measured > 0) {
    counters_.Add(LoadCount::kMeasured, measured);
    counters_.Add(LoadCount::kMeasuredBytes, measured_bytes);
    last_reply_ = now;
  }
  AfterReplies(conn, peer, replies);
}

void ShardLoad::AfterReplies(net::Connection& conn, Peer& peer, uint32_t replies) {
  if (options_.mode == Mode::kChurn) {
    peer.ours = true;
    conn.Close();
    return;
  }
  if ((phase_ != Phase::kStarting && phase_ != Phase::kPacing) || peer.begun == 0) return;  // not of a loop
  switch (work_.kind) {
    case Work::Kind::kUntil:
      if (shard_->now() < until_) Send(conn, peer, replies, shard_->now());
      return;
    case Work::Kind::kCount:
      replies = std::min(replies, work_.messages - peer.begun);
      if (replies > 0) Send(conn, peer, replies, shard_->now());
      WalkStep(peer.in_flight == 0);
      return;
    case Work::Kind::kPaced:
      for (core::Nanos time = 0; peer.in_flight < options_.depth && NextIsDue(peer, &time);) Send(conn, peer, 1, time);
      return;
    case Work::Kind::kTogether: return;
  }
}

bool ShardLoad::Check(const Peer& peer, std::string_view bytes) const {
  if (!echo_) return std::memcmp(replies_.data() + peer.received % kLineReply.size(), bytes.data(), bytes.size()) == 0;
  return !Checked(peer.number - peer.in_flight) || Pattern(SeedOf(peer)).Check(peer.received, bytes) == bytes.size();
}

uint32_t ShardLoad::ReplyBytesOf(const Peer& peer, uint32_t number) const {
  return echo_ ? BytesOf(peer, number) : static_cast<uint32_t>(kLineReply.size());
}

}  // namespace mooring::tools::load
