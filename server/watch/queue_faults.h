// SPDX-License-Identifier: Apache-2.0
// QueueFaults: lines about handshakes that the kernel dropped at our listeners, because their accept queue was full.
//
// Not in a drain, nor of listeners that close: those drop handshakes on purpose.
//
// Threads:  the control shard.
// Limits:   looks every ten seconds, O(listening sockets of the network namespace).
#ifndef MOORING_SERVER_WATCH_QUEUE_FAULTS_H_
#define MOORING_SERVER_WATCH_QUEUE_FAULTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "net/endpoint.h"
#include "server/control.h"
#include "server/metrics/accept_queues.h"

namespace mooring::server::watch {

class QueueFaults {
 public:
  using Read = metrics::AcceptQueues (*)(const std::vector<net::Endpoint>& endpoints);
  explicit QueueFaults(Control* control, Read read = nullptr);  // null: the kernel's
  void Look(core::Nanos now);

 private:
  static constexpr core::Nanos kInterval = core::Seconds(10);

  Control* const control_;
  const Read read_;
  bool looked_ = false;
  core::Nanos last_ = 0;
  std::map<std::string, uint64_t> before_;  // of each listener, by name and address
};

}  // namespace mooring::server::watch

#endif  // MOORING_SERVER_WATCH_QUEUE_FAULTS_H_
