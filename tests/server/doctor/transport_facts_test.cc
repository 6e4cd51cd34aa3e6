// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/transport_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "core/ring.h"
#include "tests/core/forwarding_kernel.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;

class Refusing : public core::ForwardingKernel {
 public:
  explicit Refusing(int error) : error_(error) {}
  int RingSetup(unsigned, io_uring_params*, io_uring*) override { return -error_; }

 private:
  const int error_;
};

TEST(TransportFacts, OfARefusedRingHaveTheCauseAndEpoll) {
  Refusing kernel(ENOSYS);
  const TransportFacts facts = GatherTransport(&kernel, std::nullopt);
  EXPECT_EQ(facts.uring.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(facts.features, "");
  EXPECT_EQ(facts.kind, TransportKind::kEpoll);
  EXPECT_TRUE(facts.failure.ok());
}

TEST(TransportFacts, WantOfMemoryLeavesNone) {
  Refusing kernel(ENOMEM);
  const TransportFacts facts = GatherTransport(&kernel, std::nullopt);
  EXPECT_EQ(facts.kind, std::nullopt);
  EXPECT_EQ(facts.failure.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GatherTransport(&kernel, TransportKind::kEpoll).kind, TransportKind::kEpoll);
}

TEST(TransportFacts, AreThoseOfThisKernel) {
  const auto ring = core::Ring::Open(core::RealKernel(), {.sq_entries = 8, .cq_entries = 16});
  if (!ring.ok()) GTEST_SKIP() << "no io_uring here: " << ring.status();
  const TransportFacts facts = GatherTransport(core::RealKernel(), std::nullopt);
  EXPECT_EQ(facts.features, (*ring)->features().ToString());
  EXPECT_EQ(facts.kind, (*ring)->features().modern ? TransportKind::kUring : TransportKind::kUringBase);
  EXPECT_TRUE(facts.uring.ok());
}

}  // namespace
}  // namespace mooring::server::doctor
