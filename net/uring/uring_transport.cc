// SPDX-License-Identifier: Apache-2.0
#include "net/uring/uring_transport.h"

#include <liburing.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "alloc/poison.h"
#include "net/uring/personality.h"

namespace mooring::net::uring {
namespace {

constexpr std::string_view kRingCountNames[] = {"ring_enters",  "ring_submitted",   "ring_completions",
                                                "ring_sq_full", "ring_cq_overflow", "ring_enter_retries"};
static_assert(std::size(kRingCountNames) == static_cast<size_t>(core::RingCount::kCount));

constexpr std::string_view kGroupCountNames[] = {"group_published", "group_pool_empty",    "group_grown",
                                                 "group_shrunk",    "group_pages_dropped", "group_out_of_order"};
static_assert(std::size(kGroupCountNames) == static_cast<size_t>(GroupCount::kCount));

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> UringTransport::Open(core::Kernel* kernel, TransportKind kind,
                                                                core::Shard* shard, TransportEvents* events,
                                                                const TransportOptions& options) {
  std::unique_ptr<UringTransport> self(new UringTransport(kernel, kind, shard, events, options));
  if (absl::Status status = self->Start(options); !status.ok()) return status;
  return absl::StatusOr<std::unique_ptr<Transport>>(std::move(self));
}

UringTransport::UringTransport(core::Kernel* kernel, TransportKind kind, core::Shard* shard, TransportEvents* events,
                               const TransportOptions& options)
    : kernel_(kernel),
      kind_(kind),
      shard_(shard),
      events_(events),
      installs_max_(std::max(1u, kInstallsMax / std::max(options.shards, 1u))),
      group_(&shard->buffers(), &shard->accounting()),
      gather_(&shard->accounting()),
      descriptors_(/*direct=*/kind == TransportKind::kUring, options.connections_max) {
  idle_timer_.call = [](void* self) { static_cast<UringTransport*>(self)->LookForSilent(); };
  idle_timer_.argument = this;
}

absl::Status UringTransport::Start(const TransportOptions& options) {
  std::string features_off = options.features_off;
  if (kind_ == TransportKind::kUringBase) features_off += ",modern";
  absl::StatusOr<std::unique_ptr<core::Ring>> ring = core::Ring::Open(
      kernel_, {.sq_entries = options.sq_entries, .cq_entries = options.cq_entries, .features_off = features_off});
  if (!ring.ok()) return ring.status();
  if (absl::Status status = CheckPersonality(ring->get(), kind_); !status.ok()) return status;
  ring_ = *std::move(ring);
  memory_bytes_ = ring_->memory_bytes();
  shard_->accounting().Add(alloc::Purpose::kRings, static_cast<int64_t>(memory_bytes_));

  if (descriptors_.direct()) {
    if (absl::Status status = RegisterTable(); !status.ok()) return status;
  }
  if (absl::Status status = group_.Open(ring_.get()); !status.ok()) return status;

  wake_fd_ = kernel_->EventFd();
  if (wake_fd_ < 0) return absl::ResourceExhaustedError(absl::StrCat("eventfd: ", strerror(-wake_fd_)));
  ArmWake();
  return absl::OkStatus();
}

absl::Status UringTransport::RegisterTable() {
  const uint32_t slots = descriptors_.max();
  io_uring_rsrc_register table = {};
  table.nr = slots;
  table.flags = IORING_RSRC_REGISTER_SPARSE;
  const int result = ring_->Register(IORING_REGISTER_FILES2, &table, sizeof(table));
  if (result >= 0) return absl::OkStatus();
  if (result == -EMFILE) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a table of ", slots, " connections is above RLIMIT_NOFILE; raise it with ulimit -n ", slots,
        " or LimitNOFILE= (systemd), or lower --max-connections"));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the kernel refused a table of ", slots, " connections: ", strerror(-result)));
}

UringTransport::~UringTransport() {
  if (ring_ != nullptr && !descriptors_.direct()) {
    // Plain descriptors whose CLOSE is queued belong to nobody else any more.
    for (unsigned round = 0; ring_->SubmissionsWaiting() != 0 && round < kCloseRoundsMax; ++round) ring_->Enter(0, 0);
  }
  ring_.reset();  // before the memory that its operations name
  descriptors_.CloseAll(kernel_);
  for (const Scratch& scratch : scratch_) {
    if (alloc::Lent(&scratch, sizeof(scratch))) alloc::Reclaim(&scratch);
  }
  shard_->accounting().Add(alloc::Purpose::kRings, -static_cast<int64_t>(memory_bytes_));
  if (wake_fd_ >= 0) kernel_->Close(wake_fd_);
  for (const Listener& l : listeners_) {
    if (l.fd >= 0) kernel_->Close(l.fd);
  }
}

void UringTransport::Poll(core::Nanos wait, Sleeper* sleeper) {
  group_.Publish(shard_->now());
  // Before the wait, which may be long: the kernel takes blocks in an enter only, so what the last one left is still so.
  if (nothing_left_) group_.DropPages();
  if (group_.level() > ReceiveGroup::kLevelMin) shard_->ArmTrim();  // a turn in two seconds, to look at the level again
  if (!starved_.empty()) ArmStarved();
  JudgeRoom();
  bool try_now = false;  // some listener accepts without a poll
  ListenerId steered = 0;
  for (Listener& l : listeners_) {
    Steer(steered++, l);
    try_now |= l.try_now;
  }

  if (try_now || HasOwnWork() || ring_->CompletionsReady()) wait = 0;
  // First attempts to send complete inside the enter, so asking for as many never sleeps for them. Never more: the enter
  // would sleep until they come. Nor for more than there are blocks, for as many receives run as are asked for, twice
  // (io_uring_enter, io_cqring_wait), and each that finds no block has to be armed anew.
  const unsigned asked = std::min(tries_, BlocksLeft() / 2);
  ring_->Enter(wait == 0 ? asked : std::max(1u, asked), wait);
  if (ring_->SubmissionsWaiting() == 0) {
    gather_.Reset();
    descriptors_.Submitted();
    receives_queued_ = 0;
    ++rounds_;
  }

  sleeper->OnAwake();
  accepts_left_ = kAcceptsPerPoll;
  DeliverPending();  // before accepts, which may take the place of what is released here
  DeliverParked();
  for (ListenerId i = 0; try_now && i < listeners_.size(); ++i) {
    if (std::exchange(listeners_[i].try_now, false)) AcceptOne(i, listeners_[i]);
  }
  Reap();
  for (unsigned round = 0; ring_->Overflown() && round < kOverflowRoundsMax; ++round) {
    counters_.Add(TransportCount::kOverflowRounds);
    ring_->Enter(0, 0);
    Reap();
  }
  DeliverPending();

  nothing_left_ = !ring_->WorkPending() && !ring_->CompletionsReady();
  read_to_end_ = nothing_left_ && starved_.empty() && receives_queued_ == 0;
}

bool UringTransport::HasOwnWork() const {
  return !pending_.empty() || !parked_.empty();
}

void UringTransport::Reap() {
  ring_->Reap([this](const io_uring_cqe& cqe) { OnCompletion(cqe); });
}

std::string UringTransport::Describe() const {
  return absl::StrCat(absl::string_view(Name(kind_).data(), Name(kind_).size()), ": ", ring_->features().ToString());
}

void UringTransport::Begin(io_uring_sqe* sqe, Op op, ConnId id, UringArea& area) {
  descriptors_.Name(sqe, area.handle());
  Track(sqe, op, id, area);
}

void UringTransport::Track(io_uring_sqe* sqe, Op op, ConnId id, UringArea& area) {
  sqe->user_data = UserData(op, id.generation, id.slot);
  ++area.in_flight;
}

void UringTransport::Cancel(uint64_t target, uint64_t user_data) {
  io_uring_sqe* sqe = ring_->NextSqe();
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  sqe->user_data = user_data;
}

void UringTransport::OnCompletion(const io_uring_cqe& cqe) {
  switch (const Op op = OpOf(cqe.user_data)) {
    case Op::kReceive:
    case Op::kPoll:
    case Op::kSend:
    case Op::kPeer:
    case Op::kOutQueue:
    case Op::kInstall:
    case Op::kShutdown:
    case Op::kUpdate:
    case Op::kConnect:
    case Op::kAbort: return OnConnectionCompletion(cqe, op);
    case Op::kCancelReceive: return OnCancelMissed(cqe);
    case Op::kAcceptMany: return OnAcceptMany(cqe);
    case Op::kAcceptOne: return OnAcceptOne(cqe);
    case Op::kListenPoll: return OnListenPoll(cqe);
    case Op::kWatch: return OnWatch(cqe);
    case Op::kWake:
      counters_.Add(TransportCount::kWakes);
      return ArmWake();
    case Op::kClose: return counters_.Add(TransportCount::kCloseErrors);
    case Op::kCancel:
    case Op::kRefuse: return;  // the target's own completion tells, or nobody needs to know
  }
}

void UringTransport::OnConnectionCompletion(const io_uring_cqe& cqe, Op op) {
  const uint32_t slot = SlotOf(cqe.user_data);
  auto* area = static_cast<UringArea*>(events_->Area(slot, GenerationOf(cqe.user_data)));
  if (area == nullptr) {
    counters_.Add(TransportCount::kStale);
    if (cqe.flags & IORING_CQE_F_BUFFER) {
      shard_->buffers().Release(group_.Take(static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT)));
    }
    return;
  }
  const ConnId id = {slot, area->generation};
  if (op == Op::kReceive) return OnReceiveCompletion(cqe, id, *area);  // the one with several completions

  assert(area->in_flight > 0);
  --area->in_flight;
  const int result = cqe.res;
  switch (op) {
    case Op::kPoll: OnPollCompletion(result, id, *area); break;
    case Op::kSend: {
      int sent = result;
      if (area->Is(UringArea::kTrying)) {
        --tries_;
        if (result == -EAGAIN) {
          sent = 0;
          counters_.Add(TransportCount::kSendsBlocked);
        }
      }
      area->Clear(UringArea::kSending | UringArea::kTrying);
      events_->OnSend(id, sent);
      break;
    }
    case Op::kPeer: {
      if (result < 0) counters_.Add(TransportCount::kCommandErrors);
      const Scratch& scratch = scratch_[area->scratch_plus_one - 1];
      alloc::Reclaim(&scratch);
      const Address peer = result < 0 ? Address() : scratch.address;
      ReleaseScratch(*area);
      if (!area->leaving()) events_->OnPeer(id, peer);
      break;
    }
    case Op::kOutQueue:
      if (result < 0) counters_.Add(TransportCount::kCommandErrors);
      if (!area->leaving()) events_->OnOutQueue(id, result);
      break;
    case Op::kInstall: OnInstall(result, id, *area); break;
    case Op::kShutdown:
      if (!area->leaving()) events_->OnShutdown(id);
      break;
    case Op::kUpdate: OnUpdate(result, id, *area); break;
    case Op::kConnect: OnConnectCompletion(result, id, *area); break;
    case Op::kAbort: OnAbortCompletion(result, id, *area); break;
    default: assert(false);
  }
  FinishIfIdle(id, *area);
}

void UringTransport::DeliverPending() {
  // What the upcalls add is for the next Poll, which does not wait then.
  if (pending_.empty()) return;
  delivering_.swap(pending_);
  for (const Pending& next : delivering_) {
    switch (next.kind) {
      case Pending::Kind::kReleased: events_->OnReleased(next.id); break;
      case Pending::Kind::kAcceptStopped: events_->OnAcceptStopped(static_cast<ListenerId>(next.id.slot)); break;
      case Pending::Kind::kConnect:
        if (!AreaOf(next.id).leaving()) events_->OnConnect(next.id, next.result);
        break;
      case Pending::Kind::kPeer:
        if (!AreaOf(next.id).leaving()) events_->OnPeer(next.id, PlainPeer(AreaOf(next.id)));
        break;
      case Pending::Kind::kOutQueue:
        if (!AreaOf(next.id).leaving()) events_->OnOutQueue(next.id, next.result);
        break;
      case Pending::Kind::kShutdown:
        if (!AreaOf(next.id).leaving()) events_->OnShutdown(next.id);
        break;
    }
  }
  delivering_.clear();
}

uint32_t UringTransport::TakeScratch() {
  if (scratch_free_.empty()) {
    scratch_.emplace_back();
    return static_cast<uint32_t>(scratch_.size() - 1);
  }
  const uint32_t index = scratch_free_.back();
  scratch_free_.pop_back();
  scratch_[index] = {};
  return index;
}

void UringTransport::ReleaseScratch(UringArea& area) {
  scratch_free_.push_back(area.scratch_plus_one - 1);
  area.scratch_plus_one = 0;
}

void UringTransport::Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const {
  for (size_t i = 0; i < std::size(kTransportCountNames); ++i) {
    sink(kTransportCountNames[i], counters_.Read(static_cast<TransportCount>(i)));
  }
  for (size_t i = 0; i < std::size(kGroupCountNames); ++i) {
    sink(kGroupCountNames[i], group_.counters().Read(static_cast<GroupCount>(i)));
  }
  for (size_t i = 0; i < std::size(kRingCountNames); ++i) {
    sink(kRingCountNames[i], ring_->counters().Read(static_cast<core::RingCount>(i)));
  }
}

}  // namespace mooring::net::uring
