// SPDX-License-Identifier: Apache-2.0
#include "core/submit_to.h"

#include <cassert>

#include "core/shards.h"

namespace mooring::core::submit_internal {
namespace {

// What a shard has under way elsewhere. One of its locals, so that what never comes back dies with the shard, in it.
struct UnderWay {
  ~UnderWay() {
    while (first != nullptr) first->destroy(first);
  }
  Submission* first = nullptr;
};

UnderWay& UnderWayOf(Shard* home) {
  UnderWay* under_way = home->locals().Find<UnderWay>();
  return under_way != nullptr ? *under_way : home->locals().Emplace<UnderWay>();
}

}  // namespace

void* Submission::operator new(std::size_t bytes) {
  void* memory = frame::Acquire(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

Submission::Submission(void (*destroy_self)(Submission* self)) : home(Shard::Current()), destroy(destroy_self) {
  cancel = [](WaitPoint* point) {
    auto* self = static_cast<Submission*>(point);
    if (self->woken) return;
    self->woken = true;
    self->home->MakeRunnable(self->handle);
  };
  UnderWay& list = UnderWayOf(home);
  next = list.first;
  link = &list.first;
  if (next != nullptr) next->link = &next;
  list.first = this;
}

Submission::~Submission() {
  *link = next;
  if (next != nullptr) next->link = link;
}

Shard* Submission::Find(uint32_t shard_id) const {
  if (shard_id == home->id()) return home;
  const Shards* shards = home->shards();
  return shards != nullptr && shard_id < shards->size() ? shards->at(shard_id) : nullptr;
}

uint32_t Submission::data_shards() const { return home->shards() == nullptr ? 1 : home->shards()->size(); }
Shard* Submission::data_shard(uint32_t n) const { return home->shards() == nullptr ? home : home->shards()->at(n); }

void Submission::Wait(std::coroutine_handle<> task, CancelScope* task_scope) {
  handle = task;
  scope = task_scope;
  scope->WaitAt(this);
  if (scope->cancelled() || away == 0) {  // nobody will answer: no shards, or not that one
    woken = true;
    home->MakeRunnable(handle);
  }
}

bool Submission::EndWait() {
  scope->Clear();
  abandoned = away != 0;
  return away == 0 && !incomplete;
}

void Submission::OnAnswer() {
  if (--away != 0) return;
  if (abandoned) return destroy(this);
  if (!woken) handle.resume();
}

void Call::SendTo(Shard* to) {
  assert(to != nullptr && "SubmitTo: there is no such shard");
  if (to == nullptr) {
    of->incomplete = true;
    return;
  }
  ++of->away;
  of->home->PostAlways(to, [this] { run(this); });
}

void Call::RunAsTask(Task<> task) {
  if (Shard::Current()->background().Spawn(std::move(task))) return;
  error = std::make_exception_ptr(std::bad_alloc());
  Answer();
}

void Call::Answer() {
  Submission* submission = of;
  Shard::Current()->PostAlways(submission->home, [submission] { submission->OnAnswer(); });
}

}  // namespace mooring::core::submit_internal
