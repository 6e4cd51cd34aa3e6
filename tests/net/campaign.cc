// SPDX-License-Identifier: Apache-2.0
#include "tests/net/campaign.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/net/trial.h"

namespace mooring::net {
namespace {

constexpr unsigned kJobsMax = 64;
constexpr int kProgressMs = 1000;
constexpr int kSeedSecondsMax = 300;  // a seed takes a fraction of a second; this one runs in circles

struct Worker {
  std::atomic<uint64_t> seed{0};  // under way
  std::atomic<uint64_t> done{0};
  Coverage coverage;
};

struct Shared {
  std::atomic<uint64_t> next{0};
  std::atomic<bool> stop{false};
  Worker workers[kJobsMax];
};

void Print(uint64_t seed, const Trial& trial, const Findings& findings) {
  std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), trial.plan().ToString().c_str());
  for (const std::string& line : findings.lines()) {
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), line.c_str());
  }
}

// A child: trials until there are none left, or one fails. Its exit status says which.
[[noreturn]] void Work(const Campaign::Options& options, Shared* shared, Worker* self) {
  while (!shared->stop) {
    const uint64_t offset = shared->next++;
    if (offset >= options.seeds) break;
    const uint64_t seed = options.first + offset;
    self->seed = seed;
    Trial trial(seed, options.transport);
    if (options.verbose) {
      std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), trial.plan().ToString().c_str());
    }
    const Findings& findings = trial.Run();
    self->coverage.Add(trial.coverage());
    if (!findings.none()) {
      shared->stop = true;
      Print(seed, trial, findings);
      std::fflush(nullptr);
      std::_Exit(1);
    }
    ++self->done;
  }
  std::exit(0);  // a leak checker looks now
}

}  // namespace

std::string Campaign::Replay(uint64_t seed, std::optional<TransportKind> transport) {
  std::string tool = absl::StrCat("tools/simulate --seed=", seed);
  std::string test = absl::StrCat("bazel test //tests/net:sim_trial_test --test_env=MOORING_SEED=", seed);
  if (transport.has_value()) {
    absl::StrAppend(&tool, " --transport=", std::string(Name(*transport)));
    absl::StrAppend(&test, " --test_env=MOORING_TRANSPORT=", std::string(Name(*transport)));
  }
  return absl::StrCat("to play it again: ", tool, "\n              or: ", test, " --test_output=all");
}

Campaign::Result Campaign::Run() {
  const unsigned jobs = std::clamp(options_.jobs, 1u, kJobsMax);
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int alive[2];  // its end is closed when no child has it any more
  Result result;
  if (memory == MAP_FAILED || pipe(alive) != 0) {
    result.how = absl::StrCat("cannot start: ", std::strerror(errno));
    return result;
  }
  auto* shared = new (memory) Shared();
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };

  std::fflush(nullptr);
  std::vector<pid_t> children;
  for (unsigned i = 0; i < jobs; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      close(alive[0]);
      Work(options_, shared, &shared->workers[i]);
    }
    if (child > 0) children.push_back(child);
  }
  close(alive[1]);

  const auto done = [&] {
    uint64_t sum = 0;
    for (const Worker& worker : shared->workers) sum += worker.done;
    return sum;
  };
  struct Look {
    uint64_t seed = 0;
    double since = 0;
  };
  std::vector<Look> looks(children.size());
  pollfd end = {.fd = alive[0], .events = 0, .revents = 0};
  while (poll(&end, 1, kProgressMs) == 0) {
    for (size_t i = 0; i < children.size(); ++i) {
      const uint64_t seed = shared->workers[i].seed;
      if (seed != looks[i].seed) looks[i] = {seed, seconds()};
      if (seconds() - looks[i].since > kSeedSecondsMax) kill(children[i], SIGKILL);
    }
    if (!options_.progress) continue;
    std::printf("%llu of %llu seeds, %.0f a second\n", static_cast<unsigned long long>(done()),
                static_cast<unsigned long long>(options_.seeds), static_cast<double>(done()) / seconds());
    std::fflush(stdout);
  }
  close(alive[0]);

  for (size_t i = 0; i < children.size(); ++i) {
    int status = 0;
    waitpid(children[i], &status, 0);
    result.coverage.Add(shared->workers[i].coverage);
    if (status == 0) continue;
    const uint64_t seed = shared->workers[i].seed;
    shared->stop = true;
    std::string how = "findings";
    if (WIFSIGNALED(status)) {
      how = absl::StrCat("died of signal ", WTERMSIG(status), WTERMSIG(status) == SIGKILL ? " (took too long)" : "");
    } else if (WEXITSTATUS(status) != 1) {
      how = absl::StrCat("ended with status ", WEXITSTATUS(status), ", in or after this seed");
    }
    if (result.failed.has_value() && *result.failed < seed) continue;
    result.failed = seed;
    result.how = how;
  }
  if (children.size() < jobs) result.how = "cannot fork";
  result.done = done();
  result.seconds = seconds();
  munmap(memory, sizeof(Shared));
  return result;
}

}  // namespace mooring::net
