// SPDX-License-Identifier: Apache-2.0
// DataShard: a shard that serves, with its thread, its engine and transport, and the handlers of its listeners.
//
// What serves a listener may change while the server runs (reload). The runtime numbers listeners and handlers, the same
// on every shard. A handler is made and kept aside first, on every shard, so that a service which cannot be made changes
// nothing.
//
//   Make ──> kept aside ──Serve, Change──> serves new connections ──Change, Retire──> serves old ones ──> gone
//              └──Discard
//
// Threads:  made and destroyed by the runtime; what is under "on the shard" in its set-up or in a turn of it.
// Owns:     all of it. Program, kernel, clock and what Options points to outlive it.
#ifndef MOORING_SERVER_DATA_SHARD_H_
#define MOORING_SERVER_DATA_SHARD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/shard.h"
#include "core/shard_thread.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/transport.h"
#include "server/program.h"

namespace mooring::server {

class DataShard {
 public:
  struct Options {
    const Program* program = nullptr;
    uint32_t id = 0;
    int cpu = -1;
    core::Clock* clock = nullptr;
    net::TransportProvider* provider = nullptr;
    net::TransportOptions transport = {};
    net::Engine::Options engine = {};
  };
  // The handlers to begin with, by number: made in the set-up.
  using Makers = std::vector<std::pair<uint32_t, std::function<std::unique_ptr<net::Handler>()>>>;

  explicit DataShard(const Options& options);

  absl::Status StartThread(Makers makers);  // waits for the set-up
  core::ShardThread& thread() { return *thread_; }
  core::Shard& shard() { return *shard_; }
  net::Engine& engine() { return *engine_; }
  const net::Transport* transport() const { return transport_.get(); }  // after the set-up
  int cpu() const { return options_.cpu; }

  // On the shard.

  // The program's start hooks. Empty, or what one of them threw; then its stop hooks are not called.
  std::string Begin();
  bool begun() const { return begun_; }

  // Empty, or what the service threw.
  std::string Make(uint32_t number, const std::function<std::unique_ptr<net::Handler>()>& make);
  net::Handler* At(uint32_t number) const { return handlers_.at(number).get(); }
  void Discard(uint32_t number) { handlers_.erase(number); }

  struct Socket {
    int fd = -1;
    int backlog = 0;
    bool shared = false;
  };
  void Serve(net::ListenerId listener, const std::string& name, uint32_t handler, const net::ServiceOptions& options,
             const net::ListenerBounds& bounds, const Socket& socket);
  // `forgotten` is called in a turn, when the last connection of the handler that it had is gone.
  void Change(net::ListenerId listener, uint32_t handler, const net::ServiceOptions& options,
              std::function<void()> forgotten);

 private:
  absl::Status SetUp();
  void TearDown();

  const Options options_;
  Makers makers_;
  std::unique_ptr<core::Shard> shard_;
  std::unique_ptr<net::Engine> engine_;
  std::map<uint32_t, std::unique_ptr<net::Handler>> handlers_;
  std::unique_ptr<net::Transport> transport_;
  std::unique_ptr<core::ShardThread> thread_;
  bool begun_ = false;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_DATA_SHARD_H_
