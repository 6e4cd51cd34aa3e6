// SPDX-License-Identifier: Apache-2.0
#include "server/config/configure.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config/errors.h"
#include "server/config/keys.h"

namespace mooring::server::config {

absl::StatusOr<std::vector<Configured>> Configure(const Settings& settings, bool only_check) {
  Surroundings surroundings = {.drain_keepalive_grace_s = settings.drain.keepalive_grace_s, .only_check = only_check};
  for (const ListenerSettings& each : settings.listeners) {
    surroundings.all.push_back({.name = each.name, .address = each.endpoint.ToString(), .summary = each.service->summary});
  }
  Errors errors;
  std::vector<Configured> out;
  for (const ListenerSettings& each : settings.listeners) {
    Configured configured = {.options = each.service->options, .make = each.service->make};
    if (each.service->configure) {
      absl::StatusOr<Configured> made = each.service->configure(each.values, surroundings);
      if (!made.ok()) {
        errors.Add(std::string(made.status().message()));
        continue;
      }
      configured = *std::move(made);
    }
    configured.options = each.options.Over(configured.options);
    configured.options.track_peers |= settings.runtime.track_peers;
    out.push_back(std::move(configured));
  }
  if (!errors.empty()) return errors.status();
  return out;
}

absl::StatusOr<std::string> Check(const Program& program, const Settings& settings) {
  if (const auto configured = Configure(settings, true); !configured.ok()) return configured.status();
  std::string text = absl::StrCat("OK: ", settings.file.empty() ? absl::StrCat(program.name, " without a file") : settings.file, "\n");
  for (const ListenerSettings& each : settings.listeners) {
    absl::StrAppend(&text, "listener ", each.name, ": ", each.service->name, " on ", each.endpoint.ToString(), "\n");
    for (const ListenerKey& key : ListenerKeys()) {
      const Value value = key.get(each);
      if (!(value == key.get(ListenerSettings()))) absl::StrAppend(&text, "  ", key.name, " = ", ToToml(key.form, value), "\n");
    }
    for (const ServiceSetting& setting : each.service->settings) {
      const Form form = FormOf(setting);
      const Value value = {.text = each.values.Text(setting.name), .number = each.values.Number(setting.name)};
      const absl::StatusOr<Value> usual = ParseValue(form, {setting.default_value});
      if (!usual.ok() || !(value == *usual)) absl::StrAppend(&text, "  ", setting.name, " = ", ToToml(form, value), "\n");
    }
  }
  for (const Key& key : Keys()) {
    const Value value = key.get(settings);
    const absl::StatusOr<Value> usual = ParseValue(key.form, {key.default_value});
    if (!usual.ok() || !(value == *usual)) absl::StrAppend(&text, NameOf(key), " = ", ToToml(key.form, value), "\n");
  }
  return text;
}

}  // namespace mooring::server::config
