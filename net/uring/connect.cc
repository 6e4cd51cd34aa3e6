// SPDX-License-Identifier: Apache-2.0
// Connecting, in five steps:
//
//   1. socket(2) and its options; bind(2) where a source address is given
//   2. FILES_UPDATE puts the descriptor into a free slot of the direct table
//   3. its completion: close(2) of the plain descriptor
//   4. CONNECT on the slot
//   5. its completion: the receive is armed, OnConnect
//
// A failure at any step is one OnConnect(-errno); Close or Abort then releases the connection.
#include <liburing.h>

#include <cassert>
#include <cerrno>

#include "net/outgoing_socket.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::Connect(ConnId id, const Address& to, const Address& from) {
  counters_.Add(TransportCount::kConnects);
  UringArea& area = AreaOf(id);
  area.generation = id.generation;
  area.Set(UringArea::kReadWanted);
  if (to.family() == AF_INET6) area.Set(UringArea::kIpv6);
  const int fd = FreeSlots() == 0 ? -ENFILE : OpenOutgoing(kernel_, to, from, 0);
  if (fd < 0) {
    counters_.Add(TransportCount::kConnectErrors);
    pending_.push_back({Pending::Kind::kConnect, fd, id});
    return;
  }

  // If this slot is what ends the room for multishot accept, its cancel comes before in the queue.
  ++slots_used_;
  JudgeRoom();
  if (!roomy_) {
    for (ListenerId i = 0; i < listeners_.size(); ++i) {
      if (listeners_[i].state == Listener::State::kMultishot) Steer(i, listeners_[i]);
    }
  }
  area.scratch_plus_one = TakeScratch() + 1;
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  scratch.address = to;
  scratch.fd = fd;
  io_uring_sqe* sqe = ring_->NextSqe();
  // The kernel overwrites the descriptor with the slot that it chose.
  io_uring_prep_files_update(sqe, &scratch.fd, 1, 0);
  sqe->off = IORING_FILE_INDEX_ALLOC;
  Begin(sqe, Op::kUpdate, id, area);
  sqe->flags &= static_cast<uint8_t>(~IOSQE_FIXED_FILE);
  area.plain_fd = fd;
}

void UringTransport::OnUpdate(int result, ConnId id, UringArea& area) {
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  kernel_->Close(area.plain_fd);
  if (result != 1) {
    --slots_used_;
    ReleaseScratch(area);
    counters_.Add(TransportCount::kConnectErrors);
    if (!area.leaving()) events_->OnConnect(id, result < 0 ? result : -ENFILE);
    return;
  }
  area.direct_plus_one = static_cast<uint32_t>(scratch.fd) + 1;
  if (area.leaving()) return ReleaseScratch(area);
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_connect(sqe, area.direct(), scratch.address.get(), scratch.address.size());
  Begin(sqe, Op::kConnect, id, area);
  area.Set(UringArea::kConnecting);
}

void UringTransport::OnConnectCompletion(int result, ConnId id, UringArea& area) {
  area.Clear(UringArea::kConnecting);
  ReleaseScratch(area);
  if (result < 0) counters_.Add(TransportCount::kConnectErrors);
  if (area.leaving()) return;
  if (result >= 0 && area.Is(UringArea::kReadWanted)) ArmReceive(id, area);
  events_->OnConnect(id, result);
}

}  // namespace mooring::net::uring
