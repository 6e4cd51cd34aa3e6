// SPDX-License-Identifier: Apache-2.0
#include "core/placement.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/topology.h"

namespace mooring::core {
namespace {

std::string Counted(size_t n, absl::string_view noun) { return absl::StrCat(n, " ", noun, n == 1 ? "" : "s"); }

}  // namespace

absl::StatusOr<Placement> Place(const PlacementOptions& options, const std::vector<int>& allowed) {
  if (allowed.empty()) return absl::FailedPreconditionError("this process may use no CPU at all");
  if (options.shards < 0 || options.shards > kShardsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shards=", options.shards, ": write 1 to ", kShardsMax, ", or 0 for one per CPU"));
  }
  std::vector<int> usable = allowed;
  std::sort(usable.begin(), usable.end());
  std::vector<int> cpus = usable;
  if (!options.cpus.empty()) {
    absl::StatusOr<std::vector<int>> asked = ParseCpuList(options.cpus);
    if (!asked.ok()) return absl::InvalidArgumentError(absl::StrCat("--cpus: ", asked.status().message()));
    std::vector<int> refused;
    std::set_difference(asked->begin(), asked->end(), usable.begin(), usable.end(), std::back_inserter(refused));
    if (!refused.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--cpus=", options.cpus, ": CPU ", FormatCpuList(refused),
                                                     " is not allowed for this process (affinity mask and cpuset); "
                                                     "allowed: ",
                                                     FormatCpuList(usable)));
    }
    cpus = *std::move(asked);
  }

  Placement placement;
  size_t shards = static_cast<size_t>(options.shards);
  if (shards == 0) {
    shards = std::min(cpus.size(), size_t{kShardsMax});
  } else if (shards > cpus.size()) {
    placement.notes.push_back(absl::StrCat(Counted(shards, "shard"), " on ", Counted(cpus.size(), "CPU"),
                                           ": more shards than CPUs, some will take turns"));
  }
  if (shards < cpus.size()) {
    const std::vector<int> idle(cpus.begin() + static_cast<ptrdiff_t>(shards), cpus.end());
    placement.notes.push_back(absl::StrCat(Counted(shards, "shard"), " on ", Counted(cpus.size(), "CPU"), ": CPU ",
                                           FormatCpuList(idle), " will run no shard"));
  }
  if (options.quota > 0 && static_cast<double>(shards) > options.quota) {
    placement.notes.push_back(absl::StrCat(Counted(shards, "shard"), " on a CPU quota of ", options.quota,
                                           ": when it is used up, all of them stop for the rest of the period; --shards=",
                                           std::max(1, static_cast<int>(options.quota)), " fits"));
  }
  for (size_t shard = 0; shard < shards; ++shard) placement.cpu_of_shard.push_back(cpus[shard % cpus.size()]);
  return placement;
}

}  // namespace mooring::core
