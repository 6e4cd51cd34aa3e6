// SPDX-License-Identifier: Apache-2.0
// Fleet: the workers of a run, one a shard: started together, told the same things, their counts added up.
//
// Threads:  the main thread, which sleeps nearly all the time.
// Owns:     the workers. Destroying it stops them and cuts what is still open.
#ifndef MOORING_TOOLS_LOAD_FLEET_H_
#define MOORING_TOOLS_LOAD_FLEET_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/histogram.h"
#include "net/transport.h"
#include "tools/load/options.h"
#include "tools/load/shard_load.h"
#include "tools/load/worker.h"

namespace mooring::tools::load {

using Errors = std::map<std::string, uint64_t>;  // by cause

class Fleet {
 public:
  Fleet(net::TransportProvider* provider, const Options& options) : provider_(provider), options_(options) {}

  // Finds the CPUs, shares the connections out and starts a worker per shard. Fails for want of CPUs, memory, limits.
  absl::Status Start();
  void Stop();  // returns when all have ended

  void Post(const std::function<void(ShardLoad&)>& call);  // to each, by mail
  void Ask(const std::function<void(ShardLoad&)>& call);   // the same, one after another; returns when all have done it

  uint32_t shards() const { return static_cast<uint32_t>(workers_.size()); }
  uint64_t Sum(LoadCount which) const;
  uint64_t Awaited() const;  // messages in flight
  uint64_t Live() const;     // connections
  bool Settled() const { return Sum(LoadCount::kSettled) == workers_.size(); }
  bool ChurnDone() const { return Sum(LoadCount::kChurnDone) == workers_.size(); }
  // REQUIRES: `works` Starts or Closes were posted so far.
  bool WalksDone(uint64_t works) const { return Sum(LoadCount::kWalkDone) == works * workers_.size(); }

  core::Nanos Now() { return clock_.Now(); }
  // Both show progress meanwhile. False: `limit` came first.
  bool WaitFor(core::Nanos limit, const std::function<bool()>& done);
  void SleepUntil(core::Nanos time, const std::function<bool()>& nothing_left);

  // Since the start, by cause. By mail: not after Stop.
  Errors ReadErrors(std::map<std::string, std::string>* explained);
  void AddLatencies(core::Histogram* latency, core::Histogram* connect_latency) const;

 private:
  void ShowProgress();

  net::TransportProvider* const provider_;
  const Options options_;
  core::MonotonicClock clock_;
  std::vector<std::unique_ptr<Worker>> workers_;
  core::Nanos last_shown_ = 0;
  uint64_t replied_shown_ = 0;
};

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_FLEET_H_
