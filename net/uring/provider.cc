// SPDX-License-Identifier: Apache-2.0
#include "net/uring/provider.h"

#include <liburing.h>

#include "absl/strings/str_cat.h"
#include "core/clock.h"
#include "core/ring.h"
#include "net/uring/personality.h"
#include "net/uring/uring_transport.h"

namespace mooring::net::uring {
namespace {

constexpr int kTries = 3;  // a wait may be interrupted

// Registers and enters: a filter may let only io_uring_setup through, and that would show when a shard spins.
absl::Status TryOut(core::Ring* ring) {
  constexpr uint8_t kNop[] = {IORING_OP_NOP};
  const bool registers = ring->CheckOpcodes(kNop).ok();
  ring->NextSqe()->opcode = IORING_OP_NOP;
  unsigned completed = 0;
  for (int i = 0; i < kTries && completed == 0; ++i) {
    ring->Enter(1, core::kNanosPerSecond);
    completed = ring->Reap([](const io_uring_cqe&) {});
  }
  if (registers && completed != 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(registers ? "io_uring_enter" : "io_uring_register", " is refused, though io_uring_setup is not: by a "
                   "seccomp filter; allow io_uring_setup, io_uring_enter and io_uring_register in its profile"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> UringProvider::Open(core::Shard* shard, TransportEvents* events,
                                                               const TransportOptions& options) {
  return UringTransport::Open(kernel_, kind_, shard, events, options);
}

absl::StatusOr<TransportKind> ProbeUring(core::Kernel* kernel, const std::string& features_off) {
  auto ring = core::Ring::Open(kernel, {.sq_entries = 8, .cq_entries = 16, .features_off = features_off});
  if (!ring.ok()) return ring.status();
  const TransportKind kind = (*ring)->features().modern ? TransportKind::kUring : TransportKind::kUringBase;
  if (absl::Status status = TryOut(ring->get()); !status.ok()) return status;
  if (absl::Status status = CheckPersonality(ring->get(), kind); !status.ok()) return status;
  return kind;
}

}  // namespace mooring::net::uring
