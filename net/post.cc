// SPDX-License-Identifier: Apache-2.0
#include "net/post.h"

#include <memory>
#include <utility>

#include "core/shard.h"
#include "net/engine.h"

namespace mooring::net {
namespace {

struct Letter {
  ConnectionId to;
  ConnectionMail fn;
};

bool PostTo(core::Shard* shard, ConnectionId id, ConnectionMail&& fn) {
  auto letter = std::make_unique<Letter>(Letter{id, std::move(fn)});
  Letter* const at = letter.get();
  core::Mail mail = [letter = std::move(letter)] {
    Engine::Current()->CallIfOpen(letter->to, [&letter](Connection& conn) { letter->fn(conn); });
  };
  if (shard->Post(std::move(mail))) return true;
  fn = std::move(at->fn);  // the mail is untouched, and has it still
  return false;
}

}  // namespace

bool Post(ConnectionId id, ConnectionMail&& fn) {
  core::Shard* here = core::Shard::Current();
  if (here->shards() == nullptr || id.shard() == here->id()) return PostTo(here, id, std::move(fn));
  return Post(*here->shards(), id, std::move(fn));
}

bool Post(core::Shards& shards, ConnectionId id, ConnectionMail&& fn) {
  // An id of no shard names nobody; any engine finds that out, and counts it.
  return PostTo(shards.at(id.shard() < shards.size() ? id.shard() : 0), id, std::move(fn));
}

}  // namespace mooring::net
