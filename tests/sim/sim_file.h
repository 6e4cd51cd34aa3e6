// SPDX-License-Identifier: Apache-2.0
// SimFile: what a simulated descriptor names, and who waits for it to become ready.
//
// A descriptor, a direct slot and every request in flight each hold the open file; the last of them to let go closes
// it. So closing a slot while a receive is armed sends nothing, as with the real kernel.
//
// Threads:  one.
// Owns:     an OpenFile its SimFile's share of life; a SimFile none of its waiters.
#ifndef MOORING_TESTS_SIM_SIM_FILE_H_
#define MOORING_TESTS_SIM_SIM_FILE_H_

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace mooring::sim {

// What a change may have brought, as the kernel's wake-ups say it: poll(2) events, or 0 for "look yourself" (a change of
// state). A waiter that asked for none of them sleeps on.
inline constexpr uint32_t kWakeAny = 0;
inline constexpr uint32_t kWakeReadable = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;  // sock_def_readable
inline constexpr uint32_t kWakeWritable = POLLOUT | POLLWRNORM | POLLWRBAND;           // sk_stream_write_space

// Told of every change that may have made a file ready for it; looks for itself what is so.
class Waiter {
 public:
  // True when it took the wake-up: then no further exclusive waiter gets it.
  virtual bool OnWake(uint32_t key) = 0;
  virtual void OnGone() {}  // the file was closed for good; it waits no more

 protected:
  ~Waiter() = default;
};

class SimFile {
 public:
  virtual ~SimFile() = default;
  virtual uint32_t Ready() const = 0;   // poll(2) events that hold now
  virtual void OnLastClose() = 0;

  // The last to come is told first (__add_wait_queue). Of exclusive ones one is told, which waits longest.
  void AddWaiter(Waiter* waiter, bool exclusive = false) {
    exclusive ? exclusive_.push_back(waiter) : static_cast<void>(waiters_.insert(waiters_.begin(), waiter));
  }
  void RemoveWaiter(Waiter* waiter) {
    if (!Erase(&waiters_, waiter)) Erase(&exclusive_, waiter);
  }
  // __wake_up_common(): everybody, and exclusive ones until one takes it; a change of state is told to all.
  void Wake(uint32_t key = kWakeAny) {
    if (exclusive_.empty() && waiters_.size() <= 1) {
      if (!waiters_.empty()) waiters_.front()->OnWake(key);
      return;
    }
    const std::vector<Waiter*> now = waiters_;  // a waiter may leave, or others may come, while they are told
    for (Waiter* waiter : now) {
      if (Has(waiters_, waiter)) waiter->OnWake(key);
    }
    const std::vector<Waiter*> in_turn = exclusive_;
    for (Waiter* waiter : in_turn) {
      if (Has(exclusive_, waiter) && waiter->OnWake(key) && key != kWakeAny) return;
    }
  }
  void LetGo() {  // eventpoll_release(), before the file's own close
    for (Waiter* waiter : std::vector<Waiter*>(waiters_)) waiter->OnGone();
    for (Waiter* waiter : std::vector<Waiter*>(exclusive_)) waiter->OnGone();
  }
  size_t waiters() const { return waiters_.size() + exclusive_.size(); }

 private:
  static bool Has(const std::vector<Waiter*>& in, Waiter* waiter) {
    return std::find(in.begin(), in.end(), waiter) != in.end();
  }
  static bool Erase(std::vector<Waiter*>* from, Waiter* waiter) {
    const auto at = std::find(from->begin(), from->end(), waiter);
    if (at == from->end()) return false;
    from->erase(at);
    return true;
  }
  std::vector<Waiter*> waiters_;
  std::vector<Waiter*> exclusive_;
};

// A system call that sleeps, cut in two: asleep() after the first half would still wait; it ends at wake_at() at the
// latest. The second half is the caller's next call.
class SimSleep {
 public:
  bool asleep() const { return asleep_; }
  core::Nanos wake_at() const { return wake_at_; }

 protected:
  ~SimSleep() = default;
  bool asleep_ = false;
  core::Nanos wake_at_ = 0;
};

// One open file description.
struct OpenFile {
  explicit OpenFile(std::shared_ptr<SimFile> named) : file(std::move(named)) {}
  ~OpenFile() {
    if (file->waiters() > 0) file->LetGo();
    file->OnLastClose();
  }
  OpenFile(const OpenFile&) = delete;

  const std::shared_ptr<SimFile> file;
};
using FileRef = std::shared_ptr<OpenFile>;

// eventfd(2).
class SimEventFd final : public SimFile {
 public:
  uint32_t Ready() const override { return POLLOUT | (count_ > 0 ? POLLIN : 0); }
  void OnLastClose() override {}
  void Add(uint64_t n) {
    count_ += n;
    Wake(POLLIN);
  }
  uint64_t Take() {  // 0 when there is nothing: read(2) would wait
    const uint64_t count = std::exchange(count_, 0);
    if (count > 0) Wake(POLLOUT);
    return count;
  }

 private:
  uint64_t count_ = 0;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_FILE_H_
