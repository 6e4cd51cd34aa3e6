// SPDX-License-Identifier: Apache-2.0
#include "core/ring.h"

#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/uapi.h"

namespace mooring::core {

absl::StatusOr<std::unique_ptr<Ring>> Ring::Open(Kernel* kernel, const Options& options) {
  assert(options.cq_entries >= options.sq_entries);  // the kernel would say EINVAL, as an old one does
  std::unique_ptr<Ring> self(new Ring(kernel));
  io_uring_params params = {};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  params.cq_entries = options.cq_entries;
  if (const int result = kernel->RingSetup(options.sq_entries, &params, &self->ring_); result < 0) {
    return ExplainRingSetup(-result);
  }
  self->open_ = true;

  RingFeatures& features = self->features_;
  // Before 6.13, which has no feature bit of its own, a ring frees its direct descriptors in the order in which requests
  // began to use the table: one idle connection's receive keeps every later connection from its FIN and its memory
  // ("io_uring/rsrc: get rid of per-ring io_rsrc_node list", 7029acd8a950).
  constexpr uint32_t kModern = uapi::kFeatRecvSendBundle | uapi::kFeatRwAttr;
  features.modern = (params.features & kModern) == kModern;
  features.no_iowait = (params.features & uapi::kFeatNoIowait) != 0;
  features.registered_ring = true;  // any kernel that is new enough for DEFER_TASKRUN
  features.fd_install = features.modern;
  features.idle_poll = features.modern;
  if (absl::Status status = ForceOff(options.features_off, &features); !status.ok()) return status;

  if (features.registered_ring) {
    io_uring_rsrc_update update = {};
    update.offset = -1U;
    update.data = self->ring_.ring_fd;
    if (kernel->RingRegister(&self->ring_, IORING_REGISTER_RING_FDS, &update, 1) == 1) {
      self->ring_.enter_ring_fd = static_cast<int>(update.offset);
      self->enter_flags_ |= IORING_ENTER_REGISTERED_RING;
    } else {
      features.registered_ring = false;
    }
  }
  if (features.no_iowait) self->enter_flags_ |= uapi::kEnterNoIowait;
  return self;
}

Ring::~Ring() {
  if (!open_) return;
  if (enter_flags_ & IORING_ENTER_REGISTERED_RING) {  // a refused Open has registered nothing, and this names an index
    io_uring_rsrc_update update = {};
    update.offset = static_cast<unsigned>(ring_.enter_ring_fd);
    kernel_->RingRegister(&ring_, IORING_UNREGISTER_RING_FDS, &update, 1);
    ring_.enter_ring_fd = ring_.ring_fd;
  }
  kernel_->RingExit(&ring_);
}

size_t Ring::memory_bytes() const {
  return ring_.sq.ring_sz + (ring_.cq.ring_ptr == ring_.sq.ring_ptr ? 0 : ring_.cq.ring_sz) +
         ring_.sq.ring_entries * sizeof(io_uring_sqe);
}

int Ring::Register(unsigned opcode, void* arg, unsigned count) {
  return kernel_->RingRegister(&ring_, opcode, arg, count);
}

absl::Status Ring::CheckOpcodes(std::span<const uint8_t> needed) {
  constexpr unsigned kOpcodes = 256;
  alignas(io_uring_probe) char memory[sizeof(io_uring_probe) + kOpcodes * sizeof(io_uring_probe_op)] = {};
  auto* probe = reinterpret_cast<io_uring_probe*>(memory);
  if (const int result = Register(IORING_REGISTER_PROBE, probe, kOpcodes); result < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the kernel does not tell which io_uring operations it has: ", strerror(-result)));
  }
  for (const uint8_t opcode : needed) {
    if (opcode < probe->ops_len && (probe->ops[opcode].flags & IO_URING_OP_SUPPORTED) != 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel's io_uring lacks operation ", unsigned{opcode}, " (linux/io_uring.h)"));
  }
  return absl::OkStatus();
}

io_uring_sqe* Ring::NextSqe() {
  if (waiting_.empty()) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      counters_.Add(RingCount::kSqFull);
      Enter(0, 0);
      sqe = io_uring_get_sqe(&ring_);
    }
    if (sqe != nullptr) {
      std::memset(sqe, 0, sizeof(*sqe));
      return sqe;
    }
  }
  waiting_.emplace_back();
  return &waiting_.back();
}

void Ring::MoveWaiting() {
  while (!waiting_.empty()) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) return;
    *sqe = waiting_.front();
    waiting_.pop_front();
  }
}

// A queue at a time, so that the list ends: submitting one for each that is added, it would stay for ever. Only a kernel
// that takes nothing now leaves some for the next call.
void Ring::Enter(unsigned min_complete, Nanos timeout) {
  if (!waiting_.empty()) timeout = 0;  // what is lined up may bring completions at once
  while (!waiting_.empty()) {
    MoveWaiting();
    if (!waiting_.empty() && EnterOnce(0, 0) <= 0) return;
  }
  EnterOnce(min_complete, timeout);
}

int Ring::EnterOnce(unsigned min_complete, Nanos timeout) {
  // Publish what get_sqe handed out. The array maps entry i to SQE i for good, so only the tail moves.
  ring_.sq.sqe_head = ring_.sq.sqe_tail;
  io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
  const unsigned to_submit = ring_.sq.sqe_tail - io_uring_smp_load_acquire(ring_.sq.khead);

  if (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) counters_.Add(RingCount::kCqOverflow);
  __kernel_timespec until = {};
  __kernel_timespec* bound = nullptr;
  // A zero timespec bounds a wait for completions that come inline anyway; the kernel sets a timer (15 us) only when
  // one of them is missing.
  if (timeout > 0 || (timeout == 0 && min_complete > 0)) {
    until.tv_sec = timeout / 1'000'000'000;
    until.tv_nsec = timeout % 1'000'000'000;
    bound = &until;
  }
  const int result =
      kernel_->RingEnter(&ring_, to_submit, min_complete, IORING_ENTER_GETEVENTS | enter_flags_, bound);
  counters_.Add(RingCount::kEnters);
  if (result >= 0) {
    counters_.Add(RingCount::kSubmitted, result);
  } else if (result != -ETIME) {
    counters_.Add(RingCount::kEnterRetries);  // EINTR, EAGAIN, EBUSY: what was not submitted is still in the queue
  }
  return result;
}

}  // namespace mooring::core
