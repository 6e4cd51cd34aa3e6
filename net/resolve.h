// SPDX-License-Identifier: Apache-2.0
// Resolve: the addresses of a name, from the system's resolver.
//
//   auto found = co_await Resolve("db.example:5432");
//   for (const Address& each : found.addresses) ...
//
// The look-up is getaddrinfo(3) on a helper thread (core/blocking.h), so that hosts files, nsswitch.conf and
// resolv.conf hold as they do for every other program here. An address written in digits takes no thread. AI_ADDRCONFIG
// is set: a family in which this machine has only loopback addresses is not asked for, because each such question may
// cost resolv.conf's time-outs; for a service on ::1 alone write [::1]. Nothing is cached here: that is for the resolver
// (nscd, systemd-resolved), which knows how long an answer holds.
//
// Threads:  one shard, inside its turn; LookUp of a NameSource on helper threads, several at once.
// Owns:     nothing.
// Limits:   a look-up under way can't be stopped: it goes on after a wait that is cancelled, and holds a helper thread
//           until the resolver has given up.
#ifndef MOORING_NET_RESOLVE_H_
#define MOORING_NET_RESOLVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/task.h"
#include "net/address.h"

namespace mooring::net {

// A target in two parts: "db.example:5432", "[::1]:5432", with tcp:// before it or not.
struct HostAndPort {
  std::string host;  // without brackets
  uint16_t port = 0;

  // Errors say what was wrong and give an example.
  static absl::StatusOr<HostAndPort> Parse(std::string_view text);
};

struct NameAnswer {
  int error = 0;         // an EAI_ code of getaddrinfo(3)
  int system_error = 0;  // with EAI_SYSTEM: errno
  std::vector<Address> addresses;  // as the resolver sorted them (RFC 6724)
};

// Who knows names. A shard asks the system's resolver unless tests gave it one of their own:
//   shard.locals().Emplace<NamesInUse>(&names);
class NameSource {
 public:
  virtual ~NameSource() = default;
  virtual NameAnswer LookUp(const std::string& host, uint16_t port) = 0;
};
struct NamesInUse {
  explicit NamesInUse(NameSource* s) : source(s) {}
  NameSource* const source;
};

enum class ResolveFailure : uint8_t {
  kNone,
  kTarget,     // not HOST:PORT
  kName,       // the resolver has no address for it, or gave up: `error`
  kCancelled,  // the scope was
  kRefused,    // no helper thread: too many look-ups wait, or the server ends
};

struct Resolved {
  explicit operator bool() const { return failure == ResolveFailure::kNone; }
  std::vector<Address> addresses;  // in the resolver's order; one at least, when it is true
  ResolveFailure failure = ResolveFailure::kNone;
  int error = 0;     // with kName: the EAI_ code
  std::string text;  // what failed and what to do about it
};

core::Task<Resolved> Resolve(std::string target);

}  // namespace mooring::net

#endif  // MOORING_NET_RESOLVE_H_
