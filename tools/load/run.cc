// SPDX-License-Identifier: Apache-2.0
#include "tools/load/run.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace mooring::tools::load {
namespace {

core::Nanos Nanos(double seconds) { return static_cast<core::Nanos>(seconds * core::kNanosPerSecond); }
double Seconds(core::Nanos nanos) { return static_cast<double>(nanos) / core::kNanosPerSecond; }

}  // namespace

absl::StatusOr<Report> Run::Execute() {
  report_.mode = options_.mode;
  if (options_.pid != 0) {
    absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(options_.pid);
    if (!usage.ok()) return usage.status();
    report_.server = ServerUsage{.rss_start = usage->resident_bytes};
  }
  if (absl::Status status = fleet_.Start(); !status.ok()) return status;
  limit_ = fleet_.Now() + Nanos(LimitSeconds(options_));
  switch (options_.mode) {
    case Mode::kClosedLoop: ClosedLoop(); break;
    case Mode::kHold: Hold(); break;
    case Mode::kChurn: Churn(); break;
    case Mode::kControlled: break;  // Controlled's
  }
  Finish();
  return report_;
}

// 2.
void Run::OpenAll() {
  const core::Nanos since = fleet_.Now();
  fleet_.Post([](ShardLoad& load) { load.Open(0, 0); });
  WaitFor("connections not opened", [&] { return fleet_.Settled(); });
  report_.connecting_seconds = Seconds(fleet_.Now() - since);
}

// 3.
void Run::ClosedLoop() {
  OpenAll();
  if (report_.errors.contains("unfinished") || fleet_.Live() == 0) return;
  const core::Nanos from = fleet_.Now() + Nanos(options_.warmup_seconds);
  const core::Nanos until = from + Nanos(options_.seconds);
  const Work work = {.kind = options_.rate > 0 ? Work::Kind::kPaced : Work::Kind::kUntil,
                     .from = from,
                     .until = until,
                     .rate = options_.rate,
                     .start = fleet_.Now()};
  fleet_.Post([=](ShardLoad& load) { load.Start(work); });
  SleepUntil(from);
  const ProcessUsage before = Usage();
  SleepUntil(until);
  const ProcessUsage after = Usage();
  report_.seconds = std::max(0.0, Seconds(std::min(fleet_.Now(), until) - from));
  if (report_.server.has_value()) {
    report_.server->rss_held = after.resident_bytes;
    report_.server->cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.seconds;
  }
  if (WaitFor("answers missing", [&] { return fleet_.WalksDone(1) && fleet_.Awaited() == 0; })) CloseAll();
}

void Run::Hold() {
  OpenAll();
  if (report_.errors.contains("unfinished") || fleet_.Live() == 0) return;
  if (!WaitFor("answers missing", [&] { return fleet_.Awaited() == 0; })) return;

  const core::Nanos held_from = fleet_.Now();
  const ProcessUsage before = Usage();
  if (report_.server.has_value()) {
    SleepUntil(held_from + Nanos(kRestSeconds));
    report_.server->rss_held = Usage().resident_bytes;
  }
  SleepUntil(held_from + Nanos(options_.seconds));
  report_.held_seconds = Seconds(fleet_.Now() - held_from);
  if (report_.server.has_value()) {
    report_.server->cpu_seconds = Usage().cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.held_seconds;
  }

  const core::Nanos from = fleet_.Now();
  fleet_.Post([](ShardLoad& load) { load.Start({.kind = Work::Kind::kCount, .ahead = ShardLoad::kWalkAhead}); });
  const bool answered =
      WaitFor("answers missing", [&] { return fleet_.WalksDone(1) && fleet_.Awaited() == 0; });
  report_.seconds = Seconds(fleet_.Now() - from);
  if (answered) CloseAll();
}

void Run::Churn() {
  const core::Nanos from = fleet_.Now() + Nanos(options_.warmup_seconds);
  const core::Nanos until = from + Nanos(options_.seconds);
  const auto done = [&] { return fleet_.ChurnDone(); };
  fleet_.Post([=](ShardLoad& load) { load.Open(from, until); });
  fleet_.SleepUntil(from, done);
  const ProcessUsage before = Usage();
  fleet_.SleepUntil(until, done);
  report_.seconds = std::max(0.0, Seconds(std::min(fleet_.Now(), until) - from));
  if (report_.server.has_value()) {
    report_.server->cpu_seconds = Usage().cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.seconds;
  }
  WaitFor("connections not closed", done);
}

// 4.
void Run::CloseAll() {
  fleet_.Post([](ShardLoad& load) { load.Close(); });
  WaitFor("connections not closed", [&] { return fleet_.Live() == 0; });
}

// 5.
void Run::Finish() {
  report_.connections = fleet_.Sum(LoadCount::kOpened);
  report_.messages = fleet_.Sum(LoadCount::kMeasured);
  report_.bytes = fleet_.Sum(LoadCount::kMeasuredBytes);
  if (options_.rate > 0) {
    report_.pace = Pace{.late = fleet_.Sum(LoadCount::kLate), .unsent = fleet_.Sum(LoadCount::kUnsent)};
  }
  report_.connects = fleet_.Sum(LoadCount::kMeasuredConnects);
  for (const auto& [cause, count] : fleet_.ReadErrors(&report_.explained)) report_.errors[cause] += count;
  fleet_.Stop();
  core::Histogram latency;
  core::Histogram connect_latency;
  fleet_.AddLatencies(&latency, &connect_latency);
  if (report_.errors.contains("server_ended")) report_.server.reset();  // what was read of it is not the whole
  report_.latency = PercentilesOf(latency);
  report_.connect_latency = PercentilesOf(connect_latency);
  if (report_.errors.empty() && report_.messages == 0) report_.errors["no_messages"] = 1;
  report_.explained["no_messages"] = "nothing was answered in the measured time";
}

bool Run::WaitFor(const char* what, const std::function<bool()>& done) {
  if (fleet_.WaitFor(limit_, done)) return true;
  report_.errors["unfinished"] = 1;
  report_.explained["unfinished"] =
      absl::StrCat(what, " when the limit of ", LimitSeconds(options_), " s was reached: ", fleet_.Live(), " of ",
                   options_.connections, " connections open, ", fleet_.Awaited(), " answers missing");
  return false;
}

void Run::SleepUntil(core::Nanos time) {
  fleet_.SleepUntil(time, [&] { return fleet_.Live() == 0; });
}

ProcessUsage Run::Usage() {
  if (options_.pid == 0) return {};
  absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(options_.pid);
  if (usage.ok()) return *usage;
  report_.errors["server_ended"] = 1;
  report_.explained["server_ended"] = std::string(usage.status().message());
  return {};
}

}  // namespace mooring::tools::load
