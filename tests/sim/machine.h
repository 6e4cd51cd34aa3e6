// SPDX-License-Identifier: Apache-2.0
// Machine: one set of hands for the real and the simulated kernel, so that one script can run on both.
//
// The code under test side is a production core::Ring with a buffer group and a direct table; the other side is a
// client with blocking sockets, or a SimPeer. A script fills in entries and collects completions; what it notes down is
// compared line by line.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_MACHINE_H_
#define MOORING_TESTS_SIM_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel.h"
#include "core/ring.h"

namespace mooring::sim {

class Client {
 public:
  virtual ~Client() = default;
  virtual void Send(std::string_view bytes) = 0;
  virtual void HalfClose() = 0;
  virtual void Close() = 0;
  virtual void Reset() = 0;
  virtual std::string Read(size_t bytes) = 0;  // waits for that many; fewer when the stream ends before
  // How the stream ends, reading what is left of it: "FIN", "RST", or "open" when nothing ends it.
  virtual std::string End() = 0;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual core::Kernel* kernel() = 0;
  virtual std::unique_ptr<Client> Connect(uint16_t port) = 0;
  virtual std::unique_ptr<Client> ConnectUnix(const std::string& path) = 0;
  virtual void Unlink(const std::string& path) = 0;  // of a Unix socket; both have a name space of their own
  virtual void Settle() = 0;                 // everything under way arrives
  virtual void AllowFullTable(core::Ring*) = 0;
  virtual void LimitDescriptors(bool on) = 0;  // no further descriptor is to be had
};

std::unique_ptr<Machine> RealMachine();
std::unique_ptr<Machine> SimMachine(uint64_t seed, bool calm);

// What a script holds in its hands.
class Hands {
 public:
  Hands(Machine* machine, core::Ring::Options options, unsigned slots = 16);
  ~Hands();

  Machine& machine() { return *machine_; }
  core::Kernel& kernel() { return *machine_->kernel(); }
  core::Ring& ring() { return *ring_; }
  bool ok() const { return ring_ != nullptr; }
  const std::string& why_not() const { return why_not_; }

  int Listen(uint16_t* port, int backlog = 16);  // a listening socket of the loopback address
  void Group(unsigned entries, unsigned block_bytes);  // registers buffer group 0, empty
  void Publish(unsigned blocks);                 // the next ones
  char* block(unsigned id) { return blocks_.data() + size_t{id} * block_bytes_; }

  io_uring_sqe* Sqe(uint8_t opcode, int fd, uint64_t user_data, bool fixed = true);
  void MultishotAccept(int listener, uint64_t user_data);
  void OneAccept(int listener, uint64_t user_data);  // DONTWAIT into a direct slot
  void MultishotReceive(int slot, uint64_t user_data, bool poll_first);
  void Send(int slot, uint64_t user_data, std::string_view bytes, bool wait);
  void CloseSlot(int slot, uint64_t user_data);
  void Cancel(uint64_t target, uint64_t user_data);
  void Unconnect(int slot, uint64_t user_data);  // CONNECT to AF_UNSPEC: RST

  // Submits, and notes what completes until `count` completions came (or a second has passed) and then what more there
  // is. One line each, "user_data: result [MORE] [BUFFER]", sorted, so that only what the kernel promises is compared.
  // Returns the results in order of arrival.
  std::vector<io_uring_cqe> Collect(unsigned count, std::string_view title);
  // One enter, nothing else: how many completions it made.
  unsigned EnterOnce(unsigned min_complete);
  void Note(std::string line) { log_.push_back(std::move(line)); }
  const std::vector<std::string>& log() const { return log_; }

 private:
  Machine* const machine_;
  std::string why_not_;
  std::unique_ptr<core::Ring> ring_;
  struct PageAligned {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, PageAligned> group_;
  std::vector<char> blocks_;
  unsigned entries_ = 0;
  unsigned block_bytes_ = 0;
  unsigned published_ = 0;
  std::vector<int> listeners_;
  std::vector<std::string> log_;
};

std::string ErrorName(int result);  // "5", "-ENOBUFS"

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_MACHINE_H_
