// SPDX-License-Identifier: Apache-2.0
// FakeControl: a Control whose shards are the test's.
//
// Threads:  one.
// Owns:     what it is asked for; not the shards.
#ifndef MOORING_TESTS_SERVER_METRICS_FAKE_CONTROL_H_
#define MOORING_TESTS_SERVER_METRICS_FAKE_CONTROL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/control.h"

namespace mooring::server::metrics {

class FakeLog final : public Log {
 public:
  void Say(Level, std::string_view, std::initializer_list<Field>) override { ++said; }
  absl::Status Reopen() override { return absl::OkStatus(); }
  absl::Status Change(const LogSettings&) override { return absl::OkStatus(); }
  bool Settle(int64_t) override { return true; }
  uint64_t written() const override { return said; }
  uint64_t dropped() const override { return lost; }

  uint64_t said = 0;
  uint64_t lost = 0;
};

class FakeControl final : public Control {
 public:
  FakeControl() {
    program_.name = "test";
    program_.version = "1.2.3";
  }

  const Program& program() const override { return program_; }
  const Settings& settings() const override { return settings_; }
  const core::Plan& plan() const override { return plan_; }
  core::Shard* control_shard() override { return nullptr; }
  Log& log() override { return log_; }
  int64_t started_wall_s() const override { return started_wall_s_; }
  ServerState state() const override { return state_; }
  uint64_t memory_ceiling_bytes() const override { return memory_ceiling_bytes_; }
  int memory_step() const override { return memory_step_; }
  std::vector<ServedListener> listeners() const override { return listeners_; }
  const std::vector<ShardView>& shards() const override { return shards_; }
  absl::Status Drain() override { return absl::OkStatus(); }
  absl::Status DrainListener(const std::string&) override { return absl::OkStatus(); }
  absl::Status DrainConnections(const std::string&, uint32_t) override { return absl::OkStatus(); }

  Program program_;
  Settings settings_;
  core::Plan plan_ = {};
  FakeLog log_;
  int64_t started_wall_s_ = 0;
  ServerState state_ = ServerState::kServing;
  uint64_t memory_ceiling_bytes_ = UINT64_MAX;
  int memory_step_ = 0;
  std::vector<ServedListener> listeners_;
  std::vector<ShardView> shards_;
};

}  // namespace mooring::server::metrics

#endif  // MOORING_TESTS_SERVER_METRICS_FAKE_CONTROL_H_
