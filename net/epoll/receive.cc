// SPDX-License-Identifier: Apache-2.0
// Receiving. An edge comes once, so a connection counts as readable until the kernel has proved that it is drained: a
// receive that finds nothing, or one that fills less than its block (epoll(7), Q9). The latter proves nothing where
//
//   - the event told of a FIN, a reset or urgent data: the end comes next, or a receive has stopped at the urgent mark
//   - the peer is on a Unix socket: a receive stops behind a message that carried descriptors
//
// and then it is read until there is nothing, or the end.
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "net/epoll/epoll_transport.h"

namespace mooring::net::epoll {

void EpollTransport::SetReading(ConnId id, bool on) {
  EpollArea& area = AreaOf(id);
  if (area.leaving() || !area.open()) return;
  if (!on) return area.Clear(EpollArea::kReadWanted | EpollArea::kStarved);
  if (area.Is(EpollArea::kReadWanted)) return;
  area.Set(EpollArea::kReadWanted);
  if (area.Is(EpollArea::kReadable) && !area.Is(EpollArea::kReceiveEnded)) List(id, area);
}

void EpollTransport::List(ConnId id, EpollArea& area) {
  if (area.Is(EpollArea::kListed)) return;
  area.Set(EpollArea::kListed);
  listed_.push_back(id);
}

alloc::Block* EpollTransport::TakeBlock() {
  alloc::Block* block = std::exchange(spare_, nullptr);
  return block != nullptr ? block : shard_->buffers().AcquireReceive();
}

void EpollTransport::Read(ConnId id, EpollArea& area) {
  for (unsigned n = 0; n < kKernelBatch; ++n) {
    alloc::Block* block = TakeBlock();
    if (block == nullptr) {
      counters_.Add(TransportCount::kReceiveStarved);
      area.Set(EpollArea::kStarved);
      starved_.push_back(id);
      return;
    }
    const int got = kernel_->Receive(area.fd(), block->data, block->capacity);
    if (got <= 0) {
      spare_ = block;
      if (got == -EINTR) continue;
      area.Clear(EpollArea::kReadable);
      if (got == -EAGAIN) {
        counters_.Add(TransportCount::kReceiveEmpty);
        return;
      }
      area.Set(EpollArea::kReceiveEnded);
      events_->OnReceiveEnd(id, got);
      return;
    }
    counters_.Add(TransportCount::kReceives);
    counters_.Add(TransportCount::kReceiveBytes, static_cast<uint64_t>(got));
    const auto size = static_cast<uint32_t>(got);
    // State first: the upcall may close, abort, or switch reading.
    if (size < block->capacity && !area.Is(EpollArea::kNoProof)) area.Clear(EpollArea::kReadable);
    events_->OnReceive(id, alloc::Lease(block, 0, size));
    if (!area.Is(EpollArea::kReadable) || !area.Is(EpollArea::kReadWanted) || area.leaving()) return;
  }
  counters_.Add(TransportCount::kReceiveShared);
  List(id, area);
}

// Those that the last Poll left something of, or that were told to read on since.
void EpollTransport::ReadListed() {
  for (const ConnId id : reading_) {
    EpollArea* area = Find(id);
    if (area == nullptr) continue;
    area->Clear(EpollArea::kListed);
    if (area->Is(EpollArea::kReadWanted) && area->Is(EpollArea::kReadable)) Read(id, *area);
  }
  reading_.clear();
}

// In the order in which they starved, as many as there are blocks: each takes at least one. Their data is there.
void EpollTransport::ListStarved() {
  alloc::BufferPool& pool = shard_->buffers();
  if (spare_ == nullptr) spare_ = pool.AcquireReceive();  // or the rest of the pool is not to be had
  if (spare_ == nullptr) return;
  for (uint32_t blocks = pool.receive_blocks_max() - pool.receive_live() + 1; blocks > 0 && !starved_.empty();) {
    const ConnId id = starved_.front();
    starved_.pop_front();
    EpollArea* area = Find(id);
    if (area == nullptr || !area->Is(EpollArea::kStarved)) continue;
    area->Clear(EpollArea::kStarved);
    List(id, *area);
    --blocks;
  }
}

}  // namespace mooring::net::epoll
