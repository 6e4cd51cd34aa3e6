// SPDX-License-Identifier: Apache-2.0
#include "tools/load/run.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/limits.h"
#include "core/placement.h"
#include "core/plan.h"
#include "core/topology.h"
#include "net/connect_error.h"

namespace mooring::tools::load {
namespace {

constexpr core::Nanos kLookNs = 5 * core::kNanosPerMs;
// A churned connection leaves its port in TIME_WAIT; on loopback it may be taken again after a second
// (net.ipv4.tcp_tw_reuse = 2), so a second's worth of connections is spread over these.
constexpr uint32_t kChurnSources = 8;

core::Nanos Nanos(double seconds) { return static_cast<core::Nanos>(seconds * core::kNanosPerSecond); }
double Seconds(core::Nanos nanos) { return static_cast<double>(nanos) / core::kNanosPerSecond; }

uint32_t PartOf(uint64_t whole, uint32_t part, uint32_t parts) {
  return static_cast<uint32_t>(whole / parts + (part < whole % parts ? 1 : 0));
}

std::string NameOfErrno(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? absl::StrCat(error) : name;
}

}  // namespace

std::vector<ShardLoad::Share> ShareOut(const Options& options, int shard_count) {
  const auto shards = static_cast<uint32_t>(shard_count);
  const bool loopback = options.target.family() == AF_INET && absl::StartsWith(options.target.ToString(), "127.");
  uint32_t each = (PartOf(options.connections, 0, shards) - 1) / kPerSourceMax + 1;  // sources per shard
  if (options.mode == Mode::kChurn) each = std::max(each, kChurnSources);

  std::vector<ShardLoad::Share> shares(shards);
  for (uint32_t i = 0; i < shards; ++i) {
    ShardLoad::Share& share = shares[i];
    share.connections = PartOf(options.connections, i, shards);
    share.total = options.total / shards + (i < options.total % shards ? 1 : 0);
    if (!loopback) continue;
    if (options.sources == 0) {
      share.sources = net::LoopbackSources(i * each, each);
    } else if (options.sources >= shards) {
      const auto first = static_cast<uint32_t>(uint64_t{options.sources} * i / shards);
      const auto end = static_cast<uint32_t>(uint64_t{options.sources} * (i + 1) / shards);
      share.sources = net::LoopbackSources(first, end - first);
    } else {
      share.sources = net::LoopbackSources(i % options.sources, 1);
    }
    // The flags have seen to it that all together fit; uneven parts must not leave one shard without room.
    const auto sources = static_cast<uint32_t>(share.sources.size());
    share.per_source_max = std::max(kPerSourceMax, (share.connections - 1) / sources + 1);
  }
  return shares;
}

absl::Status Run::StartWorkers() {
  absl::StatusOr<std::vector<int>> allowed = core::AllowedCpus();
  if (!allowed.ok()) return allowed.status();
  absl::StatusOr<core::Placement> placement = core::Place({.cpus = options_.cpus, .shards = options_.shards}, *allowed);
  if (!placement.ok()) return placement.status();
  // No shard without a connection, and in a churn none without one to open.
  uint64_t useful = options_.connections;
  if (options_.total != 0) useful = std::min(useful, options_.total);
  const auto shards = static_cast<uint32_t>(std::min<uint64_t>(placement->cpu_of_shard.size(), useful));

  absl::StatusOr<core::DescriptorLimit> limit = core::RaiseDescriptorLimit();
  if (!limit.ok()) return limit.status();
  const uint64_t slots = PartOf(options_.connections, 0, shards) + ShardLoad::kSlotsSpare;
  if (net::TakesDescriptors(provider_->kind())) {
    const uint64_t needed = shards * slots + core::kDescriptorsReserved;
    if (needed > limit->soft) {
      return absl::ResourceExhaustedError(absl::StrCat(
          options_.connections, " connections are more than RLIMIT_NOFILE ", limit->soft, " allows: ulimit -n ", needed,
          ", or --transport=io_uring, whose connections take none of them"));
    }
    core::GrowDescriptorTable(needed);
  } else {
    if (slots > std::min<uint64_t>(limit->soft, core::kDirectSlotsMax)) {
      return absl::ResourceExhaustedError(
          absl::StrCat(slots - ShardLoad::kSlotsSpare, " connections per shard are more than RLIMIT_NOFILE ", limit->soft,
                       " allows: ulimit -n ", slots, ", or more --shards"));
    }
    core::GrowDescriptorTable(core::kDirectSlotsSpare);
  }

  std::vector<ShardLoad::Share> shares = ShareOut(options_, static_cast<int>(shards));
  for (uint32_t i = 0; i < shards; ++i) {
    const Worker::Place place = {.shard = i, .shards = shards, .cpu = placement->cpu_of_shard[i]};
    workers_.push_back(std::make_unique<Worker>(provider_, place, options_, std::move(shares[i])));
    if (absl::Status status = workers_.back()->Start(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Report> Run::Execute() {
  report_.mode = options_.mode;
  if (options_.pid != 0) {
    absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(options_.pid);
    if (!usage.ok()) return usage.status();
    report_.server = ServerUsage{.rss_start = usage->resident_bytes};
  }
  if (absl::Status status = StartWorkers(); !status.ok()) return status;
  last_shown_ = clock_.Now();
  limit_ = last_shown_ + Nanos(LimitSeconds(options_));
  switch (options_.mode) {
    case Mode::kClosedLoop: ClosedLoop(); break;
    case Mode::kHold: Hold(); break;
    case Mode::kChurn: Churn(); break;
  }
  Finish();
  return report_;
}

// 2.
void Run::OpenAll() {
  const core::Nanos since = clock_.Now();
  ForEach([](ShardLoad& load) { load.Open(0, 0); });
  WaitFor("connections not opened", [&] { return Sum(LoadCount::kSettled) == workers_.size(); });
  report_.connecting_seconds = Seconds(clock_.Now() - since);
}

// 3.
void Run::ClosedLoop() {
  OpenAll();
  if (unfinished_ || Live() == 0) return;
  const core::Nanos from = clock_.Now() + Nanos(options_.warmup_seconds);
  const core::Nanos until = from + Nanos(options_.seconds);
  ForEach([=](ShardLoad& load) { load.Start(from, until); });
  SleepUntil(from);
  const ProcessUsage before = Usage();
  SleepUntil(until);
  const ProcessUsage after = Usage();
  report_.seconds = std::max(0.0, Seconds(std::min(clock_.Now(), until) - from));
  if (report_.server.has_value()) {
    report_.server->rss_held = after.resident_bytes;
    report_.server->cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.seconds;
  }
  CloseAll();
}

void Run::Hold() {
  OpenAll();
  if (unfinished_ || Live() == 0) return;
  if (!WaitFor("answers missing", [&] { return Awaited() == 0; })) return;

  const core::Nanos held_from = clock_.Now();
  const ProcessUsage before = Usage();
  if (report_.server.has_value()) {
    SleepUntil(held_from + Nanos(kRestSeconds));
    report_.server->rss_held = Usage().resident_bytes;
  }
  SleepUntil(held_from + Nanos(options_.seconds));
  report_.held_seconds = Seconds(clock_.Now() - held_from);
  if (report_.server.has_value()) {
    report_.server->cpu_seconds = Usage().cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.held_seconds;
  }

  const core::Nanos from = clock_.Now();
  ForEach([from, until = limit_](ShardLoad& load) { load.Start(from, until); });
  const bool answered = WaitFor(
      "answers missing", [&] { return Sum(LoadCount::kWalkDone) == workers_.size() && Awaited() == 0; });
  report_.seconds = Seconds(clock_.Now() - from);
  if (answered) CloseAll();
}

void Run::Churn() {
  const core::Nanos from = clock_.Now() + Nanos(options_.warmup_seconds);
  const core::Nanos until = from + Nanos(options_.seconds);
  const auto done = [&] { return Sum(LoadCount::kChurnDone) == workers_.size(); };
  const auto sleep = [&](core::Nanos end) {
    while (clock_.Now() < end && !done()) SleepUntil(std::min(end, clock_.Now() + kLookNs));
  };
  ForEach([=](ShardLoad& load) { load.Open(from, until); });
  sleep(from);
  const ProcessUsage before = Usage();
  sleep(until);
  report_.seconds = std::max(0.0, Seconds(std::min(clock_.Now(), until) - from));
  if (report_.server.has_value()) {
    report_.server->cpu_seconds = Usage().cpu_seconds - before.cpu_seconds;
    report_.server->measured_seconds = report_.seconds;
  }
  WaitFor("connections not closed", done);
}

// 4.
void Run::CloseAll() {
  if (!WaitFor("answers missing", [&] { return Awaited() == 0; })) return;
  ForEach([](ShardLoad& load) { load.Close(); });
  WaitFor("connections not closed", [&] { return Live() == 0; });
}

// 5.
void Run::Finish() {
  report_.connections = Sum(LoadCount::kOpened);
  report_.messages = Sum(LoadCount::kMeasured);
  report_.bytes = Sum(LoadCount::kMeasuredBytes);
  report_.connects = Sum(LoadCount::kMeasuredConnects);
  for (auto& worker : workers_) worker->Stop();
  core::Histogram latency;
  core::Histogram connect_latency;
  for (auto& worker : workers_) {
    const ShardLoad& load = worker->load();
    latency.Merge(load.latency_ns());
    connect_latency.Merge(load.connect_latency_ns());
    // What the end of an unfinished run has cut did not happen in it.
    for (const auto& [cause, count] : load.errors()) {
      if (cause != "closed_drain_deadline" && !(unfinished_ && cause == "unanswered")) report_.errors[cause] += count;
    }
    for (const auto& [error, count] : load.dialer().failures()) {
      const std::string cause = absl::StrCat("connect_", NameOfErrno(error));
      report_.errors[cause] += count;
      report_.explained[cause] = net::ExplainConnectError(error);
    }
    const uint64_t no_fin = worker->engine().counters().Read(net::EngineCount::kLingerExpired);
    if (no_fin > 0) report_.errors["no_fin"] += no_fin;
  }
  if (report_.errors.contains("server_ended")) report_.server.reset();  // what was read of it is not the whole
  report_.latency = PercentilesOf(latency);
  report_.connect_latency = PercentilesOf(connect_latency);
  if (report_.errors.empty() && report_.messages == 0) report_.errors["no_messages"] = 1;
  report_.explained["no_messages"] = "nothing was answered in the measured time";
  report_.explained["no_fin"] = "the server did not close its side within 5 s of ours";
  report_.explained["unanswered"] = "messages in flight when their connection ended";
  report_.explained["mismatch"] = "connections on which something else came back than was to come";
  report_.explained["unasked_bytes"] = "connections on which more came back than was asked for";
  report_.explained["no_room"] = "no free slot, source address or memory: more --sources, or fewer --connections";
}

bool Run::WaitFor(const char* what, const std::function<bool()>& done) {
  while (!done()) {
    const core::Nanos now = clock_.Now();
    if (now < limit_) {
      const timespec step = {.tv_sec = 0, .tv_nsec = kLookNs};
      nanosleep(&step, nullptr);
      ShowProgress();
      continue;
    }
    unfinished_ = true;
    report_.errors["unfinished"] = 1;
    report_.explained["unfinished"] =
        absl::StrCat(what, " when the limit of ", LimitSeconds(options_), " s was reached: ", Live(), " of ",
                     options_.connections, " connections open, ", Awaited(), " answers missing");
    return false;
  }
  return true;
}

void Run::SleepUntil(core::Nanos time) {
  for (core::Nanos now = clock_.Now(); now < time; now = clock_.Now()) {
    if (options_.mode != Mode::kChurn && Live() == 0) return;
    const timespec step = {.tv_sec = 0, .tv_nsec = std::min(time - now, 4 * kLookNs)};
    nanosleep(&step, nullptr);
    ShowProgress();
  }
}

void Run::ShowProgress() {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  const core::Nanos now = clock_.Now();
  if (!terminal || now - last_shown_ < core::kNanosPerSecond) return;
  const uint64_t replied = Sum(LoadCount::kReplied);
  std::fprintf(stderr, "\r%llu open, %.0f messages/s \x1b[K", static_cast<unsigned long long>(Live()),
               static_cast<double>(replied - replied_shown_) / Seconds(now - last_shown_));
  last_shown_ = now;
  replied_shown_ = replied;
}

// Counters that move are read later ones first: neither of these comes out too small, and so zero means zero.
uint64_t Run::Awaited() const {
  const uint64_t over = Sum(LoadCount::kLost) + Sum(LoadCount::kReplied);
  return Sum(LoadCount::kSent) - over;
}

uint64_t Run::Live() const {
  const uint64_t closed = Sum(LoadCount::kClosed);
  return Sum(LoadCount::kOpened) - closed;
}

uint64_t Run::Sum(LoadCount which) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->load().counters().Read(which);
  return sum;
}

void Run::ForEach(const std::function<void(ShardLoad&)>& call) {
  for (auto& worker : workers_) {
    worker->Post([call, load = &worker->load()] { call(*load); });
  }
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
