// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/doctor/amount.h"

namespace mooring::server::doctor {
namespace {

size_t CountOf(const Findings& findings, Verdict verdict) {
  return static_cast<size_t>(std::count_if(findings.begin(), findings.end(),
                                           [&](const Finding& finding) { return finding.verdict == verdict; }));
}

std::string Numbered(size_t n, absl::string_view noun) { return absl::StrCat(n, " ", noun, n == 1 ? "" : "s"); }

nlohmann::ordered_json PlanJson(const Capacity& capacity, const Demand& demand) {
  nlohmann::ordered_json json;
  json["fits"] = capacity.first().connections;
  json["limited_by"] = capacity.first().name;
  json["bounds"] = nlohmann::ordered_json::array();
  for (const Bound& bound : capacity.bounds) {
    json["bounds"].push_back({{"name", bound.name}, {"connections", bound.connections}, {"limit", bound.what}});
  }
  json["user_bytes_per_connection"] = capacity.user_bytes;
  json["kernel_bytes_per_connection"] = capacity.kernel_bytes;
  json["user_bytes"] = capacity.UserBytes(demand.connections);
  json["kernel_bytes"] = capacity.KernelBytes(demand.connections);
  json["memory_bytes"] = capacity.memory_bytes;
  return json;
}

}  // namespace

int Report::ExitCode() const {
  switch (Worst(findings)) {
    case Verdict::kOk:
    case Verdict::kNote: return kExitWell;
    case Verdict::kWarning: return kExitAgainst;
    case Verdict::kProblem: return kExitCannot;
  }
  return kExitCannot;
}

std::string ToText(const Report& report) {
  std::string text = absl::StrCat(report.demand.program, " doctor: this machine for ", Count(report.demand.connections),
                                  " connections\n");
  std::string area;
  for (const Finding& finding : report.findings) {
    if (finding.area != area) absl::StrAppend(&text, "\n", area = finding.area, "\n");
    absl::StrAppendFormat(&text, "  %-8s %s\n", Name(finding.verdict), finding.text);
    if (!finding.mend.empty()) absl::StrAppendFormat(&text, "  %-8s > %s\n", "", finding.mend);
  }
  const bool sysctls = std::any_of(report.findings.begin(), report.findings.end(), [](const Finding& finding) {
    return finding.area == "sysctls" && finding.verdict != Verdict::kOk;
  });
  if (sysctls) {
    absl::StrAppend(&text, "\ntune-host --apply --connections=", report.demand.connections,
                    " sets the sysctls above, and --revert brings back what was\n");
  }
  const size_t problems = CountOf(report.findings, Verdict::kProblem);
  const size_t warnings = CountOf(report.findings, Verdict::kWarning);
  absl::StrAppend(&text, "\n");
  if (problems == 0 && warnings == 0) {
    absl::StrAppend(&text, "all well\n");
  } else {
    absl::StrAppend(&text, Numbered(problems, "problem"), ", ", Numbered(warnings, "warning"), "\n");
  }
  return text;
}

std::string ToJson(const Report& report) {
  nlohmann::ordered_json json;
  json["verdict"] = Name(Worst(report.findings));
  json["exit_code"] = report.ExitCode();
  json["connections"] = report.demand.connections;
  json["shards"] = report.demand.shards;
  json["plan"] = report.capacity.has_value() ? PlanJson(*report.capacity, report.demand) : nlohmann::ordered_json();
  json["findings"] = nlohmann::ordered_json::array();
  for (const Finding& finding : report.findings) {
    nlohmann::ordered_json one = {{"area", finding.area},
                                  {"name", finding.name},
                                  {"verdict", Name(finding.verdict)},
                                  {"text", finding.text}};
    if (!finding.mend.empty()) one["mend"] = finding.mend;
    json["findings"].push_back(std::move(one));
  }
  // What /proc says need not be UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace mooring::server::doctor
