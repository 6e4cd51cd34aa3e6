// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_ring.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "core/uapi.h"

namespace mooring::sim {

uint32_t SimRing::Features(KernelAge age) {
  constexpr uint32_t kBoth = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                             IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP;
  return age == KernelAge::k6_1
             ? kBoth
             : kBoth | core::uapi::kFeatRecvSendBundle | core::uapi::kFeatRwAttr | core::uapi::kFeatNoIowait;
}

SimRing::SimRing(Choices* choices, SimNetwork* network, DescriptorTable* descriptors, KernelAge age,
                 const io_uring_params& params, int fd, io_uring* ring)
    : choices_(choices),
      network_(network),
      descriptors_(descriptors),
      age_(age),
      fd_(fd),
      user_(ring),
      setup_flags_(params.flags),
      array_(params.sq_entries),
      sqes_(params.sq_entries),
      cqes_(params.cq_entries) {
  sq_.entries = params.sq_entries;
  sq_.mask = params.sq_entries - 1;
  cq_.entries = params.cq_entries;
  cq_.mask = params.cq_entries - 1;
  for (unsigned i = 0; i < params.sq_entries; ++i) array_[i] = i;

  *ring = {};
  ring->sq.khead = &sq_.head;
  ring->sq.ktail = &sq_.tail;
  ring->sq.kring_mask = &sq_.mask;
  ring->sq.kring_entries = &sq_.entries;
  ring->sq.kflags = &sq_.flags;
  ring->sq.kdropped = &sq_.lost;
  ring->sq.array = array_.data();
  ring->sq.sqes = sqes_.data();
  ring->sq.ring_mask = sq_.mask;
  ring->sq.ring_entries = sq_.entries;
  ring->cq.khead = &cq_.head;
  ring->cq.ktail = &cq_.tail;
  ring->cq.kring_mask = &cq_.mask;
  ring->cq.kring_entries = &cq_.entries;
  ring->cq.kflags = &cq_.flags;
  ring->cq.koverflow = &cq_.lost;
  ring->cq.cqes = cqes_.data();
  ring->cq.ring_mask = cq_.mask;
  ring->cq.ring_entries = cq_.entries;
  ring->ring_fd = ring->enter_ring_fd = fd;
  ring->flags = params.flags;
  ring->features = params.features;
}

SimRing::~SimRing() {
  *alive_ = false;
  for (auto& [user_data, request] : in_flight_) {
    if (request->armed) request->file->file->RemoveWaiter(request.get());
    Release(*request);
  }
}

int SimRing::Enter(unsigned to_submit, unsigned min_complete, unsigned flags, const __kernel_timespec* timeout,
                   int enter_fd) {
  constexpr unsigned kKnown = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING | core::uapi::kEnterNoIowait;
  if ((flags & ~kKnown) != 0) choices_->Fail("enter with flags %#x, of which %#x are unknown", flags, flags & ~kKnown);
  if ((flags & IORING_ENTER_GETEVENTS) == 0) choices_->Fail("enter without GETEVENTS runs no deferred work");
  if (old() && (flags & core::uapi::kEnterNoIowait) != 0) return -EINVAL;
  const bool by_index = (flags & IORING_ENTER_REGISTERED_RING) != 0;
  if (by_index ? !registered_ || enter_fd != 0 : enter_fd != fd_) return by_index ? -EINVAL : -EBADF;
  ++counts_.enters;
  asleep_ = false;
  for (auto& [id, group] : groups_) group.Look();

  const int fault = choices_->Fault(FaultSite::kRingEnter);
  if (fault == EAGAIN && to_submit > 0) {
    // io_submit_sqes() found no memory for a request: what it has taken counts, and nothing else is done.
    const unsigned taken = Take(static_cast<unsigned>(choices_->Pick(to_submit)));
    return taken > 0 ? static_cast<int>(taken) : -EAGAIN;
  }
  const unsigned submitted = Take(to_submit);
  // The real one runs work once after submitting (io_uring_enter) and once before it waits (io_cqring_wait).
  if (submitted > 0) RunWork(min_complete);
  MaybeDeliver();
  RunWork(min_complete);
  FlushOverflow();
  while (Ready() < min_complete && WorkPending()) RunWork(min_complete);

  if (Ready() < min_complete) {
    if (Ready() > 0) {
      ++counts_.short_waits;
    } else if (fault == EINTR || (fault == EBUSY && old())) {
      return submitted > 0 ? static_cast<int>(submitted) : -fault;  // a signal, or an overflow that found no room
    } else {
      ++counts_.sleeps;
      asleep_ = true;
      wake_at_ = timeout == nullptr
                     ? INT64_MAX
                     : network_->clock().Now() + timeout->tv_sec * core::kNanosPerSecond + timeout->tv_nsec;
    }
    if (submitted == 0) return -ETIME;
  }
  return static_cast<int>(submitted);
}

unsigned SimRing::Take(unsigned to_submit) {
  unsigned submitted = 0;
  const unsigned tail = __atomic_load_n(&sq_.tail, __ATOMIC_ACQUIRE);
  while (submitted < to_submit && sq_.head != tail) {
    MaybeDeliver();
    const unsigned index = array_[sq_.head & sq_.mask];
    if (index >= sq_.entries) choices_->Fail("the submission array names entry %u of %u", index, sq_.entries);
    const io_uring_sqe sqe = sqes_[index];
    __atomic_store_n(&sq_.head, sq_.head + 1, __ATOMIC_RELEASE);
    ++submitted;
    Submit(sqe);
  }
  if (submitted < to_submit) choices_->Fail("enter submits %u entries, but %u are queued", to_submit, submitted);
  return submitted;
}

void SimRing::MaybeDeliver() {
  if (choices_->DeliverDuringEnter()) network_->DeliverOne();
}

void SimRing::Submit(const io_uring_sqe& sqe) {
  constexpr unsigned kKnown = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
  if ((sqe.flags & ~kKnown) != 0) choices_->Fail("opcode %u with unknown entry flags %#x", sqe.opcode, sqe.flags);
  if (sqe.personality != 0) choices_->Fail("opcode %u with a personality", sqe.opcode);
  auto owned = std::make_unique<Request>(this, sqe);
  Request* request = owned.get();
  request->interest = Interest(sqe);
  request->one_shot = !((sqe.opcode == IORING_OP_ACCEPT && (sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0) ||
                        (sqe.opcode == IORING_OP_RECV && (sqe.ioprio & IORING_RECV_MULTISHOT) != 0) ||
                        (sqe.opcode == IORING_OP_POLL_ADD && (sqe.len & IORING_POLL_ADD_MULTI) != 0));
  in_flight_.emplace(sqe.user_data, std::move(owned));
  switch (sqe.opcode) {
    case IORING_OP_NOP:
    case IORING_OP_CLOSE:
    case IORING_OP_ASYNC_CANCEL:
    case IORING_OP_FILES_UPDATE: break;
    default:
      request->file = (sqe.flags & IOSQE_FIXED_FILE) != 0 ? table_.Get(static_cast<unsigned>(sqe.fd))
                                                          : descriptors_->Get(sqe.fd);
      if (request->file == nullptr) {
        Finish(request, -EBADF, 0);
        return;
      }
  }
  Settle(request, Attempt(request, /*first=*/true));
}

SimRing::Outcome SimRing::Attempt(Request* request, bool first) {
  switch (request->sqe.opcode) {
    case IORING_OP_NOP: return Done(0);
    case IORING_OP_ACCEPT: return Accept(request, first);
    case IORING_OP_RECV: return Receive(request, first);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG: return Send(request, first);
    case IORING_OP_POLL_ADD: return Poll(request, first);
    case IORING_OP_CONNECT: return Connect(request, first);
    case IORING_OP_READ: return ReadEvent(request, first);
    case IORING_OP_CLOSE: return Close(request);
    case IORING_OP_ASYNC_CANCEL: return Cancel(request);
    case IORING_OP_SHUTDOWN: return Shutdown(request, first);
    case IORING_OP_FILES_UPDATE: return FilesUpdate(request);
    case IORING_OP_URING_CMD: return Command(request);
    case core::uapi::kOpFixedFdInstall: return old() ? Done(-EINVAL) : Install(request);
    default: choices_->Fail("opcode %u is not simulated", request->sqe.opcode);
  }
}

void SimRing::Settle(Request* request, Outcome outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::kDone: Finish(request, outcome.result, outcome.flags); return;
    case Outcome::Kind::kWait: Arm(request); return;
    case Outcome::Kind::kAgain:
      Arm(request);
      Queue(request);
      return;
  }
}

void SimRing::Arm(Request* request) {
  if (request->in_worker || request->armed) return;
  request->armed = true;
  // An accept waits exclusively (io_uring/opdef.c, poll_exclusive).
  request->file->file->AddWaiter(request, request->sqe.opcode == IORING_OP_ACCEPT);
  if ((request->file->file->Ready() & request->interest) != 0) Queue(request);
}

uint32_t SimRing::Interest(const io_uring_sqe& sqe) {
  constexpr uint32_t kAlways = POLLERR | POLLHUP;
  switch (sqe.opcode) {
    case IORING_OP_POLL_ADD: return sqe.poll32_events | kAlways;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_CONNECT: return POLLOUT | POLLWRNORM | kAlways;
    default: return POLLIN | POLLRDNORM | kAlways;
  }
}

void SimRing::Finish(Request* request, int result, uint32_t flags) {
  if (request->armed) request->file->file->RemoveWaiter(request);
  if (request->queued) Unqueue(request);  // what it did has woken itself: a fault that ended its connection
  Release(*request);
  const bool send = request->sqe.opcode == IORING_OP_SEND || request->sqe.opcode == IORING_OP_SENDMSG;
  if (request->cancel_late && send && result > 0) ++counts_.sends_after_cancel;
  const bool skipped = (request->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0 && result >= 0;
  if (!skipped) Post(request->sqe.user_data, result, flags);
  const auto [begin, end] = in_flight_.equal_range(request->sqe.user_data);
  const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second.get() == request; });
  const std::unique_ptr<Request> gone = std::move(found->second);  // its hold on the file ends last
  in_flight_.erase(found);
}

void SimRing::Release(const Request& request) {
  SimSocket* socket = request.file == nullptr ? nullptr : Socket(request);
  if (socket == nullptr) return;
  if (socket->reader == &request) socket->reader = nullptr;
  if (socket->writer == &request) socket->writer = nullptr;
}

void SimRing::Queue(Request* request) {
  if (request->queued) return;
  request->queued = true;
  work_.push_back(request);
  SetFlag(IORING_SQ_TASKRUN, true);
  asleep_ = false;
}

void SimRing::Unqueue(Request* request) {
  request->queued = false;
  for (std::deque<Request*>* list : {&work_, &retry_}) {
    list->erase(std::remove(list->begin(), list->end(), request), list->end());
  }
}

// __io_run_local_work(): what was left over first, then one batch of what has come since; again only while too few
// ran. Within a batch the seed decides the order.
void SimRing::RunWork(unsigned min_complete) {
  if (old()) {
    RunAllWork();
    return;
  }
  const size_t limit = std::max(20u, min_complete);
  size_t ran = 0;
  const auto run = [&](std::deque<Request*>* batch) {
    while (!batch->empty() && ran < limit) {
      const auto at = batch->begin() + static_cast<ptrdiff_t>(choices_->Pick(batch->size()));
      Request* request = *at;
      batch->erase(at);
      ++ran;
      RunOne(request);
    }
  };
  do {
    run(&retry_);
    if (!retry_.empty()) break;
    retry_.swap(work_);
    run(&retry_);
  } while (retry_.empty() && !work_.empty() && ran < min_complete);
  SetFlag(IORING_SQ_TASKRUN, WorkPending());
}

// 6.1, __io_run_local_work(): everything, and what came meanwhile; of what was there at once the newest first, for wakers
// push to the front of the list and nothing turns it round.
void SimRing::RunAllWork() {
  while (!work_.empty()) {
    retry_.swap(work_);
    while (!retry_.empty()) {
      Request* request = retry_.back();
      retry_.pop_back();
      RunOne(request);
    }
  }
  SetFlag(IORING_SQ_TASKRUN, false);
}

// io_poll_check_events(): all wake-ups so far are answered by one attempt, except that after more than one of them a
// multishot looks again when the socket has hung up (a reset right behind bytes).
void SimRing::RunOne(Request* request) {
  request->queued = false;
  const unsigned wakes = std::exchange(request->wakes, 0);
  if (request->cancelled) {
    Finish(request, -ECANCELED, 0);
    return;
  }
  if (!request->in_worker && (request->file->file->Ready() & request->interest) == 0) {
    Arm(request);  // another one was faster
    return;
  }
  Outcome outcome = Attempt(request, /*first=*/false);
  const bool multishot = request->sqe.opcode == IORING_OP_RECV && (request->sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
  if (multishot && wakes > 1 && outcome.kind == Outcome::Kind::kWait &&
      (request->file->file->Ready() & POLLHUP) != 0) {
    outcome = Attempt(request, /*first=*/false);
  }
  if (outcome.kind == Outcome::Kind::kAgain) request->wakes += wakes;
  Settle(request, outcome);
}

unsigned SimRing::Ready() const { return cq_.tail - __atomic_load_n(&cq_.head, __ATOMIC_ACQUIRE); }

bool SimRing::Full() const { return Ready() >= cq_.entries; }

void SimRing::SetFlag(unsigned flag, bool on) {
  __atomic_store_n(&sq_.flags, on ? sq_.flags | flag : sq_.flags & ~flag, __ATOMIC_RELAXED);
}

void SimRing::Write(const io_uring_cqe& cqe) {
  io_uring_cqe& to = cqes_[cq_.tail & cq_.mask];
  to.user_data = cqe.user_data;
  to.res = cqe.res;
  to.flags = cqe.flags;
  __atomic_store_n(&cq_.tail, cq_.tail + 1, __ATOMIC_RELEASE);
  ++counts_.completions;
}

bool SimRing::PostMore(const Request& request, int result, uint32_t flags) {
  if (!overflow_.empty() || Full()) return false;
  io_uring_cqe cqe = {};
  cqe.user_data = request.sqe.user_data;
  cqe.res = result;
  cqe.flags = flags | IORING_CQE_F_MORE;
  Write(cqe);
  return true;
}

void SimRing::Post(uint64_t user_data, int result, uint32_t flags) {
  io_uring_cqe cqe = {};
  cqe.user_data = user_data;
  cqe.res = result;
  cqe.flags = flags;
  if (overflow_.empty() && !Full()) {
    Write(cqe);
    return;
  }
  // Once something has overflowed all that follows does, so that the order is kept (io_cqe_cache_refill).
  ++counts_.overflowed;
  overflow_.push_back(cqe);
  SetFlag(IORING_SQ_CQ_OVERFLOW, true);
}

void SimRing::FlushOverflow() {
  while (!overflow_.empty() && !Full()) {
    Write(overflow_.front());
    overflow_.pop_front();
  }
  if (overflow_.empty()) SetFlag(IORING_SQ_CQ_OVERFLOW, false);
}

std::vector<std::string> SimRing::DescribeInFlight() const {
  std::vector<std::string> lines;
  for (const auto& [user_data, request] : in_flight_) {
    char line[96];
    std::snprintf(line, sizeof(line), "opcode %u user_data %#" PRIx64 "%s", request->sqe.opcode, user_data,
                  request->cancelled ? " (cancelled)" : "");
    lines.emplace_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace mooring::sim
