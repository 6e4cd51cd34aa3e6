// SPDX-License-Identifier: Apache-2.0
#include "tools/load/report.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

using ::testing::HasSubstr;

TEST(Report, PercentilesAreInMicrosecondsAndNeverTooSmall) {
  core::Histogram nanoseconds;
  for (uint64_t us = 1; us <= 1000; ++us) nanoseconds.Record(us * 1000);
  const auto percentiles = PercentilesOf(nanoseconds);
  ASSERT_TRUE(percentiles.has_value());
  const auto near = [](double got, double want) { return got >= want && got <= want * (1 + 1.0 / 64); };
  EXPECT_PRED2(near, percentiles->p50_us, 500);
  EXPECT_PRED2(near, percentiles->p90_us, 900);
  EXPECT_PRED2(near, percentiles->p99_us, 990);
  EXPECT_PRED2(near, percentiles->p999_us, 999);
  EXPECT_PRED2(near, percentiles->p9999_us, 1000);
  EXPECT_EQ(percentiles->max_us, 1000);
}

TEST(Report, NothingMeasuredHasNoPercentiles) { EXPECT_FALSE(PercentilesOf(core::Histogram()).has_value()); }

Report Held() {
  Report report;
  report.mode = Mode::kHold;
  report.connections = 1000;
  report.held_seconds = 5;
  report.seconds = 0.5;
  report.messages = 1000;
  report.server =
      ServerUsage{.rss_start = 1'000'000, .rss_held = 1'160'000, .cpu_seconds = 0.01, .measured_seconds = 5};
  return report;
}

TEST(Report, MemoryPerConnectionIsTheGrowthDivided) {
  EXPECT_EQ(ServerBytesPerConnection(Held()), 160);
  EXPECT_THAT(ToText(Held()), HasSubstr("user memory per idle connection 160.0 bytes"));
}

TEST(Report, MemoryThatShrankIsNegative) {
  Report report = Held();
  report.server->rss_held = 999'000;
  EXPECT_EQ(ServerBytesPerConnection(report), -1);
}

TEST(Report, CpuPerMessageIsOfTheMeasuredTime) {
  Report report = Held();
  EXPECT_FALSE(ServerCpuUsPerMessage(report).has_value()) << "holding is not exchanging";
  report.mode = Mode::kClosedLoop;
  EXPECT_DOUBLE_EQ(*ServerCpuUsPerMessage(report), 10);
}

TEST(Report, JsonHasEveryKeyAndNullWhereNothingApplies) {
  const auto json = nlohmann::json::parse(ToJson(Report{}));
  for (const char* key : {"rate", "messages", "seconds", "errors", "connections", "p50_us", "p90_us", "p99_us",
                          "p999_us", "p9999_us", "late", "unsent", "max_us", "bytes_per_second",
                          "server_cpu_us_per_message", "server_rss_start", "server_rss_held",
                          "server_bytes_per_connection", "connects_per_second"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_TRUE(json["p50_us"].is_null());
  EXPECT_TRUE(json["late"].is_null());
  EXPECT_TRUE(json["server_rss_start"].is_null());
  EXPECT_EQ(json["rate"], 0);
  EXPECT_TRUE(json["errors"].is_object());
}

TEST(Report, JsonCarriesTheNumbers) {
  Report report = Held();
  report.errors["connect_ECONNREFUSED"] = 3;
  const auto json = nlohmann::json::parse(ToJson(report));
  EXPECT_EQ(json["rate"], 2000);
  report.pace = Pace{.late = 3, .unsent = 4};
  EXPECT_EQ(nlohmann::json::parse(ToJson(report))["late"], 3);
  EXPECT_EQ(nlohmann::json::parse(ToJson(report))["unsent"], 4);
  EXPECT_THAT(ToText(report), HasSubstr("3 late by the load itself, 4 not sent"));
  EXPECT_EQ(json["server_bytes_per_connection"], 160);
  EXPECT_EQ(json["server_rss_held"], 1'160'000);
  EXPECT_EQ(json["errors"]["connect_ECONNREFUSED"], 3);
}

TEST(Report, TextExplainsErrors) {
  Report report;
  EXPECT_THAT(ToText(report), HasSubstr("none"));
  report.errors["no_fin"] = 2;
  report.explained["no_fin"] = "why";
  EXPECT_THAT(ToText(report), HasSubstr("  no_fin: 2 (why)\n"));
}

}  // namespace
}  // namespace mooring::tools::load
