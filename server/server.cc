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
#include "server/doctor/doctor.h"
#include "server/log.h"
#include "server/runtime.h"
#include "server/signals.h"
#include "server/systemd/activation.h"
#include "server/systemd/notify.h"
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
int Complain(const Program& program, const absl::Status& status, ExitCode code) {
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n', absl::SkipEmpty())) {
    std::fprintf(stderr, "%s: %.*s\n", program.name.c_str(), static_cast<int>(line.size()), line.data());
  }
  return code;
}

}  // namespace

Server::Server(int argc, char** argv, About about) : Server(ProgramOf(argc, argv, std::move(about)), argc, argv) {}

Server::Server(Program program, int argc, char** argv)
    : arguments_(argv + std::min(argc, 1), argv + argc), program_(std::move(program)) {
  Signals::Block();
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
                                .address = std::string(address),
                                .limits = options.caps});
  return *this;
}

Server& Server::OnShardStop(std::function<void()> stop) {
  program_.on_stop.push_back(std::move(stop));
  return *this;
}

int Server::Run() {
  const config::Sources sources = {.arguments = arguments_, .environment = config::ProcessEnvironment()};
  absl::StatusOr<config::Asked> asked = config::Read(program_, sources);
  if (!asked.ok()) return Complain(program_, asked.status(), kExitBadFlag);
  const std::string title = absl::StrCat(program_.name, " ", program_.version, "\n");
  switch (asked->what) {
    case config::What::kHelp: std::fputs(config::HelpText(program_).c_str(), stdout); return kExitFinished;
    case config::What::kVersion: std::fputs(title.c_str(), stdout); return kExitFinished;
    case config::What::kDoctor: return Doctor(program_, asked->settings, asked->rest, stdout);
    case config::What::kCheck: {
      const absl::StatusOr<std::string> good = config::Check(program_, asked->settings);
      if (!good.ok()) return Complain(program_, good.status(), kExitBadFlag);
      std::fputs(good->c_str(), stdout);
      return kExitFinished;
    }
    case config::What::kServe: break;
  }
  const Settings& settings = asked->settings;
  absl::StatusOr<std::vector<Configured>> services = config::Configure(settings);
  if (!services.ok()) return Complain(program_, services.status(), kExitBadFlag);

  // What the service manager has said is in the environment, which is read before there are threads: the log has one.
  absl::StatusOr<systemd::Notify> notify = systemd::Notify::FromEnvironment();
  if (!notify.ok()) return Complain(program_, notify.status(), kExitFailedStart);
  absl::StatusOr<systemd::InheritedSockets> inherited = systemd::InheritedSockets::FromEnvironment();
  if (!inherited.ok()) return Complain(program_, inherited.status(), kExitFailedStart);
  absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(settings.log);
  if (!log.ok()) return Complain(program_, log.status(), kExitFailedStart);
  absl::StatusOr<net::TransportChoice> transport =
      net::ChooseTransport(core::RealKernel(), settings.runtime.transport);
  if (!transport.ok()) return Complain(program_, transport.status(), kExitFailedStart);

  core::MonotonicClock clock;
  Runtime runtime(program_, {.settings = settings,
                             .services = *std::move(services),
                             .kernel = core::RealKernel(),
                             .transport = *std::move(transport),
                             .clock = &clock,
                             .log = log->get(),
                             .notify = *std::move(notify),
                             .inherited = *std::move(inherited),
                             .read_again = [&](const Settings& before) { return config::ReadAgain(program_, sources, before); }});
  if (const absl::Status status = runtime.Start(); !status.ok()) return Complain(program_, status, kExitFailedStart);
  std::fprintf(stderr, "%s%s", title.c_str(), runtime.Report().c_str());
  return runtime.Run();
}

}  // namespace mooring::server
