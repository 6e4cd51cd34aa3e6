// SPDX-License-Identifier: Apache-2.0
// SimRing: one io_uring over plain memory, with DEFER_TASKRUN: nothing completes outside Enter.
//
//   Enter: take entries, try each at once ──> done: post a completion
//                                        └─> not ready: armed on its file ──wake──> queued work
//          run queued work, at most max(20, min_complete) of it ──> as above; a multishot posts and stays armed
//          move what overflowed into the queue; with fewer completions than asked for, fall asleep
//
// The order of work is the seed's, except that one request's completions keep their order.
//
// Threads:  one.
// Owns:     the queues, the direct table and the requests in flight.
#ifndef MOORING_TESTS_SIM_SIM_RING_H_
#define MOORING_TESTS_SIM_SIM_RING_H_

#include <liburing.h>
#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "tests/sim/buffer_group.h"
#include "tests/sim/choices.h"
#include "tests/sim/descriptors.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_network.h"

namespace mooring::sim {

// Whose io_uring it is: Debian 12's own kernel, or the one that this model was first written after.
enum class KernelAge : uint8_t { k6_1, k6_18 };

class SimRing final : public SimSleep {
 public:
  // What has happened in this ring, for tests.
  struct Counts {
    uint64_t enters = 0;
    uint64_t completions = 0;
    uint64_t overflowed = 0;
    uint64_t sleeps = 0;
    uint64_t short_waits = 0;  // asked for more completions than came: the real kernel would sleep its whole time-out
    uint64_t cancels_late = 0;        // found their target woken, which went on
    uint64_t sends_after_cancel = 0;  // of these a send that took bytes
    uint64_t accepts_lost = 0;        // taken and ended for want of a direct slot's file
  };

  SimRing(Choices* choices, SimNetwork* network, DescriptorTable* descriptors, KernelAge age,
          const io_uring_params& params, int fd, io_uring* ring);
  ~SimRing();
  SimRing(const SimRing&) = delete;

  int Enter(unsigned to_submit, unsigned min_complete, unsigned flags, const __kernel_timespec* timeout,
            int enter_fd);
  int Register(unsigned opcode, void* arg, unsigned count);
  static uint32_t Features(KernelAge age);  // io_uring_params.features

  const Counts& counts() const { return counts_; }
  const DirectTable& table() const { return table_; }
  size_t in_flight() const { return in_flight_.size(); }
  // Calls f(user_data) for each request in flight.
  template <class F>
  void ForEachInFlight(F&& f) const {
    for (const auto& [user_data, request] : in_flight_) f(user_data);
  }
  std::vector<std::string> DescribeInFlight() const;
  void AllowFullTable() { full_table_allowed_ = true; }  // else an accept that finds no slot fails the test

 private:
  struct Request final : Waiter {
    Request(SimRing* owner, const io_uring_sqe& entry) : ring(owner), sqe(entry) {}
    // io_poll_wake(): a wake-up for events that it did not ask for is none. A one-shot poll leaves the queue with its
    // first, so that the next exclusive one gets the next.
    bool OnWake(uint32_t key) override {
      if (key != kWakeAny && (key & interest) == 0) return false;
      if (one_shot && key != kWakeAny) {
        armed = false;
        file->file->RemoveWaiter(this);
      }
      ++wakes;
      ring->Queue(this);
      return true;
    }

    SimRing* const ring;
    const io_uring_sqe sqe;
    FileRef file;
    uint32_t interest = 0;    // poll(2) events
    bool one_shot = true;
    bool armed = false;       // waits on its file
    bool queued = false;      // in work_ or retry_
    unsigned wakes = 0;       // since it last ran (poll_refs)
    bool cancelled = false;
    bool cancel_late = false;
    bool in_worker = false;
    int worker_result = 0;
    std::vector<iovec> pieces;  // of a send
    uint64_t digest = 0;        // of the bytes of a send that waits
  };

  // What one attempt of a request came to.
  struct Outcome {
    enum class Kind : uint8_t { kDone, kWait, kAgain } kind;  // kAgain: more to do, after others had their turn
    int result = 0;
    uint32_t flags = 0;
  };
  static Outcome Done(int result, uint32_t flags = 0) { return {Outcome::Kind::kDone, result, flags}; }
  static Outcome Wait() { return {Outcome::Kind::kWait}; }
  static Outcome Again() { return {Outcome::Kind::kAgain}; }

  // Submission and work.
  unsigned Take(unsigned to_submit);  // entries; how many
  void Submit(const io_uring_sqe& sqe);
  Outcome Attempt(Request* request, bool first);
  void Settle(Request* request, Outcome outcome);
  void Arm(Request* request);
  void Finish(Request* request, int result, uint32_t flags);
  void Release(const Request& request);  // it no longer reads or writes its socket
  void Queue(Request* request);
  void Unqueue(Request* request);
  void RunWork(unsigned min_complete);
  void RunAllWork();  // 6.1
  bool old() const { return age_ == KernelAge::k6_1; }
  void RunOne(Request* request);
  bool WorkPending() const { return !work_.empty() || !retry_.empty(); }
  static uint32_t Interest(const io_uring_sqe& sqe);
  void MaybeDeliver();

  // Completions. PostMore is false when the queue has no room: a multishot then ends.
  bool PostMore(const Request& request, int result, uint32_t flags);
  void Post(uint64_t user_data, int result, uint32_t flags);
  void Write(const io_uring_cqe& cqe);
  bool Full() const;
  unsigned Ready() const;
  void FlushOverflow();
  void SetFlag(unsigned flag, bool on);

  // Operations: one attempt each.
  Outcome Accept(Request* request, bool first);
  Outcome Receive(Request* request, bool first);
  Outcome Send(Request* request, bool first);
  Outcome Poll(Request* request, bool first);
  Outcome Connect(Request* request, bool first);
  Outcome ReadEvent(Request* request, bool first);
  Outcome Close(Request* request);
  Outcome Cancel(Request* request);
  Request* Target(const Request& cancel) const;
  Outcome Install(Request* request);
  Outcome Shutdown(Request* request, bool first);
  Outcome FilesUpdate(Request* request);
  Outcome Command(Request* request);
  SimSocket* Socket(const Request& request) const;
  void CheckZero(const Request& request, const char* field, uint64_t value) const;
  static uint64_t Digest(const std::vector<iovec>& pieces);

  Choices* const choices_;
  SimNetwork* const network_;
  DescriptorTable* const descriptors_;
  const KernelAge age_;
  const int fd_;
  io_uring* const user_;
  const unsigned setup_flags_;

  // What `struct io_uring` points at.
  struct Head {
    unsigned head = 0, tail = 0, mask = 0, entries = 0, flags = 0, lost = 0;
  };
  Head sq_, cq_;
  std::vector<unsigned> array_;
  std::vector<io_uring_sqe> sqes_;
  std::vector<io_uring_cqe> cqes_;

  std::deque<io_uring_cqe> overflow_;
  std::unordered_multimap<uint64_t, std::unique_ptr<Request>> in_flight_;
  std::deque<Request*> work_;   // woken since the last run
  std::deque<Request*> retry_;  // left over by the last run; goes first
  DirectTable table_;
  std::map<unsigned, BufferGroup> groups_;
  bool registered_ = false;     // the ring's own descriptor
  bool full_table_allowed_ = false;
  Counts counts_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for jobs that outlive the ring
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_RING_H_
