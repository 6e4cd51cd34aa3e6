// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/doctor/amount.h"
#include "server/doctor/capacity.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {
namespace {

constexpr char kArea[] = "limits";

// A shard's queues, 1,024 entries of 64 B and 8,192 completions of 16 B, and the ring of its receive blocks: 220 KB,
// found out by starting servers under ever lower limits.
constexpr uint64_t kLockedPerRing = 224 << 10;

void JudgeNofile(const HostFacts& host, const TransportFacts& transport, const std::vector<Recommendation>& table,
                 const Demand& demand, Findings* findings) {
  if (!host.nofile.has_value()) {
    findings->push_back({kArea, "nofile", Verdict::kNote, "the descriptor limit cannot be read"});
    return;
  }
  const std::optional<Bound> bound = DescriptorBound(host, transport, table, demand);
  std::string text = absl::StrCat("nofile ", Count(host.nofile->hard));
  if (host.nofile->soft < host.nofile->hard) {
    absl::StrAppend(&text, " (", Count(host.nofile->soft), " now, raised at start)");
  }
  if (!bound.has_value()) {
    findings->push_back({kArea, "nofile", Verdict::kOk, text});
    return;
  }
  absl::StrAppend(&text, ": room for ", Count(bound->connections), " connections");
  const bool enough = bound->connections >= demand.connections;
  // Where there is too little the plan has the verdict, beside the other limits.
  findings->push_back({kArea, "nofile", enough ? Verdict::kOk : Verdict::kNote, text});
}

void JudgeMemlock(const HostFacts& host, const TransportFacts& transport, const Demand& demand, Findings* findings) {
  if (!host.memlock.has_value()) return;
  const uint64_t needed = (static_cast<uint64_t>(demand.shards) + 1) * kLockedPerRing;  // the control shard has one too
  const std::string text = absl::StrCat("memlock ", Bytes(host.memlock->soft));
  const bool counts = transport.kind.has_value() && *transport.kind != net::TransportKind::kEpoll &&
                      !ParseKernelVersion(host.release).Before(6, 14) && !host.may_lock_memory;
  if (!counts || host.memlock->soft >= needed) {
    findings->push_back({kArea, "memlock", Verdict::kOk,
                         counts ? absl::StrCat(text, ", of which the rings take ", Bytes(needed)) : text});
    return;
  }
  findings->push_back({kArea, "memlock", Verdict::kProblem,
                       absl::StrCat(text, ": since Linux 6.14 the queues of a ring count as locked memory, and ",
                                    demand.shards + 1, " rings need ", Bytes(needed)),
                       absl::StrCat("LimitMEMLOCK=infinity (systemd), ulimit -l ", needed / 1024, " (shell)")});
}

void JudgeOpenFiles(const HostFacts& host, Findings* findings) {
  const std::optional<uint64_t> most = host.Sysctl("fs.file-max");
  if (!most.has_value()) return;
  findings->push_back({kArea, "open_files", Verdict::kOk,
                       absl::StrCat(Count(host.files_open), " files are open on this machine, of ", Count(*most),
                                    host.may_exceed_file_max ? " (which do not bind this user)" : "")});
}

}  // namespace

void JudgeLimits(const HostFacts& host, const TransportFacts& transport, const std::vector<Recommendation>& table,
                 const Demand& demand, Findings* findings) {
  JudgeNofile(host, transport, table, demand, findings);
  JudgeMemlock(host, transport, demand, findings);
  JudgeOpenFiles(host, findings);
}

}  // namespace mooring::server::doctor
