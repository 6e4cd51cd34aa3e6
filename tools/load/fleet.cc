// SPDX-License-Identifier: Apache-2.0
#include "tools/load/fleet.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "core/limits.h"
#include "core/placement.h"
#include "core/plan.h"
#include "core/topology.h"
#include "net/connect_error.h"
#include "tools/load/share.h"

namespace mooring::tools::load {
namespace {

constexpr core::Nanos kLookNs = 5 * core::kNanosPerMs;

std::string NameOfErrno(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? absl::StrCat(error) : name;
}

}  // namespace

absl::Status Fleet::Start() {
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
          absl::StrCat(slots - ShardLoad::kSlotsSpare, " connections per shard are more than RLIMIT_NOFILE ",
                       limit->soft, " allows: ulimit -n ", slots, ", or more --shards"));
    }
    core::GrowDescriptorTable(core::kDirectSlotsSpare);
  }

  std::vector<Share> shares = ShareOut(options_, static_cast<int>(shards));
  const auto& cpus = placement->cpu_of_shard;
  for (uint32_t i = 0; i < shards; ++i) {
    shares[i].own_cpu = std::count(cpus.begin(), cpus.begin() + shards, cpus[i]) == 1;
    workers_.push_back(std::make_unique<Worker>(provider_, cpus[i], options_, std::move(shares[i])));
    if (absl::Status status = workers_.back()->Start(); !status.ok()) return status;
  }
  last_shown_ = clock_.Now();
  return absl::OkStatus();
}

void Fleet::Stop() {
  for (auto& worker : workers_) worker->Stop();
}

void Fleet::Post(const std::function<void(ShardLoad&)>& call) {
  for (auto& worker : workers_) {
    worker->Post([call, load = &worker->load()] { call(*load); });
  }
}

void Fleet::Ask(const std::function<void(ShardLoad&)>& call) {
  for (auto& worker : workers_) {
    absl::Notification done;
    worker->Post([&call, &done, load = &worker->load()] {
      call(*load);
      done.Notify();
    });
    done.WaitForNotification();
  }
}

uint64_t Fleet::Sum(LoadCount which) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->load().counters().Read(which);
  return sum;
}

// Counters that move are read later ones first: neither of these comes out too small, and so zero means zero.
uint64_t Fleet::Awaited() const {
  const uint64_t over = Sum(LoadCount::kLost) + Sum(LoadCount::kReplied);
  return Sum(LoadCount::kSent) - over;
}

uint64_t Fleet::Live() const {
  const uint64_t closed = Sum(LoadCount::kClosed);
  return Sum(LoadCount::kOpened) - closed;
}

bool Fleet::WaitFor(core::Nanos limit, const std::function<bool()>& done) {
  while (!done()) {
    if (clock_.Now() >= limit) return false;
    const timespec step = {.tv_sec = 0, .tv_nsec = kLookNs};
    nanosleep(&step, nullptr);
    ShowProgress();
  }
  return true;
}

void Fleet::SleepUntil(core::Nanos time, const std::function<bool()>& nothing_left) {
  for (core::Nanos now = clock_.Now(); now < time && !nothing_left(); now = clock_.Now()) {
    const timespec step = {.tv_sec = 0, .tv_nsec = std::min(time - now, kLookNs)};
    nanosleep(&step, nullptr);
    ShowProgress();
  }
}

void Fleet::ShowProgress() {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  const core::Nanos now = clock_.Now();
  if (!terminal || now - last_shown_ < core::kNanosPerSecond) return;
  const uint64_t replied = Sum(LoadCount::kReplied);
  const double seconds = static_cast<double>(now - last_shown_) / core::kNanosPerSecond;
  std::fprintf(stderr, "\r%llu open, %.0f messages/s \x1b[K", static_cast<unsigned long long>(Live()),
               static_cast<double>(replied - replied_shown_) / seconds);
  last_shown_ = now;
  replied_shown_ = replied;
}

Errors Fleet::ReadErrors(std::map<std::string, std::string>* explained) {
  Errors errors;
  Ask([&](ShardLoad& load) {
    for (const auto& [cause, count] : load.errors()) errors[cause] += count;
    for (const auto& [error, count] : load.dialer().failures()) {
      const std::string cause = absl::StrCat("connect_", NameOfErrno(error));
      errors[cause] += count;
      (*explained)[cause] = net::ExplainConnectError(error);
    }
  });
  for (auto& worker : workers_) {
    const uint64_t no_fin = worker->engine().counters().Read(net::EngineCount::kLingerExpired);
    if (no_fin > 0) errors["no_fin"] += no_fin;
  }
  (*explained)["no_fin"] = "the server did not close its side within 5 s of ours";
  (*explained)["unanswered"] = "messages in flight when their connection ended";
  (*explained)["mismatch"] = "connections on which something else came back than was to come";
  (*explained)["unasked_bytes"] = "connections on which more came back than was asked for";
  (*explained)["no_room"] = "no free slot, source address or memory: more --sources, or fewer --connections";
  return errors;
}

void Fleet::AddLatencies(core::Histogram* latency, core::Histogram* connect_latency) const {
  for (const auto& worker : workers_) {
    latency->Merge(worker->load().latency_ns());
    connect_latency->Merge(worker->load().connect_latency_ns());
  }
}

}  // namespace mooring::tools::load
