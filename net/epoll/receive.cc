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

// A message of exactly a block would cost a second receive to see that there is no more. So one that has just filled a
// block is received into two, as far as the pool has two that are neighbours: it gives the lowest that is free.
EpollTransport::Space EpollTransport::TakeSpace(bool two) {
  alloc::BufferPool& pool = shard_->buffers();
  alloc::Block* first = std::exchange(spare_, nullptr);
  if (first == nullptr) first = pool.AcquireReceive();
  if (!two || first == nullptr) return {first, nullptr};
  alloc::Block* second = pool.AcquireReceive();
  if (second != nullptr && second->data < first->data) {  // a new walk through the pool begins
    pool.Release(std::exchange(first, second));
    second = pool.AcquireReceive();
  }
  if (second != nullptr && second->data != first->data + first->capacity) pool.Release(std::exchange(second, nullptr));
  return {first, second};
}

void EpollTransport::KeepOrRelease(alloc::Block* block) {
  if (block == nullptr) return;
  if (spare_ != nullptr) return shard_->buffers().Release(block);
  spare_ = block;
}

void EpollTransport::Read(ConnId id, EpollArea& area) {
  for (unsigned n = 0; n < kKernelBatch;) {
    const Space space = TakeSpace(area.Is(EpollArea::kBulk) && n + 2 <= kKernelBatch);
    if (space.first == nullptr) {
      counters_.Add(TransportCount::kReceiveStarved);
      area.Set(EpollArea::kStarved);
      starved_.push_back(id);
      return;
    }
    const uint32_t capacity = space.first->capacity;
    const uint32_t room = space.second != nullptr ? 2 * capacity : capacity;
    const int got = kernel_->Receive(area.fd(), space.first->data, room);
    if (got <= 0) {
      KeepOrRelease(space.first);
      KeepOrRelease(space.second);
      if (got == -EINTR) {
        ++n;
        continue;
      }
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
    // State first: the upcalls may close, abort, or switch reading.
    if (size < room && !area.Is(EpollArea::kNoProof)) area.Clear(EpollArea::kReadable);
    if (size < capacity) {
      area.Clear(EpollArea::kBulk);
    } else {
      area.Set(EpollArea::kBulk);
    }
    ++n;
    if (size <= capacity) {
      KeepOrRelease(space.second);
      events_->OnReceive(id, alloc::Lease(space.first, 0, size));
    } else {
      ++n;
      events_->OnReceive(id, alloc::Lease(space.first, 0, capacity));
      alloc::Lease rest(space.second, 0, size - capacity);
      if (!area.leaving()) events_->OnReceive(id, std::move(rest));
    }
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
