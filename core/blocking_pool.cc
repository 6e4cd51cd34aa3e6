// SPDX-License-Identifier: Apache-2.0
#include "core/blocking_pool.h"

#include <pthread.h>
#include <signal.h>

#include <cassert>
#include <chrono>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/topology.h"

namespace mooring::core {
namespace {

BlockingPool::Options WithCpus(BlockingPool::Options options) {
  if (options.cpus.empty()) {
    if (auto allowed = AllowedCpus(); allowed.ok()) options.cpus = *std::move(allowed);
  }
  return options;
}

}  // namespace

BlockingPool::BlockingPool(const Options& options) : options_(WithCpus(options)) {
  assert(options_.threads > 0);
  assert(options_.queue_max > 0);
  threads_.reserve(options_.threads);
}

BlockingPool::~BlockingPool() {
  End(0);
  for (std::thread& thread : threads_) thread.join();
}

bool BlockingPool::End(Nanos patience) {
  Job* job;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    job = std::exchange(first_, nullptr);
    counts_.queued = 0;
  }
  work_.notify_all();
  while (job != nullptr) {
    Job* const next = job->next;
    job->drop(job);
    job = next;
  }
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, std::chrono::nanoseconds(patience), [this] { return counts_.busy == 0; });
}

bool BlockingPool::Submit(Job* job) {
  {
    const std::lock_guard lock(mutex_);
    bool room = !ending_ && counts_.queued < options_.queue_max;
    const bool all_have_one = counts_.busy + counts_.queued >= threads_.size();
    // Without another thread the job has to wait; without any it would wait for ever.
    if (room && all_have_one && threads_.size() < options_.threads && !StartThread()) room = !threads_.empty();
    if (!room) {
      ++counts_.refused;
      return false;
    }
    job->next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = job;
    last_ = job;
    ++counts_.queued;
  }
  work_.notify_one();
  return true;
}

// A walk over those that wait: cancelling is rare, and a queue is short unless something is wrong.
bool BlockingPool::Withdraw(Job* job) {
  const std::lock_guard lock(mutex_);
  Job* before = nullptr;
  for (Job* at = first_; at != nullptr; before = std::exchange(at, at->next)) {
    if (at != job) continue;
    (before == nullptr ? first_ : before->next) = job->next;
    if (last_ == job) last_ = before;
    --counts_.queued;
    ++counts_.withdrawn;
    return true;
  }
  return false;
}

bool BlockingPool::StartThread() {
  // Blocked here for the moment, and so from its first instruction in the thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    threads_.emplace_back([this, number = counts_.threads] { Main(number); });
    ++counts_.threads;
  } catch (const std::exception&) {  // EAGAIN, the limit on threads (pthread_create(3)); or no memory
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void BlockingPool::Main(uint32_t number) {
  pthread_setname_np(pthread_self(), absl::StrCat("blocking-", number).substr(0, 15).c_str());
  // Fails only when none of them is left in the cpuset; then the thread stays where its starter is.
  if (!options_.cpus.empty()) RunThisThreadOn(options_.cpus).IgnoreError();
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return first_ != nullptr || ending_; });
    if (ending_) return;
    Job* const job = first_;
    first_ = job->next;
    --counts_.queued;
    ++counts_.run;
    ++counts_.busy;
    lock.unlock();
    job->run(job);
    lock.lock();
    --counts_.busy;
    if (ending_) idle_.notify_all();
  }
}

BlockingPool::Counts BlockingPool::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace mooring::core
