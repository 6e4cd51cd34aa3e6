// SPDX-License-Identifier: Apache-2.0
// Worker: a shard of the load generator with everything on it: thread, transport, engine and ShardLoad.
//
// Threads:  the main thread's. Post hands a call to the shard.
// Owns:     all of it. Destroying it stops the shard and cuts what is still open.
#ifndef MOORING_TOOLS_LOAD_WORKER_H_
#define MOORING_TOOLS_LOAD_WORKER_H_

#include <memory>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/shard.h"
#include "core/shard_thread.h"
#include "net/engine.h"
#include "net/transport.h"
#include "tools/load/options.h"
#include "tools/load/shard_load.h"
#include "tools/load/share.h"

namespace mooring::tools::load {

class Worker {
 public:
  Worker(net::TransportProvider* provider, int cpu, const Options& options, Share share);
  ~Worker();

  absl::Status Start();  // runs turns when ok
  void Post(core::Mail call);
  void Stop();  // returns when the thread has ended; safe to call twice

  ShardLoad& load() { return load_; }
  const net::Engine& engine() const { return engine_; }

 private:
  absl::Status SetUp();
  void TearDown();

  net::TransportProvider* const provider_;
  const uint32_t shards_;
  const uint32_t slots_;
  core::MonotonicClock clock_;
  core::Shard shard_;
  net::Engine engine_;
  ShardLoad load_;
  std::unique_ptr<net::Transport> transport_;
  core::ShardThread thread_;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_WORKER_H_
