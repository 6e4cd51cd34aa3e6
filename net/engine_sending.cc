// SPDX-License-Identifier: Apache-2.0
// Engine: the send queue of a connection, its attempts and its watermarks.
#include <cerrno>
#include <cstring>
#include <new>

#include "net/engine.h"
#include "net/reader.h"

namespace mooring::net {

Output* Engine::EnsureOutput(Connection& conn) {
  if (conn.output_ == nullptr) {
    void* memory = shard_->frames().Acquire(sizeof(Output));
    if (memory == nullptr) return nullptr;
    conn.output_ = new (memory) Output();
    conn.output_->stalled_since_s = now_s();
    const uint32_t stall = OptionsOf(conn).write_stall_s;
    if (stall != 0) ArmAt(conn, now_s() + stall + 1);
  }
  return conn.output_;
}

void Engine::DropOutput(Connection& conn) {
  Output* output = conn.output_;
  if (output == nullptr) return;
  conn.output_ = nullptr;
  gauges_.queued_bytes -= output->queue.bytes();
  output->queue.Clear(&shard_->frames());
  output->~Output();
  shard_->frames().Release(output, sizeof(Output));
}

// Copies `bytes` behind what is queued, into the last block while it has room.
bool Engine::Append(Connection& conn, std::string_view bytes) {
  Output* output = EnsureOutput(conn);
  if (output == nullptr) return false;
  LeaseQueue& queue = output->queue;
  uint64_t block_bytes = bytes.size();
  if (!queue.empty()) {
    alloc::Lease& last = queue.back();
    alloc::Block* block = last.block();
    // A block that only the queue refers to; what follows the lease in it is free, also while the lease is being sent.
    if (block->Appendable()) {
      const uint32_t used = last.offset() + last.size();
      const uint32_t fits = static_cast<uint32_t>(std::min<size_t>(block->capacity - used, bytes.size()));
      std::memcpy(block->data + used, bytes.data(), fits);
      last.Extend(fits);
      queue.Grown(fits);
      gauges_.queued_bytes += fits;
      bytes.remove_prefix(fits);
      block_bytes = std::max<uint64_t>(bytes.size(), std::min<uint64_t>(queue.bytes(), 16384));
    }
  }
  if (bytes.empty()) return true;
  // Small answers begin small, also between leases, however much is queued; a connection that goes on copying gets
  // larger blocks.
  alloc::Block* block = shard_->buffers().Acquire(static_cast<uint32_t>(block_bytes));
  if (block == nullptr) return false;
  std::memcpy(block->data, bytes.data(), bytes.size());
  if (!queue.Push(&shard_->frames(), alloc::Lease(block, 0, static_cast<uint32_t>(bytes.size())))) return false;
  gauges_.queued_bytes += bytes.size();
  return true;
}

void Engine::StartSend(Connection& conn, SendMode mode) {
  iovec pieces[Transport::kGatherMax];
  const unsigned count = conn.output_->queue.Gather(pieces, Transport::kGatherMax);
  counters_.Add(EngineCount::kSends);
  conn.Set(Connection::kSending);
  if (mode == SendMode::kTry) conn.Set(Connection::kFirstAttempt);
  transport_->Send(conn.handle, pieces, count, mode);
}

void Engine::OnSend(ConnId id, int result) {
  using State = Connection::State;
  Connection& conn = *connections_.At(id.slot);
  Output* output = conn.output_;
  conn.Unset(Connection::kSending | Connection::kFirstAttempt);
  if (result > 0) {
    counters_.Add(EngineCount::kBytesSent, static_cast<uint64_t>(result));
    if (tracked_ != nullptr) [[unlikely]] {
      if (Tracked* tracked = tracked_->Find(id.slot); tracked != nullptr) tracked->bytes_out += static_cast<uint64_t>(result);
    }
    conn.last_activity_s_ = now_s();
    output->taken += static_cast<uint32_t>(result);
    gauges_.queued_bytes -= static_cast<uint64_t>(result);
    output->queue.Consume(&shard_->frames(), static_cast<uint64_t>(result));
  }
  if (conn.state_ >= State::kReleasing) return DropOutput(conn);
  if (result < 0 && result != -EAGAIN && result != -EINTR) {
    DropOutput(conn);
    return End(conn, CauseOfError(-result), /*abort=*/true);
  }

  if (output->queue.empty()) {
    DropOutput(conn);
    conn.Unset(Connection::kBlocked);
    if (conn.Has(Connection::kAboveHigh)) BelowLow(conn);
    if (conn.state_ == State::kClosing || conn.Has(Connection::kShutdownDue)) MarkDirty(conn);
    if (conn.Has(Connection::kReadingOff) || conn.input_ != nullptr) MarkDirty(conn);
    return;
  }
  if (!conn.Has(Connection::kBlocked)) {
    conn.Set(Connection::kBlocked);
    counters_.Add(EngineCount::kSendsBlocked);
    Compact(conn);
    if (OptionsOf(conn).write_stall_s != 0 && !conn.Has(Connection::kOutQueueAsked)) {
      conn.Set(Connection::kOutQueueAsked);
      transport_->AskOutQueue(conn.handle);  // what later progress is measured from
    }
  }
  if (conn.Has(Connection::kAboveHigh) && output->queue.bytes() <= OptionsOf(conn).queue_low_bytes) BelowLow(conn);
  StartSend(conn, SendMode::kWait);
  if (conn.state_ != State::kOpen) return;
  if (conn.input_ == nullptr) return UpdateReading(conn);
  MarkDirty(conn);  // what it has may have waited for blocks, of which there are enough now
}

void Engine::BelowLow(Connection& conn) {
  conn.Unset(Connection::kAboveHigh);
  if (conn.state_ != Connection::State::kOpen) return;
  MarkDirty(conn);  // delivery goes on
  if (conn.writer_) {
    Doing(conn);
    return Reader::ResumeWriter(conn);
  }
  if (!conn.Has(Connection::kTask)) {
    Call(conn, [&](Handler& handler) { handler.OnWritable(conn); });
  }
}

// After a send has blocked, leases that use less than a quarter of their receive block are copied together, so that a
// peer that is slow to read holds its own bytes and no receive blocks.
void Engine::Compact(Connection& conn) {
  conn.output_->queue.ForEach([&](alloc::Lease& lease) {
    alloc::Block* block = lease.block();
    if (!block->receive || lease.size() >= block->capacity / 4) return;
    alloc::Block* small = shard_->buffers().Acquire(lease.size());
    if (small == nullptr) return;
    std::memcpy(small->data, lease.data(), lease.size());
    lease = alloc::Lease(small, 0, lease.size());
    counters_.Add(EngineCount::kLeasesCompacted);
  });
}

}  // namespace mooring::net
