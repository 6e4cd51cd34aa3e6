// SPDX-License-Identifier: Apache-2.0
#include "net/owned_connection.h"

#include <utility>

#include "net/engine.h"

namespace mooring::net {

void OwnedConnection::Reset() {
  Connection* conn = std::exchange(conn_, nullptr);
  if (conn == nullptr) return;
  Engine* engine = Engine::Current();
  if (engine != nullptr) engine->LetGo(*conn);  // else it has gone with its engine
}

ListenerId Engine::OwnedProfile(const ServiceOptions& options) {
  for (size_t i = 0; i < owned_profiles_.size(); ++i) {
    if (*owned_profiles_[i] == options) return static_cast<ListenerId>(kOwnedProfile + i);
  }
  if (owned_profiles_.size() == kOwnedProfilesMax) return kNoProfile;
  EnsurePeerAddresses(options);
  owned_profiles_.push_back(std::make_unique<const ServiceOptions>(options));
  return static_cast<ListenerId>(kOwnedProfile + owned_profiles_.size() - 1);
}

// As the connection of a task that is not in a read; but the task is not its own.
void Engine::Own(Connection& conn) {
  conn.TakeBack();
  conn.Set(Connection::kTask | Connection::kNoReader | Connection::kOwned | Connection::kFullDuplex);
}

void Engine::LetGo(Connection& conn) {
  if (conn.read_reason_ == ReadReason::kTooLong) {
    End(conn, CloseCause::kTooLong, /*abort=*/false);
  } else {
    conn.Close();
  }
  conn.Unset(Connection::kTask | Connection::kOwned);  // not before: who still waits is told
  MarkDirty(conn);                                     // this may have been the last thing that held the slot
}

}  // namespace mooring::net
