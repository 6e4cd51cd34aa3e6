// SPDX-License-Identifier: Apache-2.0
#include "server/doctor/transport_facts.h"

#include "core/ring.h"
#include "net/choose_transport.h"
#include "net/uring/provider.h"

namespace mooring::server::doctor {

TransportFacts GatherTransport(core::Kernel* kernel, std::optional<net::TransportKind> asked) {
  TransportFacts facts = {.asked = asked};
  facts.uring = net::uring::ProbeUring(kernel).status();
  if (const auto ring = core::Ring::Open(kernel, {.sq_entries = 8, .cq_entries = 16}); ring.ok()) {
    facts.features = (*ring)->features().ToString();
  }
  const absl::StatusOr<net::TransportChoice> choice = net::ChooseTransport(kernel, asked);
  if (choice.ok()) {
    facts.kind = choice->provider->kind();
  } else {
    facts.failure = choice.status();
  }
  return facts;
}

}  // namespace mooring::server::doctor
