// SPDX-License-Identifier: Apache-2.0
// ShardLoad: one shard's part of a run: opens its connections, keeps messages in flight, checks what comes back.
//
// The main thread says what is to happen next, by mail, and watches the counters to see when it has; ShardLoad says
// nothing back. Walks over all connections (to start them, to exchange a message, to close) take a bounded number each
// turn, so that a million connections neither stall the shard nor overrun the server's backlog.
//
//   Open ──all settled──> Start(work) ──walk done, nothing awaited──> Start(work) again, or Close
//   Open (churn: connections come and go until `until` or `total`) ──churn done──> nothing is left
//
// Messages that are not verified are leases on one block that lives as long as this, so that the client costs little.
//
// Threads:  the shard's, inside its turn. Counters may be read from any; histograms and errors once the shard is done.
// Owns:     52 bytes and `depth` send times per connection; the message block.
// Limits:   kWalkPerTurn connections a turn, `ahead` of them not answered, or kWalkAhead not closed, yet.
#ifndef MOORING_TOOLS_LOAD_SHARD_LOAD_H_
#define MOORING_TOOLS_LOAD_SHARD_LOAD_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "alloc/buffer_pool.h"
#include "core/counters.h"
#include "core/histogram.h"
#include "core/shard.h"
#include "net/dialer.h"
#include "net/engine.h"
#include "net/handler.h"
#include "tools/load/message_sizes.h"
#include "tools/load/options.h"
#include "tools/load/pattern.h"
#include "tools/load/schedule.h"
#include "tools/load/share.h"
#include "tools/load/slow_readers.h"
#include "tools/load/work.h"

namespace mooring::tools::load {

enum class LoadCount : uint8_t {
  kOpened,
  kConnectFailed,
  kClosed,            // of the opened ones
  kSent,              // messages
  kReplied,
  kLost,              // in flight when their connection ended
  kMeasured,          // replies within the measured time; of an open loop, to what was to be sent in it
  kMeasuredBytes,     // received with them, and as many sent with an echo
  kMeasuredConnects,
  kSettled,           // 1 when every connection has been opened, or has failed
  kWalkDone,          // 1 more for each walk or open loop that has reached its end
  kLate,              // sent more than kLateNs after their time, because this shard was behind
  kUnsent,            // their time had come, and until the end there was no room on their connection
  kChurnDone,         // 1 when no connection is left and none will be opened
  kCount
};

class ShardLoad final : public net::Handler {
 public:
  static constexpr uint32_t kWalkPerTurn = 256;
  static constexpr uint32_t kWalkAhead = 1024;
  static constexpr uint32_t kPacedPerTurn = 1024;
  static constexpr core::Nanos kLateNs = core::kNanosPerMs;
  static constexpr uint32_t kSlotsSpare = 64;  // a churned connection opens while the one before it is being released
  static constexpr uint64_t kFailuresMax = 1000;  // connects that fail one after another: the rest is given up

  // REQUIRES: the engine has room for share.connections + kSlotsSpare.
  ShardLoad(net::Engine* engine, const Options& options, Share share);

  absl::Status SetUp();  // on the shard's thread; fails when there is no memory
  void Release();        // likewise, at its end: gives the shard's memory back

  // By mail. Times are CLOCK_MONOTONIC; replies are measured from `from` to `until`, and nothing is sent after it.
  void Open(core::Nanos from, core::Nanos until);
  void Start(const Work& work);
  void Close();
  void CutUnanswered();  // ends the work, and the connections that owe an answer

  const core::CounterSet<LoadCount>& counters() const { return counters_; }
  const core::Histogram& latency_ns() const { return latency_; }  // of the last Start
  const core::Histogram& connect_latency_ns() const { return connect_latency_; }
  // Of the last Start, by mail: when the first message went out, the walk ended, and the last measured reply came; 0
  // when there was none.
  core::Nanos first_sent() const { return first_sent_; }
  core::Nanos walk_ended() const { return walk_ended_at_; }
  core::Nanos last_reply() const { return last_reply_; }
  // By cause, without failed connects: closed_peer_reset, mismatch, ...
  const std::map<std::string, uint64_t>& errors() const { return errors_; }
  const net::Dialer& dialer() const { return dialer_; }

 private:
  struct Peer {
    net::Connection* conn = nullptr;  // null: not open
    uint64_t received = 0;            // bytes
    uint32_t serial = 0;
    uint32_t reply_left = 0;          // bytes of the reply that comes next
    uint32_t sent = 0;                // bytes, the lower half
    uint32_t number = 0;              // of the message that goes out next
    uint32_t begun = 0;               // messages of this work
    uint32_t position = 0;            // in targets_
    uint16_t in_flight = 0;
    uint16_t oldest = 0;              // index of the oldest send time
    bool ours = false;                // we have closed or aborted it
    bool slow = false;                // it takes what comes slowly, and is of no work
  };
  static_assert(sizeof(void*) != 8 || sizeof(Peer) == 48);
  enum class Phase : uint8_t { kIdle, kOpening, kWaiting, kStarting, kPacing, kClosing };

  void OnOpen(net::Connection& conn) override;
  void OnData(net::Connection& conn, alloc::Lease data) override;
  void OnClose(net::Connection& conn, net::CloseCause cause) override;

  void PumpSoon();
  void Pump();
  void OpenMore();
  uint64_t AllowedByRamp() const;
  bool MayOpenMore() const;
  void CheckOpened();
  void ChooseTargets();
  bool IsToBeSlow(const Peer& peer) const;
  void BeginSlow();
  void FillSlow(net::Connection& conn, Peer& peer);
  void TakeSlowly(net::Connection& conn, Peer& peer, uint32_t bytes);
  void WalkToStart();
  void WalkToClose();
  void EndWalk();
  void StartTogether();
  void Pace();
  void WakeAt(core::Nanos time);
  void EndPacing();
  bool NextIsDue(const Peer& peer, core::Nanos* time) const;
  void WalkStep(bool done);

  void Send(net::Connection& conn, Peer& peer, uint32_t messages, core::Nanos time);
  void Write(net::Connection& conn, Peer& peer, uint32_t messages);
  void SendPattern(net::Connection& conn, Peer& peer);
  void AfterReplies(net::Connection& conn, Peer& peer, uint32_t replies);
  // Whether the echo of a message is checked: with --verify, and in a controlled run the first one of each connection.
  bool Checked(uint32_t number) const {
    return echo_ && (options_.verify || (number == 0 && options_.mode == Mode::kControlled));
  }
  bool Check(const Peer& peer, std::string_view bytes) const;
  void Fail(net::Connection& conn, Peer& peer, const char* cause);
  uint64_t SeedOf(const Peer& peer) const { return uint64_t{shard_->id()} << 32 | peer.serial; }
  uint32_t BytesOf(const Peer& peer, uint32_t number) const { return sizes_.Of(SeedOf(peer), number); }
  uint32_t ReplyBytesOf(const Peer& peer, uint32_t number) const;
  core::Nanos* TimesOf(uint32_t slot) { return &times_[size_t{slot} * options_.depth]; }

  // Immutable after SetUp.
  core::Shard* const shard_;
  const Options options_;
  const Share share_;
  const bool echo_;
  const MessageSizes sizes_;
  alloc::Lease messages_;      // block_messages_ of the largest, one behind the other
  uint32_t block_messages_ = 0;
  std::string replies_;        // what a line service answers, long enough for any block at any phase

  // Touched per message.
  core::Nanos from_ = 0;
  core::Nanos until_ = 0;
  Work work_;
  core::Nanos first_sent_ = 0;
  core::Nanos last_reply_ = 0;
  std::vector<Peer> peers_;          // by slot
  std::vector<core::Nanos> times_;   // by slot, a ring of `depth` each; of the connect while it is under way
  core::CounterSet<LoadCount> counters_;
  core::Histogram latency_;

  // Touched per connection.
  net::Dialer dialer_;
  SlowReaders slow_;
  bool slow_begun_ = false;
  Phase phase_ = Phase::kIdle;
  bool pump_queued_ = false;
  core::CallTimer pump_timer_;
  core::Nanos opening_since_ = 0;
  uint64_t started_ = 0;
  uint64_t failures_in_a_row_ = 0;
  uint32_t active_ = 0;        // connecting or open
  std::vector<uint32_t> targets_;  // slots that the work is for
  uint32_t cursor_ = 0;        // of the walk: a target, or a slot when it closes
  uint32_t walk_ahead_ = 0;    // acted on, not answered or closed yet
  uint32_t ahead_max_ = 0;
  bool walk_ended_ = true;
  core::Nanos walk_ended_at_ = 0;
  Schedule schedule_;          // of the open loop; its messages go to the targets in turn
  uint64_t due_ = 0;           // of its messages: sent, or waiting for room on their connection
  core::Histogram connect_latency_;
  std::map<std::string, uint64_t> errors_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_SHARD_LOAD_H_
