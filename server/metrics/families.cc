// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/families.h"

#include <cassert>
#include <cstddef>
#include <string>
#include <utility>

namespace mooring::server::metrics {
namespace {

prometheus::MetricType TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter: return prometheus::MetricType::Counter;
    case MetricKind::kGauge: return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

std::vector<prometheus::ClientMetric::Label> Labels(Metric metric, std::initializer_list<std::string_view> values) {
  std::vector<prometheus::ClientMetric::Label> labels;
  std::string_view names = Info(metric).labels;
  for (std::string_view value : values) {
    const size_t comma = names.find(',');
    labels.push_back({std::string(names.substr(0, comma)), std::string(value)});
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  assert(names.empty());
  return labels;
}

}  // namespace

Families::Families() {
  families_.reserve(Catalogue().size());
  for (const MetricInfo& info : Catalogue()) {
    families_.push_back({std::string(info.name), std::string(info.help), TypeOf(info.kind), {}});
  }
}

void Families::Add(Metric metric, double value, std::initializer_list<std::string_view> labels) {
  prometheus::ClientMetric& sample = Of(metric).metric.emplace_back();
  sample.label = Labels(metric, labels);
  if (Info(metric).kind == MetricKind::kCounter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

void Families::Sum(Metric metric, double value, std::initializer_list<std::string_view> labels) {
  for (prometheus::ClientMetric& sample : Of(metric).metric) {
    size_t i = 0;
    bool same = sample.label.size() == labels.size();
    for (std::string_view label : labels) same = same && sample.label[i++].value == label;
    if (!same) continue;
    (Info(metric).kind == MetricKind::kCounter ? sample.counter.value : sample.gauge.value) += value;
    return;
  }
  Add(metric, value, labels);
}

void Families::Set(Metric metric, prometheus::ClientMetric::Histogram histogram) {
  Of(metric).metric.emplace_back().histogram = std::move(histogram);
}

std::vector<prometheus::MetricFamily> Families::Take() && {
  std::vector<prometheus::MetricFamily> taken;
  for (prometheus::MetricFamily& family : families_) {
    if (!family.metric.empty()) taken.push_back(std::move(family));
  }
  return taken;
}

}  // namespace mooring::server::metrics
