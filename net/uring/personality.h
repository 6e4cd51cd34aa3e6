// SPDX-License-Identifier: Apache-2.0
// Personality: which of its two ways the io_uring transport can go on a ring. One bool decides, there is no cross
// product:
//
//   kUring      6.14: direct descriptors, multishot accept and receive, questions to sockets by URING_CMD
//   kUringBase  6.1: plain descriptors, multishot accept, one-shot receive (a multishot one takes all there is before
//               another connection gets its turn), questions by system calls. Works on newer kernels too
//
// Threads:  the ring's.
// Kernel:   modern is told by a feature bit, for REGISTER_PROBE claims URING_CMD on 6.1 where sockets refuse it.
#ifndef MOORING_NET_URING_PERSONALITY_H_
#define MOORING_NET_URING_PERSONALITY_H_

#include "absl/status/status.h"
#include "core/ring.h"
#include "net/transport.h"

namespace mooring::net::uring {

// Whether `kind` (kUring or kUringBase) can run on `ring`; an error says why not, and what to type.
absl::Status CheckPersonality(core::Ring* ring, TransportKind kind);

}  // namespace mooring::net::uring

#endif  // MOORING_NET_URING_PERSONALITY_H_
