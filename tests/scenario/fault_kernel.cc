// SPDX-License-Identifier: Apache-2.0
// Rings. Before an enter the entries that it submits are looked at once each, in the submission queue's memory:
//
//   - A shortened send asks for less; a receive or accept that ends by itself is a one-shot one.
//   - An operation that fails becomes a NOP. Nothing was sent, taken or accepted; its completion gets the error, in the
//     completion queue's memory, before the transport sees it. No two operations in flight here have the same user_data.
//
// Completions come late as they do when the queue overflows: in order, a tail of them at a later enter. They stay in the
// queue, behind a smaller tail; meanwhile IORING_SQ_TASKRUN is set, because a transport may believe the kernel when that
// says that nothing is left. Nobody but an enter posts completions to a DEFER_TASKRUN ring, so no tail is overtaken.
//
// Receives are never shortened: the kernel gives less than was asked for only when it has no more, and a drain (ring) or
// an edge (epoll) counts on that.
//
// Epoll. Only the calls that the kernel may refuse are refused. A socket that was said to be full although it is not
// gets its EPOLLOUT from here, since the real one will not come. No event is held back, for a wait that brings fewer
// events than it may says that there are no more.
#include "tests/scenario/fault_kernel.h"

#include <liburing.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "core/uapi.h"
#include "net/uring/uring_area.h"

namespace mooring::scenario {
namespace {

constexpr const char* kNames[] = {
    "enter_refused",  "enter_in_part",    "completions_late",    "send_short",      "send_blocked",  "receive_ended",
    "receive_starved", "accept_ended",    "accept_transient",    "accept_no_resources", "install_refused",
    "cancel_missed",  "wait_interrupted", "send_failed",         "receive_failed",  "connect_failed", "update_failed",
    "command_failed",
};
static_assert(std::size(kNames) == static_cast<size_t>(Fault::kCount));

// Pieces of at most `bytes` bytes.
std::vector<iovec> FirstBytes(const iovec* pieces, size_t count, size_t bytes) {
  std::vector<iovec> first;
  for (size_t i = 0; i < count && bytes > 0; ++i) {
    first.push_back({pieces[i].iov_base, std::min(pieces[i].iov_len, bytes)});
    bytes -= first.back().iov_len;
  }
  return first;
}

size_t Bytes(const iovec* pieces, size_t count) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += pieces[i].iov_len;
  return bytes;
}

}  // namespace

std::string FaultKernel::Describe() const {
  std::string text;
  for (size_t i = 0; i < injected_.size(); ++i) {
    const uint64_t n = injected_[i].load();
    if (n != 0) text += (text.empty() ? "" : ", ") + std::string(kNames[i]) + " " + std::to_string(n);
  }
  return text;
}

bool FaultKernel::Now(unsigned n, Fault which) {
  if (Below(n) != 0) return false;
  injected_[static_cast<size_t>(which)].fetch_add(1);
  return true;
}

int FaultKernel::OneOf(std::initializer_list<int> errors) { return errors.begin()[Below(errors.size())]; }

// ---------------------------------------------------------------------------------------------------------------------
// Rings.

int FaultKernel::RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                           __kernel_timespec* timeout) {
  LetGo(ring);
  const unsigned tail = *ring->sq.ktail;
  const unsigned head = io_uring_smp_load_acquire(ring->sq.khead);
  if (static_cast<int>(bent_ - head) < 0) bent_ = head;
  for (; bent_ != tail; ++bent_) Bend(&ring->sq.sqes[bent_ & *ring->sq.kring_mask]);

  // A signal, no memory for requests, an overflown queue: nothing was submitted.
  if (Now(30, Fault::kEnterRefused)) return -OneOf({EINTR, EAGAIN, EBUSY});
  if (to_submit > 1 && Now(20, Fault::kEnterInPart)) {
    // No memory for further requests; io_uring_enter then returns at once, without a look at what is deferred.
    to_submit = 1 + static_cast<unsigned>(Below(to_submit - 1));
    min_complete = 0;
    flags &= ~IORING_ENTER_GETEVENTS;
    timeout = nullptr;
  }
  const int result = core::ForwardingKernel::RingEnter(ring, to_submit, min_complete, flags, timeout);
  AnswerFailed(ring);
  HoldBack(ring);
  return result;
}

void FaultKernel::Bend(io_uring_sqe* sqe) {
  switch (sqe->opcode) {
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG: return BendSend(sqe);
    case IORING_OP_RECV: return BendReceive(sqe);
    case IORING_OP_ACCEPT: return BendAccept(sqe);
    case core::uapi::kOpFixedFdInstall:
      if (Now(10, Fault::kInstallRefused)) Fail(sqe, OneOf({EMFILE, ENFILE, ENOMEM}));
      return;
    case IORING_OP_ASYNC_CANCEL:
      // As it was reported of 6.11: an armed receive is not found. Asked again, it is.
      if (net::uring::OpOf(sqe->user_data) != net::uring::Op::kCancelReceive) return;
      if (missed_.erase(sqe->user_data) != 0 || !Now(5, Fault::kCancelMissed)) return;
      missed_.insert(sqe->user_data);
      return Fail(sqe, ENOENT);
    case IORING_OP_CONNECT:
      if (!hard_ || reinterpret_cast<const sockaddr*>(sqe->addr)->sa_family == AF_UNSPEC) return;  // that cannot fail
      if (Now(10, Fault::kConnectFailed)) Fail(sqe, OneOf({ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENETUNREACH}));
      return;
    case IORING_OP_FILES_UPDATE:
      if (hard_ && Now(10, Fault::kUpdateFailed)) Fail(sqe, OneOf({ENFILE, ENOMEM}));
      return;
    case IORING_OP_URING_CMD:
      if (hard_ && Now(5, Fault::kCommandFailed)) Fail(sqe, OneOf({ENOMEM, EAGAIN}));
      return;
    default: return;
  }
}

void FaultKernel::BendSend(io_uring_sqe* sqe) {
  if (hard_ && Now(50, Fault::kSendFailed)) {
    return Fail(sqe, OneOf({ECONNRESET, EPIPE, ENOMEM, ENOBUFS, ETIMEDOUT, EHOSTUNREACH}));
  }
  if ((sqe->msg_flags & MSG_DONTWAIT) != 0 && Now(10, Fault::kSendBlocked)) return Fail(sqe, EAGAIN);
  if (sqe->opcode == IORING_OP_SEND) {
    if (sqe->len > 1 && Now(5, Fault::kSendShort)) sqe->len = 1 + static_cast<unsigned>(Below(sqe->len - 1));
    return;
  }
  // The list is the transport's copy, which the kernel reads in the coming enter and nobody afterwards.
  auto* message = reinterpret_cast<msghdr*>(sqe->addr);
  const size_t bytes = Bytes(message->msg_iov, message->msg_iovlen);
  if (bytes <= 1 || !Now(5, Fault::kSendShort)) return;
  const std::vector<iovec> first = FirstBytes(message->msg_iov, message->msg_iovlen, 1 + Below(bytes - 1));
  std::copy(first.begin(), first.end(), message->msg_iov);
  message->msg_iovlen = first.size();
}

void FaultKernel::BendReceive(io_uring_sqe* sqe) {
  if (hard_ && Now(50, Fault::kReceiveFailed)) return Fail(sqe, OneOf({ECONNRESET, ENOMEM, ETIMEDOUT, EHOSTUNREACH}));
  if ((sqe->flags & IOSQE_BUFFER_SELECT) != 0 && Now(20, Fault::kReceiveStarved)) return Fail(sqe, ENOBUFS);
  if ((sqe->ioprio & IORING_RECV_MULTISHOT) == 0 || !Now(4, Fault::kReceiveEnded)) return;
  sqe->ioprio &= static_cast<uint16_t>(~IORING_RECV_MULTISHOT);
}

void FaultKernel::BendAccept(io_uring_sqe* sqe) {
  if (Now(20, Fault::kAcceptTransient)) return Fail(sqe, OneOf({ECONNABORTED, EPROTO, EINTR, ENETDOWN}));
  if (Now(20, Fault::kAcceptNoResources)) return Fail(sqe, OneOf({EMFILE, ENFILE, ENOBUFS, ENOMEM}));
  // Always, because one that goes on would never be looked at again.
  if ((sqe->ioprio & IORING_ACCEPT_MULTISHOT) == 0 || !Now(1, Fault::kAcceptEnded)) return;
  sqe->ioprio &= static_cast<uint16_t>(~IORING_ACCEPT_MULTISHOT);
}

void FaultKernel::Fail(io_uring_sqe* sqe, int error) {
  const uint64_t user_data = sqe->user_data;
  if (failed_.count(user_data) != 0) return;  // a second cancellation of the same name: one is enough
  std::memset(sqe, 0, sizeof(*sqe));
  sqe->opcode = IORING_OP_NOP;
  sqe->user_data = user_data;
  failed_[user_data] = -error;
}

void FaultKernel::AnswerFailed(io_uring* ring) {
  const unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
  for (; cq_seen_ != tail; ++cq_seen_) {
    io_uring_cqe& cqe = ring->cq.cqes[cq_seen_ & *ring->cq.kring_mask];
    const auto failed = failed_.find(cqe.user_data);
    if (failed == failed_.end()) continue;
    // Of one name there may be two, cancellations of a receive that has ended and of the next one. Which is which does not
    // matter: each has to be prepared for either answer.
    if (cqe.res != 0 || cqe.flags != 0) continue;
    cqe.res = failed->second;
    failed_.erase(failed);
  }
}

void FaultKernel::HoldBack(io_uring* ring) {
  const unsigned head = *ring->cq.khead;
  const unsigned ready = cq_seen_ - head;
  if (ready == 0 || !Now(10, Fault::kCompletionsLate)) return;
  held_ = true;
  cq_tail_ = cq_seen_;
  io_uring_smp_store_release(ring->cq.ktail, head + static_cast<unsigned>(Below(ready)));
  __atomic_or_fetch(ring->sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_RELAXED);
}

// Only before an enter, which sets the flag again where it has to.
void FaultKernel::LetGo(io_uring* ring) {
  if (!std::exchange(held_, false)) return;
  io_uring_smp_store_release(ring->cq.ktail, cq_tail_);
  __atomic_and_fetch(ring->sq.kflags, ~IORING_SQ_TASKRUN, __ATOMIC_RELAXED);
}

// ---------------------------------------------------------------------------------------------------------------------
// Plain calls.

int FaultKernel::Accept(int fd) {
  if (Now(20, Fault::kAcceptTransient)) return -OneOf({ECONNABORTED, EPROTO, EINTR, ENETDOWN});
  if (Now(40, Fault::kAcceptNoResources)) return -OneOf({EMFILE, ENFILE, ENOBUFS, ENOMEM});
  return core::ForwardingKernel::Accept(fd);
}

int FaultKernel::Connect(int fd, const sockaddr* address, socklen_t size) {
  if (hard_ && address->sa_family != AF_UNSPEC && Now(10, Fault::kConnectFailed)) {
    return -OneOf({ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENETUNREACH});
  }
  return core::ForwardingKernel::Connect(fd, address, size);
}

int FaultKernel::Receive(int fd, void* to, size_t size) {
  if (hard_ && Now(50, Fault::kReceiveFailed)) return -OneOf({ECONNRESET, ENOMEM, ETIMEDOUT, EHOSTUNREACH});
  return core::ForwardingKernel::Receive(fd, to, size);
}

int FaultKernel::Send(int fd, const iovec* pieces, unsigned count) {
  if (hard_ && Now(50, Fault::kSendFailed)) {
    return -OneOf({ECONNRESET, EPIPE, ENOMEM, ENOBUFS, ETIMEDOUT, EHOSTUNREACH});
  }
  if (Now(10, Fault::kSendBlocked)) {
    Owe(fd);
    return -EAGAIN;
  }
  const size_t bytes = Bytes(pieces, count);
  if (bytes > 1 && Now(5, Fault::kSendShort)) {
    Owe(fd);
    const std::vector<iovec> first = FirstBytes(pieces, count, 1 + Below(bytes - 1));
    return core::ForwardingKernel::Send(fd, first.data(), static_cast<unsigned>(first.size()));
  }
  return core::ForwardingKernel::Send(fd, pieces, count);
}

int FaultKernel::Close(int fd) {
  registered_.erase(fd);
  return core::ForwardingKernel::Close(fd);
}

void FaultKernel::Owe(int fd) {
  const auto found = registered_.find(fd);
  if (found != registered_.end()) found->second.owed = true;
}

int FaultKernel::EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) {
  const int result = core::ForwardingKernel::EpollControl(epoll_fd, operation, fd, event);
  if (result < 0) return result;
  if (operation == EPOLL_CTL_DEL) {
    registered_.erase(fd);
  } else {
    registered_[fd] = {event->events, event->data, false};  // a change tells at once of what is ready: nothing is owed
  }
  return result;
}

int FaultKernel::EpollWait(int epoll_fd, epoll_event* events, int count, core::Nanos timeout) {
  if (Now(30, Fault::kWaitInterrupted)) return -EINTR;
  std::vector<Registered*> owed;
  for (auto& [fd, each] : registered_) {
    if (each.owed && (each.events & EPOLLOUT) != 0) owed.push_back(&each);
  }
  int n = core::ForwardingKernel::EpollWait(epoll_fd, events, count, owed.empty() ? timeout : 0);
  for (Registered* each : owed) {
    if (n < 0) break;
    epoll_event* same = std::find_if(events, events + n, [&](const epoll_event& event) {
      return event.data.u64 == each->data.u64;
    });
    if (same == events + n) {
      if (n == count) continue;  // the next time
      *same = {.events = 0, .data = each->data};
      ++n;
    }
    same->events |= EPOLLOUT;
    each->owed = false;
  }
  return n;
}

}  // namespace mooring::scenario
