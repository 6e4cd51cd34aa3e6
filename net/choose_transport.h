// SPDX-License-Identifier: Apache-2.0
// ChooseTransport: the transport that a process gets, from what --transport asks for and what the kernel allows.
//
//   auto:  io_uring ─ kernel before 6.14 ─> io_uring-base ─ refused ─> epoll, and a note says why
//
// "Refused" is a decision about this machine (EPERM, ENOSYS, a seccomp filter, a kernel that is too old); epoll serves
// as well there. Want of memory or descriptors is not one: it would meet the other shards or epoll's connections next,
// so it fails the start with what to raise. So does a refusal of what was asked for by name.
//
// Threads:  ChooseTransport on the calling thread, which sets up a small ring and ends it.
#ifndef MOORING_NET_CHOOSE_TRANSPORT_H_
#define MOORING_NET_CHOOSE_TRANSPORT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::net {

struct TransportChoice {
  std::unique_ptr<TransportProvider> provider;
  std::string note;  // one line: why it is not io_uring, and what to type; empty when there is nothing to say
};

// What --transport says: the name of a kind, or "auto", which is none. The error lists the names.
absl::StatusOr<std::optional<TransportKind>> ParseTransport(std::string_view text);

// `asked`: none is auto. Errors say what was refused, why, and what to type.
absl::StatusOr<TransportChoice> ChooseTransport(core::Kernel* kernel, std::optional<TransportKind> asked);

}  // namespace mooring::net

#endif  // MOORING_NET_CHOOSE_TRANSPORT_H_
