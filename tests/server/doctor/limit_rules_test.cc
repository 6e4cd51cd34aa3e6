// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/doctor/rules.h"
#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const TransportFacts kUring = {.kind = TransportKind::kUring};

Findings Judge(const HostFacts& host, const TransportFacts& transport, const Demand& demand) {
  Findings findings;
  JudgeLimits(host, transport, {}, demand, &findings);
  return findings;
}

HostFacts Host() {
  HostFacts host;
  host.release = "6.18.0";
  host.nofile = ProcessLimit{.soft = 1024, .hard = 20000};
  host.memlock = ProcessLimit{.soft = 8 << 20, .hard = 8 << 20};
  host.sysctls["fs.file-max"] = {1'000'000};
  host.files_open = 1234;
  return host;
}

TEST(LimitRules, SayWhatTheDescriptorLimitGives) {
  HostFacts host = Host();
  const Demand demand = {.connections = 30'000, .shards = 2};
  Finding nofile = Found(Judge(host, kUring, demand), "nofile");
  EXPECT_EQ(nofile.verdict, Verdict::kOk);
  EXPECT_THAT(nofile.text,
              AllOf(HasSubstr("20,000"), HasSubstr("1,024 now, raised at start"), HasSubstr("40,000 connections")));

  nofile = Found(Judge(host, {.kind = TransportKind::kEpoll}, demand), "nofile");
  EXPECT_EQ(nofile.verdict, Verdict::kNote) << "the process's limit is for all shards together";

  host.nofile->soft = 20000;
  EXPECT_THAT(Found(Judge(host, kUring, demand), "nofile").text, Not(HasSubstr("raised")));
  EXPECT_THAT(Found(Judge(host, {}, demand), "nofile").text, Not(HasSubstr("room"))) << "no transport, nothing to say";
  host.nofile.reset();
  EXPECT_EQ(Found(Judge(host, kUring, demand), "nofile").verdict, Verdict::kNote);
}

TEST(LimitRules, RingsThatCannotBeLockedAreAProblem) {
  struct Case {
    const char* release;
    TransportKind kind;
    bool may_lock;
    uint64_t soft_kb;
    int shards;
    Verdict verdict;
  };
  for (const Case& each : {Case{"6.18.0", TransportKind::kUring, false, 672, 2, Verdict::kOk},
                           Case{"6.18.0", TransportKind::kUring, false, 671, 2, Verdict::kProblem},
                           Case{"6.18.0", TransportKind::kUring, false, 672, 3, Verdict::kProblem},
                           Case{"6.18.0", TransportKind::kUringBase, false, 64, 2, Verdict::kProblem},
                           Case{"6.14.0", TransportKind::kUringBase, false, 64, 2, Verdict::kProblem},
                           Case{"6.12.0", TransportKind::kUringBase, false, 64, 2, Verdict::kOk},
                           Case{"6.18.0", TransportKind::kEpoll, false, 64, 2, Verdict::kOk},
                           Case{"6.18.0", TransportKind::kUring, true, 64, 2, Verdict::kOk}}) {
    HostFacts host = Host();
    host.release = each.release;
    host.may_lock_memory = each.may_lock;
    host.memlock->soft = each.soft_kb * 1024;
    const Finding memlock = Found(Judge(host, {.kind = each.kind}, {.shards = each.shards}), "memlock");
    EXPECT_EQ(memlock.verdict, each.verdict) << each.release << " " << each.soft_kb << " " << each.shards;
    if (each.verdict == Verdict::kProblem) {
      EXPECT_THAT(memlock.mend, HasSubstr(each.shards == 2 ? "ulimit -l 672" : "ulimit -l 896"));
    }
  }
}

TEST(LimitRules, OpenFilesAreCounted) {
  HostFacts host = Host();
  EXPECT_THAT(Found(Judge(host, kUring, {}), "open_files").text,
              AllOf(HasSubstr("1,234 files"), HasSubstr("1,000,000"), Not(HasSubstr("do not bind"))));
  host.may_exceed_file_max = true;
  EXPECT_THAT(Found(Judge(host, kUring, {}), "open_files").text, HasSubstr("do not bind"));
  host.sysctls["fs.file-max"] = {9223372036854775807u};
  EXPECT_THAT(Found(Judge(host, kUring, {}), "open_files").text, HasSubstr("of unlimited"));
}

}  // namespace
}  // namespace mooring::server::doctor
