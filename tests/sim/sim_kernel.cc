// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_kernel.h"

#include <bit>
#include <cerrno>
#include <utility>

namespace mooring::sim {
namespace {

struct RingFile final : SimFile {
  uint32_t Ready() const override { return 0; }
  void OnLastClose() override {}
};

}  // namespace

SimKernel::SimKernel(uint64_t seed, core::ManualClock* clock, Mood mood, KernelAge age)
    : age_(age), choices_(seed, mood == Mood::kCalm), network_(&choices_, clock), files_(&choices_, clock) {}

SimKernel::~SimKernel() = default;

SimPeer* SimKernel::Connect(std::string_view to, std::string_view from) {
  const SimAddress address = SimAddress::Parse(to);
  if (address.family == AF_UNSPEC) choices_.Fail("'%.*s' is not an address", static_cast<int>(to.size()), to.data());
  std::shared_ptr<SimSocket> socket = network_.NewSocket(address.family);
  if (!from.empty() && socket->Bind(SimAddress::Parse(from)) < 0) {
    choices_.Fail("'%.*s' cannot be bound", static_cast<int>(from.size()), from.data());
  }
  peers_.push_back(std::make_unique<SimPeer>(&network_, socket));
  socket->ConnectSleeping(address);
  return peers_.back().get();
}

int SimKernel::ListenAsPeer(std::string_view at) {
  const std::shared_ptr<SimSocket> socket = network_.NewSocket(SimAddress::Parse(at).family);
  if (const int result = socket->Bind(SimAddress::Parse(at)); result < 0) return result;
  if (const int result = socket->Listen(128); result < 0) return result;
  return descriptors_.Install(std::make_shared<OpenFile>(socket));
}

SimPeer* SimKernel::TakeAccepted(int listener) {
  int error = 0;
  SimSocket* socket = FindSocket(listener, &error);
  std::shared_ptr<SimSocket> accepted;
  if (socket == nullptr || socket->Accept(&accepted) != 0) return nullptr;
  peers_.push_back(std::make_unique<SimPeer>(&network_, std::move(accepted)));
  peers_.back()->Resume();  // what came before it was taken
  return peers_.back().get();
}

SimRing* SimKernel::Find(const io_uring* ring) {
  const auto found = rings_.find(ring->ring_fd);
  if (found == rings_.end()) choices_.Fail("no ring has descriptor %d", ring->ring_fd);
  return found->second.get();
}

const SimRing* SimKernel::ring(size_t i) const {
  return i < rings_.size() ? std::next(rings_.begin(), static_cast<ptrdiff_t>(i))->second.get() : nullptr;
}

int SimKernel::RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) {
  if (const int fault = choices_.Fault(FaultSite::kRingSetup); fault != 0) return -fault;
  constexpr unsigned kNeeded =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
  constexpr unsigned kKnown = kNeeded | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  if ((params->flags & kNeeded) != kNeeded || (params->flags & ~kKnown) != 0) {
    choices_.Fail("io_uring_setup flags %#x: simulated are %#x and what goes with them", params->flags, kNeeded);
  }
  params->sq_entries = std::bit_ceil(entries);
  params->cq_entries =
      (params->flags & IORING_SETUP_CQSIZE) != 0 ? std::bit_ceil(params->cq_entries) : 2 * params->sq_entries;
  if (entries == 0 || entries > 32768 || params->cq_entries < params->sq_entries) return -EINVAL;
  params->features = SimRing::Features(age_);
  const int fd = descriptors_.Install(std::make_shared<OpenFile>(std::make_shared<RingFile>()));
  if (fd < 0) return fd;
  rings_.emplace(fd, std::make_unique<SimRing>(&choices_, &network_, &descriptors_, age_, *params, fd, ring));
  return 0;
}

void SimKernel::RingExit(io_uring* ring) {
  SimRing* closing = Find(ring);
  for (std::string& line : closing->DescribeInFlight()) in_flight_at_exit_.push_back(std::move(line));
  if (last_wait_ == closing) last_wait_ = nullptr;
  if (last_entered_ == closing) last_entered_ = nullptr;
  rings_.erase(ring->ring_fd);
  descriptors_.Close(ring->ring_fd);
}

int SimKernel::RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                         __kernel_timespec* timeout) {
  last_entered_ = Find(ring);
  last_wait_ = last_entered_;
  return last_entered_->Enter(to_submit, min_complete, flags, timeout, ring->enter_ring_fd);
}

int SimKernel::RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) {
  return Find(ring)->Register(opcode, arg, count);
}

}  // namespace mooring::sim
