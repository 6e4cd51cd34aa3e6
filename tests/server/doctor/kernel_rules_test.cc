// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/doctor/rules.h"
#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;
using ::testing::HasSubstr;

Findings Judge(const std::string& release, const TransportFacts& transport) {
  HostFacts host;
  host.release = release;
  Findings findings;
  JudgeKernel(host, transport, &findings);
  return findings;
}

TEST(KernelRules, AModernKernelIsAllWell) {
  const Findings findings = Judge("6.18.44", {.features = "modern no_iowait", .kind = TransportKind::kUring});
  EXPECT_EQ(Worst(findings), Verdict::kOk);
  EXPECT_THAT(Found(findings, "version").text, HasSubstr("6.18.44"));
  EXPECT_THAT(Found(findings, "io_uring").text, HasSubstr("modern no_iowait"));
  EXPECT_THAT(Found(findings, "transport").text, HasSubstr("io_uring serves"));
}

TEST(KernelRules, ARefusedRingIsAWarningWithItsCauseUnlessEpollIsMeant) {
  TransportFacts facts = {.uring = absl::PermissionDeniedError("kernel.io_uring_disabled = 2"),
                          .kind = TransportKind::kEpoll};
  Findings findings = Judge("6.18.44", facts);
  EXPECT_EQ(Found(findings, "io_uring").verdict, Verdict::kWarning);
  EXPECT_THAT(Found(findings, "io_uring").text, HasSubstr("kernel.io_uring_disabled = 2"));
  EXPECT_EQ(Found(findings, "transport").verdict, Verdict::kOk);
  EXPECT_THAT(Found(findings, "transport").text, HasSubstr("epoll serves"));

  facts.asked = TransportKind::kEpoll;
  findings = Judge("6.18.44", facts);
  EXPECT_EQ(Found(findings, "io_uring").verdict, Verdict::kNote);
  EXPECT_THAT(Found(findings, "transport").text, HasSubstr("--transport"));
}

TEST(KernelRules, WithoutATransportItCannotServe) {
  const Findings findings = Judge("6.18.44", {.uring = absl::ResourceExhaustedError("no memory"),
                                              .failure = absl::ResourceExhaustedError("raise it with ulimit -l")});
  EXPECT_EQ(Found(findings, "transport").verdict, Verdict::kProblem);
  EXPECT_THAT(Found(findings, "transport").text, HasSubstr("ulimit -l"));
}

TEST(KernelRules, AVersionIsKnownForItsQuirks) {
  struct Case {
    const char* release;
    TransportKind kind;
    std::vector<std::string> quirks;
  };
  const std::vector<std::string> all = {"epoll_pwait2", "tcp_migrate_req", "direct_descriptors", "iowait"};
  for (const Case& each : {Case{"6.15.0", TransportKind::kUring, {}},
                           Case{"6.14.9", TransportKind::kUring, {"iowait"}},
                           Case{"6.12.1", TransportKind::kUringBase, {"direct_descriptors", "iowait"}},
                           Case{"6.18.1", TransportKind::kUringBase, {}},
                           Case{"6.12.1", TransportKind::kEpoll, {}},
                           Case{"5.13.0", TransportKind::kEpoll, {"tcp_migrate_req"}},
                           Case{"5.10.0", TransportKind::kEpoll, {"epoll_pwait2", "tcp_migrate_req"}}}) {
    const Findings findings = Judge(each.release, {.kind = each.kind});
    for (const std::string& quirk : all) {
      const bool expected = std::find(each.quirks.begin(), each.quirks.end(), quirk) != each.quirks.end();
      EXPECT_EQ(Has(findings, quirk), expected) << each.release << " " << quirk;
    }
    for (const std::string& quirk : each.quirks) EXPECT_EQ(Found(findings, quirk).verdict, Verdict::kNote);
  }
}

TEST(KernelRules, AnUnreadableVersionIsANoteAndKnownForNothing) {
  const Findings findings = Judge("", {.kind = TransportKind::kEpoll});
  EXPECT_EQ(Found(findings, "version").verdict, Verdict::kNote);
  EXPECT_FALSE(Has(findings, "epoll_pwait2"));
}

}  // namespace
}  // namespace mooring::server::doctor
