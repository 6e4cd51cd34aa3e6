// SPDX-License-Identifier: Apache-2.0
// Runtime: the shards of a process, their listeners, what changes while they run, and their end.
//
//   Start:  threads, rings, PerShard objects ─> claim every endpoint ─> start hooks, listen
//           (any failure: nothing is left running)
//   Run:    the control shard waits for signals, serves the admin interface and looks after the rest once a second
//   reload: settings again ─> claim all new endpoints ─> make all new services on every shard ─> change the shards ─>
//           retire what is gone (any failure before the change: nothing has changed)
//   drain:  not ready ─> delay ─> all shards have served their peers ─> background tasks are cancelled ─> all shards
//           drained, or the deadline cut them ─> stop hooks, PerShard objects go ─> exit code
//
// Background tasks go last, and on no shard before all have served their peers: a service may wait for one of another
// shard.
//
// The main thread runs the control shard: it has no data listeners, is not pinned and is not counted in --shards.
//
// Threads:  Start and Run on the main thread, which must have the signals blocked (Signals::Block).
// Owns:     shards, engines, transports, handlers, claims.
#ifndef MOORING_SERVER_RUNTIME_H_
#define MOORING_SERVER_RUNTIME_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/blocking_pool.h"
#include "core/clock.h"
#include "core/kernel.h"
#include "core/placement.h"
#include "core/plan.h"
#include "core/shard.h"
#include "core/shards.h"
#include "net/accept_rate.h"
#include "net/address_table.h"
#include "net/choose_transport.h"
#include "net/claim.h"
#include "net/credit.h"
#include "net/engine.h"
#include "net/transport.h"
#include "server/admin/admin.h"
#include "server/control.h"
#include "server/data_shard.h"
#include "server/exit_code.h"
#include "server/log.h"
#include "server/memory_guard.h"
#include "server/metrics/metrics.h"
#include "server/program.h"
#include "server/settings.h"
#include "server/signals.h"
#include "server/systemd/activation.h"
#include "server/systemd/notify.h"
#include "server/watch/watch.h"

namespace mooring::server {

class Runtime final : private Control {
 public:
  // How long after the drain's deadline a task that does not end is waited for.
  static constexpr int64_t kSecondDeadlineMs = 5000;
  // How long the log's last line may take where the process is about to be ended.
  static constexpr int64_t kSettleMs = 500;
  // How long the admin interface may take to end, once all else has.
  static constexpr int64_t kLastWordsMs = 1000;

  struct Options {
    Settings settings;
    std::vector<Configured> services;  // of settings.listeners, in order
    core::Kernel* kernel;
    net::TransportChoice transport;
    core::Clock* clock;
    Log* log;
    systemd::Notify notify = {};
    systemd::InheritedSockets inherited = {};
    // For a reload: the same flags and environment, the file read anew. Null: SIGHUP changes nothing.
    std::function<absl::StatusOr<Settings>(const Settings& before)> read_again = {};
  };
  // `program` and what `options` names outlive this.
  Runtime(const Program& program, Options options);
  ~Runtime();

  absl::Status Start();
  std::string Report() const;  // what was decided, for people; after Start
  int Run();                   // an ExitCode

 private:
  // Of a Credit that bounds nothing: far from every bound, whatever is taken.
  static constexpr int64_t kNoLimit = int64_t{1} << 40;
  // What shards share about a listener. Kept as long as the process: connections give their credit back late.
  struct Bounds {
    net::Credit credit{kNoLimit};
    net::AddressTable addresses{0};
    net::AcceptRate rate{0};
    net::ListenerLimits limits = {};
  };
  struct Served {
    net::ListenerId number = 0;  // of the listener, on every shard
    uint32_t handler = 0;        // what serves its new connections; a number that is never used again
    ListenerSettings settings;
    Configured service;
    Bounds* bounds = nullptr;
    std::unique_ptr<net::Claim> claim;
    bool open = true;
  };
  // What served a listener and serves old connections of it, on so many shards.
  struct OldService {
    Configured service;
    size_t left = 0;
  };
  struct AdminListener {
    admin::Admin::Part part;
    net::Claim claim;  // of a Unix path, which goes with it
    std::unique_ptr<net::Handler> handler;
    net::ListenerId id;
    bool open = true;
  };
  struct Reload;
  struct Leaving {  // a listener that is retired
    net::ListenerId number;
    uint32_t handler;
    std::string name;
    size_t unclosed;  // shards on which its socket is open
    size_t ungone;    // ... on which some of its connections are
  };

  // Control
  const Program& program() const override { return program_; }
  const Settings& settings() const override { return settings_; }
  const core::Plan& plan() const override { return plan_; }
  uint64_t connections_max() const override {
    return credit_max_ == kNoLimit ? plan_.connections_possible : static_cast<uint64_t>(credit_max_);
  }
  core::Shard* control_shard() override { return control_.get(); }
  Log& log() override { return *options_.log; }
  int64_t started_wall_s() const override { return started_wall_s_; }
  ServerState state() const override { return state_; }
  uint64_t memory_ceiling_bytes() const override { return memory_.ceiling_bytes(); }
  int memory_step() const override { return memory_.step(); }
  std::vector<ServedListener> listeners() const override;
  const std::vector<ShardView>& shards() const override { return views_; }
  absl::Status Drain() override;
  absl::Status DrainListener(const std::string& name) override;
  absl::Status DrainConnections(const std::string& listener, uint32_t percent) override;

  // Calls `what` in a turn of each data shard, and `then` in one of the control shard when all have returned. In a turn
  // of the control shard, or its Enter.
  void OnEach(std::function<void(DataShard&)> what, std::function<void()> then = {});

  // runtime.cc: start and stop
  absl::Status StartShards();
  absl::Status StartControl();
  absl::Status StartAdmin();
  absl::StatusOr<net::Claim> ClaimAdmin(admin::Admin::Part part, const net::Endpoint& endpoint);
  void ServeAdmin(admin::Admin::Part part, net::Claim claim);
  absl::Status ClaimAll();
  net::ListenerId TakeNumber();
  // `listeners`: how many there will be.
  absl::StatusOr<std::unique_ptr<net::Claim>> ClaimFor(const ListenerSettings& listener, const net::ServiceOptions& options,
                                                       size_t listeners);
  Served MakeServed(const ListenerSettings& listener, Configured service);
  net::ListenerBounds BoundsOf(const Served& served);
  static int64_t LimitOf(uint64_t limit) { return limit == 0 ? kNoLimit : static_cast<int64_t>(limit); }
  void SetCredit(uint64_t connections_max);
  void SetLimits(Bounds& bounds, const net::ListenerLimits& limits);
  void BeginServing();
  void OnStartFailed(const std::string& why);
  void OnSecond();
  void SayAlive();
  void LookAtMemory();
  void OnSignal(int signal);
  void StopAll();

  // runtime_reload.cc
  void ReloadNow();
  void ReopenFiles();
  absl::Status PlanReload(Reload& reload);
  void PrepareReload(std::shared_ptr<Reload> reload);
  void ApplyReload(std::shared_ptr<Reload> reload);
  absl::Status PlanAdmin(Reload& reload);
  void ApplyAdmin(Reload& reload);
  void GiveUp(Reload& reload, const absl::Status& why);
  void ReloadFailed(const absl::Status& why);
  void ReloadDone();
  Leaving LeavingOf(const Served& served) const;
  void RetireOn(DataShard& data, const std::shared_ptr<Leaving>& leaving);
  void ForgetHandler(DataShard& data, uint32_t handler);
  void ExpectForgotten(uint32_t handler) { old_services_[handler].left = shards_.size(); }
  void KeepOld(Served& served);
  void AdoptSettings(Settings settings);

  // runtime_drain.cc
  void StartDrain(const char* reason);
  void BeginDrain();
  void OnShardServed();
  void OnPartDrained(uint32_t shard);  // in a turn of it
  void OnShardDrained();
  void Cut();
  void ReportDrain();
  void EndControl();
  Served* Find(const std::string& listener);

  const Program& program_;
  Options options_;
  Settings settings_;
  int64_t started_wall_s_ = 0;

  core::Placement placement_;
  core::Plan plan_;
  uint64_t connections_possible_ = 0;  // by what was laid out at start, whatever max_connections says
  std::vector<std::string> notes_;
  std::vector<std::string> said_;  // of the admin interface, where it is
  net::Credit credit_{kNoLimit};
  int64_t credit_max_ = kNoLimit;
  net::AddressTable addresses_{0};
  net::AcceptRate rate_{0};
  std::deque<Bounds> bounds_;
  std::unique_ptr<core::BlockingPool> blocking_;
  std::unique_ptr<core::Shards> directory_;
  std::vector<Served> served_;
  std::map<uint32_t, OldService> old_services_;  // by handler
  std::vector<std::unique_ptr<DataShard>> shards_;  // before what their handlers use
  std::vector<ShardView> views_;
  std::set<net::ListenerId> numbers_;  // in use: by a listener, or by connections of one that is gone
  uint32_t next_handler_ = 0;

  std::unique_ptr<core::Shard> control_;
  std::unique_ptr<net::Engine> control_engine_;
  std::unique_ptr<net::Transport> control_transport_;
  Signals signals_;
  std::unique_ptr<metrics::Metrics> metrics_;
  std::unique_ptr<admin::Admin> admin_;
  std::list<AdminListener> admin_listeners_;  // those that are gone, too: a browser may still be connected
  std::unique_ptr<watch::Watch> watch_;
  core::CallTimer second_;
  core::CallTimer alive_;
  core::CallTimer memory_timer_;
  MemoryGuard memory_;

  bool reloading_ = false;
  bool reload_again_ = false;
  std::vector<std::function<void()>> after_reload_;  // what was asked for meanwhile; a start is one, too

  ServerState state_ = ServerState::kServing;
  core::CallTimer deadline_;
  core::Nanos drain_began_ = 0;
  std::vector<int> parts_left_;  // of each shard's drain: its connections, and its background tasks. The shard's
  size_t shards_unserved_ = 0;
  size_t shards_left_ = 0;
  uint64_t cut_ = 0;
  std::array<uint64_t, static_cast<size_t>(net::CloseCause::kCount)> causes_before_ = {};
  int exit_code_ = kExitFinished;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_RUNTIME_H_
