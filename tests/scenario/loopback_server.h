// SPDX-License-Identifier: Apache-2.0
// LoopbackServer: a whole server in the test's process, on 127.0.0.1 and real rings, whose insides a test can look at.
//
// Ending it checks what every scenario promises: each connection released once with one cause, none left, no memory of
// a connection left.
//
// Threads:  the test's; counters and OnShard from any thread but the shards'.
// Owns:     shards, engines, transports, handlers, threads.
#ifndef MOORING_TESTS_SCENARIO_LOOPBACK_SERVER_H_
#define MOORING_TESTS_SCENARIO_LOOPBACK_SERVER_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alloc/accounting.h"
#include "core/clock.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "core/shard_thread.h"
#include "core/shards.h"
#include "net/credit.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/providers.h"
#include "net/task_service.h"
#include "net/transport.h"
#include "tests/scenario/fault_kernel.h"

namespace mooring::scenario {

// How long a test waits for something that must happen. Passing it is a failure, and nothing else depends on it.
// MOORING_PATIENCE_SCALE multiplies it, where a machine is emulated.
inline const int kPatienceSeconds = [] {
  const char* scale = std::getenv("MOORING_PATIENCE_SCALE");
  return 60 * (scale == nullptr ? 1 : std::max(1, std::atoi(scale)));
}();

using ServiceFactory = std::function<std::unique_ptr<net::Handler>()>;

template <class H>
ServiceFactory Callbacks() {
  return [] { return std::make_unique<H>(); };
}
inline ServiceFactory Coroutine(core::Task<> (*service)(net::Connection&)) {
  return [service] { return std::make_unique<net::TaskService>(service); };
}

struct LoopbackOptions {
  int shards = 1;
  net::TransportKind transport = net::TransportKind::kUring;
  net::ServiceOptions service = {};
  uint32_t connections_max = 16384;  // direct slots of each shard
  int64_t max_connections = 0;       // of the process; 0 is no cap
  net::ListenerBounds bounds = {};   // of its one listener
  net::AddressTable* addresses = nullptr;
  net::AcceptRate* rate = nullptr;
  uint64_t block_bytes_max = UINT64_MAX;  // of each shard
  std::string features_off = {};
  int backlog = 0;                   // 0: as mooringd would have it
  std::string address = "127.0.0.1";
  int inherited_fd = -1;             // a listening socket that it takes over, instead of one of its own
  bool user_timeout = false;         // TCP_USER_TIMEOUT as mooringd sets it, from write_stall_s
  Faults faults = Faults::kNone;     // from a seed, which is printed as MOORING_SEED=n and taken from there
};

class LoopbackServer {
 public:
  LoopbackServer(ServiceFactory service, const LoopbackOptions& options = {});
  ~LoopbackServer();  // aborts what is left
  LoopbackServer(const LoopbackServer&) = delete;

  uint16_t port() const { return port_; }
  int shards() const { return static_cast<int>(shards_.size()); }

  // Sums over the shards, without asking them.
  uint64_t Count(net::EngineCount which) const;
  uint64_t Cause(net::CloseCause which) const;
  uint64_t Refused(net::RefuseCause which) const;
  uint64_t Stops(net::StopCause which) const;
  uint64_t Causes() const;  // of all connections that have ended
  uint64_t live() const;
  uint64_t Bytes(alloc::Purpose purpose) const;
  // One of the transport's counters, by its name.
  uint64_t TransportCount(std::string_view name);
  // Of a kind of fault, how many there were.
  uint64_t Injected(Fault which) const;

  // Runs f(engine) in a turn of a shard and gives its answer.
  template <class F>
  auto OnShard(int shard, F f) {
    using R = decltype(f(std::declval<net::Engine&>()));
    auto answer = std::make_shared<std::promise<R>>();
    std::future<R> future = answer->get_future();
    net::Engine* engine = shards_[shard]->engine.get();
    Post(shard, [engine, answer, f = std::move(f)]() mutable {
      if constexpr (std::is_void_v<R>) {
        f(*engine);
        answer->set_value();
      } else {
        answer->set_value(f(*engine));
      }
    });
    if (future.wait_for(std::chrono::seconds(kPatienceSeconds)) != std::future_status::ready) Frozen(shard);
    return future.get();
  }

  // Returns when `done` holds, looking again whenever a millisecond of shard 0's wheel has passed. False, and the test
  // has failed, when it never does.
  bool Await(const std::function<bool()>& done, int patience_seconds = kPatienceSeconds);
  // Returns when the wheel of shard 0 has moved on by so much.
  void PassTime(int64_t ms);

  void SetMemoryPressure(int step);
  void BeginDrain();
  bool AwaitDrained();  // false, and the test has failed, when it is not
  uint32_t CutAll();

 private:
  struct ShardParts {
    std::unique_ptr<FaultKernel> kernel;  // null: no faults
    std::unique_ptr<net::TransportProvider> provider;
    std::unique_ptr<core::Shard> shard;
    std::unique_ptr<net::Handler> handler;
    std::unique_ptr<net::Engine> engine;
    std::unique_ptr<net::Transport> transport;
    std::unique_ptr<core::ShardThread> thread;
  };

  void Post(int shard, core::Mail mail);
  [[noreturn]] static void Frozen(int shard);

  core::MonotonicClock clock_;
  const LoopbackOptions options_;
  std::unique_ptr<net::Credit> credit_;
  std::vector<std::unique_ptr<ShardParts>> shards_;
  std::unique_ptr<core::Shards> directory_;
  uint16_t port_ = 0;
  bool draining_ = false;
};

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_LOOPBACK_SERVER_H_
