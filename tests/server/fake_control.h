// SPDX-License-Identifier: Apache-2.0
// FakeControl: a running server that is whatever a test says, and remembers what it was asked and what was logged.
//
// Threads:  one.
// Owns:     what it remembers; not the shards.
#ifndef MOORING_TESTS_SERVER_FAKE_CONTROL_H_
#define MOORING_TESTS_SERVER_FAKE_CONTROL_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/control.h"

namespace mooring::server {

// Remembers lines: "warn message|name=value|name=value".
class FakeLog final : public Log {
 public:
  void Say(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    constexpr const char* kLevels[] = {"debug ", "info ", "warn ", "error "};
    std::string line = kLevels[static_cast<int>(level)];
    line.append(message);
    for (const Field& field : fields) {
      line.append("|").append(field.name).append("=");
      std::visit([&](const auto& value) { Append(&line, value); }, field.value);
    }
    lines.push_back(line);
  }
  absl::Status Reopen() override { return absl::OkStatus(); }
  absl::Status Change(const LogSettings& /*settings*/) override { return absl::OkStatus(); }
  bool Settle(int64_t /*ms*/) override { return true; }
  uint64_t written() const override { return lines.size(); }
  uint64_t dropped() const override { return dropped_now; }

  std::vector<std::string> lines;
  uint64_t dropped_now = 0;

 private:
  static void Append(std::string* line, std::string_view value) { line->append(value); }
  static void Append(std::string* line, bool value) { line->append(value ? "true" : "false"); }
  template <class N>
  static void Append(std::string* line, N value) {
    absl::StrAppend(line, value);
  }
};

class FakeControl : public Control {
 public:
  const Program& program() const override { return program_; }
  const Settings& settings() const override { return settings_now; }
  const core::Plan& plan() const override { return plan_now; }
  core::Shard* control_shard() override { return control_shard_now; }
  Log& log() override { return log_now; }
  int64_t started_wall_s() const override { return started_wall_s_now; }
  ServerState state() const override { return state_now; }
  uint64_t memory_ceiling_bytes() const override { return memory_ceiling_bytes_now; }
  int memory_step() const override { return memory_step_now; }
  std::vector<ServedListener> listeners() const override { return listeners_now; }
  const std::vector<ShardView>& shards() const override { return shards_now; }

  absl::Status Drain() override { return Asked("drain"); }
  absl::Status DrainListener(const std::string& name) override { return Asked("drain " + name); }
  absl::Status DrainConnections(const std::string& listener, uint32_t percent) override {
    return Asked(absl::StrCat("drain ", percent, "% of ", listener));
  }

  Settings settings_now;
  core::Plan plan_now = {};
  core::Shard* control_shard_now = nullptr;
  FakeLog log_now;
  int64_t started_wall_s_now = 1;
  ServerState state_now = ServerState::kServing;
  uint64_t memory_ceiling_bytes_now = UINT64_MAX;
  int memory_step_now = 0;
  std::vector<ServedListener> listeners_now;
  std::vector<ShardView> shards_now;
  absl::Status answer = absl::OkStatus();  // to what it is asked
  std::vector<std::string> asked;

 private:
  absl::Status Asked(std::string what) {
    asked.push_back(std::move(what));
    return answer;
  }

  const Program program_ = {.name = "fake", .version = "1.2.3"};
};

}  // namespace mooring::server

#endif  // MOORING_TESTS_SERVER_FAKE_CONTROL_H_
