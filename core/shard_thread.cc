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

void ShardThread::Enter(Phase phase) {
  phase_.store(phase, std::memory_order_release);
  phase_.notify_all();
}

void ShardThread::Go() { Enter(kGo); }

void ShardThread::Stop() {
  if (phase_.load(std::memory_order_acquire) == kGo) shard_->Stop();
}

void ShardThread::AwaitStopped() { phase_.wait(kGo, std::memory_order_acquire); }

void ShardThread::Join() {
  if (!thread_.joinable()) return;
  Stop();
  AwaitStopped();
  Enter(kTearDown);
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
  Enter(kSetUp);
  if (ok) {
    phase_.wait(kSetUp, std::memory_order_acquire);
    if (phase_.load(std::memory_order_acquire) == kGo) {
      shard_->Run();
      Enter(kStopped);
      phase_.wait(kStopped, std::memory_order_acquire);
    }
    Shard::Enter enter(shard_);
    options_.tear_down();
  }
}

}  // namespace mooring::core
