// SPDX-License-Identifier: Apache-2.0
// Control: a running server as its admin interface, metrics and log see it, and what they may ask of it.
//
// What a shard counts may be read from any thread: its counters (core/counters.h), its accounting, Engine's counters and
// live_counter, Transport::Count, Handler::Count. All else about a shard is asked of it by mail.
//
// Threads:  the control shard, in its turn.
#ifndef MOORING_SERVER_CONTROL_H_
#define MOORING_SERVER_CONTROL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/plan.h"
#include "core/shard.h"
#include "net/endpoint.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/transport.h"
#include "server/log.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server {

enum class ServerState : uint8_t {
  kServing,
  kDelaying,  // told to drain: not ready, but its listeners are still open (drain.delay)
  kDraining,
};
constexpr const char* Name(ServerState state) {
  switch (state) {
    case ServerState::kServing: return "serving";
    case ServerState::kDelaying: return "delaying";
    case ServerState::kDraining: return "draining";
  }
  return "?";
}

struct ServedListener {
  std::string name;
  std::string service;     // its service's name
  net::Endpoint endpoint;  // with the port that port 0 became
  net::ListenerId id;      // the same on every shard, until it is retired and its last connection is gone
  bool open;               // false: draining, or retired by a reload; its connections live on
};

struct ShardView {
  core::Shard* shard;
  net::Engine* engine;
  const net::Transport* transport;
  int cpu;  // -1: not pinned
  // Of each listener, by what serves its new connections and, after a reload, what still serves old ones.
  struct Served {
    std::string listener;
    const net::Handler* handler;
  };
  std::vector<Served> handlers;
};

class Control {
 public:
  virtual const Program& program() const = 0;
  virtual const Settings& settings() const = 0;
  virtual const core::Plan& plan() const = 0;
  // How many the process takes in now: a reload may have changed what the plan began with.
  virtual uint64_t connections_max() const { return plan().credit != 0 ? plan().credit : plan().connections_possible; }
  virtual core::Shard* control_shard() = 0;
  virtual Log& log() = 0;
  virtual int64_t started_wall_s() const = 0;  // seconds since 1970
  virtual ServerState state() const = 0;
  // As it was worked out where the settings say none; UINT64_MAX: there is none.
  virtual uint64_t memory_ceiling_bytes() const { return UINT64_MAX; }
  // How near memory is to it: 0 well below, 1 new connections are reset, 2 idle ones are closed too.
  virtual int memory_step() const { return 0; }
  virtual std::vector<ServedListener> listeners() const = 0;
  // The data shards in order; valid for this turn.
  virtual const std::vector<ShardView>& shards() const = 0;

  // As SIGTERM does.
  virtual absl::Status Drain() = 0;
  // Closes the listener as a drain does. Its connections get a drain's notice.
  virtual absl::Status DrainListener(const std::string& name) = 0;
  // The listener stays open; `percent` of its connections, chosen at random, get the notice. REQUIRES: 1 to 100.
  virtual absl::Status DrainConnections(const std::string& listener, uint32_t percent) = 0;

 protected:
  ~Control() = default;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_CONTROL_H_
