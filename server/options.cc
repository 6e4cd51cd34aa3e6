// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "net/choose_transport.h"

// The registry and the parsing of values are the flag library's. The loop over the arguments is ours: the library keeps
// the last of two equal flags in silence, knows no dashes in names, and ends the process by itself.
ABSL_FLAG(std::string, listen, "", "");
ABSL_FLAG(std::string, cpus, "", "");
ABSL_FLAG(uint32_t, shards, 0, "");
ABSL_FLAG(std::string, transport, "auto", "");
ABSL_FLAG(uint64_t, max_connections, 0, "");
ABSL_FLAG(uint32_t, drain_deadline, 30, "");

namespace mooring::server {
namespace {

constexpr absl::string_view kNames[] = {"listen", "cpus", "shards", "transport", "max_connections", "drain_deadline"};

absl::Status Wrong(absl::string_view flag, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--", absl::StrReplaceAll(flag, {{"_", "-"}}), ": ", why));
}

// --listen as it is being put together.
class ListenList {
 public:
  explicit ListenList(const Program* program) : program_(program), address_(program->listeners.size()) {}

  absl::Status Add(absl::string_view list) {
    for (absl::string_view part : absl::StrSplit(list, ',')) {
      if (absl::Status status = AddOne(part); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<ListenOption>> Take() {
    std::vector<ListenOption> out;
    for (size_t i = 0; i < address_.size(); ++i) {
      const Listener& listener = program_->listeners[i];
      absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(address_[i].value_or(listener.address));
      if (!endpoint.ok()) return Wrong("listen", std::string(endpoint.status().message()));
      out.push_back({listener.service.name, &listener.service, *endpoint});
    }
    for (ListenOption& option : offered_) out.push_back(std::move(option));
    if (out.empty()) return absl::InvalidArgumentError("there is nothing to listen on");
    std::set<std::string> names;
    for (size_t i = 0; i < out.size(); ++i) {
      for (size_t before = 0; before < i; ++before) {
        const net::Endpoint& endpoint = out[i].endpoint;
        if (out[before].endpoint == endpoint && (endpoint.is_unix() || endpoint.address().port() != 0)) {
          return Wrong("listen", absl::StrCat("'", endpoint.ToString(), "' is there twice"));
        }
      }
      const std::string name = out[i].name;
      for (int n = 2; !names.insert(out[i].name).second; ++n) out[i].name = absl::StrCat(name, "-", n);
    }
    return out;
  }

  // A name to give an example with.
  std::string Example() const {
    if (!program_->listeners.empty()) return program_->listeners[0].service.name;
    return program_->offered.empty() ? "NAME" : program_->offered[0].name;
  }

 private:
  absl::Status AddOne(absl::string_view part) {
    std::vector<std::string> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
    // A program with one listener need not be told which.
    const bool only_one = program_->listeners.size() == 1 && program_->offered.empty();
    if (halves.size() == 1 && only_one && net::Endpoint::Parse(halves[0]).ok()) {
      halves.insert(halves.begin(), program_->listeners[0].service.name);
    }
    const std::string what = program_->offered.empty() ? "NAME" : "SERVICE";
    if (halves.size() != 2) {
      return Wrong("listen", absl::StrCat("'", part, "' is not ", what, "=HOST:PORT or ", what,
                                          "=unix:PATH; for example ", Example(), "=127.0.0.1:7000"));
    }
    absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(halves[1]);
    for (size_t i = 0; i < address_.size(); ++i) {
      if (program_->listeners[i].service.name != halves[0]) continue;
      if (!endpoint.ok()) return Wrong("listen", std::string(endpoint.status().message()));
      if (address_[i].has_value()) return Wrong("listen", absl::StrCat("'", halves[0], "' has two addresses"));
      address_[i] = halves[1];
      return absl::OkStatus();
    }
    for (const Service& service : program_->offered) {
      if (service.name != halves[0]) continue;
      if (!endpoint.ok()) return Wrong("listen", std::string(endpoint.status().message()));
      offered_.push_back({service.name, &service, *endpoint});
      return absl::OkStatus();
    }
    return Wrong("listen", absl::StrCat("'", halves[0], "' is not a ", program_->offered.empty() ? "listener" : "service",
                                        "; known are ", Names()));
  }

  std::string Names() const {
    std::vector<std::string> names;
    for (const Listener& listener : program_->listeners) names.push_back(listener.service.name);
    for (const Service& service : program_->offered) names.push_back(service.name);
    return absl::StrJoin(names, ", ");
  }

  const Program* const program_;
  std::vector<std::optional<std::string>> address_;  // of the program's listeners, where one was given
  std::vector<ListenOption> offered_;
};

// What the program itself has defined: neither ours nor the flag library's own.
bool OfTheProgram(const absl::CommandLineFlag& flag) {
  const std::string file = flag.Filename();
  if (absl::StrContains(file, "absl/flags/")) return false;
  return std::find(std::begin(kNames), std::end(kNames), flag.Name()) == std::end(kNames);
}

// The flag that is written so, or null.
absl::CommandLineFlag* FindFlag(const std::string& name) {
  absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
  if (flag == nullptr) return nullptr;
  const bool ours = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  return ours || OfTheProgram(*flag) ? flag : nullptr;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments, const Program& program) {
  Options options;
  const std::string unknown = absl::StrCat(" is not a flag; ", program.name, " --help lists them");
  for (absl::string_view name : kNames) {  // defaults again, so that a second call starts afresh
    absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    std::string error;
    flag->ParseFrom(flag->DefaultValue(), &error);
  }
  std::set<std::string> given;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      continue;
    }
    if (argument == "--version") {
      options.version = true;
      continue;
    }
    if (argument.rfind("--", 0) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("'", argument, "'", unknown));
    }
    const size_t equals = argument.find('=');
    const std::string written = argument.substr(0, equals);
    const std::string name = absl::StrReplaceAll(written.substr(2), {{"-", "_"}});
    absl::CommandLineFlag* const flag = FindFlag(name);
    if (flag == nullptr) return absl::InvalidArgumentError(absl::StrCat("'", written, "'", unknown));
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (flag->IsOfType<bool>()) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return Wrong(name, "has no value");
    }
    if (!given.insert(name).second) {
      return Wrong(name, name == "listen" ? "is given twice; give one list: --listen=echo=127.0.0.1:7000,line=[::1]:7001"
                                          : "is given twice");
    }
    std::string error;
    if (!flag->ParseFrom(value, &error)) {
      return Wrong(name, OfTheProgram(*flag) ? OneLine(error) : absl::StrCat("'", value, "' is not a whole number"));
    }
  }

  if (options.help || options.version) return options;
  ListenList listen(&program);
  const std::string given_listen = absl::GetFlag(FLAGS_listen);
  if (given.count("listen") != 0 && given_listen.empty()) {
    return Wrong("listen", absl::StrCat("is empty; for example ", listen.Example(), "=127.0.0.1:7000"));
  }
  const std::string& list = given_listen.empty() ? program.default_listen : given_listen;
  if (!list.empty()) {
    if (absl::Status status = listen.Add(list); !status.ok()) return status;
  }
  absl::StatusOr<std::vector<ListenOption>> endpoints = listen.Take();
  if (!endpoints.ok()) return endpoints.status();
  options.listen = *std::move(endpoints);
  options.cpus = absl::GetFlag(FLAGS_cpus);
  if (given.count("shards") != 0 && (absl::GetFlag(FLAGS_shards) == 0 || absl::GetFlag(FLAGS_shards) > 1023)) {
    return Wrong("shards", "is a number from 1 to 1023");
  }
  options.shards = static_cast<int>(absl::GetFlag(FLAGS_shards));
  const auto transport = net::ParseTransport(absl::GetFlag(FLAGS_transport));
  if (!transport.ok()) return Wrong("transport", std::string(transport.status().message()));
  options.transport = *transport;
  options.max_connections = absl::GetFlag(FLAGS_max_connections);
  if (given.count("max_connections") != 0 && options.max_connections == 0) {
    return Wrong("max-connections", "is at least 1; without the flag the descriptor limit decides");
  }
  options.drain_deadline_s = absl::GetFlag(FLAGS_drain_deadline);
  return options;
}

std::string HelpText(const Program& program) {
  std::string text;
  if (!program.summary.empty()) absl::StrAppend(&text, program.summary, "\n\n");
  absl::StrAppend(&text, "Usage: ", program.name, " [--flag=value ...]");
  std::vector<std::string> listens;
  for (const Listener& each : program.listeners) {
    listens.push_back(absl::StrCat(each.service.name, " on ", each.address));
  }
  if (!program.default_listen.empty()) {
    listens.push_back(absl::StrReplaceAll(program.default_listen, {{"=", " on "}, {",", ", "}}));
  }
  if (!listens.empty()) absl::StrAppend(&text, "      With no flag: ", absl::StrJoin(listens, ", "), ".");
  const char* const what = program.offered.empty() ? "NAME" : "SERVICE";
  const std::string pad(7 - std::string(what).size(), ' ');
  absl::StrAppend(
      &text, "\n\n",
      "  --listen=", what, "=HOST:PORT[,...]", pad, "  what to serve where; numeric addresses, [::]:PORT is IPv6 and IPv4\n",
      "           ", what, "=unix:PATH", pad, "        or on a Unix-domain socket, to which owner and group may connect\n"
      "  --cpus=0-3,8                      CPUs to run on, one shard (thread) each; default: all this process may use\n"
      "  --shards=N                        number of shards; more than CPUs is allowed, and holds more connections\n"
      "  --transport=auto|io_uring|io_uring-base|epoll\n"
      "                                    what moves the bytes. io_uring needs Linux 6.14, io_uring-base 6.1, epoll any;\n"
      "                                    auto takes the first of them that works, and says so when that is epoll\n"
      "  --max-connections=N               at most so many connections; further peers wait in the backlog\n"
      "  --drain-deadline=SECONDS          after SIGTERM or SIGINT, how long connections may take to end (30)\n"
      "  --version, --help\n");

  std::map<std::string, const absl::CommandLineFlag*> own;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (OfTheProgram(*flag)) own.emplace(std::string(name), flag);
  }
  if (!own.empty()) absl::StrAppend(&text, "\nFlags of ", program.name, ":\n");
  for (const auto& [name, flag] : own) {
    absl::StrAppend(&text, "  --", absl::StrReplaceAll(name, {{"_", "-"}}), "=", flag->DefaultValue(), "\n        ",
                    flag->Help(), "\n");
  }

  const bool only_one = program.listeners.size() == 1 && program.offered.empty();
  absl::StrAppend(&text, only_one                  ? "\nListener (NAME= may be left out):\n"
                         : program.offered.empty() ? "\nListeners:\n"
                                                   : "\nServices:\n");
  const auto line = [&text](const Service& service) {
    const std::string named = absl::StrFormat("  %-11s %s", service.name, service.summary);
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(named), "\n");
  };
  for (const Listener& listener : program.listeners) line(listener.service);
  for (const Service& service : program.offered) line(service);
  absl::StrAppend(&text,
                  "\n"
                  "SIGTERM or SIGINT drains: listeners close, every request received is answered, connections end.\n"
                  "Exit codes: 0 all finished, 1 could not start, 2 a bad flag, 3 the deadline cut some, 4 second signal.\n");
  return text;
}

}  // namespace mooring::server
