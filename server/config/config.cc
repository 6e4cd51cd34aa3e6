// SPDX-License-Identifier: Apache-2.0
#include "server/config/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/config/errors.h"
#include "server/config/file.h"
#include "server/config/flags.h"
#include "server/config/keys.h"
#include "server/config/listeners.h"
#include "server/config/nearest.h"

namespace mooring::server::config {
namespace {

constexpr char kPrefix[] = "MOORING_";

// What one source says of a key, by the name of its flag.
struct OneSaid {
  Written written;
  std::string where;
  int line = 0;  // of the file
};
using AllSaid = std::map<std::string, OneSaid>;

AllSaid FromCommandLine(const CommandLine& line) {
  AllSaid said;
  for (const auto& [flag, value] : line.given) said[flag] = {{value}, "--" + flag};
  return said;
}

AllSaid FromEnvironment(const Environment& environment, const std::vector<KnownFlag>& known, Errors* errors) {
  std::map<std::string, std::string> flags;  // by the variable
  for (const KnownFlag& each : known) flags[EnvironmentOf(each.name)] = each.name;
  AllSaid said;
  for (const auto& [name, value] : environment) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    if (const auto flag = flags.find(name); flag != flags.end()) {
      said[flag->second] = {{value}, name};
      continue;
    }
    std::vector<std::string> names;
    for (const auto& [variable, flag] : flags) names.push_back(variable.substr(sizeof(kPrefix) - 1));
    std::string_view written = std::string_view(name).substr(sizeof(kPrefix) - 1);
    if (written.substr(0, 8) == "RUNTIME_") written.remove_prefix(8);  // the one section that is not said
    const std::string nearest = Nearest(written, names);
    errors->Add(name, absl::StrCat("is not a variable of this program; ",
                                   nearest.empty() ? "" : absl::StrCat("the nearest is ", kPrefix, nearest, "; "),
                                   "each is a flag of --help in capitals: MOORING_SHARDS, MOORING_DRAIN_DEADLINE"));
  }
  return said;
}

std::string WrongSection(const std::string& name) {
  std::vector<std::string> known = {"listener"};
  for (const Section& each : Sections()) known.push_back(each.name);
  return absl::StrCat("is not a section", DidYouMean(name, known));
}

// A key that stands before the first section.
std::string WrongOutside(const std::string& name) {
  if (name == "listener") return "write [[listener]], a table for each";
  for (const Section& each : Sections()) {
    if (each.name == name) return absl::StrCat("is a section; write [", name, "]");
  }
  for (const Key& key : Keys()) {
    if (key.name == name) return absl::StrCat("stands in no section; it belongs below [", key.section, "]");
  }
  return absl::StrCat("stands in no section; each key belongs below a [SECTION]");
}

AllSaid FromTable(const std::string& path, const FileTable& table, Errors* errors) {
  const auto at = [&](int line, const std::string& what) { return absl::StrCat(path, ":", line, ": ", what); };
  AllSaid said;
  std::vector<std::string> names;
  for (const Key& key : Keys()) {
    if (key.section == table.name) names.push_back(key.name);
  }
  if (names.empty()) {
    errors->Add(at(table.line, table.in_array ? absl::StrCat("[[", table.name, "]]") : absl::StrCat("[", table.name, "]")),
                WrongSection(table.name), table.line);
    return said;
  }
  if (table.in_array) {
    errors->Add(at(table.line, absl::StrCat("[[", table.name, "]]")),
                absl::StrCat("there is only one; write [", table.name, "]"), table.line);
    return said;
  }
  for (const FileEntry& entry : table.entries) {
    const std::string where = at(entry.line, absl::StrCat(table.name, ".", entry.key));
    const auto key = std::find_if(Keys().begin(), Keys().end(), [&](const Key& each) {
      return each.section == table.name && each.name == entry.key;
    });
    if (key == Keys().end()) {
      errors->Add(where, absl::StrCat("is not a key", DidYouMean(entry.key, names, table.name + ".")), entry.line);
      continue;
    }
    said[FlagOf(*key)] = {entry.written, where, entry.line};
  }
  return said;
}

// All that is in the file; its [[listener]]s go into `listeners`.
AllSaid FromFile(const File& file, ListenersSaid* listeners, Errors* errors) {
  AllSaid said;
  listeners->path = file.path;
  for (const FileEntry& entry : file.outside) {
    errors->Add(absl::StrCat(file.path, ":", entry.line, ": ", entry.key), WrongOutside(entry.key), entry.line);
  }
  for (const FileTable& table : file.tables) {
    if (table.name != "listener") {
      said.merge(FromTable(file.path, table, errors));
    } else if (table.in_array) {
      listeners->tables.push_back(table);
    } else {
      errors->Add(absl::StrCat(file.path, ":", table.line, ": [listener]"), "there may be several; write [[listener]]", table.line);
    }
  }
  return said;
}

// Where the file is, and whether it must be there; empty: there is none.
struct Place {
  std::string path;
  bool must_be = false;
};

Place PlaceOf(const Program& program, const Sources& sources, const AllSaid& flags, const AllSaid& environment) {
  for (const AllSaid* said : {&flags, &environment}) {
    if (const auto found = said->find(kConfigFlag); found != said->end()) return {found->second.written.text, true};
  }
  return {absl::StrCat(sources.etc, "/", program.name, "/", program.name, ".toml"), false};
}

class Reading {
 public:
  Reading(const Program* program, const Sources* sources) : program_(program), sources_(sources), known_(KnownFlags(*program)) {}

  // `before`: null at start.
  absl::StatusOr<Asked> Read(const Settings* before) {
    const CommandLine line = ReadArguments(*program_, sources_->arguments, known_, before == nullptr, &errors_);
    Asked asked = {.what = line.what, .rest = line.rest};
    const bool wanted = asked.what == What::kServe || asked.what == What::kCheck || asked.what == What::kDoctor;
    if (!wanted) {
      if (!errors_.empty()) return errors_.status();
      return asked;
    }
    sources_said_.push_back(FromCommandLine(line));
    sources_said_.push_back(FromEnvironment(sources_->environment, known_, &errors_));
    ReadTheFile(before, &asked.settings);
    for (const Key& key : Keys()) {
      const auto [value, where] = ValueOf(FlagOf(key), key.form, key.default_value);
      key.set(value, &asked.settings);
      if (NameOf(key) == "admin.listen") asked.settings.admin.listen_is_default = where.empty();
    }
    ReadServices();
    listeners_.values = [this](const Service& service) { return values_[service.name]; };
    asked.settings.listeners = ReadListeners(*program_, listeners_, &errors_);
    CheckAdmin(asked.settings);
    if (!errors_.empty()) return errors_.status();
    return asked;
  }

 private:
  void ReadTheFile(const Settings* before, Settings* settings) {
    const Place place = PlaceOf(*program_, *sources_, sources_said_[0], sources_said_[1]);
    const bool was_there = before != nullptr && before->file == place.path;
    const absl::StatusOr<std::string> text = ReadFile(place.path);
    if (!text.ok()) {
      if (text.status().code() != absl::StatusCode::kNotFound || place.must_be || was_there) {
        errors_.Add(std::string(text.status().message()));
      }
      return;
    }
    settings->file = place.path;
    const absl::StatusOr<File> file = ParseFile(*text, place.path);
    if (!file.ok()) return errors_.Add(std::string(file.status().message()));
    sources_said_.push_back(FromFile(*file, &listeners_, &errors_));
  }

  // What holds for a key, and where it was said; every source's value is looked at, so that all errors are told.
  std::pair<Value, std::string> ValueOf(const std::string& flag, const Form& form, const std::string& default_value) {
    std::optional<std::pair<Value, std::string>> first;
    for (const AllSaid& said : sources_said_) {
      const auto found = said.find(flag);
      if (found == said.end()) continue;
      const OneSaid& one = found->second;
      const absl::StatusOr<Value> value = ParseValue(form, one.written);
      if (!value.ok()) {
        errors_.Add(one.where, std::string(value.status().message()), one.line);
      } else if (!first.has_value()) {
        first = {*value, one.where};
      }
    }
    if (first.has_value()) return *first;
    const absl::StatusOr<Value> value = ParseValue(form, {default_value});
    if (!value.ok()) errors_.Add("the default of " + flag, std::string(value.status().message()));
    return {value.value_or(Value()), ""};
  }

  void ReadServices() {
    for (const Service* service : ServicesWithSettings(*program_)) {
      for (const ServiceSetting& setting : service->settings) {
        const std::string flag = FlagOf(*service, setting);
        auto [value, where] = ValueOf(flag, FormOf(setting), setting.default_value);
        values_[service->name].Set(setting.name, value.text, value.number, where.empty() ? "--" + flag : where);
      }
    }
    for (const AllSaid& said : sources_said_) {
      const auto listen = said.find(kListenFlag);
      if (listen == said.end() || listeners_.listen.has_value()) continue;
      listeners_.listen = ListenText{listen->second.written.text, listen->second.where};
    }
  }

  // An address that a listener has.
  void CheckAdmin(const Settings& settings) {
    const auto check = [&](const char* flag, const std::optional<net::Endpoint>& endpoint) {
      if (!endpoint.has_value() || (!endpoint->is_unix() && endpoint->address().port() == 0)) return;
      for (const ListenerSettings& each : settings.listeners) {
        if (!(each.endpoint == *endpoint)) continue;
        errors_.Add(absl::StrCat("--", flag), absl::StrCat("'", endpoint->ToString(), "' is the address of the listener ", each.name, ", too"));
      }
    };
    check("admin-listen", settings.admin.listen_is_default ? std::nullopt : settings.admin.listen);
    check("admin-metrics-listen", settings.admin.metrics_listen);
  }

  const Program* const program_;
  const Sources* const sources_;
  const std::vector<KnownFlag> known_;
  Errors errors_;
  std::vector<AllSaid> sources_said_;  // in their order
  ListenersSaid listeners_;
  std::map<std::string, ServiceValues> values_;  // by the service's name
};

}  // namespace

Environment ProcessEnvironment() {
  Environment out;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string text = *each;
    const size_t equals = text.find('=');
    if (equals == std::string::npos || !absl::StartsWith(text, kPrefix)) continue;
    out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

absl::StatusOr<Asked> Read(const Program& program, const Sources& sources) { return Reading(&program, &sources).Read(nullptr); }

absl::StatusOr<Settings> ReadAgain(const Program& program, const Sources& sources, const Settings& before) {
  absl::StatusOr<Asked> asked = Reading(&program, &sources).Read(&before);
  if (!asked.ok()) return asked.status();
  return std::move(asked->settings);
}

std::vector<std::string> FixedKeysChanged(const Settings& before, const Settings& after) {
  std::vector<std::string> changed;
  for (const Key& key : Keys()) {
    if (key.fixed && !(key.get(before) == key.get(after))) changed.push_back(NameOf(key));
  }
  return changed;
}

}  // namespace mooring::server::config
