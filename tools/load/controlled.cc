// SPDX-License-Identifier: Apache-2.0
#include "tools/load/controlled.h"

#include <time.h>

#include <algorithm>
#include <istream>
#include <limits>
#include <ostream>
#include <utility>

#include "core/histogram.h"

namespace mooring::tools::load {
namespace {

constexpr double kLeadInSeconds = 0.05;                      // until all connections are at it
constexpr core::Nanos kTogetherIn = 50 * core::kNanosPerMs;  // until every shard has heard of it
constexpr double kOpenedPerSecond = 5000;                    // at the least

core::Nanos Nanos(double seconds) { return static_cast<core::Nanos>(seconds * core::kNanosPerSecond); }
double Seconds(core::Nanos nanos) { return static_cast<double>(nanos) / core::kNanosPerSecond; }

double CpuSeconds() {
  timespec used = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

}  // namespace

absl::StatusOr<Report> Controlled::Execute(std::istream* in, std::ostream* out) {
  if (options_.pid != 0) {
    absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(options_.pid);
    if (!usage.ok()) return usage.status();
    server_rss_start_ = usage->resident_bytes;
  }
  if (absl::Status status = fleet_.Start(); !status.ok()) return status;
  *out << OpenAll() << std::endl;
  for (std::string line; *out && std::getline(*in, line);) {
    const absl::StatusOr<Command> command = ParseCommand(line, options_.connections - options_.slow);
    *out << (command.ok() ? Obey(*command) : ErrorToJson(command.status().message())) << std::endl;
  }
  CloseAll();
  fleet_.Stop();
  return total_;
}

std::string Controlled::OpenAll() {
  const core::Nanos since = fleet_.Now();
  const double opening = options_.connections / kOpenedPerSecond + RampSeconds(options_);
  fleet_.Post([](ShardLoad& load) { load.Open(0, 0); });
  unfinished_ = !fleet_.WaitFor(since + Nanos(opening + options_.grace_seconds),
                                [&] { return fleet_.Settled() && fleet_.Awaited() == 0; });
  connecting_seconds_ = Seconds(fleet_.Now() - since);
  if (unfinished_) fleet_.Ask([](ShardLoad& load) { load.CutUnanswered(); });
  Report report{.seconds = connecting_seconds_};
  TakeErrors(&report);
  return ReadyToJson(report);
}

std::string Controlled::Obey(const Command& command) {
  Report report{.mode = Mode::kControlled, .connecting_seconds = connecting_seconds_};
  if (options_.pid != 0) report.server = ServerUsage{.rss_start = server_rss_start_};
  const double cpu_before = CpuSeconds();
  const Counts before = ReadCounts();
  switch (command.kind) {
    case Command::Kind::kRun: DoRun(command, &report); break;
    case Command::Kind::kMessages: DoMessages(command, &report); break;
    case Command::Kind::kWake: DoWake(&report); break;
  }
  const Counts after = ReadCounts();
  report.cpu_seconds = CpuSeconds() - cpu_before;
  report.answered = after.replied - before.replied;
  report.messages = after.measured - before.measured;
  report.bytes = after.measured_bytes - before.measured_bytes;
  if (command.rate > 0) report.pace = Pace{.late = after.late - before.late, .unsent = after.unsent - before.unsent};
  core::Histogram latency;
  core::Histogram opening;
  fleet_.AddLatencies(&latency, &opening);
  report.latency = PercentilesOf(latency);
  if (report.wake.has_value() && latency.Count() > 0) {
    report.wake->first_us = static_cast<double>(latency.Min()) / 1000;
    report.wake->last_us = report.latency->max_us;
  }
  TakeErrors(&report);
  return CommandToJson(command.text, report);
}

void Controlled::DoRun(const Command& command, Report* report) {
  const core::Nanos from = fleet_.Now() + Nanos(std::max(kLeadInSeconds, options_.warmup_seconds));
  const core::Nanos until = from + Nanos(command.seconds);
  const auto none = [&] { return fleet_.Live() == 0; };
  Start({.kind = command.rate > 0 ? Work::Kind::kPaced : Work::Kind::kUntil,
         .from = from,
         .until = until,
         .active = command.active,
         .rate = command.rate,
         .start = fleet_.Now()});
  fleet_.SleepUntil(from, none);
  const ProcessUsage before = Usage();
  fleet_.SleepUntil(until, none);
  const ProcessUsage after = Usage();
  report->seconds = std::max(0.0, Seconds(std::min(fleet_.Now(), until) - from));
  if (report->server.has_value()) {
    report->server->rss_held = after.resident_bytes;
    report->server->cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    report->server->measured_seconds = report->seconds;
  }
  WaitForAnswers(until + Nanos(options_.grace_seconds));
}

void Controlled::DoMessages(const Command& command, Report* report) {
  const ProcessUsage before = Usage();
  const uint32_t ahead = command.ahead == 0 ? 0 : std::max(1u, command.ahead / fleet_.shards());
  Start({.kind = Work::Kind::kCount, .messages = command.messages, .ahead = ahead});
  WaitWhileAnswersCome();
  const ProcessUsage after = Usage();
  core::Nanos first = std::numeric_limits<core::Nanos>::max();
  core::Nanos last = 0;
  fleet_.Ask([&](ShardLoad& load) {
    if (load.first_sent() != 0) first = std::min(first, load.first_sent());
    last = std::max(last, load.last_reply());
  });
  report->seconds = last == 0 ? 0 : Seconds(last - first);
  if (report->server.has_value()) {
    report->server->rss_held = after.resident_bytes;
    report->server->cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    report->server->measured_seconds = report->seconds;
  }
}

void Controlled::DoWake(Report* report) {
  const core::Nanos from = (fleet_.Now() + kTogetherIn) / core::kNanosPerMs * core::kNanosPerMs;
  Start({.kind = Work::Kind::kTogether, .from = from});
  WaitWhileAnswersCome();
  core::Nanos sent = from;
  core::Nanos last = from;
  fleet_.Ask([&](ShardLoad& load) {
    sent = std::max(sent, load.walk_ended());
    last = std::max(last, load.last_reply());
  });
  report->seconds = Seconds(last - from);
  report->wake = Wake{.sent_us = static_cast<double>(sent - from) / 1000};
}

void Controlled::CloseAll() {
  fleet_.Post([](ShardLoad& load) { load.Close(); });
  ++works_;
  const double closing = options_.connections / kOpenedPerSecond + options_.grace_seconds;
  if (!fleet_.WaitFor(fleet_.Now() + Nanos(closing), [&] { return fleet_.Live() == 0; })) unfinished_ = true;
  Report report;
  TakeErrors(&report);
}

void Controlled::Start(const Work& work) {
  fleet_.Post([work](ShardLoad& load) { load.Start(work); });
  ++works_;
}

void Controlled::WaitForAnswers(core::Nanos limit) {
  if (fleet_.WaitFor(limit, [&] { return fleet_.WalksDone(works_) && fleet_.Awaited() == 0; })) return;
  unfinished_ = true;
  fleet_.Ask([](ShardLoad& load) { load.CutUnanswered(); });
  fleet_.WaitFor(fleet_.Now() + Nanos(options_.grace_seconds), [&] { return fleet_.Awaited() == 0; });
}

void Controlled::WaitWhileAnswersCome() {
  uint64_t replied = 0;
  do {
    replied = fleet_.Sum(LoadCount::kReplied);
  } while (!fleet_.WaitFor(fleet_.Now() + Nanos(options_.grace_seconds),
                           [&] { return fleet_.WalksDone(works_) && fleet_.Awaited() == 0; }) &&
           fleet_.Sum(LoadCount::kReplied) != replied);
  WaitForAnswers(0);
}

Controlled::Counts Controlled::ReadCounts() const {
  return {.replied = fleet_.Sum(LoadCount::kReplied),
          .measured = fleet_.Sum(LoadCount::kMeasured),
          .measured_bytes = fleet_.Sum(LoadCount::kMeasuredBytes),
          .late = fleet_.Sum(LoadCount::kLate),
          .unsent = fleet_.Sum(LoadCount::kUnsent)};
}

void Controlled::TakeErrors(Report* report) {
  report->connections = fleet_.Live();
  const Errors all = fleet_.ReadErrors(&total_.explained);
  for (const auto& [cause, count] : all) {
    if (count > told_[cause]) report->errors[cause] = count - told_[cause];
  }
  told_ = all;
  if (std::exchange(unfinished_, false)) report->errors["unfinished"] = 1;
  if (std::exchange(server_ended_, false)) {
    report->errors["server_ended"] = 1;
    report->server.reset();  // what was read of it is not the whole
  }
  for (const auto& [cause, count] : report->errors) total_.errors[cause] += count;
}

ProcessUsage Controlled::Usage() {
  if (options_.pid == 0) return {};
  absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(options_.pid);
  if (usage.ok()) return *usage;
  server_ended_ = true;
  return {};
}

}  // namespace mooring::tools::load
