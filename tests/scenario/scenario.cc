// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/scenario.h"

#include "core/kernel.h"
#include "net/uring/provider.h"
#include "tests/scenario/scale.h"

namespace mooring::scenario {
namespace {

class NotEverythingSkipped final : public testing::Environment {
 public:
  void TearDown() override {
    if (kSanitized) return;  // under which some can't run at all; what the kernel lacks shows in the plain build
    const testing::UnitTest& run = *testing::UnitTest::GetInstance();
    if (run.test_to_run_count() > 0 && run.skipped_test_count() == run.test_to_run_count()) {
      ADD_FAILURE() << "every test was skipped, so nothing was tested: this kernel has none of their transports";
    }
  }
};

[[maybe_unused]] testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new NotEverythingSkipped());

}  // namespace

std::string Lacks(net::TransportKind transport) {
  if (transport == net::TransportKind::kEpoll) return {};
  static const absl::StatusOr<net::TransportKind> uring = net::uring::ProbeUring(core::RealKernel());
  if (!uring.ok()) return std::string(uring.status().message());
  if (transport == net::TransportKind::kUring && *uring != transport) return "needs Linux 6.14 or newer";
  return {};
}

}  // namespace mooring::scenario
