// SPDX-License-Identifier: Apache-2.0
// FaultKernel: the real kernel on a bad day. It answers with errors, takes fewer bytes, and lets completions come late.
//
// What it makes up is what a kernel could have done, so that every promise still has to hold: an error stands in place
// of the operation, never behind one that has moved bytes; what is shortened was really asked for as less; a completion
// that is late is held with all that follow it, and the ring says meanwhile that there is work. How, operation by
// operation, is in fault_kernel.cc.
//
//   gentle  costs nobody a connection: enters refused or done in part, completions late, sends short or blocked,
//           receives that end by themselves or find no buffer, accepts that fail, cancels that miss
//   hard    also ends connections: resets, time-outs, no memory, connects that fail
//
// Threads:  one shard's, apart from Signal and Injected. One for each shard, so that its choices follow from the seed
//           and the shard's own calls; what the real kernel does in between is its own.
// Kernel:   any that the transports run on.
#ifndef MOORING_TESTS_SCENARIO_FAULT_KERNEL_H_
#define MOORING_TESTS_SCENARIO_FAULT_KERNEL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/core/forwarding_kernel.h"

struct io_uring_sqe;

namespace mooring::scenario {

enum class Faults : uint8_t { kNone, kGentle, kHard };

enum class Fault : uint8_t {
  kEnterRefused,
  kEnterInPart,
  kCompletionsLate,
  kSendShort,
  kSendBlocked,
  kReceiveEnded,
  kReceiveStarved,
  kAcceptEnded,
  kAcceptTransient,
  kAcceptNoResources,
  kInstallRefused,
  kCancelMissed,
  kWaitInterrupted,
  kSendFailed,
  kReceiveFailed,
  kConnectFailed,
  kUpdateFailed,
  kCommandFailed,
  kCount,
};

class FaultKernel final : public core::ForwardingKernel {
 public:
  FaultKernel(Faults faults, uint64_t seed) : hard_(faults == Faults::kHard), random_(seed) {}

  uint64_t Injected(Fault which) const { return injected_[static_cast<size_t>(which)].load(); }
  std::string Describe() const;  // "send_short 12, ..."

  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override;

  int Accept(int fd) override;
  int Connect(int fd, const sockaddr* address, socklen_t size) override;
  int Receive(int fd, void* to, size_t size) override;
  int Send(int fd, const iovec* pieces, unsigned count) override;
  int Close(int fd) override;
  int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) override;
  int EpollWait(int epoll_fd, epoll_event* events, int count, core::Nanos timeout) override;

 private:
  // One in `n` times; counted.
  bool Now(unsigned n, Fault which);
  int OneOf(std::initializer_list<int> errors);
  uint64_t Below(uint64_t n) { return random_() % n; }

  // Rings.
  void Bend(io_uring_sqe* sqe);
  void BendSend(io_uring_sqe* sqe);
  void BendReceive(io_uring_sqe* sqe);
  void BendAccept(io_uring_sqe* sqe);
  void Fail(io_uring_sqe* sqe, int error);
  void AnswerFailed(io_uring* ring);
  void HoldBack(io_uring* ring);
  void LetGo(io_uring* ring);

  // Epoll.
  struct Registered {
    uint32_t events;
    epoll_data_t data;
    bool owed;  // told that the socket takes no more, although it does: EPOLLOUT must follow
  };
  void Owe(int fd);

  const bool hard_;
  std::mt19937_64 random_;
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Fault::kCount)> injected_ = {};

  unsigned bent_ = 0;        // entries up to here have been looked at
  unsigned cq_seen_ = 0;     // completions up to here have been looked at
  unsigned cq_tail_ = 0;     // the real one, while completions are held back
  bool held_ = false;
  std::unordered_map<uint64_t, int> failed_;  // user_data of operations that fail in place of being done
  std::set<uint64_t> missed_;                 // cancels that have been missed once

  std::unordered_map<int, Registered> registered_;
};

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_FAULT_KERNEL_H_
