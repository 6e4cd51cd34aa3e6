// SPDX-License-Identifier: Apache-2.0
// Connecting, in five steps, of which plain descriptors leave out 2 and 3:
//
//   1. socket(2) and its options; bind(2) where a source address is given
//   2. FILES_UPDATE puts the descriptor into a free slot of the direct table
//   3. its completion: close(2) of the plain descriptor
//   4. CONNECT
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
  const int fd = descriptors_.free() == 0 ? -ENFILE : OpenOutgoing(kernel_, to, from, 0);
  if (fd < 0) {
    counters_.Add(TransportCount::kConnectErrors);
    pending_.push_back({Pending::Kind::kConnect, fd, id});
    return;
  }

  // If this descriptor is what ends the room for many accepts, their cancel comes before in the queue.
  descriptors_.Take();
  JudgeRoom();
  if (!roomy_) {
    for (ListenerId i = 0; i < listeners_.size(); ++i) {
      if (listeners_[i].state == Listener::State::kMany) Steer(i, listeners_[i]);
    }
  }
  area.scratch_plus_one = TakeScratch() + 1;
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  scratch.address = to;
  if (!descriptors_.direct()) return StartConnect(fd, id, area);
  scratch.fd = fd;
  io_uring_sqe* sqe = ring_->NextSqe();
  // The kernel overwrites the descriptor with the slot that it chose.
  io_uring_prep_files_update(sqe, &scratch.fd, 1, 0);
  sqe->off = IORING_FILE_INDEX_ALLOC;
  Track(sqe, Op::kUpdate, id, area);
  area.connecting_fd = fd;
}

void UringTransport::OnUpdate(int result, ConnId id, UringArea& area) {
  Scratch& scratch = scratch_[area.scratch_plus_one - 1];
  kernel_->Close(area.connecting_fd);
  if (result != 1) {
    descriptors_.GiveBack();
    ReleaseScratch(area);
    counters_.Add(TransportCount::kConnectErrors);
    if (!area.leaving()) events_->OnConnect(id, result < 0 ? result : -ENFILE);
    return;
  }
  StartConnect(scratch.fd, id, area);
}

void UringTransport::StartConnect(int handle, ConnId id, UringArea& area) {
  descriptors_.Opened(handle);
  area.handle_plus_one = static_cast<uint32_t>(handle) + 1;
  if (area.leaving()) return ReleaseScratch(area);
  const Address& to = scratch_[area.scratch_plus_one - 1].address;
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_connect(sqe, 0, to.get(), to.size());
  Begin(sqe, Op::kConnect, id, area);
  area.Set(UringArea::kConnecting);
}

void UringTransport::OnConnectCompletion(int result, ConnId id, UringArea& area) {
  area.Clear(UringArea::kConnecting);
  ReleaseScratch(area);
  if (result < 0) counters_.Add(TransportCount::kConnectErrors);
  if (area.leaving()) return;
  if (result >= 0 && area.Is(UringArea::kReadWanted)) ArmReceive(id, area, /*data_there=*/false);
  events_->OnConnect(id, result);
}

}  // namespace mooring::net::uring
