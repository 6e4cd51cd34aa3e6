// SPDX-License-Identifier: Apache-2.0
// The services of a trial: each uses another part of what the library promises, and answers in a way that what was sent
// decides.
//
// Threads:  any; nothing is shared.
#ifndef MOORING_TESTS_NET_TRIAL_SERVICES_H_
#define MOORING_TESTS_NET_TRIAL_SERVICES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/shard.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

enum class TrialService : uint8_t {
  kEcho,       // the product's, as callbacks
  kEchoTask,   // reads at most 5,000 bytes, waits until there is room to write
  kExactly,    // messages of 1,000 bytes, and the rest of the stream from Partial
  kKeeper,     // pauses now and then, keeps leases for some milliseconds, and writes them then
  kLine,       // the product's: OK for each line
  kSlowLines,  // thinks about a line with its view in hand
  kImpatient,  // gives up reads by deadline and by cancelling, and asks again
  kFarewell,   // sends back the first kFarewellBytes, then its FIN, and listens until the peer's
  kPusher,     // says kPushes times the same, whatever the peer does, and closes
  kPiped,      // one task reads, one writes, with a channel between them
  kMailer,     // sends back by way of another shard
  kPoster,     // the same with Post to its connection (trial_across.h has these three)
  kAsker,      // sends back what other shards say that it was sent
  kHttp,       // routes of every kind (trial_http.h)
  kMember,     // hears what all are told (broadcasts.h)
  kGreeter,    // outbound: says kGreeting, then sends back what it gets
  kCount
};
const char* Name(TrialService service);

inline constexpr size_t kFarewellBytes = 3000;
inline constexpr uint32_t kPushes = 12;
inline constexpr std::string_view kGreeting = "good morning\n";
std::string_view PushText();

// What makes the handlers of a service on every shard; `shards` outlive it.
ServiceFactory FactoryOf(TrialService service, const std::vector<core::Shard*>* shards);

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRIAL_SERVICES_H_
