// SPDX-License-Identifier: Apache-2.0
// Figures: what a collection says, to be asked by name and labels; and a simulated server whose figures it is.
//
// Threads:  one.
#ifndef MOORING_TESTS_SERVER_METRICS_FIGURES_H_
#define MOORING_TESTS_SERVER_METRICS_FIGURES_H_

#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <limits>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/metrics/metrics.h"
#include "tests/net/sim_server.h"
#include "tests/server/fake_control.h"

namespace mooring::server::metrics {

class Figures {
 public:
  explicit Figures(std::vector<prometheus::MetricFamily> families) : families_(std::move(families)) {}

  // Of the sample with these label values, in the catalogue's order; NaN, and the test has failed, where it is not.
  double operator()(std::string_view name, const std::vector<std::string>& labels = {}) const {
    for (const auto& family : families_) {
      if (family.name != name) continue;
      for (const auto& sample : family.metric) {
        std::vector<std::string> values;
        for (const auto& label : sample.label) values.push_back(label.value);
        if (values != labels) continue;
        return family.type == prometheus::MetricType::Counter ? sample.counter.value : sample.gauge.value;
      }
    }
    ADD_FAILURE() << "no " << name << " with " << testing::PrintToString(labels);
    return std::numeric_limits<double>::quiet_NaN();
  }
  // The one sample of a histogram.
  prometheus::ClientMetric::Histogram Histogram(std::string_view name) const {
    for (const auto& family : families_) {
      if (family.name == name) return family.metric.at(0).histogram;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }
  bool Has(std::string_view name) const { return names().count(std::string(name)) != 0; }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& family : families_) names.insert(family.name);
    return names;
  }
  // Of all samples of a family.
  double Sum(std::string_view name) const {
    double sum = 0;
    for (const auto& family : families_) {
      for (const auto& sample : family.metric) {
        if (family.name == name) sum += family.type == prometheus::MetricType::Counter ? sample.counter.value : sample.gauge.value;
      }
    }
    return sum;
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

// REQUIRES: what it shows is listened to before Show.
struct SimFigures {
  explicit SimFigures(uint64_t seed, const net::SimServer::Options& options = {}) : server(seed, options) {
    for (size_t i = 0; i < server.size(); ++i) {
      control.shards_now.push_back({&server.shard(i), &server.engine(i), server.engine(i).transport(), static_cast<int>(i), {}});
    }
    control.started_wall_s_now = 1;
  }
  // A listener of that name, whose handlers are shown.
  std::string Listen(const std::string& name, const net::ServiceFactory& service, const net::ServiceOptions& options = {}) {
    size_t shard = 0;
    const std::string at = server.Listen(
        [&] {
          std::unique_ptr<net::Handler> handler = service();
          control.shards_now[shard++].handlers.push_back({name, handler.get()});
          return handler;
        },
        options);
    control.listeners_now.push_back({name, "sim", {}, static_cast<net::ListenerId>(control.listeners_now.size()), true});
    return at;
  }
  Figures Now() { return Figures(metrics.Collect()); }

  net::SimServer server;
  FakeControl control;
  Metrics metrics{&control};
};

}  // namespace mooring::server::metrics

#endif  // MOORING_TESTS_SERVER_METRICS_FIGURES_H_
