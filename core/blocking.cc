// SPDX-License-Identifier: Apache-2.0
#include "core/blocking.h"

namespace mooring::core {

BlockingJob::BlockingJob() {
  run = [](Job* self) { static_cast<BlockingJob*>(self)->Run(); };
  drop = [](Job* self) { static_cast<BlockingJob*>(self)->GiveBack(); };
  take = [](Answer* self) { static_cast<BlockingJob*>(self)->Taken(); };
  destroy = [](Answer* self) { delete static_cast<BlockingJob*>(self); };
  cancel = [](WaitPoint* self) { static_cast<BlockingJob*>(self)->Cancel(); };
}

void BlockingJob::Begin(std::coroutine_handle<> task, CancelScope* scope) {
  handle = task;
  scope_ = scope;
  if (scope->cancelled()) return Complete(JobEnd::kCancelled);
  scope->WaitAt(this);
  Shard* shard = Shard::Current();
  JobRunner* runner = shard->job_runner();
  answers_ = shard->answers();
  if (runner == nullptr || !runner->Submit(this)) return Complete(JobEnd::kRefused);
  submitted_ = true;
  shard->answers()->Expect();
}

void BlockingJob::Run() {
  if (!unwanted_.load(std::memory_order_relaxed)) {
    Call();
    called_ = true;
  }
  GiveBack();
}

void BlockingJob::GiveBack() {
  const std::shared_ptr<Answers> answers = std::move(answers_);
  if (!answers->Give(this)) delete this;
}

void BlockingJob::Taken() {
  answered_ = true;
  if (left_) {
    delete this;
  } else {
    Complete(called_ ? JobEnd::kDone : JobEnd::kRefused);
  }
}

void BlockingJob::Cancel() {
  Shard* shard = Shard::Current();
  if (submitted_ && !answered_) {
    // Taken back, so that what nobody waits for keeps nobody from the queue; else not run, if it is not too late.
    if (shard->job_runner()->Withdraw(this)) {
      submitted_ = false;
      shard->answers()->ExpectNoMore();
    } else {
      unwanted_.store(true, std::memory_order_relaxed);
    }
  }
  Complete(JobEnd::kCancelled);
}

void BlockingJob::Complete(JobEnd end) {
  if (over_) return;
  over_ = true;
  end_ = end;
  Shard::Current()->MakeRunnable(handle);
}

bool BlockingJob::Leave() {
  scope_->Clear();
  left_ = true;
  return !submitted_ || answered_;
}

}  // namespace mooring::core
