// SPDX-License-Identifier: Apache-2.0
#include "tests/net/trial.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/net/trial_across.h"
#include "tests/net/trial_http.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

constexpr uint64_t kStepsAtOneMoment = 1'000'000;
// Turns of a shard from when a talker's question has arrived to when its answer is with the kernel. What was measured
// over 20,000 seeds is below half of it.
constexpr uint64_t kTurnsWaitedMax = 64;
constexpr int64_t kRestMs = 4'000;           // longer than an accept's back-off, a service's thinking, a read's deadline
constexpr int64_t kFinishMs = 100'000;       // longer than any deadline of the server
constexpr int64_t kCutMs = 2'000;            // what a shutdown may take beyond its deadline
constexpr uint64_t kOneQueueWrite = 24'000;  // more than any service writes at once

constexpr std::pair<Covered, sim::FaultSite> kFaults[] = {
    {Covered::kFaultEnter, sim::FaultSite::kRingEnter},   {Covered::kFaultSocket, sim::FaultSite::kSocket},
    {Covered::kFaultFilter, sim::FaultSite::kFilter},     {Covered::kFaultAccept, sim::FaultSite::kAccept},
    {Covered::kFaultInstall, sim::FaultSite::kInstall},   {Covered::kFaultReceive, sim::FaultSite::kReceive},
    {Covered::kFaultSend, sim::FaultSite::kSend},         {Covered::kFaultConnect, sim::FaultSite::kConnect},
    {Covered::kFaultPeerName, sim::FaultSite::kPeerName},
    {Covered::kFaultEpollAdd, sim::FaultSite::kEpollAdd}, {Covered::kFaultEpollWait, sim::FaultSite::kEpollWait},
};

using server::http::HttpCount;
constexpr std::pair<Covered, HttpCount> kHttp[] = {
    {Covered::kHttpResponses, HttpCount::kResponses},  {Covered::kHttpContinued, HttpCount::kContinued},
    {Covered::kHttpFailed, HttpCount::kHandlerFailed}, {Covered::kHttpExpired, HttpCount::kKeepaliveExpired},
    {Covered::kHttpGrace, HttpCount::kDrainGraceExpired},
};

}  // namespace

Trial::Trial(uint64_t seed, std::optional<TransportKind> transport)
    : seed_(seed),
      // Apart from the kernel's, which begins at the seed itself; and mixed, or the streams of neighbours would be one
      // stream, begun a step later.
      own_(sim::SeededDecisions(~seed).Next()),
      kernel_decisions_(nullptr),
      dice_(&own_),
      plan_(TrialPlan::Draw(dice_, transport)) {}

Trial::Trial(sim::Decisions* decisions, std::optional<TransportKind> transport)
    : seed_(0), own_(0), kernel_decisions_(decisions), dice_(decisions), plan_(TrialPlan::Draw(dice_, transport)) {}

Trial::~Trial() {  // the server before what its services use
  faults_.reset();
  server_.reset();
}

const Findings& Trial::Run() {
  SetUp();
  Script();
  if (findings_.none()) {
    switch (plan_.end) {
      case TrialPlan::End::kFinish: Finish(); break;
      case TrialPlan::End::kDrain: Drain(); break;
      case TrialPlan::End::kCut: Cut(); break;
      case TrialPlan::End::kDestroy: break;
    }
  }
  for (const PeerModel& peer : peers_) Met(peer.exact() ? Covered::kExactPeers : Covered::kPrefixPeers);
  if (!findings_.none()) findings_.Add("server", DescribeServer());
  const bool finish = plan_.end != TrialPlan::End::kDestroy && findings_.none();
  if (finish) EndAll();
  Cover();
  if (!finish) {
    Met(Covered::kDestroyed);
    for (size_t i = 0; i < server_->size(); ++i) server_->engine(i).LeaveLive();
  }
  server_->DestroyNow();
  for (const auto& credit : credits_) {
    if (finish && credit->left() != plan_.listener_credit) {
      findings_.Add("leftovers", absl::StrCat("credit of a listener: ", credit->left(), ", not ", plan_.listener_credit));
    }
  }
  if (finish) {
    for (const std::string& left : server_->world.kernel().in_flight_at_exit()) {
      // The wake-up of a shard waits for ever, a read of its eventfd; nothing else may.
      if (left.rfind("opcode 22 ", 0) != 0) findings_.Add("leftovers", absl::StrCat("in flight at the end: ", left));
    }
  }
  return findings_;
}

void Trial::SetUp() {
  SimServer::Options options;
  options.shards = plan_.shards;
  options.transport = plan_.transport;
  options.age = plan_.age;
  options.slots = plan_.slots;
  options.connections_max = plan_.slab;
  options.credit = plan_.credit;
  options.backlog = plan_.backlog;
  if (plan_.accept_rate != 0) options.rate = &accept_rate_.emplace(plan_.accept_rate);
  if (plan_.block_bytes != 0) options.block_bytes_max = plan_.block_bytes;
  options.sq_entries = plan_.sq_entries;
  options.cq_entries = plan_.cq_entries;
  options.shard.mailbox_capacity = plan_.mailbox;
  options.shard.receive_blocks_max = plan_.receive_blocks;
  if (plan_.frames != 0) options.shard.frames_max = plan_.frames;
  options.steps_max = kStepsAtOneMoment;
  options.decisions = kernel_decisions_;
  server_ = std::make_unique<SimServer>(seed_, options);

  for (size_t i = 0; i < server_->size(); ++i) {
    shards_.push_back(&server_->shard(i));
    shards_.back()->locals().Emplace<AcrossBook>();
    shards_.back()->locals().Emplace<HttpBook>();
  }
  names_ = std::make_unique<PeerNames>(server_.get(), &findings_);
  Invariants::Bounds bounds;
  bounds.slots = plan_.slots;
  bounds.credit = plan_.credit;
  for (const TrialPlan::Service& each : plan_.services) {
    const ServiceFactory service = FactoryOf(each.service, &shards_);
    names_->AddListener(each.options.track_peers, each.at_path);
    ListenerBounds limits;
    if (plan_.listener_credit != 0) {
      credits_.push_back(std::make_unique<Credit>(plan_.listener_credit));
      limits.credit = credits_.back().get();
    }
    at_.push_back(each.at_path ? server_->ListenUnix(service, each.options, limits)
                               : server_->Listen(service, each.options, limits));
    // What a service writes without waiting for room may reach the hard cap; the others stop at the high watermark.
    const bool waits = each.service != TrialService::kKeeper && each.service != TrialService::kMailer &&
                       each.service != TrialService::kMember;
    bounds.queue_bytes.push_back((waits ? each.options.queue_high_bytes : each.options.queue_cap_bytes) + kOneQueueWrite);
  }
  if (plan_.outbound) {
    outbound_ = std::make_unique<Outbound>(server_.get(), plan_.services[0].options, &findings_);
    bounds.outbound = static_cast<uint32_t>(TrialPlan::kPeersMax);
    bounds.queue_bytes.resize(bounds.queue_bytes.size() + 2, plan_.services[0].options.queue_high_bytes + kOneQueueWrite);
  }
  invariants_ = std::make_unique<Invariants>(server_.get(), plan_.transport, bounds, &findings_);
  mail_ = std::make_unique<MailStorm>(shards_, &dice_, &findings_);
  broadcasts_ = std::make_unique<Broadcasts>(
      shards_, plan_.closes_slow ? SlowPolicy::kClose : SlowPolicy::kQueue, &findings_);
  InjectFaults();
  if (plan_.crumbs) server_->world.kernel().choices().SetReceives(sim::Choices::Receives::kCrumbs);
}

void Trial::InjectFaults() {
  if (!plan_.faults) return;
  // Of each seed some sites, some of them often.
  sim::FaultPlan::Rates rates = sim::FaultPlan::Running();
  for (unsigned& rate : rates.per_mille) rate *= dice_.Chance(30) ? 0 : static_cast<unsigned>(dice_.Between(1, 3));
  const auto budget = static_cast<unsigned>(dice_.Between(1, 40));
  faults_.emplace(&server_->world.kernel().choices(), rates, budget);
}

// Steps and time.

bool Trial::Step() {
  if (!server_->world.Step()) return false;
  ++coverage_.steps;
  invariants_->Check(server_->world.moved());
  if (const int moved = server_->world.moved(); moved >= 0) names_->Check(static_cast<size_t>(moved));
  if (plan_.flood && scripted_) Watch();
  if (!hoard_.empty()) Hoard(hoarder_);  // also those that came back
  return findings_.none();
}

void Trial::RunFor(int64_t ms) {
  const core::Nanos end = server_->world.clock().Now() + ms * kNanosPerMs;
  do {
    while (Step()) {
    }
  } while (findings_.none() && server_->world.MoveClock(end));
  while (findings_.none() && Step()) {
  }
}

void Trial::Watch() {
  if (kernel_decisions_ != nullptr) return;  // a fuzzer's kernel may hand over a byte a turn for as long as it likes
  const uint64_t turn = server_->shard(0).counters().Read(core::ShardCount::kTurns);
  asked_at_.resize(peers_.size());
  for (size_t i = 0; i < peers_.size(); ++i) {
    const PeerModel& peer = peers_[i];
    if (peer.setting().manner != PeerModel::Manner::kTalker || !peer.served() || peer.peer()->faulted()) continue;
    if (peer.answered() || peer.ended()) {
      if (asked_at_[i] != 0) {
        Met(Covered::kTalked);
        coverage_.turns_waited_max = std::max(coverage_.turns_waited_max, turn - asked_at_[i]);
      }
      asked_at_[i] = 0;
    } else if (peer.peer()->under_way() != 0) {
      asked_at_[i] = 0;  // a part of the answer waits for the network, and the rest for room behind it
    } else if (asked_at_[i] == 0) {
      if (peer.peer()->unacknowledged() == 0) asked_at_[i] = turn;
    } else if (turn - asked_at_[i] > kTurnsWaitedMax) {
      findings_.Add("starved", absl::StrCat(peer.Describe(), ": not answered in ", turn - asked_at_[i],
                                            " turns, beside those who flood"));
    }
  }
}

// The script.

void Trial::Open() {
  PeerModel::Setting setting;
  size_t service = dice_.Pick(plan_.services.size());
  if (plan_.flood) {
    service = peers_.size() % 2;
    setting.manner = peers_.size() % 4 == 0 || peers_.size() % 4 == 3 ? PeerModel::Manner::kFlooder : PeerModel::Manner::kTalker;
  }
  setting.service = plan_.services[service].service;
  setting.options = plan_.services[service].options;
  setting.budget = dice_.Chance(8) ? dice_.Between(0, 100'000) : dice_.Between(0, 8'000);
  if (setting.service == TrialService::kPusher) setting.budget = dice_.Chance(50) ? 0 : dice_.Between(0, 8'000);
  if (setting.manner == PeerModel::Manner::kFlooder) setting.budget = 300'000;
  if (plan_.aborts) setting.budget = 100'000;  // so that something is queued again and again
  if (setting.service == TrialService::kHttp) setting.budget = std::min<size_t>(setting.budget, 15'000);
  setting.broadcasts = broadcasts_.get();
  setting.may_vanish = plan_.vanishing && !plan_.services[service].at_path;  // the peer is on the same machine
  // A drain is told from a reset only where nobody says too much.
  setting.may_exceed = plan_.end == TrialPlan::End::kFinish && !plan_.flood;
  peers_.emplace_back(server_->Connect(at_[service]), setting, now_ms());
  PeerModel& peer = peers_.back();
  names_->Dialled(service, *peer.peer());
  if (plan_.end != TrialPlan::End::kFinish || setting.service == TrialService::kPusher) peer.peer()->CloseOnEof();
  if (plan_.frames != 0) peer.MayFail();
  if (plan_.slab != 0 || plan_.block_bytes != 0 || plan_.aborts) peer.MayEndEarly();
  if (plan_.closes_slow && setting.service == TrialService::kMember) peer.MayEndEarly();
}

void Trial::Script() {
  sim::World& world = server_->world;
  const uint64_t end = world.steps() + plan_.steps;
  for (uint64_t round = 0; world.steps() < end && round < plan_.steps / 8 + 20 && findings_.none(); ++round) {
    const uint64_t open = peers_.size() + (outbound_ == nullptr ? 0 : outbound_->begun());
    if (open < plan_.peers && (peers_.empty() || dice_.Chance(40))) Open();
    if (outbound_ != nullptr && open < TrialPlan::kPeersMax && dice_.Chance(15)) outbound_->Dial(dice_);
    TakeAccepted();
    if (plan_.flood) {
      for (PeerModel& peer : peers_) peer.Act(dice_, now_ms());
    } else if (!peers_.empty()) {
      for (uint64_t n = dice_.Pick(3); n > 0; --n) peers_[dice_.Pick(peers_.size())].Act(dice_, now_ms());
    }
    if (plan_.storms && dice_.Chance(15)) mail_->Blow(dice_.Between(1, 60));
    if (plan_.has(TrialService::kMember) && dice_.Chance(20)) {
      for (uint64_t n = dice_.Between(1, 4); n > 0; --n) broadcasts_->Tell();
    }
    if (plan_.jumps && dice_.Chance(4)) {
      const uint64_t seconds = dice_.Chance(70) ? dice_.Between(1, 60) : dice_.Between(60, 4 * 3600);
      for (PeerModel& peer : peers_) peer.Jump(static_cast<int64_t>(seconds) * 1000);
      world.clock().Advance(static_cast<int64_t>(seconds) * kNanosPerSecond);
    }
    if (plan_.aborts && !peers_.empty() && dice_.Chance(20)) BreakOff();
    if (plan_.hoards && dice_.Chance(hoard_.empty() ? 20 : 4)) {
      hoard_.empty() ? Hoard(dice_.Pick(shards_.size())) : GiveBack();
    }
    if (plan_.changes && dice_.Chance(5)) Change();
    if (plan_.notices && !peers_.empty() && dice_.Chance(5)) TellSome();
    for (uint64_t n = dice_.Pick(30); n > 0 && Step(); --n) {
    }
    if (dice_.Chance(5)) RunFor(static_cast<int64_t>(dice_.Between(1, 40)));
    if (dice_.Chance(2)) Rest();
  }
  GiveBack();
  scripted_ = false;
}

// The server gives up connections while their peers take nothing of what it has for them, and these read on meanwhile: a
// send that is cancelled may go through.
void Trial::BreakOff() {
  for (PeerModel& peer : peers_) peer.Stall(now_ms());
  for (uint64_t n = dice_.Between(1, 10); n > 0; --n) peers_[dice_.Pick(peers_.size())].SayMore(dice_, now_ms());
  for (uint64_t n = dice_.Between(5, 60); n > 0 && Step(); --n) {
  }
  server_->OnShard(dice_.Pick(server_->size()), [&](Engine& engine) {
    engine.ForEach([&](Connection* conn) {
      if (conn->open() && conn->queued_bytes() > 0 && dice_.Chance(60)) conn->Abort();
    });
  });
  // Where there is no reset, at the moment at which what is in flight is about to be cancelled.
  const uint64_t before = server_->TransportCountOr0("abort_fallbacks");
  for (uint64_t n = dice_.Between(1, 12); n > 0 && Step(); --n) {
    if (server_->TransportCountOr0("abort_fallbacks") != before) break;
  }
  for (PeerModel& peer : peers_) peer.ReadOn();
}

void Trial::Change() {
  const auto service = static_cast<ListenerId>(dice_.Pick(plan_.services.size()));
  const ServiceFactory factory = FactoryOf(plan_.services[service].service, &shards_);
  // Those behind it name their handler elsewhere, too: in a book, in mail, in a timer.
  const bool goes = plan_.services[service].service <= TrialService::kPiped &&
                    plan_.services[service].service != TrialService::kKeeper;
  for (size_t i = 0; i < server_->size(); ++i) {
    server_->OnShard(i, [&](Engine& engine) {
      changed_.push_back(factory());
      engine.ChangeListener(service, changed_.back().get(), plan_.services[service].options, [this, goes](Handler* old) {
        if (goes) std::erase_if(changed_, [old](const std::unique_ptr<Handler>& each) { return each.get() == old; });
        Met(Covered::kForgotten);
      });
    });
  }
}

void Trial::TellSome() {
  const auto service = static_cast<ListenerId>(dice_.Pick(plan_.services.size()));
  server_->NotifyConnections(service, static_cast<uint32_t>(dice_.Between(1, 100)),
                             dice_.Chance(50) ? 0 : static_cast<int64_t>(dice_.Between(1, 2000)));
  for (PeerModel& peer : peers_) {
    if (peer.setting().service == plan_.services[service].service) peer.MayEndEarly();
  }
}

void Trial::Hoard(size_t shard) {
  hoarder_ = shard;
  core::Shard::Enter enter(shards_[shard]);
  while (alloc::Block* block = shards_[shard]->buffers().AcquireReceive()) hoard_.push_back(block);
}

void Trial::GiveBack() {
  if (hoard_.empty()) return;
  server_->OnShard(hoarder_, [&](Engine&) {
    for (alloc::Block* block : hoard_) shards_[hoarder_]->buffers().Release(block);
  });
  hoard_.clear();
}

// Peers that the server has connected to.
void Trial::TakeAccepted() {
  if (outbound_ == nullptr) return;
  for (sim::SimPeer* peer : outbound_->TakeAccepted()) {
    PeerModel::Setting setting;
    setting.service = TrialService::kGreeter;
    setting.options = plan_.services[0].options;
    setting.budget = dice_.Between(0, 8'000);
    peers_.emplace_back(peer, setting, now_ms());
    if (plan_.end != TrialPlan::End::kFinish) peer->CloseOnEof();
    // Some of these connects were taken back by the server.
    peers_.back().MayEndEarly();
  }
}

void Trial::LookAll() {
  for (PeerModel& peer : peers_) peer.Look(now_ms());
}

void Trial::Rest() {
  GiveBack();
  LookAll();
  // Who is served a few bytes at a time is waited for as long as some come.
  size_t before = 0;
  size_t answered = 0;
  bool at_rest = false;
  do {
    before = answered;
    RunFor(kRestMs);
    TakeAccepted();
    LookAll();
    if (!findings_.none()) return;
    answered = 0;
    Findings due;
    for (const PeerModel& peer : peers_) {
      answered += peer.peer()->received().size();
      if (!plan_.tight()) peer.CheckAtRest(&due);
    }
    at_rest = due.none();
  } while (!at_rest && answered > before);
  for (const PeerModel& peer : peers_) plan_.tight() ? peer.CheckPrefix(&findings_) : peer.CheckAtRest(&findings_);
  mail_->CheckArrived();
}

// Ends.

void Trial::Finish() {
  LookAll();
  for (PeerModel& peer : peers_) peer.Finish();
  // Where places are few, those that wait get one when a peer that is lost loses its own, one after the other.
  const auto lost = std::count_if(peers_.begin(), peers_.end(), [](const PeerModel& p) { return p.lost(); });
  // And who is served a few bytes at a time is waited for as long as some come.
  size_t before = 0;
  size_t answered = 0;
  do {
    before = answered;
    RunFor(kFinishMs * (1 + (plan_.tight() ? lost : 0)));
    answered = 0;
    for (const PeerModel& peer : peers_) answered += peer.peer()->received().size();
  } while (findings_.none() && answered > before);
  if (!findings_.none()) return;
  for (const PeerModel& peer : peers_) peer.CheckAtEnd(&findings_);
}

void Trial::Drain() {
  // Wherever things are: some peers are not accepted yet, some in the middle of a message.
  LookAll();
  TakeAccepted();
  // Who waits for the place of one that is lost, or of one that a task owns, which hears nothing of the drain, waits
  // beyond the deadline.
  const bool lost = std::any_of(peers_.begin(), peers_.end(), [](const PeerModel& p) { return p.lost(); });
  const bool stuck = plan_.tight() && (lost || outbound_ != nullptr);
  std::vector<size_t> acknowledged;
  std::vector<bool> was_connected;
  for (PeerModel& peer : peers_) {
    was_connected.push_back(peer.peer()->connected());
    acknowledged.push_back(peer.peer()->connected() ? peer.acknowledged() : 0);
    if (stuck) peer.MayEndEarly();
  }
  if (plan_.transport == TransportKind::kEpoll) {
    // With epoll a short receive means that the rest came later, so what was acknowledged may not be part of that rest.
    server_->world.kernel().choices().SetReceives(sim::Choices::Receives::kWhole);
  }
  if (plan_.retires) {
    for (ListenerId id = 0; id < plan_.services.size(); ++id) {
      server_->RetireListener(id);
      server_->NotifyConnections(id, 100, plan_.spread_ms);
    }
    for (PeerModel& peer : peers_) {  // this is no drain for whom the server has connected to
      if (peer.setting().service == TrialService::kGreeter) peer.MayEndEarly();
    }
  } else {
    server_->BeginDrain({.spread_ms = plan_.spread_ms});
  }
  for (uint64_t n = dice_.Pick(200); n > 0; --n) {
    Step();
    if (!peers_.empty() && dice_.Chance(20)) peers_[dice_.Pick(peers_.size())].SayMore(dice_, now_ms());
  }
  for (PeerModel& peer : peers_) peer.FinishMessage();
  // Where places are few, those that wait get one when another has ended, one after the other.
  const auto over = [this] {
    return std::count_if(peers_.begin(), peers_.end(), [](PeerModel& p) { return p.peer()->ended(); });
  };
  for (auto before = over() - 1; findings_.none() && over() > before;) {
    before = over();
    RunFor(15'000);
    if (!plan_.tight()) break;
  }
  if (!findings_.none()) return;
  for (size_t i = 0; i < peers_.size(); ++i) {
    was_connected[i] ? peers_[i].CheckDrained(acknowledged[i], &findings_) : peers_[i].CheckPrefix(&findings_);
  }
  if (!findings_.none()) return;
  if (plan_.retires) {
    server_->BeginDrain();
  }
  server_->CutAll();
  RunFor(kCutMs);
  if (!server_->drained()) findings_.Add("shutdown", absl::StrCat(server_->live(), " connections after the cut"));
}

void Trial::Cut() {
  LookAll();
  server_->BeginDrain({.spread_ms = plan_.spread_ms});
  if (dice_.Chance(50)) {
    RunFor(plan_.cut_after_ms);
  } else {
    for (uint64_t n = dice_.Pick(100); n > 0 && Step(); --n) {
    }
  }
  server_->CutAll();
  RunFor(kCutMs);
  if (!findings_.none()) return;
  if (!server_->drained()) {
    findings_.Add("shutdown", absl::StrCat("not drained ", kCutMs, " ms after the deadline, with ", server_->live(),
                                           " connections"));
  }
  LookAll();
  for (PeerModel& peer : peers_) {
    peer.MayEndEarly();
    peer.FinishMessage();  // reads on
  }
  RunFor(kCutMs);
  for (const PeerModel& peer : peers_) {
    peer.CheckPrefix(&findings_);
    if (peer.peer()->connected() && !peer.broken() && !peer.peer()->ended()) {
      findings_.Add("shutdown", absl::StrCat(peer.Describe(), ": nobody told it that the server has gone"));
    }
  }
}

void Trial::EndAll() {
  server_->CutAll();
  RunFor(10'000);  // long enough for the pools to have given back what they will
  if (!findings_.none()) return;
  invariants_->CheckAll();
  mail_->CheckArrived();
  broadcasts_->CheckOver();
  CheckSubmitted();
  if (outbound_ != nullptr) outbound_->CheckBooks();
  for (const std::string& left : server_->Leftovers(outbound_ == nullptr ? 0 : outbound_->dialled())) findings_.Add("leftovers", left);
}

// Each function that was submitted ran once, whatever became of who waited.
void Trial::CheckSubmitted() {
  AcrossBook all;
  for (core::Shard* shard : shards_) {
    const AcrossBook& book = *shard->locals().Find<AcrossBook>();
    all.submitted += book.submitted;
    all.served += book.served;
    all.unanswered += book.unanswered;
    all.refused += book.refused;
  }
  Met(Covered::kSubmitted, all.served);
  Met(Covered::kSubmittedGivenUp, all.unanswered);
  Met(Covered::kPostsRefused, all.refused);
  // Where frames are few, some could not be sent, or not run.
  if (plan_.frames == 0 && all.submitted != all.served) {
    findings_.Add("submitted", absl::StrCat(all.submitted, " functions, and ", all.served, " have run"));
  }
}

std::string Trial::DescribeServer() const {
  std::string out = absl::StrCat("accepted ", server_->Count(EngineCount::kAccepted), ", connected ",
                                 server_->Count(EngineCount::kConnected), ", live ", server_->live());
  if (plan_.credit != 0) absl::StrAppend(&out, ", credit left ", server_->credit_left());
  for (int i = 0; i < static_cast<int>(CloseCause::kCount); ++i) {
    const auto cause = static_cast<CloseCause>(i);
    if (server_->Cause(cause) != 0) absl::StrAppend(&out, ", ", net::Name(cause), " ", server_->Cause(cause));
  }
  return out;
}

void Trial::Cover() {
  Met(Covered::kPeersNamed, names_->named());
  Met(Covered::kPeersNameless, names_->nameless());
  const auto transport = [&](Covered what, std::string_view name) { Met(what, server_->TransportCountOr0(name)); };
  transport(Covered::kSubmissionFull, "ring_sq_full");
  transport(Covered::kCompletionOverflow, "ring_cq_overflow");
  transport(Covered::kOverflowRounds, "overflow_rounds");
  transport(Covered::kEnterRetries, "ring_enter_retries");
  transport(Covered::kStarved, "receive_starved");
  transport(Covered::kTableNear, "accepts_near");
  transport(Covered::kAcceptErrors, "accept_errors");
  transport(Covered::kAcceptTransient, "accept_transient");
  transport(Covered::kReceiveDropped, "receive_dropped");
  transport(Covered::kReceiveRearmed, "receive_rearmed");
  transport(Covered::kIdlePolls, "idle_polls");
  transport(Covered::kIdleWakes, "idle_wakes");
  transport(Covered::kHalfClosesByWorker, "half_closes_by_worker");
  transport(Covered::kAborts, "aborts");
  transport(Covered::kAbortFallbacks, "abort_fallbacks");
  const auto engine = [&](Covered what, EngineCount count) { Met(what, server_->Count(count)); };
  Met(Covered::kSlabFull, server_->Refused(RefuseCause::kSlabFull));
  engine(Covered::kSendsBlocked, EngineCount::kSendsBlocked);
  engine(Covered::kPauses, EngineCount::kPauses);
  engine(Covered::kLingerExpired, EngineCount::kLingerExpired);
  engine(Covered::kConnected, EngineCount::kConnected);
  engine(Covered::kPostsStale, EngineCount::kPostsStale);
  const auto cause = [&](Covered what, CloseCause of) { Met(what, server_->Cause(of)); };
  cause(Covered::kIdle, CloseCause::kIdle);
  cause(Covered::kStalled, CloseCause::kWriteStalled);
  cause(Covered::kPeerReset, CloseCause::kPeerReset);
  cause(Covered::kPeerTimedOut, CloseCause::kPeerTimedOut);
  cause(Covered::kNoMemory, CloseCause::kNoMemory);
  cause(Covered::kDrained, CloseCause::kDrained);
  cause(Covered::kByOperator, CloseCause::kOperator);
  cause(Covered::kDeadline, CloseCause::kDrainDeadline);
  cause(Covered::kTooLong, CloseCause::kTooLong);
  cause(Covered::kTooSlow, CloseCause::kTooSlow);
  cause(Covered::kConnectFailed, CloseCause::kConnectFailed);
  for (const auto& [what, site] : kFaults) {
    if (faults_.has_value()) Met(what, faults_->injected(site));
  }
  for (core::Shard* shard : shards_) {
    for (const server::http::HttpService* http : shard->locals().Find<HttpBook>()->services) {
      for (const auto& [what, count] : kHttp) Met(what, http->counters().Read(count));
      Met(Covered::kHttpLate, http->refusals().Read(server::http::Refusal::kHeadDeadline) +
                                  http->refusals().Read(server::http::Refusal::kBodyDeadline));
    }
  }
  for (size_t i = 0; const sim::SimRing* ring = server_->world.kernel().ring(i); ++i) {
    Met(Covered::kCancelsLate, ring->counts().cancels_late);
    Met(Covered::kSendsAfterCancel, ring->counts().sends_after_cancel);
    Met(Covered::kAcceptsLost, ring->counts().accepts_lost);
  }
  for (const PeerModel& peer : peers_) {
    if (peer.peer()->is_unix() && peer.peer()->connected()) Met(Covered::kAtPaths);
  }
  Met(Covered::kBroadcasts, broadcasts_->told());
  if (outbound_ != nullptr) Met(Covered::kOwned, outbound_->owned());
  Met(Covered::kMail, mail_->taken());
  Met(Covered::kMailRefused, mail_->refused());
  for (core::Shard* shard : shards_) Met(Covered::kMailWaited, shard->counters().Read(core::ShardCount::kMailWaited));
}

}  // namespace mooring::net
