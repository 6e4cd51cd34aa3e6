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
      check_pattern_(options.verify && options.protocol == Protocol::kEcho),
      reply_bytes_(options.protocol == Protocol::kLine ? kLineReply.size() : options.message_bytes),
      dialer_(engine, {.profile = engine->AddListener("load", this, Unbounded()),
                          .target = options.target,
                          .sources = share_.sources,
                          .per_source_max = share_.per_source_max,
                          .in_flight_max = options.mode == Mode::kChurn ? share_.connections : 128}) {
  ramp_timer_.call = [](void* self) { static_cast<ShardLoad*>(self)->PumpSoon(); };
  ramp_timer_.argument = this;
}

absl::Status ShardLoad::SetUp() {
  peers_.resize(share_.connections + kSlotsSpare);
  times_.resize(peers_.size() * options_.depth);
  if (check_pattern_) return absl::OkStatus();
  block_messages_ = std::clamp(kBlockBytes / options_.message_bytes, 1u, options_.depth);
  const uint32_t bytes = block_messages_ * options_.message_bytes;
  alloc::Block* block = shard_->buffers().Acquire(bytes);
  if (block == nullptr) return absl::ResourceExhaustedError("no memory for the message");
  messages_ = alloc::Lease(block, 0, bytes);
  std::memset(messages_.data(), 'm', bytes);
  if (options_.protocol == Protocol::kLine) {
    const uint32_t line = options_.message_bytes;
    for (uint32_t end = line; end <= bytes; end += line) messages_.data()[end - 1] = '\n';
    while (replies_.size() < alloc::BufferPool::kReceiveBlockBytes + kLineReply.size()) replies_ += kLineReply;
  }
  return absl::OkStatus();
}

void ShardLoad::Release() {
  shard_->wheel().Cancel(&ramp_timer_);
  messages_.Reset();
}

void ShardLoad::Open(core::Nanos from, core::Nanos until) {
  from_ = from;
  until_ = until;
  opening_since_ = shard_->now();
  phase_ = Phase::kOpening;
  PumpSoon();
}

void ShardLoad::Start(core::Nanos from, core::Nanos until) {
  from_ = from;
  until_ = until;
  phase_ = Phase::kStarting;
  cursor_ = walk_ahead_ = 0;
  walk_ended_ = false;
  PumpSoon();
}

void ShardLoad::Close() {
  phase_ = Phase::kClosing;
  cursor_ = walk_ahead_ = 0;
  walk_ended_ = false;
  PumpSoon();
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
    case Phase::kStarting:
    case Phase::kClosing: return Walk();
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
      shard_->wheel().Arm(&ramp_timer_, core::TimerKind::kFunction, shard_->now_ms() + 1);
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

void ShardLoad::Walk() {
  const bool ahead_bounded = phase_ == Phase::kClosing || options_.mode == Mode::kHold;
  uint32_t budget = kWalkPerTurn;
  for (; cursor_ < peers_.size(); ++cursor_) {
    Peer& peer = peers_[cursor_];
    if (peer.conn == nullptr || peer.ours) continue;
    if (ahead_bounded && walk_ahead_ >= kWalkAhead) return;  // WalkStep comes back here
    if (budget-- == 0) return PumpSoon();
    ++walk_ahead_;
    if (phase_ == Phase::kStarting) {
      Send(*peer.conn, peer, options_.depth);
    } else {
      peer.ours = true;
      peer.conn->Close();
    }
  }
  if (!std::exchange(walk_ended_, true)) counters_.Add(LoadCount::kWalkDone);
}

// What the walk had begun with one connection is over.
void ShardLoad::WalkStep(bool done) {
  if (!done || walk_ended_ || walk_ahead_ == 0) return;
  if (--walk_ahead_ <= kWalkAhead / 2) PumpSoon();
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
              .serial = static_cast<uint32_t>(counters_.Read(LoadCount::kOpened)),
              .reply_left = reply_bytes_};
  if (options_.mode != Mode::kClosedLoop) Send(conn, peer, 1);
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
  if (!peer.ours) ++errors_[absl::StrCat("closed_", net::Name(cause))];
  if (peer.in_flight > 0) {
    counters_.Add(LoadCount::kLost, peer.in_flight);
    errors_["unanswered"] += peer.in_flight;
  }
  peer = Peer{};
  counters_.Add(LoadCount::kClosed);
  WalkStep(phase_ == Phase::kClosing || phase_ == Phase::kStarting);
}

void ShardLoad::Fail(net::Connection& conn, Peer& peer, const char* cause) {
  if (!peer.ours) ++errors_[cause];
  peer.ours = true;
  conn.Abort();
}

// Messages.

void ShardLoad::Send(net::Connection& conn, Peer& peer, uint32_t messages) {
  const core::Nanos now = shard_->now();
  core::Nanos* times = TimesOf(conn.handle.slot);
  uint32_t next = uint32_t{peer.oldest} + peer.in_flight;
  for (uint32_t i = 0; i < messages; ++i, ++next) times[next % options_.depth] = now;
  counters_.Add(LoadCount::kSent, messages);
  if (check_pattern_) {
    for (uint32_t i = 0; i < messages; ++i) {
      if (!SendPattern(conn, peer)) ++errors_["no_memory"];
      ++peer.in_flight;
    }
    return;
  }
  peer.in_flight = static_cast<uint16_t>(peer.in_flight + messages);
  while (messages > 0) {
    const uint32_t n = std::min(messages, block_messages_);
    conn.Write(messages_.Share(0, n * options_.message_bytes));  // false: it has ended, and OnClose tells
    messages -= n;
  }
}

bool ShardLoad::SendPattern(net::Connection& conn, Peer& peer) {
  const uint32_t bytes = options_.message_bytes;
  alloc::Block* block = shard_->buffers().Acquire(bytes);
  if (block == nullptr) return false;
  // What has been sent is what came back and what is still to come: the rest of one reply, and whole ones.
  const uint64_t position = peer.received + peer.reply_left + uint64_t{peer.in_flight} * bytes - bytes;
  PatternOf(peer).Fill(position, block->data, bytes);
  conn.Write(alloc::Lease(block, 0, bytes));
  return true;
}

void ShardLoad::OnData(net::Connection& conn, alloc::Lease data) {
  Peer& peer = peers_[conn.handle.slot];
  uint32_t left = data.size();
  if (!Check(peer, data.view())) return Fail(conn, peer, "mismatch");
  peer.received += left;

  const core::Nanos now = shard_->now();
  const bool measured = now >= from_ && now < until_;
  const core::Nanos* times = TimesOf(conn.handle.slot);
  uint32_t replies = 0;
  while (left >= peer.reply_left && peer.in_flight > 0) {
    left -= peer.reply_left;
    peer.reply_left = reply_bytes_;
    if (measured) latency_.Record(static_cast<uint64_t>(now - times[peer.oldest]));
    if (++peer.oldest == options_.depth) peer.oldest = 0;
    --peer.in_flight;
    ++replies;
  }
  if (left > 0 && peer.in_flight == 0) return Fail(conn, peer, "unasked_bytes");
  peer.reply_left -= left;
  if (replies == 0) return;

  counters_.Add(LoadCount::kReplied, replies);
  if (measured) {
    counters_.Add(LoadCount::kMeasured, replies);
    counters_.Add(LoadCount::kMeasuredBytes, uint64_t{replies} * reply_bytes_);
    last_reply_ = now;
  }
  switch (options_.mode) {
    case Mode::kClosedLoop:
      if (now < until_) Send(conn, peer, replies);
      return;
    case Mode::kHold:
      WalkStep(phase_ == Phase::kStarting);
      return;
    case Mode::kChurn:
      peer.ours = true;
      conn.Close();
      return;
  }
}

bool ShardLoad::Check(Peer& peer, std::string_view bytes) {
  if (options_.protocol == Protocol::kLine) {
    return std::memcmp(replies_.data() + peer.received % kLineReply.size(), bytes.data(), bytes.size()) == 0;
  }
  return !check_pattern_ || PatternOf(peer).Check(peer.received, bytes) == bytes.size();
}

Pattern ShardLoad::PatternOf(const Peer& peer) const { return Pattern(uint64_t{shard_->id()} << 32 | peer.serial); }

}  // namespace mooring::tools::load
