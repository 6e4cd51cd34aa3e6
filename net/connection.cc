// SPDX-License-Identifier: Apache-2.0
#include "net/connection.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

void Handler::OnEof(Connection& conn) { conn.Close(); }
void Handler::OnDrain(Connection& conn) { conn.Close(); }
void Handler::OnDeadline(Connection& conn) { conn.Close(CloseCause::kIdle); }

ConnectionId Connection::id() const {
  return {uint64_t{core::Shard::Current()->id()} << 54 | uint64_t{handle.slot} << 32 | handle.generation};
}

uint16_t Connection::listener() const { return Engine::Current()->ListenerOf(*this); }

const Address& Connection::peer() const {
  static constexpr Address kNone{};
  const PeerAddresses* addresses = Engine::Current()->peer_addresses_.get();
  return addresses == nullptr ? kNone : addresses->At(handle.slot);
}

// The hard cap is judged by what is queued already: one larger write is taken whole.
bool Connection::PrepareWrite() {
  Engine* engine = Engine::Current();
  if (state_ != State::kOpen || Has(kShutdownDue)) {
    engine->counters_.Add(EngineCount::kWritesAfterClose);
    return false;
  }
  const ServiceOptions& options = engine->OptionsOf(*this);
  if (queued_bytes() < options.queue_cap_bytes) return true;
  if (options.drop_when_full) {
    engine->counters_.Add(EngineCount::kWritesDropped);
  } else {
    engine->End(*this, CloseCause::kQueueFull, /*abort=*/true);
  }
  return false;
}

void Connection::NoteWritten() {
  Engine* engine = Engine::Current();
  if (output_->queue.bytes() >= engine->OptionsOf(*this).queue_high_bytes) Set(kAboveHigh);
  engine->MarkDirty(*this);
}

bool Connection::Write(std::string_view bytes) {
  if (!PrepareWrite()) return false;
  if (bytes.empty()) return true;
  Engine* engine = Engine::Current();
  if (!engine->Append(*this, bytes)) {
    engine->End(*this, CloseCause::kNoMemory, /*abort=*/true);
    return false;
  }
  NoteWritten();
  return true;
}

bool Connection::Write(alloc::Lease lease) {
  if (!PrepareWrite()) return false;
  if (lease.empty()) return true;
  // Behind a send that has blocked, little is copied at once, so that it does not hold a receive block.
  if (Has(kBlocked) && lease.block()->receive && lease.size() < lease.block()->capacity / 4) return Write(lease.view());
  return Queue(std::move(lease));
}

bool Connection::Write(const alloc::SharedBytes& bytes) {
  if (!bytes || !PrepareWrite()) return false;
  if (bytes.empty()) return true;
  return Queue(Engine::Current()->shard_->buffers().Share(bytes));
}

bool Connection::Queue(alloc::Lease lease) {
  Engine* engine = Engine::Current();
  const uint32_t bytes = lease.size();
  if (!lease || engine->EnsureOutput(*this) == nullptr ||
      !output_->queue.Push(&engine->shard_->frames(), std::move(lease))) {
    engine->End(*this, CloseCause::kNoMemory, /*abort=*/true);
    return false;
  }
  engine->gauges_.queued_bytes += bytes;
  NoteWritten();
  return true;
}

WritableAwaiter Connection::Writable() { return WritableAwaiter(this); }

void Connection::Pause() {
  Set(kPaused);
  Engine::Current()->MarkDirty(*this);
}

void Connection::Resume() {
  Unset(kPaused);
  Engine::Current()->MarkDirty(*this);
}

void Connection::SetDeadline(core::Nanos after) {
  if (state_ != State::kOpen) return;
  assert(!Has(kTask) && "a task has the deadlines of its reads");
  read_mode_ = after > 0 ? ReadMode::kDeadline : ReadMode::kNone;
  if (after <= 0) return;
  Engine* engine = Engine::Current();
  const int64_t due_ms = engine->shard_->DeadlineMs(after);
  const int64_t due_s = (due_ms - engine->epoch_ms_ + 999) / 1000;
  read_max_ = static_cast<uint32_t>(std::min<int64_t>(due_s, std::numeric_limits<int32_t>::max()));
  engine->ArmAt(*this, read_max_);
}

void Connection::HoldSlot() { Set(kSlotHeld); }

void Connection::ReleaseSlot() {
  Unset(kSlotHeld);
  Engine::Current()->MarkDirty(*this);
}

bool Connection::TakeOver(core::Task<> task, alloc::Lease unread) {
  assert(!Has(kTask | kSlotHeld));
  Engine* engine = Engine::Current();
  if (state_ != State::kOpen || !task.has_frame()) return false;
  if (!unread.empty()) {
    Input* input = engine->EnsureInput(*this);
    if (input == nullptr) return false;
    input->current = std::move(unread);
    input->scanned = 0;
  }
  if (Has(kOwnHandler)) delete own_handler();
  waiter_or_handler_ = nullptr;
  Unset(kOwnHandler | kPaused);
  Set(kTask | kNoReader);
  read_mode_ = ReadMode::kNone;
  engine->MarkDirty(*this);
  std::move(task).StartService(&scope_);
  return true;
}

void Connection::ShutdownWrite() {
  if (state_ != State::kOpen) return;
  Set(kShutdownDue);
  Engine::Current()->MarkDirty(*this);
}

void Connection::Close() {
  if (state_ > State::kOpen) return;
  CloseCause cause = CloseCause::kService;
  if (Has(kEofSeen)) cause = CloseCause::kPeerClosed;
  Engine* engine = Engine::Current();
  if (Has(kDrainNoticed)) {
    cause = CloseCause::kDrained;
    if (!engine->draining() && notice_why_ == NoticeWhy::kOperator) cause = CloseCause::kOperator;
    if (!engine->draining() && notice_why_ == NoticeWhy::kMaxAge) cause = CloseCause::kMaxAge;
  }
  engine->End(*this, cause, /*abort=*/state_ != State::kOpen);
}

void Connection::Close(CloseCause cause) {
  if (state_ != State::kOpen) return;
  Engine::Current()->End(*this, cause, /*abort=*/false);
}

void Connection::Abort() { Engine::Current()->End(*this, CloseCause::kServiceAbort, /*abort=*/true); }

}  // namespace mooring::net
