// SPDX-License-Identifier: Apache-2.0
#include "net/connect.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "net/connect_attempt.h"
#include "net/connect_error.h"
#include "net/engine.h"
#include "net/resolve.h"

namespace mooring::net {
namespace {

ConnectFailure FailureOf(const ConnectAttempt::Outcome& outcome) {
  switch (outcome.error) {
    case ECANCELED: return ConnectFailure::kCancelled;
    case ESHUTDOWN: return ConnectFailure::kCut;
    case ENOBUFS: return outcome.full ? ConnectFailure::kNoRoom : ConnectFailure::kConnect;
    default: return ConnectFailure::kConnect;
  }
}

}  // namespace

std::string ConnectResult::Explain() const {
  std::string out = target;
  for (const Tried& each : tried) {
    const std::string address = each.address.ToString();
    absl::StrAppend(&out, &each == &tried.front() ? ": " : "; ");
    if (address != target) absl::StrAppend(&out, address, ": ");
    absl::StrAppend(&out, ExplainConnectError(each.error));
  }
  switch (failure) {
    case ConnectFailure::kNone: return "connected";
    case ConnectFailure::kTarget:
    case ConnectFailure::kName:
    case ConnectFailure::kConnect: return out;
    case ConnectFailure::kDeadline:
      absl::StrAppend(&out, ": the deadline has passed");
      if (untried != 0) absl::StrAppend(&out, "; addresses that were not tried: ", untried);
      return out;
    case ConnectFailure::kCancelled: return absl::StrCat(out, ": cancelled");
    case ConnectFailure::kNoRoom:
      return absl::StrCat(out, ": no slot for another connection on this shard, or more than ",
                          Engine::kOwnedProfilesMax, " different bounds: keep fewer connections, or pool them");
    case ConnectFailure::kCut: return absl::StrCat(out, ": the server is ending");
  }
  return out;
}

std::vector<Address> Interleaved(const std::vector<Address>& addresses) {
  std::vector<Address> out;
  out.reserve(addresses.size());
  size_t next[2] = {0, 0};  // of the first one's family, and of the other
  const auto find = [&](bool other) {
    size_t& at = next[other ? 1 : 0];
    while (at < addresses.size() && (addresses[at].family() != addresses[0].family()) != other) ++at;
    return at < addresses.size();
  };
  for (bool other = false; out.size() < addresses.size(); other = !other) {
    if (find(other)) out.push_back(addresses[next[other ? 1 : 0]++]);
  }
  return out;
}

// Connect in steps:
//
//   1. the look-up, within the deadline
//   2. each address in turn, within its part of what is left
//   3. the first that is connected, or what became of all

namespace {

// An address that does not answer takes so much at least: longer than the way to anywhere and back. A lost first segment
// is sent again only after it (TCP_TIMEOUT_INIT, include/net/tcp.h).
constexpr int64_t kAttemptMinMs = 1000;

core::Task<> TryEach(std::vector<Address> addresses, ConnectOptions options, int64_t deadline_ms,
                     ConnectResult* result) {
  core::Shard* const shard = core::Shard::Current();
  const ListenerId profile = Engine::Current()->OwnedProfile(options.bounds);
  if (profile == Engine::kNoProfile) {
    result->failure = ConnectFailure::kNoRoom;
    co_return;
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    int64_t until_ms = 0;
    if (deadline_ms != 0) {
      const int64_t left_ms = std::max<int64_t>(deadline_ms - shard->now_ms(), 0);
      const int64_t part_ms = left_ms / static_cast<int64_t>(addresses.size() - i);
      until_ms = shard->now_ms() + std::min(left_ms, std::max(part_ms, kAttemptMinMs));
    }
    ConnectAttempt attempt(addresses[i], options.from, profile, until_ms);
    auto outcome = co_await attempt;
    if (outcome.connection) {
      result->connection = std::move(outcome.connection);
      result->failure = ConnectFailure::kNone;
      result->error = 0;
      co_return;
    }
    result->error = outcome.error;
    result->failure = FailureOf(outcome);
    if (result->failure != ConnectFailure::kConnect) co_return;
    result->tried.push_back({addresses[i], outcome.error});
    if (deadline_ms != 0 && shard->now_ms() >= deadline_ms) {
      result->failure = ConnectFailure::kDeadline;
      result->untried = static_cast<uint32_t>(addresses.size() - i - 1);
      co_return;
    }
  }
}

ConnectFailure FailureOf(const Resolved& found, bool expired) {
  switch (found.failure) {
    case ResolveFailure::kNone: return ConnectFailure::kNone;
    case ResolveFailure::kTarget: return ConnectFailure::kTarget;
    case ResolveFailure::kName: return ConnectFailure::kName;
    case ResolveFailure::kCancelled: return expired ? ConnectFailure::kDeadline : ConnectFailure::kCancelled;
    case ResolveFailure::kRefused: return ConnectFailure::kName;
  }
  return ConnectFailure::kName;
}

int64_t DeadlineMs(const ConnectOptions& options) {
  return options.deadline == 0 ? 0 : core::Shard::Current()->DeadlineMs(options.deadline);
}

}  // namespace

core::Task<ConnectResult> Connect(Endpoint target, ConnectOptions options) {
  ConnectResult result;
  if (target.is_unix() || target.empty()) {
    result.failure = ConnectFailure::kTarget;
    result.target = target.is_unix() ? absl::StrCat(target.ToString(), ": connecting to Unix paths is not there yet; ",
                                                    "give an address")
                                     : std::string("no target is given: write HOST:PORT");
    co_return result;
  }
  std::vector<Address> addresses = {target.address()};
  co_await TryEach(std::move(addresses), options, DeadlineMs(options), &result);
  if (!result) result.target = target.ToString();
  co_return result;
}

core::Task<ConnectResult> Connect(std::string target, ConnectOptions options) {
  ConnectResult result;
  const int64_t deadline_ms = DeadlineMs(options);
  Resolved found;
  bool expired = false;
  if (deadline_ms == 0) {
    found = co_await Resolve(target);
  } else {
    auto within = co_await core::WithDeadline(options.deadline, Resolve(target));
    expired = within.expired();
    found = std::move(*within);
  }
  if (!found) {
    result.failure = FailureOf(found, expired);
    result.error = found.error;
    const bool late = result.failure == ConnectFailure::kDeadline;
    if (late || result.failure == ConnectFailure::kCancelled) {
      result.target = absl::StrCat(target, ": looking the name up");
    } else {
      result.target = std::move(found.text);
    }
    co_return result;
  }
  co_await TryEach(Interleaved(found.addresses), options, deadline_ms, &result);
  if (!result) result.target = std::move(target);
  co_return result;
}

}  // namespace mooring::net
