// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/capacity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/plan.h"
#include "server/doctor/amount.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;

// Of an idle connection. A socket with its file and its entries in the kernel's tables; what waits for it to speak.
constexpr uint64_t kSocketBytes = 4100;
constexpr uint64_t kReceiveBytes = 860;  // a receive that is armed on a ring
constexpr uint64_t kWatchBytes = 260;    // its place in an epoll set
// User memory: a connection of callbacks, with a coroutine, with a coroutine between two HTTP requests.
constexpr uint64_t kCallbackBytes = 160;
constexpr uint64_t kCoroutineBytes = 200;
constexpr uint64_t kHttpBytes = 320;
// The process itself and what a shard touches before it listens.
constexpr uint64_t kProcessBytes = 8 << 20;
constexpr uint64_t kShardBytes = 2 << 20;

// The dearest of the services that are listened for; one that we do not know is taken for the dearest.
uint64_t UserBytes(const Demand& demand) {
  uint64_t most = 0;
  for (const DemandedListener& listener : demand.listeners) {
    if (listener.admin) continue;
    const bool callbacks = listener.service == "echo" || listener.service == "discard";
    const uint64_t bytes = callbacks ? kCallbackBytes : listener.service == "line" ? kCoroutineBytes : kHttpBytes;
    most = std::max(most, bytes);
  }
  return most == 0 ? kHttpBytes : most;
}

uint64_t Less(uint64_t from, uint64_t what) { return from - std::min(from, what); }

void AddMachineBounds(const HostFacts& host, const std::vector<Recommendation>& table, const Demand& demand,
                      std::vector<Bound>* bounds) {
  const Variables variables = {.connections = demand.connections, .memory_bytes = host.memory_bytes()};
  const auto add = [&](const char* key, uint64_t used, const char* name, const std::string& what) {
    const std::optional<uint64_t> most = host.Sysctl(key);
    if (!most.has_value()) return;
    const uint64_t should = Advise(table, key, 0, *most, variables).should;
    bounds->push_back({name, absl::StrCat(key, " ", Count(*most), what), Less(*most, used),
                       absl::StrCat("sysctl -w ", key, "=", std::max(should, demand.connections + used))});
  };
  if (!host.may_exceed_file_max) {
    add("fs.file-max", host.files_open, "open_files", absl::StrCat(", ", Count(host.files_open), " open already"));
  }
  // Loaded, but with no entry, it tracks nothing here: no rule needs it.
  const uint64_t tracked = host.Sysctl("net.netfilter.nf_conntrack_count").value_or(0);
  if (tracked != 0) {
    add("net.netfilter.nf_conntrack_max", tracked, "tracking", absl::StrCat(", ", Count(tracked), " tracked already"));
  }
}

void AddSettingsBounds(const TransportFacts& transport, const Demand& demand, const Capacity& capacity,
                       std::vector<Bound>* bounds) {
  const std::string more = absl::StrCat("--max-connections=", demand.connections);
  if (demand.max_connections != 0) {
    bounds->push_back({"max_connections", absl::StrCat("--max-connections ", demand.max_connections),
                       demand.max_connections, more});
  } else if (net::TakesDescriptors(*transport.kind)) {
    bounds->push_back(
        {"max_connections", "2^20, where --max-connections does not say more", core::kDirectSlotsMax, more});
  }
  if (demand.memory_ceiling_bytes != 0 && demand.memory_ceiling_bytes != UINT64_MAX) {
    const uint64_t refuses = demand.memory_ceiling_bytes / 100 * 95;  // from there on nobody new is let in
    const uint64_t needs = capacity.UserBytes(demand.connections) / 95 * 100;
    bounds->push_back({"memory_ceiling", absl::StrCat("--memory-ceiling of ", Bytes(demand.memory_ceiling_bytes)),
                       Less(refuses, capacity.server_bytes) / capacity.user_bytes,
                       absl::StrCat("--memory-ceiling=", (needs >> 20) + 1, "MiB")});
  }
}

}  // namespace

std::optional<Bound> DescriptorBound(const HostFacts& host, const TransportFacts& transport,
                                     const std::vector<Recommendation>& table, const Demand& demand) {
  if (!host.nofile.has_value() || !transport.kind.has_value()) return std::nullopt;
  const bool takes = net::TakesDescriptors(*transport.kind);
  const std::string name(net::Name(*transport.kind));
  const core::Plan plan = core::MakePlan({.shards = demand.shards,
                                          .descriptors_soft = host.nofile->hard,
                                          .max_connections = UINT64_MAX,  // what is asked for has a bound of its own
                                          .descriptor_taker = takes ? name : "",
                                          .listeners = static_cast<int>(demand.listeners.size())});
  Bound bound = {"descriptors", plan.binding_limit, plan.connections_possible};
  const uint64_t slots = uint64_t{core::kDirectSlotsMax} * static_cast<uint64_t>(demand.shards);
  if (demand.connections > slots) {
    bound.mend = absl::StrCat("--shards=", (demand.connections - 1) / core::kDirectSlotsMax + 1);
    return bound;
  }
  const Variables variables = {.connections = demand.connections, .memory_bytes = host.memory_bytes()};
  const uint64_t should = Advise(table, "limit.nofile", 0, host.nofile->hard, variables).should;
  bound.mend = absl::StrCat("LimitNOFILE=", should, " (systemd), ulimit -n ", should, " (shell, as root)");
  if (should > host.Sysctl("fs.nr_open").value_or(kUnlimited)) {
    absl::StrAppend(&bound.mend, "; before it: sysctl -w fs.nr_open=", should);
  }
  return bound;
}

Capacity MakeCapacity(const HostFacts& host, const TransportFacts& transport, const std::vector<Recommendation>& table,
                      const Demand& demand) {
  Capacity capacity;
  capacity.memory_bytes = host.memory_bytes();
  capacity.server_bytes = kProcessBytes + static_cast<uint64_t>(demand.shards) * kShardBytes;
  capacity.user_bytes = UserBytes(demand);
  capacity.kernel_bytes = kSocketBytes + (transport.kind == TransportKind::kEpoll ? kWatchBytes : kReceiveBytes);
  capacity.pages_queued = host.Sysctl("net.ipv4.tcp_mem", 1);

  if (std::optional<Bound> bound = DescriptorBound(host, transport, table, demand); bound.has_value()) {
    capacity.bounds.push_back(*std::move(bound));
  }
  AddMachineBounds(host, table, demand, &capacity.bounds);
  AddSettingsBounds(transport, demand, capacity, &capacity.bounds);
  if (capacity.memory_bytes != 0) {
    const bool group = host.cgroup_memory_bytes.has_value() && capacity.memory_bytes == *host.cgroup_memory_bytes;
    const uint64_t each = capacity.user_bytes + capacity.kernel_bytes;
    const uint64_t needs = capacity.server_bytes + demand.connections * each;
    capacity.bounds.push_back({"memory",
                               absl::StrCat("90 % of the ", group ? "cgroup's " : "machine's ",
                                            Bytes(capacity.memory_bytes), ", ", each, " B each"),
                               Less(capacity.memory_bytes / 10 * 9, capacity.server_bytes) / each,
                               absl::StrCat(Bytes(needs / 9 * 10), " of memory",
                                            group ? " (MemoryMax= in systemd, memory limits of the pod)" : "")});
  }
  if (capacity.bounds.empty()) capacity.bounds.push_back({"none", "nothing that can be read here", kUnlimited});
  std::stable_sort(capacity.bounds.begin(), capacity.bounds.end(),
                   [](const Bound& a, const Bound& b) { return a.connections < b.connections; });
  return capacity;
}

void JudgeCapacity(const Capacity& capacity, const Demand& demand, Findings* findings) {
  constexpr char kArea[] = "plan";
  const uint64_t wanted = demand.connections;
  const Verdict shortage = demand.asked ? Verdict::kProblem : Verdict::kWarning;
  const Bound& first = capacity.first();
  const bool all = first.connections >= wanted;
  findings->push_back({kArea, "fits", all ? Verdict::kOk : Verdict::kNote,
                       absl::StrCat(Count(first.connections), " connections fit",
                                    all ? "" : absl::StrCat(", and not ", Count(wanted)), "; what binds first is ",
                                    first.what)});
  for (const Bound& bound : capacity.bounds) {
    const bool enough = bound.connections >= wanted;
    findings->push_back({kArea, bound.name, enough ? Verdict::kOk : shortage,
                         absl::StrCat(Count(bound.connections), " by ", bound.what), enough ? "" : bound.mend});
  }
  findings->push_back({kArea, "memory_for_n", Verdict::kOk,
                       absl::StrCat(Count(wanted), " idle connections take ", Bytes(capacity.UserBytes(wanted)),
                                    " of user memory (", capacity.user_bytes, " B each) and ",
                                    Bytes(capacity.KernelBytes(wanted)), " of the kernel's (", capacity.kernel_bytes,
                                    " B each); bytes on their way come on top")});
  if (capacity.pages_queued.has_value()) {
    findings->push_back({kArea, "queued", Verdict::kOk,
                         absl::StrCat("tcp_mem lets ", Count(*capacity.pages_queued),
                                      " of them have a page of bytes on its way at once")});
  }
}

}  // namespace mooring::server::doctor
