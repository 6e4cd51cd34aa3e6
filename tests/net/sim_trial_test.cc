// SPDX-License-Identifier: Apache-2.0
// The whole server over the simulated kernel, one trial a seed. tools/simulate runs any number of them.
//
// MOORING_SEED=n replays one seed; MOORING_SEEDS=n runs that many in all; MOORING_TRANSPORT=kind fixes the transport.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "tests/net/campaign.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOORING_SLOW_BUILD
#endif
#endif
// A seed is the same trial under each compiler: clang plays them all, gcc some.
#if defined(MOORING_SLOW_BUILD) || !defined(__clang__)
constexpr uint64_t kSeeds = 2'000;
#else
constexpr uint64_t kSeeds = 10'000;
#endif
constexpr uint64_t kSeedsAPart = 500;
constexpr uint64_t kParts = kSeeds / kSeedsAPart;  // test cases, so that they can be shared out

uint64_t SeedsInAll() {
  const char* asked = std::getenv("MOORING_SEEDS");
  return asked == nullptr ? kSeeds : std::strtoull(asked, nullptr, 10);
}

std::optional<TransportKind> TransportAsked() {
  const char* asked = std::getenv("MOORING_TRANSPORT");
  if (asked == nullptr) return std::nullopt;
  for (const TransportKind kind : kTransportKinds) {
    if (Name(kind) == std::string_view(asked)) return kind;
  }
  ADD_FAILURE() << "MOORING_TRANSPORT is io_uring, io_uring-base or epoll, not " << asked;
  return std::nullopt;
}

class SimTrial : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Parts, SimTrial, testing::Range<uint64_t>(0, kParts));

TEST_P(SimTrial, EveryPromiseIsKeptUnderEverySeed) {
  const uint64_t each = (SeedsInAll() + kParts - 1) / kParts;
  Campaign::Options options = {.first = 1 + GetParam() * each, .seeds = each, .transport = TransportAsked()};
  if (SeedGiven()) {
    if (GetParam() != 0) GTEST_SKIP() << "one seed was asked for";
    options.first = Seed(1);
    options.seeds = 1;
    options.verbose = true;
  }
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(options.first),
              static_cast<unsigned long long>(options.first + options.seeds - 1));
  const Campaign::Result result = Campaign(options).Run();
  if (!result.ok()) {
    ASSERT_TRUE(result.failed.has_value()) << result.how;
    FAIL() << "seed " << *result.failed << ": " << result.how << "\n" << Campaign::Replay(*result.failed, options.transport);
  }
  std::printf("%.1f ms a seed\n", result.seconds * 1000 / static_cast<double>(result.done));
  // What a run of so many seeds must have met, or it proves nothing.
  if (options.seeds < kSeedsAPart || options.transport.has_value()) return;
  result.coverage.ForEachMissing([](Covered what, std::string_view on) {
    ADD_FAILURE() << Name(what) << " has not happened" << (on.empty() ? "" : " on ") << on;
  });
}

}  // namespace
}  // namespace mooring::net
