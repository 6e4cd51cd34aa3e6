// SPDX-License-Identifier: Apache-2.0
#include "tools/load/slow_readers.h"

#include <algorithm>

namespace mooring::tools::load {

SlowReaders::SlowReaders(core::Shard* shard) : shard_(shard) {
  timer_.call = [](void* self) { static_cast<SlowReaders*>(self)->ResumeDue(); };
  timer_.argument = this;
}

// What was under way when it was paused comes nevertheless, and lengthens the pause.
void SlowReaders::Took(net::Connection* conn, uint32_t bytes) {
  auto [place, fresh] = paused_.try_emplace(conn, shard_->now_ms());
  if (!fresh) order_.erase({place->second, conn});
  place->second = std::max(place->second, shard_->now_ms()) + 1000 * int64_t{bytes} / kBytesPerSecond;
  order_.emplace(place->second, conn);
  conn->Pause();
  Arm();
}

void SlowReaders::Forget(net::Connection* conn) {
  const auto place = paused_.find(conn);
  if (place == paused_.end()) return;
  order_.erase({place->second, conn});
  paused_.erase(place);
}

void SlowReaders::Stop() { shard_->wheel().Cancel(&timer_); }

void SlowReaders::ResumeDue() {
  while (!order_.empty() && order_.begin()->first <= shard_->now_ms()) {
    net::Connection* conn = order_.begin()->second;
    Forget(conn);
    conn->Resume();
  }
  Arm();
}

void SlowReaders::Arm() {
  if (!order_.empty()) shard_->wheel().Arm(&timer_, core::TimerKind::kFunction, order_.begin()->first);
}

}  // namespace mooring::tools::load
