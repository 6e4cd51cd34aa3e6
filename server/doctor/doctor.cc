// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/doctor.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/placement.h"
#include "server/doctor/capacity.h"
#include "server/doctor/demand.h"
#include "server/doctor/host_facts.h"
#include "server/doctor/recommendations.h"
#include "server/doctor/report.h"
#include "server/doctor/rules.h"
#include "server/doctor/transport_facts.h"

namespace mooring::server {
namespace {

using doctor::Demand;
using doctor::Finding;
using doctor::Report;
using doctor::Verdict;

constexpr uint64_t kConnectionsMax = uint64_t{1} << 32;  // more than a machine's memory can hold

struct Asked {
  std::optional<uint64_t> connections = {};
  bool json = false;
  bool help = false;
};

std::string Help(const std::string& program) {
  return absl::StrCat(
      "Usage: ", program, " doctor [--connections=N] [--json] [FLAGS]\n\n"
      "Looks at this machine and says what a server with these flags, environment and file would meet on it: kernel\n"
      "and io_uring, limits, sysctls, ports, CPUs, and how many connections fit. Changes nothing.\n\n"
      "  --connections=N  judge it for N connections (default: --max-connections, or ", Demand().connections, ")\n"
      "  --json           one object instead of text\n\n"
      "Exit codes: 0 all well, 1 warnings, 2 wrong arguments, 3 it cannot serve, or N connections do not fit.\n");
}

absl::StatusOr<Asked> ParseArguments(const std::vector<std::string>& arguments) {
  constexpr std::string_view kConnections = "--connections";
  Asked asked;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      asked.help = true;
    } else if (argument == "--json") {
      asked.json = true;
    } else if (argument == kConnections || argument.compare(0, kConnections.size() + 1, "--connections=") == 0) {
      const bool apart = argument == kConnections;
      const std::string value = !apart ? argument.substr(kConnections.size() + 1)
                                       : i + 1 < arguments.size() ? arguments[++i] : "";
      asked.connections = core::ParseNumber(value);
      if (asked.connections.value_or(0) == 0 || *asked.connections > kConnectionsMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("--connections=", value, ": write a number, 1 to ", kConnectionsMax));
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("'", argument, "' is not for doctor; it knows --connections=N, --json and --help"));
    }
  }
  return asked;
}

Demand DemandOf(const Program& program, const Settings& settings, const Asked& asked) {
  Demand demand = {.program = program.name,
                   .max_connections = settings.runtime.max_connections,
                   .memory_ceiling_bytes = settings.runtime.memory_ceiling_bytes};
  if (settings.runtime.max_connections != 0) demand.connections = settings.runtime.max_connections;
  if (asked.connections.has_value()) demand.connections = *asked.connections;
  demand.asked = asked.connections.has_value() || settings.runtime.max_connections != 0;
  const auto port = [](const net::Endpoint& endpoint) {
    return endpoint.is_unix() ? uint16_t{0} : endpoint.address().port();
  };
  for (const ListenerSettings& each : settings.listeners) {
    demand.listeners.push_back({each.name, each.service == nullptr ? "" : each.service->name, port(each.endpoint)});
  }
  for (const auto& [name, endpoint] : {std::pair("admin", settings.admin.listen),
                                       std::pair("metrics", settings.admin.metrics_listen)}) {
    if (endpoint.has_value()) demand.listeners.push_back({.name = name, .port = port(*endpoint), .admin = true});
  }
  return demand;
}

Report Examine(const Machine& machine, const Settings& settings, Demand demand) {
  Report report;
  doctor::Findings& findings = report.findings;
  absl::StatusOr<std::vector<doctor::Recommendation>> table =
      doctor::ParseRecommendations(doctor::RecommendationsText());
  if (!table.ok()) table = std::vector<doctor::Recommendation>();  // a test holds the one that is built in
  const doctor::HostFacts host = doctor::GatherHost(machine.host, *table);
  const doctor::TransportFacts transport = doctor::GatherTransport(machine.kernel, settings.runtime.transport);

  const absl::StatusOr<core::Placement> placement =
      core::Place({.cpus = settings.runtime.cpus, .shards = settings.runtime.shards}, host.allowed_cpus);
  demand.shards =
      placement.ok() ? static_cast<int>(placement->cpu_of_shard.size()) : std::max(1, settings.runtime.shards);

  doctor::JudgeKernel(host, transport, &findings);
  doctor::JudgeLimits(host, transport, *table, demand, &findings);
  doctor::JudgeSysctls(host, *table, demand, &findings);
  doctor::JudgePorts(host, demand, &findings);
  if (!placement.ok() && !host.allowed_cpus.empty()) {
    findings.push_back({"cpu", "placement", Verdict::kProblem, std::string(placement.status().message())});
  }
  doctor::JudgeCpus(host, demand, &findings);
  doctor::JudgeNics(host, demand, &findings);
  if (transport.kind.has_value()) {
    report.capacity = doctor::MakeCapacity(host, transport, *table, demand);
    doctor::JudgeCapacity(*report.capacity, demand, &findings);
  }
  report.demand = std::move(demand);
  return report;
}

}  // namespace

int Doctor(const Program& program, const Settings& settings, const std::vector<std::string>& arguments, std::FILE* out,
           const Machine& machine) {
  const absl::StatusOr<Asked> asked = ParseArguments(arguments);
  if (!asked.ok()) {
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), std::string(asked.status().message()).c_str());
    return doctor::kExitBadArguments;
  }
  if (asked->help) {
    std::fputs(Help(program.name).c_str(), out);
    return doctor::kExitWell;
  }
  const Report report = Examine(machine, settings, DemandOf(program, settings, *asked));
  std::fputs((asked->json ? ToJson(report) : ToText(report)).c_str(), out);
  std::fflush(out);
  return report.ExitCode();
}

}  // namespace mooring::server
