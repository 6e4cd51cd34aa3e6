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
#include <vector>

namespace mooring::sim {

// Told of every change that may have made a file ready for it; looks for itself what is so.
class Waiter {
 public:
  virtual void OnWake() = 0;

 protected:
  ~Waiter() = default;
};

class SimFile {
 public:
  virtual ~SimFile() = default;
  virtual uint32_t Ready() const = 0;   // poll(2) events that hold now
  virtual void OnLastClose() = 0;

  void AddWaiter(Waiter* waiter) { waiters_.push_back(waiter); }
  void RemoveWaiter(Waiter* waiter) {
    waiters_.erase(std::remove(waiters_.begin(), waiters_.end(), waiter), waiters_.end());
  }
  void Wake() {
    const std::vector<Waiter*> now = waiters_;  // a waiter may leave, or others may come, while they are told
    for (Waiter* waiter : now) {
      if (std::find(waiters_.begin(), waiters_.end(), waiter) != waiters_.end()) waiter->OnWake();
    }
  }
  size_t waiters() const { return waiters_.size(); }

 private:
  std::vector<Waiter*> waiters_;
};

// One open file description.
struct OpenFile {
  explicit OpenFile(std::shared_ptr<SimFile> named) : file(std::move(named)) {}
  ~OpenFile() { file->OnLastClose(); }
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
    Wake();
  }
  uint64_t Take() {  // 0 when there is nothing: read(2) would wait
    const uint64_t count = count_;
    count_ = 0;
    return count;
  }

 private:
  uint64_t count_ = 0;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_FILE_H_
