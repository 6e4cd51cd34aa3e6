// SPDX-License-Identifier: Apache-2.0
#include "core/fan_out.h"

#include <new>

namespace mooring::core {

std::coroutine_handle<> Branch::Ended() { return fan_out_->Ended(this); }

void FanOut::Add(Branch* branch, bool has_frame) {
  branch->fan_out_ = this;
  branch->index_ = last_ == nullptr ? 0 : last_->index_ + 1;
  (last_ == nullptr ? first_ : last_->next_) = branch;
  last_ = branch;
  frame_missing_ |= !has_frame;
}

bool FanOut::Begin(CancelScope* outer) {
  outer_ = outer;
  cancel = [](WaitPoint* self) { static_cast<FanOut*>(self)->CancelUnended(); };
  outer->WaitAt(this);
  if (outer->cancelled()) CancelUnended();
  running_ = 1;
  for (Branch* branch = first_; branch != nullptr && decided_ == nullptr; branch = branch->next_) {
    ++running_;
    branch->result_->scope = &branch->scope_;
    branch->start_(branch);
  }
  return --running_ != 0;
}

std::coroutine_handle<> FanOut::Ended(Branch* branch) {
  if (decided_ == nullptr && (when_ == CancelOthers::kWhenOneEnds || branch->result_->error != nullptr)) {
    decided_ = branch;
    CancelUnended();
  }
  if (--running_ == 0) return handle;
  return std::noop_coroutine();
}

void FanOut::CancelUnended() {
  // One that has ended may still name what it waited for last.
  for (Branch* branch = first_; branch != nullptr; branch = branch->next_) {
    if (!branch->result_->child_done) branch->scope_.Cancel();
  }
}

Branch* FanOut::await_resume() {
  if (frame_missing_) throw std::bad_alloc();
  if (outer_ != nullptr) outer_->Clear();
  if (decided_ != nullptr && decided_->result_->error != nullptr) {
    std::rethrow_exception(std::move(decided_->result_->error));
  }
  return decided_;
}

}  // namespace mooring::core
