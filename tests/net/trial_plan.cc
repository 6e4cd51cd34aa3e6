// SPDX-License-Identifier: Apache-2.0
#include "tests/net/trial_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mooring::net {
namespace {

// What a trial can run on, each as often as it is named.
struct Machine {
  TransportKind transport;
  sim::KernelAge age;
};
constexpr Machine kMachines[] = {
    {TransportKind::kUring, sim::KernelAge::k6_18},     {TransportKind::kUring, sim::KernelAge::k6_18},
    {TransportKind::kUringBase, sim::KernelAge::k6_1},  {TransportKind::kUringBase, sim::KernelAge::k6_18},
    {TransportKind::kEpoll, sim::KernelAge::k6_18},
};

ServiceOptions DrawOptions(Dice& dice, bool deadlines) {
  ServiceOptions options;
  if (deadlines) {
    options.idle_timeout_s = static_cast<uint32_t>(dice.Between(10, 40));
    options.write_stall_s = static_cast<uint32_t>(dice.Between(3, 25));
  }
  if (dice.Chance(60)) {
    options.queue_high_bytes = static_cast<uint32_t>(dice.Between(2, 8000));
    options.queue_low_bytes = options.queue_high_bytes / static_cast<uint32_t>(dice.Between(1, 8));
  }
  options.track_peers = dice.Chance(35);
  return options;
}

TrialPlan::End DrawEnd(Dice& dice) {
  const uint64_t of = dice.Pick(100);
  if (of < 45) return TrialPlan::End::kFinish;
  if (of < 75) return TrialPlan::End::kDrain;
  return of < 90 ? TrialPlan::End::kCut : TrialPlan::End::kDestroy;
}

}  // namespace

TrialPlan TrialPlan::Draw(Dice& dice, std::optional<TransportKind> transport) {
  TrialPlan plan;
  const Machine machine = kMachines[dice.Pick(std::size(kMachines))];
  plan.transport = transport.value_or(machine.transport);
  plan.age = plan.transport == TransportKind::kUring ? sim::KernelAge::k6_18 : machine.age;
  plan.flood = dice.Chance(15);
  plan.shards = plan.flood ? 1 : static_cast<uint32_t>(dice.Between(1, 3));
  plan.peers = dice.Between(1, kPeersMax);
  plan.steps = dice.Between(100, kStepsMax);

  const bool deadlines = dice.Chance(60);
  if (plan.flood) {
    for (const TrialService each : {TrialService::kEcho, TrialService::kLine}) {
      plan.services.push_back({each, {}});
    }
    plan.peers = std::max<uint64_t>(plan.peers, 4);
  } else {
    for (uint64_t n = dice.Between(1, 3); n > 0; --n) {
      const auto service = static_cast<TrialService>(dice.Pick(static_cast<uint64_t>(TrialService::kGreeter)));
      plan.services.push_back({service, DrawOptions(dice, deadlines)});
    }
  }

  for (Service& each : plan.services) each.at_path = dice.Pick(6) == 0;

  // Roomy, near the bound from the beginning, or fewer than want in.
  plan.backlog = static_cast<int>(dice.Between(2, 24));
  switch (dice.Pick(4)) {
    case 0: plan.slots = static_cast<uint32_t>(dice.Between(1, 8)); break;
    case 1: plan.slots = static_cast<uint32_t>(dice.Between(20, 60)); break;
    default: break;
  }
  if (dice.Chance(20)) plan.credit = static_cast<int64_t>(dice.Between(1, 30));
  if (dice.Chance(4)) plan.slab = static_cast<uint32_t>(dice.Between(1, 10));
  if (dice.Chance(40)) {
    plan.sq_entries = 1u << dice.Pick(6);
    plan.cq_entries = plan.sq_entries << dice.Pick(5);
  }
  if (dice.Chance(50)) plan.mailbox = 1u << dice.Between(1, 6);
  if (plan.has(TrialService::kPoster) && dice.Chance(60)) plan.mailbox = 2;  // so that some are refused
  if (dice.Chance(30)) plan.receive_blocks = static_cast<uint32_t>(dice.Between(64, 160));
  if (dice.Chance(4)) plan.frames = static_cast<uint32_t>(dice.Between(1, 30));
  if (dice.Chance(12)) plan.listener_credit = static_cast<int64_t>(dice.Between(1, 30));
  if (dice.Chance(12)) plan.accept_rate = static_cast<uint32_t>(dice.Between(20, 2000));
  if (dice.Chance(6)) plan.block_bytes = dice.Between(64 << 10, 1 << 20);

  plan.storms = dice.Chance(30);
  plan.closes_slow = dice.Chance(40);
  plan.outbound = dice.Chance(25);
  plan.jumps = dice.Chance(25);
  plan.crumbs = dice.Chance(12);
  plan.faults = dice.Chance(35);
  plan.aborts = dice.Chance(15);
  plan.hoards = dice.Chance(25);
  plan.vanishing = deadlines || !plan.tight();
  plan.end = DrawEnd(dice);
  // A channel's memory, and a response's, is its task's, and a server that is destroyed in mid-air destroys no task.
  if ((plan.has(TrialService::kPiped) || plan.has(TrialService::kHttp)) && plan.end == End::kDestroy) plan.end = End::kCut;
  // A drain gives a peer a number of looks; what came a moment later need not be in them.
  // And who keeps each block for some milliseconds takes minutes for that many.
  for (const Service& each : plan.services) {
    if (plan.end == End::kDrain || each.service == TrialService::kKeeper) plan.crumbs = false;
  }
  if (plan.aborts) {
    plan.crumbs = false;  // much is said
    // Most of all where there is no reset, so that what is in flight has to be cancelled.
    for (Service& each : plan.services) each.at_path = dice.Chance(80);
  }
  if (plan.hoards) plan.receive_blocks = static_cast<uint32_t>(dice.Between(512, 640));
  plan.cut_after_ms = static_cast<int64_t>(dice.Between(0, 3000));
  if (plan.flood) {  // who waits must wait for the flood alone
    plan.slots = 512;
    plan.sq_entries = std::max(plan.sq_entries, 16u);
    plan.cq_entries = std::max(plan.cq_entries, 512u);
    plan.credit = plan.listener_credit = 0;
    plan.block_bytes = 0;
    plan.slab = plan.frames = 0;
    plan.receive_blocks = 8192;
    plan.jumps = plan.aborts = plan.hoards = false;
  }
  plan.changes = dice.Chance(30);
  plan.notices = dice.Chance(10) && !plan.flood;
  plan.retires = plan.end == End::kDrain && dice.Chance(40);
  if (dice.Chance(40)) plan.spread_ms = static_cast<int64_t>(dice.Between(1, 6000));
  return plan;
}

bool TrialPlan::has(TrialService service) const {
  return std::any_of(services.begin(), services.end(), [&](const Service& each) { return each.service == service; });
}

bool TrialPlan::tight() const {
  const auto enough = static_cast<int64_t>(kPeersMax) + 4;
  const auto short_of = [](int64_t of) { return of != 0 && of < enough; };
  return slots < enough || short_of(credit) || short_of(listener_credit) || receive_blocks < 512;
}

std::string TrialPlan::ToString() const {
  constexpr const char* kEnds[] = {"finish", "drain", "cut", "destroy"};
  std::string out = absl::StrCat(std::string(net::Name(transport)), age == sim::KernelAge::k6_1 ? " on 6.1" : "",
                                 ", shards ", shards, ", services");
  for (const Service& each : services) {
    absl::StrAppend(&out, " ", net::Name(each.service), each.at_path ? "@path(" : "(", each.options.queue_high_bytes, "/",
                    each.options.queue_low_bytes, "B idle ", each.options.idle_timeout_s, "s stall ",
                    each.options.write_stall_s, each.options.track_peers ? "s named)" : "s)");
  }
  absl::StrAppend(&out, ", peers ", peers, ", steps ", steps, ", slots ", slots, ", slab ", slab, ", credit ", credit, "/", listener_credit,
                  ", accept rate ", accept_rate, ", block bytes ", block_bytes, ", backlog ", backlog, ", sq ", sq_entries, ", cq ", cq_entries, ", mailbox ", mailbox);
  absl::StrAppend(&out, ", receive blocks ", receive_blocks, ", frames ", frames, flood ? ", flood" : "",
                  storms ? ", storms" : "", closes_slow ? ", closes slow members" : "", outbound ? ", outbound" : "",
                  jumps ? ", jumps" : "",
                  vanishing ? ", vanishing" : "", crumbs ? ", crumbs" : "", faults ? ", faults" : "",
                  aborts ? ", aborts" : "", hoards ? ", hoards" : "", changes ? ", changes" : "", notices ? ", notices" : "", ", end ",
                  retires ? "retire" : kEnds[static_cast<int>(end)], " spread ", spread_ms, "ms");
  return out;
}

}  // namespace mooring::net
