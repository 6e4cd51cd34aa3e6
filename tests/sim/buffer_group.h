// SPDX-License-Identifier: Apache-2.0
// BufferGroup: the kernel's side of a provided buffer ring that the code under test owns and fills.
//
// Every look at the ring checks what was published since the last one: a block that is published twice, or overlaps
// one that is, would receive two connections' bytes.
//
// Threads:  one.
// Owns:     nothing; the memory is the publisher's.
#ifndef MOORING_TESTS_SIM_BUFFER_GROUP_H_
#define MOORING_TESTS_SIM_BUFFER_GROUP_H_

#include <liburing.h>

#include <cstdint>
#include <map>

#include "tests/sim/choices.h"

namespace mooring::sim {

class BufferGroup {
 public:
  BufferGroup(const Choices* choices, io_uring_buf_ring* ring, unsigned entries)
      : choices_(choices), ring_(ring), mask_(entries - 1) {}

  void Look();                    // at what was published
  bool Peek(io_uring_buf* next);  // false when the group is empty
  void Take();                    // what Peek showed
  unsigned available() const { return static_cast<uint16_t>(seen_ - head_); }

 private:
  const Choices* const choices_;
  io_uring_buf_ring* const ring_;
  const unsigned mask_;
  uint16_t head_ = 0;
  uint16_t seen_ = 0;                         // tail at the last look
  std::map<uint64_t, uint32_t> published_;    // address -> bytes
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_BUFFER_GROUP_H_
