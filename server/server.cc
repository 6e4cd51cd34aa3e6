// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/clock.h"
#include "core/kernel.h"
#include "net/choose_transport.h"
#include "server/config/config.h"
#include "server/config/configure.h"
#include "server/config/help.h"
#include "server/runtime.h"
#include "server/version.h"

namespace mooring::server {
namespace {

Program ProgramOf(int argc, char** argv, About about) {
  Program program;
  program.name = std::move(about.name);
  if (program.name.empty() && argc > 0) {
    const std::string_view path = argv[0];
    program.name = path.substr(path.rfind('/') + 1);
  }
  program.version = about.version.empty() ? absl::StrCat("(mooring ", kVersion, ")") : std::move(about.version);
  program.summary = std::move(about.summary);
  return program;
}

// A line for each thing that is wrong.
int BadSettings(const Program& program, const absl::Status& status) {
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), std::string(line).c_str());
  }
  return kExitBadFlag;
}

int FailedStart(const Program& program, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", program.name.c_str(), std::string(status.message()).c_str());
  return kExitFailedStart;
}

}  // namespace

Server::Server(int argc, char** argv, About about) : Server(ProgramOf(argc, argv, std::move(about)), argc, argv) {}

Server::Server(Program program, int argc, char** argv)
    : arguments_(argv + std::min(argc, 1), argv + argc), program_(std::move(program)) {
  BlockSignals();
}

std::string Server::ClassName(const std::type_info& type) {
  char* const full = abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr);
  std::string name = full == nullptr ? "service" : full;
  std::free(full);
  name = name.substr(0, name.find('<'));
  return absl::AsciiStrToLower(name.substr(name.rfind(':') + 1));
}

Server& Server::AddListener(std::string_view address, Make make, std::string kind, ListenOptions options) {
  std::string name = std::move(options.name);
  if (name.empty()) name = kind.empty() ? program_.name : std::move(kind);
  const auto taken = [&](const std::string& wanted) {
    return std::any_of(program_.listeners.begin(), program_.listeners.end(),
                       [&](const Listener& each) { return each.service.name == wanted; });
  };
  std::string numbered = name;
  for (int n = 2; taken(numbered); ++n) numbered = absl::StrCat(name, "-", n);
  program_.listeners.push_back({.service = {.name = std::move(numbered),
                                            .summary = std::move(options.summary),
                                            .options = options.limits,
                                            .make = std::move(make)},
                                .address = std::string(address)});
  return *this;
}

Server& Server::OnShardStop(std::function<void()> stop) {
  program_.on_stop.push_back(std::move(stop));
  return *this;
}

int Server::Run() {
  const absl::StatusOr<config::Asked> asked =
      config::Read(program_, {.arguments = arguments_, .environment = config::ProcessEnvironment()});
  if (!asked.ok()) return BadSettings(program_, asked.status());
  const Settings& settings = asked->settings;
  const std::string title = absl::StrCat(program_.name, " ", program_.version, "\n");
  if (asked->what == config::What::kHelp) {
    std::fputs(config::HelpText(program_).c_str(), stdout);
    return kExitFinished;
  }
  if (asked->what == config::What::kVersion) {
    std::fputs(title.c_str(), stdout);
    return kExitFinished;
  }
  if (asked->what == config::What::kCheck) {
    const absl::StatusOr<std::string> text = config::Check(program_, settings);
    if (!text.ok()) return BadSettings(program_, text.status());
    std::fputs(text->c_str(), stdout);
    return kExitFinished;
  }
  if (asked->what == config::What::kDoctor) {
    return FailedStart(program_, absl::UnimplementedError("there is no doctor yet"));
  }

  const absl::StatusOr<std::vector<Configured>> configured = config::Configure(settings);
  if (!configured.ok()) return BadSettings(program_, configured.status());
  std::vector<Service> services;
  for (size_t i = 0; i < configured->size(); ++i) {
    services.push_back(*settings.listeners[i].service);
    services[i].options = (*configured)[i].options;
    services[i].make = (*configured)[i].make;
  }
  Options options = {.cpus = settings.runtime.cpus,
                     .shards = settings.runtime.shards,
                     .transport = settings.runtime.transport,
                     .max_connections = settings.runtime.max_connections,
                     .drain_deadline_s = settings.drain.deadline_s};
  for (size_t i = 0; i < services.size(); ++i) {
    options.listen.push_back({settings.listeners[i].name, &services[i], settings.listeners[i].endpoint});
  }

  core::MonotonicClock clock;
  absl::StatusOr<net::TransportChoice> transport = net::ChooseTransport(core::RealKernel(), options.transport);
  if (!transport.ok()) return FailedStart(program_, transport.status());
  Runtime runtime(program_, options, core::RealKernel(), *std::move(transport), &clock);
  if (const absl::Status status = runtime.Start(); !status.ok()) return FailedStart(program_, status);
  const std::string file = settings.file.empty() ? "" : absl::StrCat("configuration: ", settings.file, "\n");
  std::fprintf(stderr, "%s%s%s", title.c_str(), file.c_str(), runtime.Plan().c_str());
  return runtime.Run();
}

}  // namespace mooring::server
