// SPDX-License-Identifier: Apache-2.0
// Signals: what an operator tells the process by kill(1), delivered in turns of the control shard.
//
//   SIGTERM, SIGINT, SIGQUIT   drain; a second one ends at once
//   SIGHUP                     read the configuration again
//   SIGUSR1                    open log files anew (logrotate)
//
// Threads:  Block on the main thread, before any other is started; the rest in the control shard's turn.
// Owns:     its descriptor.
#ifndef MOORING_SERVER_SIGNALS_H_
#define MOORING_SERVER_SIGNALS_H_

#include <functional>

#include "absl/status/status.h"
#include "core/event_port.h"

namespace mooring::server {

class Signals final : private core::EventPort::Watcher {
 public:
  // They wait for the control shard from now on, in every thread made later; SIGPIPE is ignored.
  static void Block();

  ~Signals();
  // Calls on_signal(number) for each, in Polls of `port`.
  absl::Status Watch(core::EventPort* port, std::function<void(int)> on_signal);

  // "SIGTERM", ...
  static const char* Name(int signal);

 private:
  void OnReady(uint32_t events) override;

  int fd_ = -1;
  std::function<void(int)> on_signal_;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_SIGNALS_H_
