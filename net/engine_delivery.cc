// SPDX-License-Identifier: Apache-2.0
// Engine: what a connection receives: delivered at once, or parked while it may not be, and when to stop reading.
#include <new>
#include <utility>

#include "net/engine.h"
#include "net/reader.h"

namespace mooring::net {
namespace {

// Who is told when a receive block goes back.
uint64_t ChargeOf(const Connection& conn) { return uint64_t{conn.handle.generation} << 32 | conn.handle.slot; }

}  // namespace

Input* Engine::EnsureInput(Connection& conn) {
  if (conn.input_ == nullptr) {
    void* memory = shard_->frames().Acquire(sizeof(Input));
    if (memory == nullptr) return nullptr;
    conn.input_ = new (memory) Input();
  }
  return conn.input_;
}

void Engine::DropInput(Connection& conn) {
  Input* input = std::exchange(conn.input_, nullptr);
  if (input == nullptr) return;
  input->current.Reset();
  gauges_.parked_leases -= input->parked.count();
  input->parked.Clear(&shard_->frames());
  input->~Input();
  shard_->frames().Release(input, sizeof(Input));
}

// Nothing more is delivered. What a task's last read showed it stays until the task is done.
void Engine::DropUndelivered(Connection& conn) {
  if (!conn.Has(Connection::kTask)) return DropInput(conn);
  if (conn.input_ == nullptr) return;
  gauges_.parked_leases -= conn.input_->parked.count();
  conn.input_->parked.Clear(&shard_->frames());
}

void Engine::Charge(Connection& conn, alloc::Block* block) {
  block->charge = ChargeOf(conn);
  ++conn.retained_;
  ++gauges_.retained_blocks;
}

void Engine::OnBlockReturned(uint64_t charge) {
  Connection* conn = connections_.Find({static_cast<uint32_t>(charge), static_cast<uint32_t>(charge >> 32)});
  if (conn == nullptr) return;  // kept beyond its connection
  --conn->retained_;
  --gauges_.retained_blocks;
  if (conn->state_ == Connection::State::kOpen && conn->Has(Connection::kReadingOff)) MarkDirty(*conn);
}

bool Engine::MayDeliver(const Connection& conn) const {
  constexpr uint32_t kHeld = Connection::kPaused | Connection::kNoReader;
  return conn.state_ == Connection::State::kOpen && !conn.Has(kHeld) && !ReadsHeld(conn);
}

void Engine::OnReceive(ConnId id, alloc::Lease data) {
  using State = Connection::State;
  Connection& conn = *connections_.At(id.slot);
  counters_.Add(EngineCount::kBytesReceived, data.size());
  if (tracked_ != nullptr) [[unlikely]] {
    if (Tracked* tracked = tracked_->Find(id.slot); tracked != nullptr) tracked->bytes_in += data.size();
  }
  conn.last_activity_s_ = now_s();
  conn.heard_ = true;
  if (conn.state_ == State::kLingering) {
    conn.read_parameter_ += data.size();
    if (conn.read_parameter_ > kLingerBytes && !draining_ && !conn.draining()) {
      counters_.Add(EngineCount::kLingerExpired);
      CloseTransport(conn);
    }
    return;
  }
  if (conn.state_ > State::kOpen) return;
  counters_.Add(EngineCount::kMessages);
  Charge(conn, data.block());
  if (!MayDeliver(conn) || (conn.input_ != nullptr && !conn.input_->parked.empty())) {
    Park(conn, std::move(data));
    MarkDirty(conn);
    return;
  }
  Deliver(conn, std::move(data));
  // Blocks that the service kept although nothing is on its way out: a slow service, not a slow peer.
  if (conn.retained_ >= kRetainedPerConnection || conn.input_ != nullptr) MarkDirty(conn);
}

void Engine::Park(Connection& conn, alloc::Lease data) {
  Input* input = EnsureInput(conn);
  if (input == nullptr || !input->parked.Push(&shard_->frames(), std::move(data))) {
    return End(conn, CloseCause::kNoMemory, /*abort=*/true);
  }
  ++gauges_.parked_leases;
}

void Engine::Deliver(Connection& conn, alloc::Lease data) {
  if (conn.Has(Connection::kTask)) {
    Doing(conn);
    return Reader::Deliver(conn, std::move(data));
  }
  Call(conn, [&](Handler& handler) { handler.OnData(conn, std::move(data)); });
}

void Engine::DeliverParked(Connection& conn) {
  if (conn.Has(Connection::kTask)) {
    Doing(conn);
    if (MayDeliver(conn)) Reader::Poke(conn);
  } else {
    for (uint32_t n = 0; n < Transport::kKernelBatch && MayDeliver(conn); ++n) {
      if (conn.input_ == nullptr || conn.input_->parked.empty()) break;
      --gauges_.parked_leases;
      Deliver(conn, conn.input_->parked.Pop(&shard_->frames()));
    }
    if (conn.input_ != nullptr && conn.input_->parked.empty()) DropInput(conn);
  }
  if (conn.Has(Connection::kEofDue) && conn.state_ == Connection::State::kOpen &&
      (conn.input_ == nullptr || conn.input_->parked.empty())) {
    DeliverEof(conn);
  }
  // More is parked and may go on, but this turn has had its share.
  if (!conn.Has(Connection::kTask) && MayDeliver(conn) && conn.input_ != nullptr && !conn.input_->parked.empty()) {
    next_turn_.push_back(conn.handle);
  }
}

void Engine::DeliverEof(Connection& conn) {
  if (conn.Has(Connection::kPaused) || conn.ReadsHeld()) return;  // Resume or the low watermark comes back here
  if (conn.Has(Connection::kTask)) {
    // While its queue was full the reader has not looked at what it holds. It hears the end from the read behind that.
    Reader::Poke(conn);
    if (conn.state_ != Connection::State::kOpen || conn.ReadsHeld() || !conn.Has(Connection::kEofDue)) return;
    if (conn.Has(Connection::kNoReader)) return;  // the next read finds kEofDue
    conn.Unset(Connection::kEofDue);
    Reader::Fail(conn, ReadReason::kEof);
    return;
  }
  conn.Unset(Connection::kEofDue);
  Call(conn, [&](Handler& handler) { handler.OnEof(conn); });
}

// Whether the transport is to read on. A connection whose first attempt is under way is judged when it is done.
void Engine::UpdateReading(Connection& conn) {
  const uint32_t parked = conn.input_ == nullptr ? 0 : conn.input_->parked.count();
  if (conn.Has(Connection::kEofSeen)) return;
  bool off = conn.Has(Connection::kPaused) || parked > kParkedMax;
  // Once off, it stays off until what was parked is delivered.
  if (conn.Has(Connection::kReadingOff) && parked > 0) off = true;
  if (!conn.Has(Connection::kFirstAttempt)) {
    if (conn.ReadsHeld() || conn.retained_ >= kRetainedPerConnection + parked) off = true;
    const bool queues = conn.output_ != nullptr && !conn.Has(Connection::kFullDuplex);
    if (Pressed() && (conn.retained_ > 0 || queues || CarriesTooMuch(conn))) {
      off = true;
      Press(conn);
    }
  }
  if (off == conn.Has(Connection::kReadingOff)) return;
  if (off) {
    conn.Set(Connection::kReadingOff);
    counters_.Add(EngineCount::kPauses);
  } else {
    conn.Unset(Connection::kReadingOff);
  }
  transport_->SetReading(conn.handle, !off);
}

// What it has of a long message that is not whole counts where bytes are bounded. Not of a short one: its peer has done
// nothing but send it in two pieces. Nor of a full duplex one, which may wait in a circle.
bool Engine::CarriesTooMuch(const Connection& conn) const {
  if (!BytesPressed() || conn.Has(Connection::kFullDuplex)) return false;
  return conn.input_ != nullptr && conn.input_->current && conn.input_->current.block()->capacity > kCarriedAlways;
}

// It is looked at again when the pressure is over.
void Engine::Press(Connection& conn) {
  pressure_ = true;
  if (conn.Has(Connection::kPressed)) return;
  conn.Set(Connection::kPressed);
  pressed_.push_back(conn.handle);
}

void Engine::RelievePressure() {
  counters_.Add(EngineCount::kPressure);
  if (Pressed()) return;
  pressure_ = false;
  for (ConnId id : pressed_) {
    Connection* conn = connections_.Find(id);
    if (conn == nullptr) continue;
    conn->Unset(Connection::kPressed);
    MarkDirty(*conn);
  }
  pressed_.clear();
}

}  // namespace mooring::net
