// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/doctor/found.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const TransportFacts kUring = {.kind = TransportKind::kUring};
const TransportFacts kEpoll = {.kind = TransportKind::kEpoll};

const std::vector<Recommendation>& Table() {
  static const std::vector<Recommendation> table = *ParseRecommendations(RecommendationsText());
  return table;
}

// One on which nothing binds before its memory does.
HostFacts Large() {
  HostFacts host;
  host.nofile = ProcessLimit{.soft = 1 << 20, .hard = 1 << 20};
  host.machine_memory_bytes = uint64_t{64} << 30;
  host.sysctls["fs.file-max"] = {9223372036854775807u};
  host.sysctls["fs.nr_open"] = {1 << 20};
  host.sysctls["net.ipv4.tcp_mem"] = {1, 750'000, 3};
  return host;
}

TEST(Capacity, AConnectionTakesWhatItsServiceAndTransportTake) {
  struct Case {
    std::vector<std::string> services;
    TransportKind kind;
    uint64_t user, kernel;
  };
  for (const Case& each :
       {Case{{"echo"}, TransportKind::kUring, 160, 4960}, Case{{"discard"}, TransportKind::kUringBase, 160, 4960},
        Case{{"echo", "line"}, TransportKind::kEpoll, 200, 4360},
        Case{{"line", "http", "echo"}, TransportKind::kUring, 320, 4960},
        Case{{"their own"}, TransportKind::kUring, 320, 4960}, Case{{}, TransportKind::kUring, 320, 4960}}) {
    Demand demand;
    for (const std::string& service : each.services) demand.listeners.push_back({"", service, 0});
    const Capacity capacity = MakeCapacity(Large(), {.kind = each.kind}, Table(), demand);
    EXPECT_EQ(capacity.user_bytes, each.user);
    EXPECT_EQ(capacity.kernel_bytes, each.kernel);
  }
}

TEST(Capacity, EachLimitBindsInItsTurn) {
  struct Case {
    const char* name;
    HostFacts host;
    TransportFacts transport;
    Demand demand;
    uint64_t fits;
    const char* what;
    const char* mend;
  };
  std::vector<Case> cases;
  const auto add = [&](const char* name, const TransportFacts& transport, uint64_t fits, const char* what,
                       const char* mend) -> Case& {
    cases.push_back({name, Large(), transport, {.connections = 100'000, .asked = true, .shards = 2}, fits, what, mend});
    return cases.back();
  };
  add("descriptors", kUring, 40'000, "RLIMIT_NOFILE 20000 per shard", "LimitNOFILE=104096").host.nofile->hard = 20'000;
  add("descriptors", kEpoll, 19'744, "for the whole process", "ulimit -n 104096").host.nofile->hard = 20'000;
  {
    Case& nr_open = add("descriptors", kUring, 40'000, "RLIMIT_NOFILE", "before it: sysctl -w fs.nr_open=104096");
    nr_open.host.nofile->hard = 20'000;
    nr_open.host.sysctls["fs.nr_open"] = {50'000};
  }
  {
    Case& slots = add("descriptors", kUring, 2 << 20, "2^20 slots a ring", "--shards=3");
    slots.demand.connections = (2 << 20) + 1;
  }
  {
    Case& files =
        add("open_files", kUring, 90'000, "fs.file-max 95,000, 5,000 open already", "sysctl -w fs.file-max=165536");
    files.host.sysctls["fs.file-max"] = {95'000};
    files.host.files_open = 5'000;
  }
  {
    Case& full = add("open_files", kUring, 0, "fs.file-max 95,000", "sysctl -w fs.file-max=296000");
    full.host.sysctls["fs.file-max"] = {95'000};
    full.host.files_open = 196'000;
  }
  {
    Case& tracking = add("tracking", kUring, 65'436, "nf_conntrack_max 65,536, 100 tracked",
                         "sysctl -w net.netfilter.nf_conntrack_max=190536");
    tracking.host.sysctls["net.netfilter.nf_conntrack_max"] = {65'536};
    tracking.host.sysctls["net.netfilter.nf_conntrack_count"] = {100};
  }
  add("max_connections", kUring, 50'000, "--max-connections 50000", "--max-connections=100000").demand.max_connections =
      50'000;
  {
    Case& silent = add("max_connections", kEpoll, 1 << 20, "does not say more", "--max-connections=2000000");
    silent.host.nofile->hard = 1 << 30;
    silent.demand.connections = 2'000'000;
  }
  {
    Case& ceiling = add("memory_ceiling", kUring, 60'293, "--memory-ceiling of 32.0 MB", "--memory-ceiling=45MiB");
    ceiling.demand.memory_ceiling_bytes = 32 << 20;
  }
  {
    Case& memory = add("memory", kUring, 89'128, "machine's 512 MB, 5280 B each", "573 MB of memory");
    memory.host.machine_memory_bytes = 512 << 20;
  }
  {
    Case& group = add("memory", kUring, 89'128, "cgroup's 512 MB", "MemoryMax=");
    group.host.cgroup_memory_bytes = 512 << 20;
  }

  for (const Case& each : cases) {
    const Capacity capacity = MakeCapacity(each.host, each.transport, Table(), each.demand);
    EXPECT_EQ(capacity.first().name, each.name) << each.what;
    EXPECT_EQ(capacity.first().connections, each.fits) << each.name;
    EXPECT_THAT(capacity.first().what, HasSubstr(each.what));
    EXPECT_THAT(capacity.first().mend, HasSubstr(each.mend));
    Findings findings;
    JudgeCapacity(capacity, each.demand, &findings);
    EXPECT_EQ(Found(findings, each.name).verdict, Verdict::kProblem) << each.name;
    EXPECT_EQ(Found(findings, each.name).mend, capacity.first().mend);
  }
}

TEST(Capacity, WhatDoesNotBindHereIsLeftOut) {
  HostFacts host = Large();
  host.sysctls["fs.file-max"] = {10};
  host.may_exceed_file_max = true;
  host.sysctls["net.netfilter.nf_conntrack_max"] = {10};
  host.sysctls["net.netfilter.nf_conntrack_count"] = {0};  // loaded, but no rule needs it
  Capacity capacity = MakeCapacity(host, kUring, Table(), {.memory_ceiling_bytes = UINT64_MAX});
  ASSERT_EQ(capacity.bounds.size(), 2u);
  EXPECT_EQ(capacity.bounds[0].name, "descriptors");
  EXPECT_EQ(capacity.bounds[1].name, "memory");
  capacity = MakeCapacity({}, kUring, Table(), {});
  EXPECT_EQ(capacity.first().connections, kUnlimited);
}

TEST(CapacityRules, WhereAllFitEveryLimitIsWell) {
  const Demand demand = {.connections = 1'000'000, .asked = true, .shards = 2};
  Findings findings;
  JudgeCapacity(MakeCapacity(Large(), kUring, Table(), demand), demand, &findings);
  EXPECT_EQ(Worst(findings), Verdict::kOk);
  EXPECT_THAT(Found(findings, "fits").text, AllOf(HasSubstr("2,097,152 connections fit"),
                                                  HasSubstr("first is 2^20 slots a ring"), Not(HasSubstr("not"))));
  EXPECT_THAT(Found(findings, "memory_for_n").text,
              AllOf(HasSubstr("1,000,000 idle connections take 317 MB of user memory (320 B each)"),
                    HasSubstr("4.6 GB of the kernel's (4960 B each)")));
  EXPECT_THAT(Found(findings, "queued").text, HasSubstr("750,000 of them"));
  for (const Finding& finding : findings) EXPECT_THAT(finding.mend, IsEmpty()) << finding.name;
}

TEST(CapacityRules, AShortageIsAProblemOnlyWhereTheNumberWasAsked) {
  HostFacts host = Large();
  host.nofile->hard = 2000;
  Demand demand = {.connections = 10'000, .asked = false, .shards = 2};
  Findings findings;
  JudgeCapacity(MakeCapacity(host, kUring, Table(), demand), demand, &findings);
  EXPECT_EQ(Found(findings, "descriptors").verdict, Verdict::kWarning);
  EXPECT_EQ(Found(findings, "memory").verdict, Verdict::kOk);
  EXPECT_EQ(Found(findings, "fits").verdict, Verdict::kNote);
  EXPECT_THAT(Found(findings, "fits").text, HasSubstr("4,000 connections fit, and not 10,000"));
  findings.clear();
  demand.asked = true;
  JudgeCapacity(MakeCapacity(host, kUring, Table(), demand), demand, &findings);
  EXPECT_EQ(Found(findings, "descriptors").verdict, Verdict::kProblem);
}

}  // namespace
}  // namespace mooring::server::doctor
