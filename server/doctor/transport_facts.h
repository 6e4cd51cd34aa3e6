// SPDX-License-Identifier: Apache-2.0
// TransportFacts: what this kernel lets a server be, found out as a start would find it.
//
// Threads:  the calling one, which sets up small rings and ends them.
#ifndef MOORING_SERVER_DOCTOR_TRANSPORT_FACTS_H_
#define MOORING_SERVER_DOCTOR_TRANSPORT_FACTS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "core/kernel.h"
#include "net/transport.h"

namespace mooring::server::doctor {

struct TransportFacts {
  absl::Status uring = absl::OkStatus();          // why there is no io_uring for us, and what to type
  std::string features = {};                      // of its ring, where there is one
  std::optional<net::TransportKind> asked = {};   // none: auto
  std::optional<net::TransportKind> kind = {};    // what serves; none: a start fails
  absl::Status failure = absl::OkStatus();        // why it fails
};

TransportFacts GatherTransport(core::Kernel* kernel, std::optional<net::TransportKind> asked);

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_TRANSPORT_FACTS_H_
