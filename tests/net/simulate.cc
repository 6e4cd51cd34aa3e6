// SPDX-License-Identifier: Apache-2.0
// simulate: any number of trials from the command line; tools/simulate builds and starts it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/net/campaign.h"

namespace mooring::net {
namespace {

constexpr std::string_view kUsage =
    "usage: tools/simulate [--seeds=N] [--first=S] [--transport=KIND] [--jobs=J] [--config=BUILD] [--verbose]\n"
    "       tools/simulate --seed=S [--transport=KIND] [--config=BUILD]\n"
    "\n"
    "Runs trials of the whole server over the simulated kernel, one for each seed, and stops at the first that fails.\n"
    "\n"
    "  --seeds=N         how many (default 1000)\n"
    "  --first=S         from this seed on (default 1)\n"
    "  --seed=S          this one alone, with its plan\n"
    "  --transport=KIND  io_uring, io_uring-base or epoll (default: as each seed chooses)\n"
    "  --jobs=J          processes (default: as many as there are CPUs)\n"
    "  --config=BUILD    a configuration of .bazelrc: asan, gcc, ... (default: simulate, optimised with assertions)\n"
    "  --verbose         each seed's plan, and what has happened in all trials\n";

[[noreturn]] void Usage(const std::string& error) {
  std::fprintf(stderr, "simulate: %s\n\n%s", error.c_str(), std::string(kUsage).c_str());
  std::exit(2);
}

uint64_t Number(const std::string& flag, const std::string& value, uint64_t least) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number < least) {
    Usage(absl::StrCat(flag, " needs a number of at least ", least, ", not '", value, "'"));
  }
  return number;
}

TransportKind Kind(const std::string& value) {
  for (const TransportKind kind : kTransportKinds) {
    if (value == Name(kind)) return kind;
  }
  Usage(absl::StrCat("--transport is io_uring, io_uring-base or epoll, not '", value, "'"));
}

Campaign::Options Parse(int argc, char** argv) {
  Campaign::Options options = {.seeds = 1000, .jobs = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)), .progress = true};
  std::optional<uint64_t> one;
  bool many = false;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      std::fputs(std::string(kUsage).c_str(), stdout);
      std::exit(0);
    }
    if (flag == "--verbose") {
      options.verbose = true;
      continue;
    }
    constexpr std::string_view kWithValue[] = {"--seeds", "--first", "--seed", "--transport", "--jobs"};
    std::string value;
    const size_t equals = flag.find('=');
    if (equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag = flag.substr(0, equals);
    }
    bool known = false;
    for (const std::string_view each : kWithValue) known |= each == flag;
    if (!known) Usage(absl::StrCat("unknown argument '", argv[i], "'"));
    if (equals == std::string::npos) {
      if (++i == argc) Usage(absl::StrCat(flag, " needs a value"));
      value = argv[i];
    }
    if (flag == "--seeds") {
      options.seeds = Number(flag, value, 1);
      many = true;
    } else if (flag == "--first") {
      options.first = Number(flag, value, 0);
      many = true;
    } else if (flag == "--seed") {
      one = Number(flag, value, 0);
    } else if (flag == "--transport") {
      options.transport = Kind(value);
    } else {
      options.jobs = static_cast<unsigned>(Number(flag, value, 1));
    }
  }
  if (one.has_value() && many) Usage("--seed is for one seed; --seeds and --first are for many");
  if (one.has_value()) {
    options.first = *one;
    options.seeds = options.jobs = 1;
    options.verbose = true;
    options.progress = false;
  }
  return options;
}

int Main(int argc, char** argv) {
  const Campaign::Options options = Parse(argc, argv);
  const Campaign::Result result = Campaign(options).Run();
  if (options.verbose) {
    std::printf("%-28s", "");
    for (const TransportKind on : kTransportKinds) std::printf(" %13s", std::string(Name(on)).c_str());
    for (size_t i = 0; i < Coverage::kThings; ++i) {
      const auto what = static_cast<Covered>(i);
      std::printf("\n%-28s", std::string(Name(what)).c_str());
      for (const TransportKind on : kTransportKinds) {
        std::printf(" %13llu", static_cast<unsigned long long>(result.coverage.Read(on, what)));
      }
    }
    std::printf("\n%-28s %13llu\n", "turns_waited_max", static_cast<unsigned long long>(result.coverage.turns_waited_max));
  }
  const auto done = static_cast<double>(result.done);
  std::printf("%llu seeds passed in %.1f s, %.1f ms a seed and process, %.0f steps a seed\n",
              static_cast<unsigned long long>(result.done), result.seconds,
              result.done == 0 ? 0 : result.seconds * options.jobs * 1000 / done,
              result.done == 0 ? 0 : static_cast<double>(result.coverage.steps) / done);
  if (result.ok()) return 0;
  if (!result.failed.has_value()) {
    std::fprintf(stderr, "simulate: %s\n", result.how.c_str());
    return 1;
  }
  std::fflush(stdout);
  std::fprintf(stderr, "seed %llu failed: %s\n%s\n", static_cast<unsigned long long>(*result.failed), result.how.c_str(),
               Campaign::Replay(*result.failed, options.transport).c_str());
  return 1;
}

}  // namespace
}  // namespace mooring::net

int main(int argc, char** argv) { return mooring::net::Main(argc, argv); }
