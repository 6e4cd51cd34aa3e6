// SPDX-License-Identifier: Apache-2.0
// EventPort: where a shard sleeps.
//
// A shard knows neither io_uring nor epoll; it submits, waits and is called back through this. A transport is an
// EventPort that also moves bytes.
//
// Threads:  Poll, Watch and Unwatch belong to the shard's thread; Wake may be called from any.
#ifndef MOORING_CORE_EVENT_PORT_H_
#define MOORING_CORE_EVENT_PORT_H_

#include <cstdint>

#include "core/clock.h"

namespace mooring::core {

class EventPort {
 public:
  // Told that the wait is over and before the first upcall, so that the shard can read the clock once a turn.
  class Sleeper {
   public:
    virtual void OnAwake() = 0;

   protected:
    ~Sleeper() = default;
  };
  // Told that a watched descriptor is ready; `events` are poll(2)'s. Level-like: told again while it stays ready.
  class Watcher {
   public:
    virtual void OnReady(uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };
  static constexpr Nanos kForever = -1;

  virtual ~EventPort() = default;

  // Submits what is queued, waits until something happens or `wait` ns have passed (0: does not wait), calls
  // sleeper->OnAwake() and then delivers everything that has happened. No upcall comes outside Poll.
  virtual void Poll(Nanos wait, Sleeper* sleeper) = 0;

  // Calls watcher->OnReady from Poll until Unwatch; `fd` stays the caller's. 0 or -errno.
  virtual int Watch(int fd, uint32_t events, Watcher* watcher) = 0;
  virtual void Unwatch(int fd) = 0;

  // Ends a Poll that waits, or makes the next one not wait. Safe from any thread and from signal handlers.
  virtual void Wake() = 0;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_EVENT_PORT_H_
