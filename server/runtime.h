// SPDX-License-Identifier: Apache-2.0
// Runtime: the shards of a process, their listeners, and their end.
//
//   Start: threads, rings, PerShard objects ─> claim every endpoint ─> start hooks, listen
//          (any failure: nothing is left running)
//   Run:   control shard waits for a signal ─> drain ─> all shards have served their peers ─> background tasks are
//          cancelled ─> all shards drained, or the deadline cut them ─> stop hooks, PerShard objects go ─> exit code
//
// Background tasks go last, and on no shard before all have served their peers: a service may wait for one of another
// shard.
//
// The main thread runs the control shard: it has no data listeners, is not pinned and is not counted in --shards.
//
// Threads:  Start and Run on the main thread, which must have the signals blocked (BlockSignals).
// Owns:     shards, engines, transports, handlers.
#ifndef MOORING_SERVER_RUNTIME_H_
#define MOORING_SERVER_RUNTIME_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/blocking_pool.h"
#include "core/clock.h"
#include "core/kernel.h"
#include "core/placement.h"
#include "core/plan.h"
#include "core/shard.h"
#include "core/shard_thread.h"
#include "core/shards.h"
#include "net/choose_transport.h"
#include "net/claim.h"
#include "net/credit.h"
#include "net/endpoint.h"
#include "net/engine.h"
#include "net/transport.h"
#include "server/program.h"

namespace mooring::server {

struct ListenOption {
  std::string name;        // of the listener, no two alike: line, then line-2
  const Service* service;  // outlives the runtime
  net::Endpoint endpoint;
};

struct Options {
  std::vector<ListenOption> listen = {};
  std::string cpus = {};                             // "": all that the process may use
  int shards = 0;                                    // 0: one per CPU
  std::optional<net::TransportKind> transport = {};  // none: auto, the best that the kernel allows
  uint64_t max_connections = 0;                      // 0: as many as the descriptor limit allows
  uint32_t drain_deadline_s = 30;
};

enum ExitCode : int {
  kExitFinished = 0,
  kExitFailedStart = 1,
  kExitBadFlag = 2,      // or a bad variable or file
  kExitCut = 3,           // the drain's deadline cut some connections
  kExitSecondSignal = 4,
};

// SIGTERM and SIGINT wait for the control shard from now on, in every thread made later; SIGPIPE is ignored.
void BlockSignals();

class Runtime final : private core::EventPort::Watcher {
 public:
  // How long after the drain's deadline a task that does not end is waited for.
  static constexpr int64_t kSecondDeadlineMs = 5000;

  // `program` and what `options` names of it outlive this.
  Runtime(const Program& program, const Options& options, core::Kernel* kernel, net::TransportChoice transport, core::Clock* clock);
  ~Runtime();

  absl::Status Start();
  std::string Plan() const;  // what was decided, for people; after Start
  int Run();                 // an ExitCode

 private:
  struct DataShard {
    std::unique_ptr<core::Shard> shard;
    std::unique_ptr<net::Engine> engine;
    std::vector<std::unique_ptr<net::Handler>> handlers;
    std::unique_ptr<net::Transport> transport;
    std::unique_ptr<core::ShardThread> thread;
    // The shard's:
    bool started = false;    // its start hooks have run
    int drains_left = 2;     // of its connections, and of its background tasks
    std::function<void()> after_background;
  };

  struct Handed {  // a shard's part of a claim
    int fd;
    int backlog;
    bool shared;
  };

  absl::Status StartShards();
  absl::Status StartControl();
  absl::Status ClaimEndpoints();
  void MakeShard(uint32_t id, int cpu);
  absl::Status SetUp(DataShard& data);  // on its thread
  void BeginServing(DataShard& data, const std::vector<Handed>& handed);  // in a turn of it
  void TearDown(DataShard& data);       // on its thread, after its last turn
  void OnStartFailed(const std::string& why);
  void OnReady(uint32_t events) override;  // a signal
  void Drain();
  void OnShardServed();
  void OnPartDrained(DataShard& data);  // in a turn of the shard
  void OnShardDrained();
  void Cut();
  void StopAll();

  const Program& program_;
  const Options options_;
  core::Kernel* const kernel_;
  const net::TransportChoice choice_;
  core::Clock* const clock_;

  core::Placement placement_;
  core::Plan plan_;
  std::unique_ptr<net::Credit> credit_;
  std::unique_ptr<core::BlockingPool> blocking_;
  std::unique_ptr<core::Shards> directory_;
  std::vector<DataShard> shards_;
  std::vector<net::Claim> claims_;  // of options_.listen, in order
  std::string transport_;  // what the first shard's says of itself

  std::unique_ptr<core::Shard> control_;
  std::unique_ptr<net::Engine> control_engine_;
  std::unique_ptr<net::Transport> control_transport_;
  core::CallTimer deadline_;
  int signal_fd_ = -1;

  bool draining_ = false;
  size_t shards_unserved_ = 0;
  size_t shards_left_ = 0;
  uint64_t cut_ = 0;
  int exit_code_ = kExitFinished;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_RUNTIME_H_
