// SPDX-License-Identifier: Apache-2.0
#include "server/config/arguments.h"

#include <algorithm>
#include <set>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/config/nearest.h"

namespace mooring::server::config {
namespace {

std::string WithDashes(absl::string_view name) { return absl::StrReplaceAll(name, {{"_", "-"}}); }

const KnownFlag* Find(const std::vector<KnownFlag>& known, const std::string& name) {
  const auto found = std::find_if(known.begin(), known.end(), [&](const KnownFlag& each) { return each.name == name; });
  return found == known.end() ? nullptr : &*found;
}

// Not the flag library's own.
bool OfTheProgram(const absl::CommandLineFlag& flag) { return !absl::StrContains(flag.Filename(), "absl/flags/"); }

absl::CommandLineFlag* FindOwn(const std::string& name) {
  absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(absl::StrReplaceAll(name, {{"-", "_"}}));
  return flag != nullptr && OfTheProgram(*flag) ? flag : nullptr;
}

std::string UnknownFlag(const Program& program, const std::vector<KnownFlag>& known, const std::string& written) {
  std::vector<std::string> names;
  for (const KnownFlag& each : known) names.push_back(each.name);
  for (const OwnFlag& each : OwnFlags(known)) names.push_back(each.name);
  // The dashes are no letters that were right, and one section is not said.
  std::string_view bare = written;
  bare.remove_prefix(std::min(bare.find_first_not_of('-'), bare.size()));
  if (bare.substr(0, 8) == "runtime-") bare.remove_prefix(8);
  const std::string nearest = Nearest(bare, names);
  return absl::StrCat("'", written, "' is not a flag; ", nearest.empty() ? "" : absl::StrCat("the nearest is --", nearest, "; "),
                      program.name, " --help lists them");
}

// What the doctor reads itself; the rest says, as for the server, what the machine is judged for.
bool ForDoctor(const std::string& argument) {
  return argument == "--json" || argument == "--help" || argument == "-h" || argument == "--connections" ||
         argument.rfind("--connections=", 0) == 0;
}

}  // namespace

std::vector<OwnFlag> OwnFlags(const std::vector<KnownFlag>& known) {
  std::map<std::string, OwnFlag> own;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    const std::string dashed = WithDashes(name);
    if (!OfTheProgram(*flag) || Find(known, dashed) != nullptr) continue;
    own.emplace(dashed, OwnFlag{.name = dashed, .default_value = flag->DefaultValue(), .help = flag->Help()});
  }
  std::vector<OwnFlag> out;
  for (auto& [name, flag] : own) out.push_back(std::move(flag));
  return out;
}

CommandLine ReadArguments(const Program& program, const std::vector<std::string>& arguments,
                          const std::vector<KnownFlag>& known, bool set_own, Errors* errors) {
  CommandLine line;
  std::set<std::string> given;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (i == 0 && argument == "doctor") {
      line.what = What::kDoctor;
      continue;
    }
    if (line.what == What::kDoctor && ForDoctor(argument)) {
      line.rest.push_back(argument);
      if (argument == "--connections" && i + 1 < arguments.size()) line.rest.push_back(arguments[++i]);
      continue;
    }
    if ((i == 0 && argument == "check") || argument == "-t") {
      if (line.what == What::kServe) line.what = What::kCheck;
      continue;
    }
    if (argument == "--help" || argument == "-h") {
      line.what = What::kHelp;
      continue;
    }
    if (argument == "--version") {
      if (line.what != What::kHelp) line.what = What::kVersion;
      continue;
    }
    if (i == 0 && !argument.empty() && argument[0] != '-') {
      errors->Add(absl::StrCat("'", argument, "' is not a command", DidYouMean(argument, {"check", "doctor"})));
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string written = argument.substr(0, equals);
    const std::string name = argument.rfind("--", 0) == 0 ? WithDashes(written.substr(2)) : std::string();
    const KnownFlag* const ours = Find(known, name);
    absl::CommandLineFlag* const own = ours != nullptr || name.empty() ? nullptr : FindOwn(name);
    if (ours == nullptr && own == nullptr) {
      errors->Add(UnknownFlag(program, known, written));
      continue;
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (ours != nullptr ? ours->is_bool : own->IsOfType<bool>()) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      errors->Add("--" + name, "has no value");
      continue;
    }
    if (!given.insert(name).second) {
      errors->Add("--" + name, name == "listen" ? "is given twice; give one list: --listen=echo=127.0.0.1:7000,line=[::1]:7001"
                                                : "is given twice");
      continue;
    }
    if (ours != nullptr) {
      line.given[name] = std::move(value);
    } else if (std::string error; set_own && !own->ParseFrom(value, &error)) {
      errors->Add("--" + name, error);
    }
  }
  // Else nobody could ever set the program's own one.
  for (const KnownFlag& each : known) {
    if (FindOwn(each.name) == nullptr) continue;
    errors->Add("--" + each.name, "is defined by the program, too; give the program's flag another name");
  }
  return line;
}

}  // namespace mooring::server::config
