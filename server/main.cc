// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "net/choose_transport.h"
#include "server/options.h"
#include "server/runtime.h"
#include "server/version.h"

namespace {

int FailedStart(const absl::Status& status) {
  std::fprintf(stderr, "mooringd: %s\n", std::string(status.message()).c_str());
  return mooring::server::kExitFailedStart;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mooring;
  const auto options = server::ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::fprintf(stderr, "mooringd: %s\n", std::string(options.status().message()).c_str());
    return server::kExitBadFlag;
  }
  if (options->help) {
    std::fputs(server::HelpText().c_str(), stdout);
    return 0;
  }
  if (options->version) {
    std::printf("mooringd %s\n", server::kVersion);
    return 0;
  }

  server::BlockSignals();
  core::MonotonicClock clock;
  absl::StatusOr<net::TransportChoice> transport = net::ChooseTransport(core::RealKernel(), options->transport);
  if (!transport.ok()) return FailedStart(transport.status());
  server::Runtime runtime(*options, core::RealKernel(), *std::move(transport), &clock);
  if (const absl::Status status = runtime.Start(); !status.ok()) return FailedStart(status);
  std::fprintf(stderr, "mooringd %s\n%s", server::kVersion, runtime.Plan().c_str());
  return runtime.Run();
}
