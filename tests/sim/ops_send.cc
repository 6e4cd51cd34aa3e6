// SPDX-License-Identifier: Apache-2.0
// IORING_OP_SEND and IORING_OP_SENDMSG of the simulated ring (io_uring/net.c, io_send and io_sendmsg).
#include <sys/socket.h>

#include <cerrno>

#include "tests/sim/sim_ring.h"

namespace mooring::sim {

// FNV-1a: finds a byte that changed, or a freed page, under a send that waits.
uint64_t SimRing::Digest(const std::vector<iovec>& pieces) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const iovec& piece : pieces) {
    const auto* bytes = static_cast<const unsigned char*>(piece.iov_base);
    for (size_t i = 0; i < piece.iov_len; ++i) digest = (digest ^ bytes[i]) * 0x100000001b3;
  }
  return digest;
}

SimRing::Outcome SimRing::Send(Request* request, bool first) {
  const io_uring_sqe& sqe = request->sqe;
  SimSocket* socket = Socket(*request);
  if (socket == nullptr) return Done(-ENOTSOCK);
  if (first) {
    if (sqe.ioprio != 0) choices_->Fail("send with unknown flags %#x", sqe.ioprio);
    constexpr unsigned kKnown = MSG_DONTWAIT | MSG_NOSIGNAL;
    if ((sqe.msg_flags & ~kKnown) != 0) choices_->Fail("send with unknown message flags %#x", sqe.msg_flags);
    if ((sqe.flags & IOSQE_BUFFER_SELECT) != 0) choices_->Fail("send from a buffer group is not simulated");
    if (socket->writer != nullptr)
      choices_->Fail("two sends are in flight on one socket (user_data %#llx is the second)", sqe.user_data);
    socket->writer = request;
    // The header and the vector are copied at submission (FEAT_SUBMIT_STABLE), the bytes are not.
    if (sqe.opcode == IORING_OP_SENDMSG) {
      const auto* message = reinterpret_cast<const msghdr*>(sqe.addr);
      if (message->msg_name != nullptr || message->msg_control != nullptr)
        choices_->Fail("sendmsg with a name or control data");
      request->pieces.assign(message->msg_iov, message->msg_iov + message->msg_iovlen);
    } else {
      request->pieces = {{reinterpret_cast<void*>(sqe.addr), sqe.len}};
    }
  } else if (Digest(request->pieces) != request->digest) {
    choices_->Fail("the bytes of a send in flight changed before they were taken (user_data %#llx)", sqe.user_data);
  }
  if (const int fault = socket->Fault(FaultSite::kSend); fault != 0) return Done(fault);
  const int result = socket->Send(request->pieces.data(), request->pieces.size());
  if (result != -EAGAIN) return Done(result);
  if ((sqe.msg_flags & MSG_DONTWAIT) != 0) return Done(-EAGAIN);
  if (first) request->digest = Digest(request->pieces);
  return Wait();
}

}  // namespace mooring::sim
