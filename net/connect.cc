// SPDX-License-Identifier: Apache-2.0
#include "net/connect.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/connect_attempt.h"
#include "net/connect_error.h"
#include "net/engine.h"

namespace mooring::net {
namespace {

ConnectFailure FailureOf(int error, bool expired) {
  switch (error) {
    case ECANCELED: return ConnectFailure::kCancelled;
    case ESHUTDOWN: return ConnectFailure::kCut;
    case ENOBUFS: return ConnectFailure::kNoRoom;
    case ETIMEDOUT: return expired ? ConnectFailure::kDeadline : ConnectFailure::kConnect;
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
    case ConnectFailure::kConnect: return out;
    case ConnectFailure::kDeadline: return absl::StrCat(out, ": the deadline has passed");
    case ConnectFailure::kCancelled: return absl::StrCat(out, ": cancelled");
    case ConnectFailure::kNoRoom:
      return absl::StrCat(out, ": no slot for another connection on this shard, or more than ",
                          Engine::kOwnedProfilesMax, " different bounds: keep fewer connections, or pool them");
    case ConnectFailure::kCut: return absl::StrCat(out, ": the server is ending");
  }
  return out;
}

core::Task<ConnectResult> Connect(Endpoint target, ConnectOptions options) {
  ConnectResult result;
  if (target.is_unix() || target.empty()) {
    result.failure = ConnectFailure::kTarget;
    result.target = target.is_unix() ? absl::StrCat(target.ToString(), ": connecting to Unix paths is not there yet; ",
                                                    "give an address")
                                     : std::string("no target is given: write HOST:PORT");
    co_return result;
  }
  const ListenerId profile = Engine::Current()->OwnedProfile(options.bounds);
  if (profile == Engine::kNoProfile) {
    result.failure = ConnectFailure::kNoRoom;
    result.target = target.ToString();
    co_return result;
  }
  const int64_t deadline_ms =
      options.deadline == 0 ? 0 : core::Shard::Current()->DeadlineMs(options.deadline);
  ConnectAttempt attempt(target.address(), options.from, profile, deadline_ms);
  auto outcome = co_await attempt;
  result.connection = std::move(outcome.connection);
  if (result.connection) co_return result;
  result.failure = FailureOf(outcome.error, outcome.expired);
  result.error = outcome.error;
  result.target = target.ToString();
  if (result.failure == ConnectFailure::kConnect) result.tried.push_back({target.address(), outcome.error});
  co_return result;
}

}  // namespace mooring::net
