// SPDX-License-Identifier: Apache-2.0
#include "tests/net/trial_across.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/shard.h"
#include "core/shards.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "core/task.h"
#include "net/engine.h"
#include "net/post.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;
using core::Local;
using core::Shard;

uint32_t Other(uint64_t n) {
  return static_cast<uint32_t>((Shard::Current()->id() + n) % Shard::Current()->shards()->size());
}

// Posts until it is taken. What is under way is in the mail, so it goes with its shard. What was refused is posted
// again from the connection's own shard, where the mail that does so leaves room in the box: two shards that filled
// their own boxes with such mail would refuse each other's for ever.
void PostUntilTaken(ConnectionId id, ConnectionMail mail) {
  if (Post(id, std::move(mail))) return;
  ++Local<AcrossBook>().refused;
  Shard* here = Shard::Current();
  auto again = [id, mail = std::move(mail)]() mutable { PostUntilTaken(id, std::move(mail)); };
  here->PostAlways(here->shards()->at(id.shard()), std::move(again));
}

class PosterHandler final : public Handler {
 public:
  void OnData(Connection& conn, alloc::Lease data) override {
    conn.Pause();  // one at a time: mail that was refused comes behind what was posted later
    Shard* here = Shard::Current();
    here->PostAlways(here->shards()->at(Other(1)), [id = conn.id(), text = std::string(data.view())]() mutable {
      PostUntilTaken(id, [text = std::move(text)](Connection& back) {
        back.Write(text);
        back.Resume();
      });
    });
  }
};

struct Thrown {
  std::string text;
};

// Sends back `data` as another shard says it. False: nothing came.
core::Task<bool> Ask(Connection* conn, const ReadResult* data, uint64_t n) {
  AcrossBook& book = Local<AcrossBook>();
  const uint32_t to = Other(n);
  ++book.submitted;
  switch (n % 8) {
    case 0: {
      auto throws = [text = std::string(**data)] {
        ++Local<AcrossBook>().served;
        throw Thrown{text};
      };
      try {
        auto none = co_await core::SubmitTo(to, std::move(throws));
        if (none.ok()) conn->Write("it was not thrown");
      } catch (const Thrown& thrown) {
        conn->Write(thrown.text);
        co_return true;
      }
      co_return false;
    }
    case 1: {
      book.submitted += Shard::Current()->shards()->size() - 1;
      auto everywhere = [] {
        ++Local<AcrossBook>().served;
        return Shard::Current()->id();
      };
      auto ids = co_await core::OnEveryShard(everywhere);
      if (!ids.ok()) co_return false;
      for (uint32_t i = 0; i < ids->size(); ++i) {
        if ((*ids)[i] != i) conn->Write("answered by another shard");
      }
      conn->Write(**data);
      co_return true;
    }
    case 2:
    case 3: {
      // A capturing coroutine: the callable is kept until its task is done.
      auto thinks = [text = std::string(**data), to, ms = n % 16 < 8 ? 0 : 2]() -> core::Task<std::string> {
        ++Local<AcrossBook>().served;
        if (ms != 0) co_await core::Sleep(ms * kNanosPerMs);
        co_return Shard::Current()->id() == to ? text : "thought on another shard";
      };
      if (auto thought = co_await core::SubmitTo(to, std::move(thinks)); thought.ok()) {
        conn->Write(*thought);
        co_return true;
      }
      co_return false;
    }
    default: {
      auto says = [text = std::string(**data), to]() mutable {
        ++Local<AcrossBook>().served;
        return Shard::Current()->id() == to ? std::move(text) : "said on another shard";
      };
      if (auto said = co_await core::SubmitTo(to, std::move(says)); said.ok()) {
        conn->Write(*said);
        co_return true;
      }
      co_return false;
    }
  }
}

// Whoever waits holds nothing of the heap: a server that is destroyed in mid-air destroys no frame.
core::Task<> AskerTask(Connection& conn) {
  for (uint64_t n = conn.id().value % 8;; ++n) {
    auto data = co_await conn.Read({.max_bytes = 5000});
    if (!data) co_return;
    bool sent_back = false;
    if (n % 5 == 0) {
      auto outcome = co_await core::WithDeadline((n % 3) * kNanosPerMs, Ask(&conn, &data, n));
      sent_back = *outcome;
    } else {
      sent_back = co_await Ask(&conn, &data, n);
    }
    if (!sent_back) {
      ++Local<AcrossBook>().unanswered;
      conn.Write(*data);
    }
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

class MemberHandler final : public Handler {
 public:
  void OnOpen(Connection& conn) override {
    AcrossBook& book = Local<AcrossBook>();
    if (!book.room.Join(conn)) return conn.Abort();
    conn.Write(absl::StrCat("at ", book.told, "\n"));
  }
  void OnData(Connection&, alloc::Lease) override {}
};

}  // namespace

ServiceFactory Poster() { return Callbacks<PosterHandler>(); }
ServiceFactory Asker() { return Coroutine(AskerTask); }
ServiceFactory Member() { return Callbacks<MemberHandler>(); }

}  // namespace mooring::net
