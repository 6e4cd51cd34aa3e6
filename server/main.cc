// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "net/uring/provider.h"
#include "server/options.h"
#include "server/runtime.h"
#include "server/version.h"

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
  net::uring::UringProvider provider(core::RealKernel());
  server::Runtime runtime(*options, core::RealKernel(), &provider, &clock);
  if (const absl::Status status = runtime.Start(); !status.ok()) {
    std::fprintf(stderr, "mooringd: %s\n", std::string(status.message()).c_str());
    return server::kExitFailedStart;
  }
  std::fprintf(stderr, "mooringd %s\n%s", server::kVersion, runtime.Plan().c_str());
  return runtime.Run();
}
