// SPDX-License-Identifier: Apache-2.0
// Half-close. A plain descriptor takes shutdown(2) at once, with the receive armed. For a direct one the SHUTDOWN
// operation always runs in a worker thread of the kernel (10 us and a thread), so it is installed as a plain one for a
// moment, and shutdown(2) and close(2) are called on that. Only so many at a time have a descriptor, since a drain
// closes everybody at once.
#include <liburing.h>

#include "core/uapi.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {

void UringTransport::ShutdownSend(ConnId id) {
  UringArea& area = AreaOf(id);
  if (area.leaving() || !area.open()) return;
  counters_.Add(TransportCount::kHalfCloses);
  if (!descriptors_.direct()) {
    kernel_->Shutdown(area.handle(), SHUT_WR);
    pending_.push_back({Pending::Kind::kShutdown, 0, id});
    return;
  }
  if (!ring_->features().fd_install) return ShutdownByWorker(id, area);
  if (installs_ < installs_max_) return Install(id, area);
  counters_.Add(TransportCount::kHalfClosesQueued);
  area.Set(UringArea::kShutdownQueued);
  install_queue_.push_back(id);
}

void UringTransport::Install(ConnId id, UringArea& area) {
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = core::uapi::kOpFixedFdInstall;
  Begin(sqe, Op::kInstall, id, area);
  ++installs_;
}

void UringTransport::InstallNext() {
  while (!install_queue_.empty() && installs_ < installs_max_) {
    const ConnId id = install_queue_.front();
    install_queue_.pop_front();
    auto* area = static_cast<UringArea*>(events_->Area(id.slot, id.generation & 0xffffff));
    if (area == nullptr || area->generation != id.generation || !area->Is(UringArea::kShutdownQueued)) continue;
    area->Clear(UringArea::kShutdownQueued);
    Install(id, *area);
  }
}

void UringTransport::OnInstall(int result, ConnId id, UringArea& area) {
  --installs_;
  InstallNext();
  if (result >= 0) {
    // An aborted socket is disconnected already, and then this changes nothing.
    kernel_->Shutdown(result, SHUT_WR);
    kernel_->Close(result);
  }
  if (area.leaving()) return;
  if (result < 0) return ShutdownByWorker(id, area);  // no number or no memory for it (EMFILE, ENFILE, ENOMEM)
  events_->OnShutdown(id);
}

void UringTransport::ShutdownByWorker(ConnId id, UringArea& area) {
  counters_.Add(TransportCount::kHalfClosesByWorker);
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_shutdown(sqe, 0, SHUT_WR);
  Begin(sqe, Op::kShutdown, id, area);
}

}  // namespace mooring::net::uring
