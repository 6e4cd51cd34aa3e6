// SPDX-License-Identifier: Apache-2.0
// Families: samples of the catalogue's metrics, as Prometheus's library takes them.
//
// Threads:  one.
// Owns:     the samples.
#ifndef MOORING_SERVER_METRICS_FAMILIES_H_
#define MOORING_SERVER_METRICS_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "server/metrics/catalogue.h"

namespace mooring::server::metrics {

class Families {
 public:
  Families();

  // A sample more; `labels` are the values of Info(metric).labels. REQUIRES: a counter or gauge, and as many labels.
  void Add(Metric metric, double value, std::initializer_list<std::string_view> labels = {});
  // Likewise, or adds to the sample with the same labels.
  void Sum(Metric metric, double value, std::initializer_list<std::string_view> labels);
  // The one sample of a histogram.
  void Set(Metric metric, prometheus::ClientMetric::Histogram histogram);

  // Those with samples, in the catalogue's order.
  std::vector<prometheus::MetricFamily> Take() &&;

 private:
  prometheus::MetricFamily& Of(Metric metric) { return families_[static_cast<size_t>(metric)]; }

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace mooring::server::metrics

#endif  // MOORING_SERVER_METRICS_FAMILIES_H_
