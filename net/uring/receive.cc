// SPDX-License-Identifier: Apache-2.0
// Receiving: one receive per connection, armed as long as reading is wanted; multishot with direct descriptors, one-shot
// with plain ones.
//
//   armed ── data (F_MORE) ──> armed                    ended with data ──> armed again at once
//     ├── ENOBUFS ──> starved ── a block is published ──> armed
//     ├── reading off: cancelled ──> unarmed ── reading on ──> armed
//     ├── silent: cancelled ──> a poll in its place ── anything ──> armed (idle.cc; what is said of cancels here holds of
//     │                                                            the poll as well)
//     ├── 33 blocks in the round that armed it: cancelled and armed again, for a look at what is behind them
//     └── FIN, error ──> ended: OnReceiveEnd, never armed again
//
// A one-shot receive takes one block, and the next is armed in the next enter: so a connection gets one block a turn, a
// flooding one as much as any other, and switching reading off inside OnReceive needs no cancel.
#include <liburing.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "net/uring/uring_transport.h"

namespace mooring::net::uring {
namespace {

Op ArmedOp(const UringArea& area) { return area.Is(UringArea::kPolling) ? Op::kPoll : Op::kReceive; }

}  // namespace

// Multishot: never with POLL_FIRST. A receive that is armed behind bytes and a reset would read the bytes and wait for a
// wake-up that has already been; without it the second look finds the reset (6.18). An empty group would fail it at
// once, though, so then it waits for a block in our list.
// One-shot: with POLL_FIRST, which spares the look at an empty socket, unless data is known to be there. Each is armed
// anew and looks first, so nothing can be behind it.
void UringTransport::ArmReceive(ConnId id, UringArea& area, bool data_there) {
  const bool multishot = descriptors_.direct();
  if (group_.published() == 0 && data_there) return Starve(id, area);
  if (group_.published() == 0 && multishot) return AwaitBlock(id, area);
  io_uring_sqe* sqe = ring_->NextSqe();
  if (multishot) {
    io_uring_prep_recv_multishot(sqe, 0, nullptr, 0, 0);
  } else {
    io_uring_prep_recv(sqe, 0, nullptr, alloc::BufferPool::kReceiveBlockBytes, 0);
    if (!data_there) sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
  }
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = ReceiveGroup::kGroupId;
  Begin(sqe, Op::kReceive, id, area);
  area.Set(UringArea::kReceiveArmed);
  area.first_blocks = 0;
  area.armed_round = rounds_;
  ++receives_queued_;
  Heard(id, area);
}

void UringTransport::CancelReceive(ConnId id, UringArea& area) {
  if (!area.Is(UringArea::kReceiveArmed) || area.Is(UringArea::kReceiveCancelled)) return;
  area.Set(UringArea::kReceiveCancelled);
  area.Clear(UringArea::kCancelRepeated);
  Cancel(UserData(ArmedOp(area), id.generation, id.slot), UserData(Op::kCancelReceive, id.generation, id.slot));
}

// A multishot receive that finds a whole batch when it is armed goes on by a wake-up that counts once for all that is
// there, so a reset behind the bytes would never be told (6.18; tests/sim, ResetBehindMoreThanARun). Armed anew it finds
// the next batch, and in the end the reset.
void UringTransport::LookBehind(ConnId id, UringArea& area) {
  if (rounds_ - area.armed_round > 1 || area.first_blocks == kKernelBatch) return;
  if (++area.first_blocks < kKernelBatch) return;
  counters_.Add(TransportCount::kReceiveLooksBehind);
  CancelReceive(id, area);
}

void UringTransport::SetReading(ConnId id, bool on) {
  UringArea& area = AreaOf(id);
  if (area.leaving() || !area.open()) return;
  if (!on) {
    area.Clear(UringArea::kReadWanted | UringArea::kStarved);
    CancelReceive(id, area);
    return;
  }
  if (area.Is(UringArea::kReadWanted)) return;
  area.Set(UringArea::kReadWanted);
  // One that is armed still is being cancelled: its terminal completion arms the next.
  if (!area.Is(UringArea::kReceiveArmed | UringArea::kReceiveEnded | UringArea::kConnecting)) {
    ArmReceive(id, area, /*data_there=*/false);
  }
}

void UringTransport::OnReceiveCompletion(const io_uring_cqe& cqe, ConnId id, UringArea& area) {
  // State first: the upcall may close, abort, or switch reading.
  const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (ended) {
    assert(area.in_flight > 0);
    --area.in_flight;
    area.Clear(UringArea::kReceiveArmed | UringArea::kReceiveCancelled);
  }
  if (cqe.flags & IORING_CQE_F_BUFFER) {
    alloc::Block* block = group_.Take(static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT));
    if (cqe.res > 0 && !area.leaving()) {
      counters_.Add(TransportCount::kReceives);
      counters_.Add(TransportCount::kReceiveBytes, static_cast<uint64_t>(cqe.res));
      area.heard = idle_tick_;
      if (!ended) LookBehind(id, area);
      events_->OnReceive(id, alloc::Lease(block, 0, static_cast<uint32_t>(cqe.res)));
    } else {
      if (area.leaving()) counters_.Add(TransportCount::kReceiveDropped);
      shard_->buffers().Release(block);
    }
  }
  if (!ended) return;
  if (!area.leaving()) OnReceiveTerminal(cqe.res, (cqe.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0, id, area);
  FinishIfIdle(id, area);
}

void UringTransport::OnReceiveTerminal(int result, bool more_there, ConnId id, UringArea& area) {
  if (area.Is(UringArea::kReceiveArmed)) return;  // switched off and on inside the upcall
  if (result == -ENOBUFS) return Starve(id, area);
  if (result > 0 || result == -ECANCELED || result == -EINTR) {
    if (result > 0 && descriptors_.direct()) counters_.Add(TransportCount::kReceiveRearmed);
    if (!area.Is(UringArea::kReadWanted)) return;
    if (result == -ECANCELED && Silent(area)) return ArmPoll(id, area);
    return ArmReceive(id, area, more_there);
  }
  area.Set(UringArea::kReceiveEnded);
  events_->OnReceiveEnd(id, result);
}

// There are bytes and no block for them.
void UringTransport::Starve(ConnId id, UringArea& area) {
  group_.Starved();
  counters_.Add(TransportCount::kReceiveStarved);
  if (area.Is(UringArea::kReadWanted)) AwaitBlock(id, area);
}

void UringTransport::AwaitBlock(ConnId id, UringArea& area) {
  area.Set(UringArea::kStarved);
  starved_.push_back(id);
}

// In the order in which they starved, as many as there are blocks: each takes at least one. Their data is there. But not
// those blocks that the receives take which run in the same enter: others would starve in place of these.
void UringTransport::ArmStarved() {
  const unsigned left = BlocksLeft();
  for (unsigned blocks = left > kReceivesAlways ? left - kReceivesAlways : std::min(left, 1u);
       blocks > 0 && !starved_.empty();) {
    const ConnId id = starved_.front();
    starved_.pop_front();
    auto* area = static_cast<UringArea*>(events_->Area(id.slot, id.generation & 0xffffff));
    if (area == nullptr || area->generation != id.generation || !area->Is(UringArea::kStarved)) continue;
    area->Clear(UringArea::kStarved);
    ArmReceive(id, *area, /*data_there=*/true);
    --blocks;
  }
}

// The cancel did not find its receive. Either the terminal completion is on its way, or (reported of 6.11) the kernel
// missed one that is there: asked once more.
void UringTransport::OnCancelMissed(const io_uring_cqe& cqe) {
  const uint32_t slot = SlotOf(cqe.user_data);
  auto* area = static_cast<UringArea*>(events_->Area(slot, GenerationOf(cqe.user_data)));
  if (area == nullptr || !area->Is(UringArea::kReceiveCancelled) || area->Is(UringArea::kCancelRepeated)) return;
  counters_.Add(TransportCount::kCancelMissed);
  area->Set(UringArea::kCancelRepeated);
  Cancel(UserData(ArmedOp(*area), area->generation, slot), cqe.user_data);
}

}  // namespace mooring::net::uring
