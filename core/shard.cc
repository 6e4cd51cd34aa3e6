// SPDX-License-Identifier: Apache-2.0
#include "core/shard.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "core/sleep.h"
#include "core/task.h"

namespace mooring::core {

thread_local constinit Shard* Shard::current_ = nullptr;

Shard::Shard(const Options& options)
    : id_(options.id),
      clock_(options.clock),
      now_(options.clock->Now()),
      frames_(&accounting_, options.frames_max),
      buffers_(&accounting_, options.receive_blocks_max),
      wheel_(now_ / 1'000'000),
      mailbox_(options.mailbox_capacity),
      answers_(std::make_shared<Answers>(this)) {
  assert(id_ < 1024);
  accounting_.Add(alloc::Purpose::kMailboxes, static_cast<int64_t>(mailbox_.memory_bytes()));
  runnable_.reserve(1024);
  running_.reserve(1024);
  wheel_.SetExpire(
      TimerKind::kFunction,
      [](void*, Timer* timer) {
        auto* due = static_cast<CallTimer*>(timer);
        due->call(due->argument);
      },
      nullptr);
  trim_timer_.call = [](void* self) { static_cast<Shard*>(self)->Trim(); };
  trim_timer_.argument = this;
  turns_.SetNames(
      [](void* self, uint32_t listener) {
        const TurnEnd* turn_end = static_cast<Shard*>(self)->turn_end_;
        return turn_end == nullptr ? std::string_view() : turn_end->ListenerName(listener);
      },
      this);
  RegisterSleep(this);
}

Shard::~Shard() {
  Enter enter(this);  // destructors of locals, and of answers, may use it
  answers_->Close();
  answers_->Destroy();
  locals_.Clear();
  background_.LeaveLive();  // nothing of this shard runs again; frames that are still there are the pool's to judge
  wheel_.Cancel(&trim_timer_);
}

CountTable* CurrentCountTable() { return Shard::Current() == nullptr ? nullptr : &Shard::Current()->counts(); }

void MissingLocal() {
  std::fputs("mooring: Local<T>() of a type that no PerShard<T>() was said for\n", stderr);
  std::abort();
}

void Shard::Trim() {
  bool more = frames_.Trim();
  more |= buffers_.Trim();
  if (turn_end_ != nullptr) more |= turn_end_->OnTrim();
  if (more) ArmTrim();
}

int64_t Shard::DeadlineMs(Nanos duration) const {
  const Nanos longest = std::numeric_limits<Nanos>::max() - now_ - (kNanosPerMs - 1);
  return (now_ + std::clamp<Nanos>(duration, 0, longest) + (kNanosPerMs - 1)) / kNanosPerMs;
}

void Shard::OnAwake() {
  mailbox_.Awake();
  now_ = clock_->Now();
  turns_.Begin(now_);
}

Nanos Shard::WaitBound(Nanos longest_wait) const {
  const int64_t next_ms = wheel_.NextMs();
  if (next_ms > INT64_MAX / kNanosPerMs) return longest_wait;  // nothing armed, or beyond what the clock can say
  const Nanos wait = std::max<Nanos>(next_ms * kNanosPerMs - now_, 0);
  return longest_wait < 0 ? wait : std::min(wait, longest_wait);
}

void Shard::RunTurn(Nanos longest_wait) {
  Enter enter(this);
  counters_.Add(ShardCount::kTurns);
  if (mail_refused_.load(std::memory_order_relaxed) != 0) {
    counters_.Add(ShardCount::kMailFull, mail_refused_.exchange(0, std::memory_order_relaxed));
  }
  if (!waiting_mail_.empty()) SendWaitingMail();
  if (!mailbox_.Empty()) DeliverMail();
  if (!answers_->empty()) {
    turns_.Doing(kAnswers);
    answers_->Take();
  }
  ExpireTimers();
  RunRunnable();
  turns_.Trying(kFlush);
  const bool more = turn_end_ != nullptr && turn_end_->OnTurnEnd();

  // Mail that waits for room elsewhere is tried again within a millisecond.
  Nanos wait = WaitBound(longest_wait);
  if (!waiting_mail_.empty()) wait = wait < 0 ? kNanosPerMs : std::min(wait, kNanosPerMs);
  if (more || !runnable_.empty() || stopping()) wait = 0;
  // Only who sleeps needs a wake-up: a shard that is busy all the time costs its senders no system call.
  if (wait != 0 && !mailbox_.PrepareSleep()) wait = 0;
  if (wait != 0 && !answers_->empty()) {
    mailbox_.Awake();
    wait = 0;
  }
  // A turn that does not wait ends where the next begins.
  if (wait != 0) turns_.End(clock_->Now());
  port_->Poll(wait, this);
}

void Shard::Run() {
  now_ = clock_->Now();  // set-up may have been long ago
  turns_.SetThread(gettid());
  turns_.Begin(now_);
  while (!stopping()) RunTurn();
  turns_.End(clock_->Now());
  answers_->Close();
}

void Shard::Stop() {
  stop_.store(true, std::memory_order_release);
  port_->Wake();
}

bool Shard::Post(Mail&& mail) {
  if (TryPost(mail)) return true;
  mail_refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool Shard::TryPost(Mail& mail) {
  switch (mailbox_.Push(mail)) {
    case Mailbox::Pushed::kFull: return false;
    case Mailbox::Pushed::kMustWake: port_->Wake(); return true;
    case Mailbox::Pushed::kDelivered: return true;
  }
  return true;
}

void Shard::Knock() {
  if (mailbox_.Knock()) port_->Wake();
}

void Shard::PostAlways(Shard* to, Mail mail) {
  auto queue = std::find_if(waiting_mail_.begin(), waiting_mail_.end(), [to](const Waiting& w) { return w.to == to; });
  if (queue == waiting_mail_.end()) {
    if (to->TryPost(mail)) return;
    queue = waiting_mail_.insert(queue, Waiting{to, {}});
  }
  counters_.Add(ShardCount::kMailWaited);
  queue->mail.push_back(std::move(mail));
}

[[gnu::noinline]] void Shard::SendWaitingMail() {
  for (Waiting& queue : waiting_mail_) {
    while (!queue.mail.empty() && queue.to->TryPost(queue.mail.front())) queue.mail.pop_front();
  }
  std::erase_if(waiting_mail_, [](const Waiting& queue) { return queue.mail.empty(); });
}

// Kept out of the turn, which mostly has none to deliver.
[[gnu::noinline]] void Shard::DeliverMail() {
  Mail mail;
  for (unsigned i = 0; i < kMailPerTurn && mailbox_.Pop(&mail); ++i) {
    turns_.Doing(kMail);
    counters_.Add(ShardCount::kMailDelivered);
    std::move(mail)();
    mail = nullptr;
  }
}

void Shard::ExpireTimers() {
  turns_.Trying(kTimers);
  const uint64_t expired = wheel_.Advance(now_ms(), kTimersPerTurn);
  if (expired == 0) return;
  turns_.Ran(kTimers);
  counters_.Add(ShardCount::kTimersExpired, expired);
}

void Shard::RunRunnable() {
  // What becomes runnable meanwhile runs next turn, so a loop of them cannot keep the shard from its connections.
  if (runnable_.empty()) return;
  turns_.Doing(kTasks);
  running_.swap(runnable_);
  for (const Runnable& next : running_) next.run(next.argument);
  counters_.Add(ShardCount::kResumed, running_.size());
  running_.clear();
}

void CancelScope::Cancel() {
  if (cancelled()) return;
  const uintptr_t state = state_;
  state_ |= kCancelled;
  void* const pointer = reinterpret_cast<void*>(state & ~(kKinds | kCancelled));
  if (pointer == nullptr) return;
  switch (state & kKinds) {
    case kPoint: static_cast<WaitPoint*>(pointer)->cancel(static_cast<WaitPoint*>(pointer)); return;
    case kConnection: Shard::Current()->turn_end()->OnCancelWait(pointer, this); return;
    case kInner: static_cast<CancelScope*>(pointer)->Cancel(); return;
  }
}

namespace frame {

void* Acquire(std::size_t bytes) noexcept { return Shard::Current()->frames().Acquire(bytes); }
void Release(void* memory, std::size_t bytes) noexcept { Shard::Current()->frames().Release(memory, bytes); }
void MakeRunnable(void (*run)(void*), void* argument) { Shard::Current()->MakeRunnable(run, argument); }
void ServiceDone(CancelScope* scope, std::exception_ptr error) {
  Shard::Current()->turn_end()->OnServiceDone(scope, std::move(error));
}
std::exception_ptr& RootError() { return Shard::Current()->root_error(); }

}  // namespace frame
}  // namespace mooring::core
