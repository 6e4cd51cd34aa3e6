// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/clock.h"
#include "core/kernel.h"
#include "net/choose_transport.h"
#include "server/options.h"
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
  const auto options = ParseOptions(arguments_, program_);
  if (!options.ok()) {
    std::fprintf(stderr, "%s: %s\n", program_.name.c_str(), std::string(options.status().message()).c_str());
    return kExitBadFlag;
  }
  if (options->help) {
    std::fputs(HelpText(program_).c_str(), stdout);
    return kExitFinished;
  }
  const std::string title = absl::StrCat(program_.name, " ", program_.version, "\n");
  if (options->version) {
    std::fputs(title.c_str(), stdout);
    return kExitFinished;
  }

  std::vector<Listening> all;
  for (const ListenOption& listen : options->listen) {
    all.push_back({.name = listen.name, .address = listen.endpoint.ToString(), .summary = listen.service->summary});
  }
  for (Service& service : program_.offered) {
    const bool listens = std::any_of(options->listen.begin(), options->listen.end(),
                                     [&](const ListenOption& listen) { return listen.service == &service; });
    if (!listens || !service.from_flags) continue;
    if (const absl::Status status = service.from_flags(&service, all); !status.ok()) {
      std::fprintf(stderr, "%s: %s\n", program_.name.c_str(), std::string(status.message()).c_str());
      return kExitBadFlag;
    }
  }

  core::MonotonicClock clock;
  absl::StatusOr<net::TransportChoice> transport = net::ChooseTransport(core::RealKernel(), options->transport);
  if (!transport.ok()) return FailedStart(program_, transport.status());
  Runtime runtime(program_, *options, core::RealKernel(), *std::move(transport), &clock);
  if (const absl::Status status = runtime.Start(); !status.ok()) return FailedStart(program_, status);
  std::fprintf(stderr, "%s%s", title.c_str(), runtime.Plan().c_str());
  return runtime.Run();
}

}  // namespace mooring::server
