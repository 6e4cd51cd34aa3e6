// SPDX-License-Identifier: Apache-2.0
// Answers: what other threads have done for a shard, on its way back.
//
// A mailbox is bounded and may be full; a thread that is no shard has no turn in which to wait for room. So an answer
// is a link in a list, which always has room for one more, and only the doorbell is shared with the mail. The list
// outlives its shard as long as somebody is still to answer; what comes after the shard's last turn is refused.
//
//   helper: Give ──link──> list ──(knock, if the shard sleeps)──> shard: Take ──> answer->take()
//              └ the shard has ended: false, the answer is the giver's to destroy
//
// Threads:  Give from any but the shard's turn. The rest is the shard's.
// Owns:     the answers in the list.
// Ordering: Give releases and Take acquires: what was written before Give is seen by take(). Close waits for a Give
//           that is under way, so that none touches the shard or its port after it.
#ifndef MOORING_CORE_ANSWERS_H_
#define MOORING_CORE_ANSWERS_H_

#include <atomic>
#include <cstdint>
#include <mutex>

namespace mooring::core {

class Shard;

struct Answer {
  void (*take)(Answer* self) = nullptr;     // in a turn of the shard
  void (*destroy)(Answer* self) = nullptr;  // in its place, when the shard takes no more turns
  Answer* next = nullptr;                   // the list's
};

class Answers {
 public:
  explicit Answers(Shard* shard) : shard_(shard) {}
  ~Answers() { Destroy(); }
  Answers(const Answers&) = delete;

  // `answer` is taken in a turn of the shard, which is woken. False, with `answer` untouched, when the shard has ended.
  bool Give(Answer* answer);

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }
  void Take();     // all that are there, in their order
  void Close();    // the last turn is over
  void Destroy();  // what was given and not taken

  // How many are on their way: work that was handed out and has not been answered.
  uint32_t outstanding() const { return outstanding_; }
  void Expect() { ++outstanding_; }
  void ExpectNoMore() { --outstanding_; }  // one of them was taken back

 private:
  Answer* Detach();

  std::atomic<Answer*> head_{nullptr};  // last given first
  std::mutex mutex_;                    // of the givers, and of Close; Take never waits for it
  Shard* shard_;                        // null: closed
  uint32_t outstanding_ = 0;            // the shard's
};

}  // namespace mooring::core

#endif  // MOORING_CORE_ANSWERS_H_
