// SPDX-License-Identifier: Apache-2.0
#include "net/connection_set.h"

#include <cassert>
#include <new>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

ConnectionSet::~ConnectionSet() {
  assert(walk_ == nullptr);
  while (newest_ != nullptr) Leave(*newest_->conn);
}

bool ConnectionSet::Join(Connection& conn) {
  Engine* engine = Engine::Current();
  assert(engine_ == nullptr || engine_ == engine);
  if (!conn.open()) return false;
  if (Contains(conn)) return true;
  Membership** of_conn = engine->MembershipsOf(conn.handle.slot);
  if (of_conn == nullptr) return false;
  void* memory = engine->shard_->frames().Acquire(sizeof(Membership));
  if (memory == nullptr) return false;
  auto* member = ::new (memory) Membership{
      .conn = &conn, .set = this, .newer = nullptr, .older = newest_, .next_of_conn = *of_conn};
  *of_conn = member;
  if (newest_ != nullptr) newest_->newer = member;
  newest_ = member;
  engine_ = engine;
  ++size_;
  ++engine->memberships_live_;
  conn.Set(Connection::kMember);
  return true;
}

bool ConnectionSet::Leave(Connection& conn) {
  if (!Contains(conn)) return false;
  Remove(Find(conn));
  return true;
}

bool ConnectionSet::Contains(const Connection& conn) const {
  return conn.Has(Connection::kMember) && engine_ != nullptr && *Find(conn) != nullptr;
}

Membership** ConnectionSet::Find(const Connection& conn) const {
  Membership** at = &engine_->memberships_[conn.handle.slot];
  while (*at != nullptr && (*at)->set != this) at = &(*at)->next_of_conn;
  return at;
}

void ConnectionSet::Remove(Membership** at) {
  Membership* member = *at;
  for (Walk* walk = walk_; walk != nullptr; walk = walk->outer_) {
    if (walk->next_ == member) walk->next_ = member->older;
  }
  *at = member->next_of_conn;
  (member->newer == nullptr ? newest_ : member->newer->older) = member->older;
  if (member->older != nullptr) member->older->newer = member->newer;
  Engine* engine = engine_;
  if (--size_ == 0) engine_ = nullptr;
  Connection* conn = member->conn;
  if (engine->memberships_[conn->handle.slot] == nullptr) conn->Unset(Connection::kMember);
  member->~Membership();
  engine->shard_->frames().Release(member, sizeof(Membership));
  if (--engine->memberships_live_ == 0) engine->shard_->ArmTrim();  // which gives back the table
}

void ConnectionSet::LeaveAll(Engine* engine, Connection& conn) {
  while (conn.Has(Connection::kMember)) {
    Membership** first = &engine->memberships_[conn.handle.slot];
    (*first)->set->Remove(first);
  }
}

Connection* ConnectionSet::Walk::Next() {
  Membership* member = next_;
  if (member == nullptr) return nullptr;
  next_ = member->older;
  return member->conn;
}

bool ConnectionSet::IsSlow(const Connection& conn, uint64_t bound_bytes) const {
  if (!conn.Has(Connection::kBlocked)) return false;
  return conn.queued_bytes() >= (bound_bytes != 0 ? bound_bytes : engine_->OptionsOf(conn).queue_high_bytes);
}

ConnectionSet::Told ConnectionSet::WriteAll(const alloc::SharedBytes& bytes, SlowPolicy slow, uint64_t bound_bytes) {
  Told told;
  ForEach([&](Connection& conn) {
    if (slow != SlowPolicy::kQueue && IsSlow(conn, bound_bytes)) {
      if (slow == SlowPolicy::kSkip) {
        engine_->counters_.Add(EngineCount::kWritesSkipped);
        ++told.skipped;
      } else {
        engine_->End(conn, CloseCause::kTooSlow, /*abort=*/true);
        ++told.closed;
      }
    } else if (conn.Write(bytes)) {
      ++told.sent;
    } else {
      ++(conn.open() ? told.skipped : told.closed);
    }
  });
  return told;
}

}  // namespace mooring::net
