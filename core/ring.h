// SPDX-License-Identifier: Apache-2.0
// Ring: one io_uring of one thread, with our own way to enter it.
//
// liburing's submit-and-wait peeks first and may enter without GETEVENTS, which under DEFER_TASKRUN runs no pending
// work; so Enter here always passes GETEVENTS, and the timeout travels as EXT_ARG. An SQE is always to be had: when the
// queue is full even after an enter, entries wait in a list of ours and follow in order.
//
// Threads:  the one that called Open; nothing here is shared.
// Kernel:   6.1 (SINGLE_ISSUER with DEFER_TASKRUN); Open explains an older one's refusal. What newer ones add is in
//           features().
#ifndef MOORING_CORE_RING_H_
#define MOORING_CORE_RING_H_

#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/counters.h"
#include "core/kernel.h"
#include "core/ring_features.h"

namespace mooring::core {

enum class RingCount : uint8_t { kEnters, kSubmitted, kCompletions, kSqFull, kCqOverflow, kEnterRetries, kCount };

class Ring {
 public:
  struct Options {
    unsigned sq_entries = 1024;  // 64 B each; a full queue costs one more enter
    unsigned cq_entries = 8192;  // 16 B each; also the most buckets (256) of the kernel's table of polled requests
    std::string features_off = {};  // ForceOff's list
  };

  // Errors name the cause and what to type (ExplainRingSetup).
  static absl::StatusOr<std::unique_ptr<Ring>> Open(Kernel* kernel, const Options& options);
  ~Ring();
  Ring(const Ring&) = delete;

  // The next entry to fill in, zeroed. Never null. Entering may happen here; completions it brings wait for Reap.
  io_uring_sqe* NextSqe();

  // Submits all entries and waits until `min_complete` completions are there or `timeout` ns have passed (negative: no
  // bound). With timeout 0 it does not wait: `min_complete` then counts completions that are sure to come inline, and
  // tells the kernel how much deferred work to do (since 6.13 it does max(20, min_complete) pieces an enter). EINTR,
  // EAGAIN, EBUSY and ETIME are ordinary ends of a wait: counted, retried by the next call.
  // REQUIRES: not inside Reap's callback.
  void Enter(unsigned min_complete, Nanos timeout);

  // Calls f(const io_uring_cqe&) for each completion there is, in the kernel's order; returns how many.
  template <class F>
  unsigned Reap(F&& f) {
    unsigned taken = 0;
    for (;;) {
      const unsigned head = *ring_.cq.khead;
      const unsigned ready = io_uring_smp_load_acquire(ring_.cq.ktail) - head;
      if (ready == 0) break;
      for (unsigned i = 0; i < ready; ++i) {
        const io_uring_cqe cqe = ring_.cq.cqes[(head + i) & ring_.cq.ring_mask];
        f(cqe);
      }
      io_uring_cq_advance(&ring_, ready);
      taken += ready;
    }
    counters_.Add(RingCount::kCompletions, taken);
    return taken;
  }

  // True when the kernel holds completions back until the next enter: deferred work, or an overflown queue.
  bool WorkPending() const {
    return (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }
  bool Overflown() const { return io_uring_cq_has_overflow(&ring_); }
  bool CompletionsReady() const { return io_uring_cq_ready(&ring_) != 0; }
  // Entries that the kernel has not taken yet; what they name must stay.
  unsigned SubmissionsWaiting() const {
    return ring_.sq.sqe_tail - io_uring_smp_load_acquire(ring_.sq.khead) + static_cast<unsigned>(waiting_.size());
  }

  // io_uring_register(2): 0 or more, or -errno.
  int Register(unsigned opcode, void* arg, unsigned count);

  // Whether the kernel says (IORING_REGISTER_PROBE) that it has all these operations; an error names one it lacks. That
  // it has one says nothing of what the operation does on a socket, or with newer flags: that is what features() tell.
  absl::Status CheckOpcodes(std::span<const uint8_t> needed);

  const RingFeatures& features() const { return features_; }
  const CounterSet<RingCount>& counters() const { return counters_; }
  size_t memory_bytes() const;  // queues and entries, as mapped

 private:
  Ring(Kernel* kernel) : kernel_(kernel) {}
  int EnterOnce(unsigned min_complete, Nanos timeout);
  void MoveWaiting();  // from the waiting list into the queue, as far as it has room

  Kernel* const kernel_;
  io_uring ring_ = {};
  bool open_ = false;
  unsigned enter_flags_ = 0;
  RingFeatures features_;
  std::deque<io_uring_sqe> waiting_;  // submissions that found the queue full
  CounterSet<RingCount> counters_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_RING_H_
