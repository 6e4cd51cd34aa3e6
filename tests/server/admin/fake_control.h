// SPDX-License-Identifier: Apache-2.0
// FakeControl: a running server that is whatever a test says, and remembers what it was asked.
//
// Threads:  one.
#ifndef MOORING_TESTS_SERVER_ADMIN_FAKE_CONTROL_H_
#define MOORING_TESTS_SERVER_ADMIN_FAKE_CONTROL_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/control.h"

namespace mooring::server::admin {

// Remembers lines: "info admin request method=POST status=202".
class FakeLog final : public Log {
 public:
  void Say(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    std::string line = absl::StrCat(level == Level::kWarning ? "warning "
                                    : level == Level::kInfo  ? "info "
                                                             : "other ",
                                    std::string(message));
    for (const Field& field : fields) {
      absl::StrAppend(&line, " ", std::string(field.name), "=");
      std::visit([&](const auto& value) { Append(&line, value); }, field.value);
    }
    lines.push_back(line);
  }
  absl::Status Reopen() override { return absl::OkStatus(); }
  absl::Status Change(const LogSettings& /*settings*/) override { return absl::OkStatus(); }
  bool Settle(int64_t /*ms*/) override { return true; }
  uint64_t written() const override { return lines.size(); }
  uint64_t dropped() const override { return 0; }

  std::vector<std::string> lines;

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
  const core::Plan& plan() const override { return plan_; }
  core::Shard* control_shard() override { return control_shard_now; }
  Log& log() override { return log_lines; }
  int64_t started_wall_s() const override { return 1; }
  ServerState state() const override { return state_now; }
  std::vector<ServedListener> listeners() const override { return listeners_now; }
  const std::vector<ShardView>& shards() const override { return shards_now; }

  absl::Status Drain() override { return Asked("drain"); }
  absl::Status DrainListener(const std::string& name) override { return Asked("drain " + name); }
  absl::Status DrainConnections(const std::string& listener, uint32_t percent) override {
    return Asked(absl::StrCat("drain ", percent, "% of ", listener));
  }

  Settings settings_now;
  core::Shard* control_shard_now = nullptr;
  FakeLog log_lines;
  ServerState state_now = ServerState::kServing;
  std::vector<ServedListener> listeners_now;
  std::vector<ShardView> shards_now;
  absl::Status answer = absl::OkStatus();  // to what it is asked
  std::vector<std::string> asked;

 private:
  absl::Status Asked(std::string what) {
    asked.push_back(std::move(what));
    return answer;
  }

  const Program program_ = {.name = "fake", .version = "0"};
  const core::Plan plan_ = {};
};

}  // namespace mooring::server::admin

#endif  // MOORING_TESTS_SERVER_ADMIN_FAKE_CONTROL_H_
