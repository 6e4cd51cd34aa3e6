// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <set>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "net/choose_transport.h"
#include "server/services.h"

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

constexpr std::string_view kNames[] = {"listen", "cpus", "shards", "transport", "max_connections", "drain_deadline"};
constexpr char kDefaultListen[] = "echo=127.0.0.1:7000,line=127.0.0.1:7001";

absl::Status Wrong(std::string_view flag, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", absl::StrReplaceAll(absl::string_view(flag.data(), flag.size()), {{"_", "-"}}), ": ", why));
}

std::string ServiceNames() {
  std::string names;
  for (const Service& service : Services()) absl::StrAppend(&names, names.empty() ? "" : ", ", service.name);
  return names;
}

absl::StatusOr<std::vector<ListenOption>> ParseListen(const std::string& list) {
  std::vector<ListenOption> out;
  for (absl::string_view part : absl::StrSplit(list, ',')) {
    const std::vector<std::string> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (halves.size() != 2) {
      return Wrong("listen", absl::StrCat("'", part, "' is not SERVICE=HOST:PORT or SERVICE=unix:PATH; for example "
                                          "echo=127.0.0.1:7000"));
    }
    const Service* service = FindService(halves[0]);
    if (service == nullptr) {
      return Wrong("listen", absl::StrCat("'", halves[0], "' is not a service; known are ", ServiceNames()));
    }
    absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(halves[1]);
    if (!endpoint.ok()) return Wrong("listen", std::string(endpoint.status().message()));
    for (const ListenOption& before : out) {
      if (before.endpoint == *endpoint && (endpoint->is_unix() || endpoint->address().port() != 0)) {
        return Wrong("listen", absl::StrCat("'", halves[1], "' is there twice"));
      }
    }
    out.push_back({service, *endpoint});
  }
  return out;
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  for (std::string_view name : kNames) {  // defaults again, so that a second call starts afresh
    absl::CommandLineFlag* flag = absl::FindCommandLineFlag({name.data(), name.size()});
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
      return absl::InvalidArgumentError(absl::StrCat("'", argument, "' is not a flag; mooringd --help lists them"));
    }
    const size_t equals = argument.find('=');
    const std::string written = argument.substr(0, equals);
    const std::string name = absl::StrReplaceAll(written.substr(2), {{"-", "_"}});
    bool known = false;
    for (std::string_view each : kNames) known = known || each == name;
    if (!known) {
      return absl::InvalidArgumentError(absl::StrCat("'", written, "' is not a flag; mooringd --help lists them"));
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
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
    if (!absl::FindCommandLineFlag(name)->ParseFrom(value, &error)) {
      return Wrong(name, absl::StrCat("'", value, "' is not a whole number"));
    }
  }

  const std::string listen = absl::GetFlag(FLAGS_listen);
  if (given.count("listen") != 0 && listen.empty()) return Wrong("listen", "is empty; for example echo=127.0.0.1:7000");
  absl::StatusOr<std::vector<ListenOption>> endpoints = ParseListen(listen.empty() ? kDefaultListen : listen);
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

std::string HelpText() {
  std::string text =
      "mooringd holds very many connections: one thread per CPU, nothing shared.\n"
      "\n"
      "Usage: mooringd [--flag=value ...]      With no flag: echo on 127.0.0.1:7000, line on 127.0.0.1:7001.\n"
      "\n"
      "  --listen=SERVICE=HOST:PORT[,...]  what to serve where; numeric addresses, [::]:PORT is IPv6 and IPv4\n"
      "           SERVICE=unix:PATH        or on a Unix-domain socket, to which owner and group may connect\n"
      "  --cpus=0-3,8                      CPUs to run on, one shard (thread) each; default: all this process may use\n"
      "  --shards=N                        number of shards; more than CPUs is allowed, and holds more connections\n"
      "  --transport=auto|io_uring|io_uring-base|epoll\n"
      "                                    what moves the bytes. io_uring needs Linux 6.14, io_uring-base 6.1, epoll any;\n"
      "                                    auto takes the first of them that works, and says so when that is epoll\n"
      "  --max-connections=N               at most so many connections; further peers wait in the backlog\n"
      "  --drain-deadline=SECONDS          after SIGTERM or SIGINT, how long connections may take to end (30)\n"
      "  --version, --help\n"
      "\n"
      "Services:\n";
  for (const Service& service : Services()) {
    absl::StrAppend(&text, "  ", service.name, std::string(12 - std::string_view(service.name).size(), ' '),
                    service.summary, "\n");
  }
  absl::StrAppend(&text,
                  "\n"
                  "SIGTERM or SIGINT drains: listeners close, every request received is answered, connections end.\n"
                  "Exit codes: 0 all finished, 1 could not start, 2 a bad flag, 3 the deadline cut some, 4 second signal.\n"
                  "\n"
                  "Try it:  printf 'hello\\n' | nc -q 1 127.0.0.1 7001\n");
  return text;
}

}  // namespace mooring::server
