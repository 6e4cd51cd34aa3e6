// SPDX-License-Identifier: Apache-2.0
// Choices: everything that the simulated kernel may decide one way or another, decided by a seed.
//
// Each decision has its own name, so that RULES.md can say why the real kernel may take it too, and so that a test can
// switch single ones. A calm one never varies: whole segments, whole buffers, first in first out; with it the
// simulation answers like an idle real machine.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_CHOICES_H_
#define MOORING_TESTS_SIM_CHOICES_H_

#include <cstddef>
#include <cstdint>
#include <functional>

namespace mooring::sim {

// Where a fault can be put in: the named call or operation then fails with the error that the fault function returns.
enum class FaultSite : uint8_t {
  kRingSetup,
  kRegister,      // a file table or a buffer ring
  kRingEnter,     // EAGAIN of one that submits: some entries are taken, or none; others of one that would sleep
  kSocket,
  kBind,
  kListen,
  kFilter,        // SO_ATTACH_FILTER
  kAccept,        // ENFILE into a direct slot, and ECONNABORTED, take the connection
  kInstall,
  kReceive,
  kSend,
  kConnect,
  kPeerName,
  kDuplicate,
  kEventFd,
  kEpollCreate,
  kEpollAdd,      // EPOLL_CTL_ADD: the others cannot fail for want of anything
  kEpollWait,     // one that would sleep
  kOpenFile,
  kStatFile,
  kReadFile,
  kCount
};

class SimSocket;

// What is about to be done, and on which socket: of accept the listener, null where there is none.
struct FaultPoint {
  FaultSite site;
  SimSocket* socket = nullptr;
  operator FaultSite() const { return site; }  // NOLINT: most plans look at no more
};

// Where decisions come from: numbers, one after the other. Left alone, Choices draws them from its seed.
class Decisions {
 public:
  virtual ~Decisions() = default;
  // 0 <= result < n. REQUIRES n > 0.
  virtual uint64_t Below(uint64_t n) = 0;
};

// From a seed: splitmix64.
class SeededDecisions final : public Decisions {
 public:
  explicit SeededDecisions(uint64_t seed) : state_(seed) {}
  uint64_t Below(uint64_t n) override { return Next() % n; }
  uint64_t Next();

 private:
  uint64_t state_;
};

// From bytes, a fuzzer's: a decision takes as few as its range needs. When they are used up, a seed that they give goes
// on, so that what they began comes to its end.
class ByteDecisions final : public Decisions {
 public:
  ByteDecisions(const uint8_t* bytes, size_t size);
  uint64_t Below(uint64_t n) override;
  bool used_up() const { return at_ == size_; }

 private:
  const uint8_t* const bytes_;
  const size_t size_;
  size_t at_ = 0;
  SeededDecisions rest_;
};

class Choices {
 public:
  explicit Choices(uint64_t seed, bool calm = false);
  Choices(const Choices&) = delete;

  // From now on all is drawn from there; `decisions` outlives this.
  void SetDecisions(Decisions* decisions) { decisions_ = decisions; }

  uint64_t seed() const { return seed_; }
  bool calm() const { return calm_; }

  size_t Pick(size_t n);            // 0 <= result < n; REQUIRES n > 0. Calm: 0
  bool Chance(unsigned percent);    // calm: false
  size_t Between(size_t low, size_t high);

  // A number of bytes out of 1..available, often all of them, often very few. Calm: all.
  size_t Some(size_t available);

  size_t ReceiveChunk(size_t available);                                // into one receive block
  size_t SendTake(size_t room) { return Some(room); }                   // of one send
  size_t Segment(size_t deliverable) { return Some(deliverable); }      // one delivery by the network
  size_t LostWithReset(size_t in_flight);                               // bytes that an RST overtakes. Calm: 0
  size_t SendBuffer();                                                  // bytes of a socket's send buffer
  size_t ReceiveBuffer();                                               // bytes a socket takes before its reader reads
  bool DeliverDuringEnter() { return Chance(15); }  // a call that looks at sockets, epoll_wait too
  bool WakeTwice() { return Chance(6); }
  bool CancelTooLate() { return Chance(30); }
  bool NotInMemory() { return Chance(25); }   // what of a path or a file is asked for without a wait
  bool RenamedMeanwhile() { return Chance(10); }
  size_t ReadTake(size_t there) { return Some(there); }                 // of one read of a file

  // kCrumbs: every receive is one of very few bytes, as if each segment held no more: blocks run out soon. kWhole: all
  // that is there, for a test that counts on what was acknowledged not being "a moment later".
  enum class Receives : uint8_t { kSome, kCrumbs, kWhole };
  void SetReceives(Receives receives) { receives_ = receives; }

  // 0 (no fault) or an errno. None happen until a test says so.
  void SetFaults(std::function<int(const FaultPoint&)> faults) { faults_ = std::move(faults); }
  int Fault(FaultSite site, SimSocket* socket = nullptr) { return faults_ ? faults_({site, socket}) : 0; }

  // What the code under test, or the test itself, did wrong: says so with the seed, and aborts.
  [[noreturn]] void Fail(const char* format, ...) const __attribute__((format(printf, 2, 3)));

 private:
  const uint64_t seed_;
  const bool calm_;
  Receives receives_ = Receives::kSome;
  SeededDecisions seeded_;
  Decisions* decisions_ = &seeded_;
  std::function<int(const FaultPoint&)> faults_;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_CHOICES_H_
