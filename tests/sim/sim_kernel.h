// SPDX-License-Identifier: Apache-2.0
// SimKernel: a core::Kernel without a kernel: rings over plain memory, sockets that only meet each other, files in memory.
//
// The production Ring and the transport run over it unchanged. Nothing blocks and nothing happens by itself: a ring
// acts inside RingEnter, bytes move when network() is told to deliver, and time is the test's. What it may decide one
// way or another, the seed decides (choices.h); RULES.md lists these with the reason why the real kernel may do the
// same. A mistake of the code under test (a block published twice, bytes of a send that change in flight, a request
// that was not cleared, an unknown opcode) aborts with the seed.
//
// Threads:  one.
// Owns:     rings, sockets, descriptors, peers. Outlives what runs over it.
#ifndef MOORING_TESTS_SIM_SIM_KERNEL_H_
#define MOORING_TESTS_SIM_SIM_KERNEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "tests/sim/choices.h"
#include "tests/sim/descriptors.h"
#include "tests/sim/sim_epoll.h"
#include "tests/sim/sim_files.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_peer.h"
#include "tests/sim/sim_ring.h"

namespace mooring::sim {

enum class Mood : uint8_t { kSeeded, kCalm };  // calm: no choice varies, as on an idle machine

class SimKernel final : public core::Kernel {
 public:
  SimKernel(uint64_t seed, core::ManualClock* clock, Mood mood = Mood::kSeeded, KernelAge age = KernelAge::k6_18);
  ~SimKernel() override;

  // For tests.
  SimPeer* Connect(std::string_view to, std::string_view from = {});  // "127.0.0.1:7000", "[::1]:7000"; connected once the network delivered
  // A listener that no code under test has: peers of outbound connections. Accepted ones come from TakeAccepted.
  int ListenAsPeer(std::string_view at);
  SimPeer* TakeAccepted(int listener);    // null when nobody has connected

  Choices& choices() { return choices_; }
  SimNetwork& network() { return network_; }
  SimFiles& files() { return files_; }
  int OpenFolder(std::string_view path);  // of files(), as a root is opened; its descriptor
  DescriptorTable& descriptors() { return descriptors_; }
  SimEpoll* FindEpoll(int fd);  // null when that is none
  SimRing* Find(const io_uring* ring);
  // Of those that are open, the one that was opened i-th, or null.
  const SimRing* ring(size_t i) const;
  // The ring that was entered last, or null; and what was waited in last, a ring or an epoll: whose it is, the caller of
  // RunTurn knows.
  SimRing* last_entered() { return last_entered_; }
  const SimSleep* last_wait() const { return last_wait_; }
  // Before a Poll, which may come back without having asked the kernel anything.
  void ForgetLastWait() { last_wait_ = nullptr; }
  // One line for each request that was in flight when its ring was closed. The memory it names was still the kernel's.
  const std::vector<std::string>& in_flight_at_exit() const { return in_flight_at_exit_; }

  // core::Kernel.
  int RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) override;
  void RingExit(io_uring* ring) override;
  int RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                __kernel_timespec* timeout) override;
  int RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) override;
  int Socket(int family, int type, int protocol) override;
  int Bind(int fd, const sockaddr* address, socklen_t size) override;
  int Listen(int fd, int backlog) override;
  int SetOption(int fd, int level, int name, const void* value, socklen_t size) override;
  int GetOption(int fd, int level, int name, void* value, socklen_t* size) override;
  int Name(int fd, sockaddr* address, socklen_t* size) override;
  int Peer(int fd, sockaddr* address, socklen_t* size) override;
  int Accept(int fd) override;
  int Connect(int fd, const sockaddr* address, socklen_t size) override;
  int Receive(int fd, void* to, size_t size) override;
  int Send(int fd, const iovec* pieces, unsigned count) override;
  int OutQueue(int fd) override;
  int Duplicate(int fd) override;
  int OpenAt2(int folder, const char* path, const open_how& how) override;
  int Stat(int fd, int flags, struct statx* to) override;
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override;
  int EpollCreate() override;
  int EpollControl(int epoll_fd, int operation, int fd, epoll_event* event) override;
  int EpollWait(int epoll_fd, epoll_event* events, int count, core::Nanos timeout) override;
  int TakeSignals(int event_fd) override;
  int Shutdown(int fd, int how) override;
  int Close(int fd) override;
  int EventFd() override;
  int Signal(int event_fd) override;

 private:
  SimSocket* FindSocket(int fd, int* error);  // null with -EBADF or -ENOTSOCK
  SimEventFd* FindEvent(int fd);

  const KernelAge age_;
  Choices choices_;
  SimNetwork network_;
  SimFiles files_;
  DescriptorTable descriptors_;
  std::map<int, std::unique_ptr<SimRing>> rings_;  // by descriptor
  std::vector<std::unique_ptr<SimPeer>> peers_;
  SimRing* last_entered_ = nullptr;
  const SimSleep* last_wait_ = nullptr;
  std::vector<std::string> in_flight_at_exit_;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_KERNEL_H_
