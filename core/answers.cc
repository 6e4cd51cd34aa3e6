// SPDX-License-Identifier: Apache-2.0
#include "core/answers.h"

#include "core/shard.h"

namespace mooring::core {

bool Answers::Give(Answer* answer) {
  const std::lock_guard lock(mutex_);
  if (shard_ == nullptr) return false;
  Answer* head = head_.load(std::memory_order_relaxed);
  do {
    answer->next = head;
  } while (!head_.compare_exchange_weak(head, answer, std::memory_order_release, std::memory_order_relaxed));
  shard_->Knock();
  return true;
}

Answer* Answers::Detach() {
  Answer* answer = head_.exchange(nullptr, std::memory_order_acquire);
  Answer* first = nullptr;
  while (answer != nullptr) {
    Answer* const next = answer->next;
    answer->next = first;
    first = answer;
    answer = next;
  }
  return first;
}

void Answers::Take() {
  for (Answer* answer = Detach(); answer != nullptr;) {
    Answer* const next = answer->next;  // `take` may end it
    --outstanding_;
    answer->take(answer);
    answer = next;
  }
}

void Answers::Close() {
  const std::lock_guard lock(mutex_);
  shard_ = nullptr;
}

void Answers::Destroy() {
  for (Answer* answer = Detach(); answer != nullptr;) {
    Answer* const next = answer->next;
    answer->destroy(answer);
    answer = next;
  }
}

}  // namespace mooring::core
