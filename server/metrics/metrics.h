// SPDX-License-Identifier: Apache-2.0
// Metrics: what a running server shows of itself: /metrics for Prometheus, /stats for people and scripts.
//
// Everything is read from what shards count (atomics) and from a few files in /proc: no shard is asked, none waits, and
// what the shards do costs the same whether somebody looks or not.
//
// Threads:  the control shard, in its turn.
// Owns:     the peak of all connections, a netlink socket while it collects.
// Limits:   a collection is O(shards * figures) + O(listeners + listening sockets of the machine), whatever the number of
//           connections.
#ifndef MOORING_SERVER_METRICS_METRICS_H_
#define MOORING_SERVER_METRICS_METRICS_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/control.h"

namespace mooring::server::metrics {

// Of /metrics: Prometheus's text format.
inline constexpr char kTextType[] = "text/plain; version=0.0.4; charset=utf-8";

class Metrics {
 public:
  explicit Metrics(Control* control);  // before connections come: it remembers how much memory there was without them
  Metrics(const Metrics&) = delete;

  // Once a second: looks at how many connections there are.
  void Tick();

  // Of the catalogue, in its order, what there is to show now.
  std::vector<prometheus::MetricFamily> Collect();

  std::string Text();       // the body of /metrics
  std::string StatsJson();  // the body of /stats; one object

  uint64_t connections_active() const;  // of all data shards
  uint64_t connections_peak() const { return peak_; }  // as of the last Tick or collection

 private:
  Control* const control_;
  const uint64_t resident_at_start_;
  uint64_t peak_ = 0;
  uint64_t accept_queues_unread_ = 0;
  double collect_s_ = 0;
};

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_METRICS_H_
