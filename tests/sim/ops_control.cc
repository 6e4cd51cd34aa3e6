// SPDX-License-Identifier: Apache-2.0
// The simulated ring's operations that move no bytes: poll, connect, close, cancel, install, shutdown and their like.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/uapi.h"
#include "tests/sim/sim_ring.h"
#include "tests/sim/user_memory.h"

namespace mooring::sim {

SimSocket* SimRing::Socket(const Request& request) const {
  return dynamic_cast<SimSocket*>(request.file->file.get());
}

void SimRing::CheckZero(const Request& request, const char* field, uint64_t value) const {
  if (value == 0) return;
  choices_->Fail("opcode %u: %s is %llu, not 0: the entry was not cleared, or this is not simulated",
                 request.sqe.opcode, field, static_cast<unsigned long long>(value));
}

SimRing::Outcome SimRing::Poll(Request* request, bool first) {
  const io_uring_sqe& sqe = request->sqe;
  const bool multishot = (sqe.len & IORING_POLL_ADD_MULTI) != 0;
  if (first) {
    if ((sqe.len & ~IORING_POLL_ADD_MULTI) != 0) choices_->Fail("poll with unknown flags %#x", sqe.len);
    CheckZero(*request, "ioprio", sqe.ioprio);
    if (multishot) return Wait();  // what is ready now is told by work, as all that follows
  }
  const uint32_t events = request->file->file->Ready() & request->interest;
  if (events == 0) return Wait();
  if (!multishot || !PostMore(*request, static_cast<int>(events), 0)) return Done(static_cast<int>(events));
  return Wait();
}

SimRing::Outcome SimRing::Connect(Request* request, bool first) {
  const io_uring_sqe& sqe = request->sqe;
  SimSocket* socket = Socket(*request);
  if (socket == nullptr) return Done(-ENOTSOCK);
  if (first) {
    const auto* to = reinterpret_cast<const sockaddr*>(sqe.addr);
    if (sqe.addr2 < sizeof(sa_family_t) || (socket->is_unix() && to->sa_family != AF_UNIX)) return Done(-EINVAL);
    if (to->sa_family == AF_UNSPEC) return Done(socket->Disconnect());
    const SimAddress address = SimAddress::FromSockaddr(to, static_cast<socklen_t>(sqe.addr2));
    if (address.family == AF_UNSPEC) return Done(-EAFNOSUPPORT);
    if (const int fault = socket->Fault(FaultSite::kConnect); fault != 0) return Done(fault);
    const int result = socket->Connect(address);
    return result == -EINPROGRESS ? Wait() : Done(result);
  }
  const int result = socket->ConnectResult();
  return result == -EINPROGRESS ? Wait() : Done(result);
}

SimRing::Outcome SimRing::ReadEvent(Request* request, bool first) {
  auto* event = dynamic_cast<SimEventFd*>(request->file->file.get());
  if (event == nullptr) choices_->Fail("read is simulated on eventfds only");
  if (request->sqe.len < sizeof(uint64_t)) return Done(-EINVAL);
  const uint64_t count = event->Take();
  if (count == 0) return Wait();
  CopyToUser(reinterpret_cast<void*>(request->sqe.addr), &count, sizeof(count));
  return Done(sizeof(count));
}

SimRing::Outcome SimRing::Close(Request* request) {
  const io_uring_sqe& sqe = request->sqe;
  if (sqe.file_index == 0) return Done(descriptors_->Close(sqe.fd));
  CheckZero(*request, "fd", static_cast<uint64_t>(sqe.fd));
  // 6.1 lets the file go a second later, with the table's old nodes (io_rsrc_node_switch, delay HZ).
  if (const FileRef file = table_.Get(sqe.file_index - 1); file != nullptr && old()) {
    network_->At(network_->clock().Now() + core::kNanosPerSecond, [file] {});
  }
  return Done(table_.Close(sqe.file_index - 1));
}

// By user_data only: any other key walks every request of the ring. The target ends in a later run of work, and until
// then it is still found. What runs in a worker cannot be stopped.
SimRing::Outcome SimRing::Cancel(Request* request) {
  const io_uring_sqe& sqe = request->sqe;
  if (sqe.cancel_flags != 0) choices_->Fail("cancel with flags %#x: only by exact user_data", sqe.cancel_flags);
  CheckZero(*request, "off", sqe.off);
  CheckZero(*request, "len", sqe.len);
  Request* target = Target(*request);
  if (target != nullptr && target->queued && !target->cancelled && choices_->CancelTooLate()) {
    // As if the queue had been full: the enter that made room for this entry has run what was woken.
    ++counts_.cancels_late;
    target->cancel_late = true;
    Unqueue(target);
    RunOne(target);
    target = Target(*request);
  }
  if (target != nullptr) {
    if (target->in_worker) return Done(-EALREADY);
    target->cancelled = true;
    Release(*target);  // it takes nothing any more, so another may be armed beside it
    Queue(target);
    return Done(0);
  }
  return Done(-ENOENT);
}

SimRing::Request* SimRing::Target(const Request& cancel) const {
  const auto [begin, end] = in_flight_.equal_range(cancel.sqe.addr);
  for (auto at = begin; at != end; ++at) {
    if (at->second.get() != &cancel) return at->second.get();
  }
  return nullptr;
}

SimRing::Outcome SimRing::Install(Request* request) {
  const io_uring_sqe& sqe = request->sqe;
  if ((sqe.flags & IOSQE_FIXED_FILE) == 0) return Done(-EBADF);
  CheckZero(*request, "install_fd_flags", sqe.rw_flags);
  if (const int fault = choices_->Fault(FaultSite::kInstall); fault != 0) return Done(-fault);
  return Done(descriptors_->Install(request->file));
}

// Always done by a kernel worker (io_uring/net.c, io_shutdown_prep), so some time later.
SimRing::Outcome SimRing::Shutdown(Request* request, bool first) {
  if (!first) return Done(request->worker_result);
  SimSocket* socket = Socket(*request);
  if (socket == nullptr) return Done(-ENOTSOCK);
  request->in_worker = true;
  network_->Defer([this, request, socket, alive = alive_] {
    if (!*alive) return;
    request->worker_result = socket->Shutdown(static_cast<int>(request->sqe.len));
    Queue(request);
  });
  return Wait();
}

SimRing::Outcome SimRing::FilesUpdate(Request* request) {
  const io_uring_sqe& sqe = request->sqe;
  if (static_cast<uint32_t>(sqe.off) != IORING_FILE_INDEX_ALLOC)
    choices_->Fail("files update is simulated with ALLOC only");
  auto* numbers = reinterpret_cast<int*>(sqe.addr);
  for (unsigned i = 0; i < sqe.len; ++i) {
    FileRef file = descriptors_->Get(numbers[i]);
    const int slot = file == nullptr ? -EBADF : table_.Install(std::move(file));
    if (slot < 0) return Done(i > 0 ? static_cast<int>(i) : slot);
    numbers[i] = slot;
  }
  return Done(static_cast<int>(sqe.len));
}

SimRing::Outcome SimRing::Command(Request* request) {
  const io_uring_sqe& sqe = request->sqe;
  SimSocket* socket = Socket(*request);
  if (socket == nullptr || old()) return Done(-EOPNOTSUPP);
  if (sqe.cmd_op == core::uapi::kSocketOutQueue) {
    if (socket->is_unix()) return Done(-EOPNOTSUPP);  // it has no ioctl of its own
    return Done(socket->state() == SimSocket::State::kListening ? -EINVAL : static_cast<int>(socket->out_queue()));
  }
  if (sqe.cmd_op != core::uapi::kSocketGetOption) choices_->Fail("socket command %u is not simulated", sqe.cmd_op);
  const auto level = static_cast<int>(sqe.addr & 0xffffffff);
  const auto name = static_cast<int>(sqe.addr >> 32);
  if (level != SOL_SOCKET || name != SO_PEERNAME) choices_->Fail("getsockopt %d/%d is not simulated", level, name);
  if (const int fault = choices_->Fault(FaultSite::kPeerName, socket); fault != 0) return Done(-fault);
  // sk_getsockopt(): a name shorter than the room is EINVAL, a longer one is cut off.
  if (socket->remote().family == AF_UNSPEC) return Done(-ENOTCONN);
  sockaddr_storage peer;
  const socklen_t size = socket->remote().ToSockaddr(socket->family(), &peer);
  if (size < sqe.file_index) return Done(-EINVAL);
  CopyToUser(reinterpret_cast<void*>(sqe.addr3), &peer, sqe.file_index);
  return Done(static_cast<int>(sqe.file_index));
}

}  // namespace mooring::sim
