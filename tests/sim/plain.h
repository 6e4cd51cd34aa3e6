// SPDX-License-Identifier: Apache-2.0
// Plain: hands for plain descriptors and epoll, on the real kernel or the simulated one; a script notes down what it sees.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_PLAIN_H_
#define MOORING_TESTS_SIM_PLAIN_H_

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/machine.h"

namespace mooring::sim {

std::string EventNames(uint32_t events);  // "IN RDHUP"

class Plain {
 public:
  explicit Plain(Machine* machine) : machine_(machine) {}
  ~Plain();

  Machine& machine() { return *machine_; }
  core::Kernel& kernel() { return *machine_->kernel(); }

  // Descriptors, closed at the end unless Close did.
  int Listen(uint16_t* port, int backlog = 16);  // on the loopback address, nonblocking
  int ListenUnix(std::string_view path, int backlog = 16);  // notes bind and listen; PATH is unlinked at the end
  int Socket(int family = AF_INET);
  int Epoll();
  int EventFd();
  int Accept(int listener);  // notes a failure
  int Accepted(std::unique_ptr<Client>* client);
  void Close(int fd);

  // Each is noted with its result.
  void Connect(int fd, uint16_t port, std::string_view title);
  void ConnectUnix(int fd, std::string_view path, std::string_view title);
  void Unconnect(int fd, std::string_view title);
  void Receive(int fd, size_t size, std::string_view title);
  void Send(int fd, std::string_view bytes, std::string_view title);
  void Error(int fd, std::string_view title);  // SO_ERROR
  void Control(int epoll, int operation, int fd, uint32_t events, uint64_t data, std::string_view title = "control");
  void Wait(int epoll, std::string_view title, int count = 16);  // without waiting; in the kernel's order
  void Names(int fd, std::string_view title);  // of a Unix socket: its own and its peer's
  void Note(std::string line) { log_.push_back(std::move(line)); }
  void Note(std::string_view title, int result) { Note(std::string(title) + ": " + ErrorName(result)); }
  const std::vector<std::string>& log() const { return log_; }

 private:
  int Keep(int fd) {
    if (fd >= 0) open_.push_back(fd);
    return fd;
  }
  Machine* const machine_;
  std::vector<int> open_;
  std::vector<std::string> paths_;
  std::vector<std::string> log_;
};

// One script on both kernels; what it noted must be the same.
inline void PlainOnBoth(const std::function<void(Plain&)>& script) {
  std::vector<std::string> real, simulated;
  {
    const auto machine = RealMachine();
    Plain plain(machine.get());
    script(plain);
    real = plain.log();
  }
  {
    const auto machine = SimMachine(/*seed=*/1, /*calm=*/true);
    Plain plain(machine.get());
    script(plain);
    simulated = plain.log();
  }
  EXPECT_EQ(simulated, real);
  if (::testing::Test::HasFailure()) {
    for (const std::string& line : real) std::printf("real       %s\n", line.c_str());
    for (const std::string& line : simulated) std::printf("simulated  %s\n", line.c_str());
  }
}

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_PLAIN_H_
