// SPDX-License-Identifier: Apache-2.0
#include "core/shard_thread.h"

#include <pthread.h>

#include <cassert>

#include "core/topology.h"

namespace mooring::core {

ShardThread::~ShardThread() { assert(!thread_.joinable()); }

absl::Status ShardThread::Start() {
  thread_ = std::thread([this] { Main(); });
  phase_.wait(kIdle, std::memory_order_acquire);
  return status_;
}

void ShardThread::Go() {
  phase_.store(kGo, std::memory_order_release);
  phase_.notify_all();
}

void ShardThread::Join() {
  if (!thread_.joinable()) return;
  int waiting = kSetUp;
  if (phase_.compare_exchange_strong(waiting, kNever, std::memory_order_acq_rel)) {
    phase_.notify_all();
  } else if (waiting == kGo) {
    shard_->Stop();
  }
  thread_.join();
}

void ShardThread::Main() {
  if (!options_.name.empty()) pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  if (options_.cpu >= 0) status_ = PinThisThread(options_.cpu);
  if (status_.ok()) {
    Shard::Enter enter(shard_);
    status_ = options_.set_up();
  }
  const bool ok = status_.ok();
  phase_.store(kSetUp, std::memory_order_release);
  phase_.notify_all();
  if (ok) {
    phase_.wait(kSetUp, std::memory_order_acquire);
    if (phase_.load(std::memory_order_acquire) == kGo) shard_->Run();
    Shard::Enter enter(shard_);
    options_.tear_down();
  }
  done_.store(true, std::memory_order_release);
}

}  // namespace mooring::core
