// SPDX-License-Identifier: Apache-2.0
// ConnectionSet: connections of one shard that are told the same: a room of a chat, the subscribers of a topic.
//
//   room.Join(conn);
//   ...
//   const auto told = room.WriteAll(alloc::SharedBytes::Copy("hello\n"), SlowPolicy::kClose);
//
// A member leaves by itself in the moment in which it ends (Close, Abort, a reset, a deadline, its task's return), so a
// set names nobody who is gone, size() is exact, and a set that nobody writes to keeps nothing of those who came and
// went. For a set that spans shards, keep one per shard and give each the same SharedBytes.
//
// Threads:  one shard, inside its turn; made and destroyed there or while empty.
// Owns:     its memberships: 40 bytes each (48 in the shard's frame pool), and in the shard 8 bytes for every slot up to
//           the highest that was ever joined, until two seconds after the last member has left. Not the connections.
// Limits:   Join, Leave and Contains look at each set that the connection is in. A set may not go while it is walked
//           (ForEach, WriteAll).
#ifndef MOORING_NET_CONNECTION_SET_H_
#define MOORING_NET_CONNECTION_SET_H_

#include <cstdint>

#include "alloc/shared_bytes.h"
#include "net/connection.h"

namespace mooring::net {

class ConnectionSet;
class Engine;

// That a connection is in a set: in the lists of both.
struct Membership {
  Connection* conn;
  ConnectionSet* set;
  Membership* newer;
  Membership* older;
  Membership* next_of_conn;
};

// What WriteAll does about a slow member: one whose peer has not taken all of an attempt to send, and whose queue holds
// the bound or more. What was only written in this turn makes nobody slow: it has not been tried.
enum class SlowPolicy : uint8_t {
  kQueue,  // as Write does: up to the hard cap
  kSkip,   // this message is not for it (counted: writes_skipped)
  kClose,  // aborted, with the cause too_slow
};

class ConnectionSet {
 public:
  ConnectionSet() = default;
  ~ConnectionSet();
  ConnectionSet(const ConnectionSet&) = delete;
  ConnectionSet& operator=(const ConnectionSet&) = delete;

  // True: it is a member now, once, however often it joins. False: it is not open, or there is no memory.
  // REQUIRES: of the same shard as the other members.
  bool Join(Connection& conn);
  // True: it was a member.
  bool Leave(Connection& conn);
  bool Contains(const Connection& conn) const;

  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Calls f(Connection&) once for each member, the newest first. f may make any of them leave, end or be written to;
  // who leaves before its turn is not visited, nor is who joins meanwhile.
  template <class F>
  void ForEach(F&& f) {
    Walk walk(this);
    while (Connection* conn = walk.Next()) f(*conn);
  }

  // Of the members there were, each is in one of the three.
  struct Told {
    uint32_t sent = 0;     // queued for it
    uint32_t skipped = 0;  // kSkip; or its own Write refused (its hard cap, with drop_when_full; after ShutdownWrite)
    uint32_t closed = 0;   // kClose; or its own Write ended it (its hard cap, no memory)
  };
  // Writes to every member; no byte is copied. Sent at the end of this turn, also from outside the members' handlers.
  // `bound_bytes` is where slow begins; 0: at each member's own high watermark. Bytes without a body are skipped.
  Told WriteAll(const alloc::SharedBytes& bytes, SlowPolicy slow = SlowPolicy::kQueue, uint64_t bound_bytes = 0);

 private:
  friend class Engine;

  // A walk under way: the set moves it on when the member that is next leaves.
  class Walk {
   public:
    explicit Walk(ConnectionSet* set) : set_(set), next_(set->newest_), outer_(set->walk_) { set->walk_ = this; }
    ~Walk() { set_->walk_ = outer_; }
    Walk(const Walk&) = delete;
    Connection* Next();

   private:
    friend class ConnectionSet;
    ConnectionSet* const set_;
    Membership* next_;
    Walk* const outer_;
  };

  // Where the membership of `conn` in this set hangs in the list of its connection; at its end: there is none.
  Membership** Find(const Connection& conn) const;
  bool IsSlow(const Connection& conn, uint64_t bound_bytes) const;
  void Remove(Membership** at);
  static void LeaveAll(Engine* engine, Connection& conn);

  Engine* engine_ = nullptr;  // of its members; null while there are none
  Membership* newest_ = nullptr;
  Walk* walk_ = nullptr;  // the innermost
  uint32_t size_ = 0;
};

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECTION_SET_H_
