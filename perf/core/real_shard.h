// SPDX-License-Identifier: Apache-2.0
// RealShard: a shard over a transport on this kernel, stepped by a benchmark.
//
// Threads:  one.
#ifndef MOORING_PERF_CORE_REAL_SHARD_H_
#define MOORING_PERF_CORE_REAL_SHARD_H_

#include <benchmark/benchmark.h>

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "core/task.h"
#include "net/engine.h"
#include "net/providers.h"
#include "net/transport.h"

namespace mooring::core {

class RealShard {
 public:
  explicit RealShard(net::TransportKind kind) : engine_(&shard_, {.connections_max = 64}) {
    Shard::Enter enter(&shard_);
    auto provider = net::MakeProvider(RealKernel(), kind);
    auto transport = provider->Open(&shard_, engine_.events(), {.connections_max = 64});
    if (!transport.ok()) return;
    transport_ = *std::move(transport);
    shard_.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
  }
  ~RealShard() {
    Shard::Enter enter(&shard_);
    transport_.reset();
  }

  bool ok() const { return transport_ != nullptr; }
  Shard& shard() { return shard_; }

  // Runs what `make` gives as a root, in turns, until it is done.
  template <class Make>
  void Run(Make&& make) {
    struct Root : TaskRoot {
      bool over = false;
    } root;
    root.done = [](TaskRoot* self, std::exception_ptr) {
      static_cast<Root*>(self)->over = true;
      DoNotSleep();
    };
    {
      Shard::Enter enter(&shard_);
      make().Start(&root);
    }
    while (!root.over) shard_.RunTurn();
  }

  // The turn under way does not wait in the end: what was waited for has come.
  static void DoNotSleep() {
    Shard::Current()->MakeRunnable([](void*) {}, nullptr);
  }

 private:
  MonotonicClock clock_;
  Shard shard_{{.clock = &clock_}};
  net::Engine engine_;
  std::unique_ptr<net::Transport> transport_;
};

// The transport that a benchmark's first argument names; skips it where this kernel has none.
inline std::unique_ptr<RealShard> ShardOf(benchmark::State& state) {
  const auto kind = static_cast<net::TransportKind>(state.range(0));
  state.SetLabel(std::string(net::Name(kind)));
  auto shard = std::make_unique<RealShard>(kind);
  if (!shard->ok()) state.SkipWithError("this kernel has no such transport");
  return shard;
}

}  // namespace mooring::core

#endif  // MOORING_PERF_CORE_REAL_SHARD_H_
