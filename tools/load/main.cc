// SPDX-License-Identifier: Apache-2.0
// mooring-load: see HelpText in flags.cc.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "net/choose_transport.h"
#include "tools/load/controlled.h"
#include "tools/load/flags.h"
#include "tools/load/report.h"
#include "tools/load/run.h"

namespace mooring::tools::load {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "mooring-load: %s\n", std::string(status.message()).c_str());
  return 2;
}

int Main(const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  const absl::StatusOr<std::optional<Options>> options = ParseFlags(arguments);
  if (!options.ok()) return Fail(options.status());
  if (!options->has_value()) {
    std::fputs(HelpText().c_str(), stdout);
    return 0;
  }

  const auto transport = net::ChooseTransport(core::RealKernel(), (*options)->transport);
  if (!transport.ok()) return Fail(transport.status());
  if (!transport->note.empty()) std::fprintf(stderr, "mooring-load: note: %s\n", transport->note.c_str());
  const bool controlled = (*options)->mode == Mode::kControlled;
  const absl::StatusOr<Report> report =
      controlled ? Controlled(transport->provider.get(), **options).Execute(&std::cin, &std::cout)
                 : Run(transport->provider.get(), **options).Execute();
  if (isatty(STDERR_FILENO) != 0) std::fputs("\r\x1b[K", stderr);
  if (!report.ok()) return Fail(report.status());
  if (controlled) {
    std::fputs(ErrorsToText(*report).c_str(), stderr);
  } else if ((*options)->json) {
    std::printf("%s\n", ToJson(*report).c_str());
    std::fputs(ErrorsToText(*report).c_str(), stderr);  // with what to do about them
  } else {
    std::fputs(ToText(*report).c_str(), stdout);
  }
  return report->errors.empty() ? 0 : 1;
}

}  // namespace
}  // namespace mooring::tools::load

int main(int argc, char** argv) { return mooring::tools::load::Main(std::vector<std::string>(argv + 1, argv + argc)); }
