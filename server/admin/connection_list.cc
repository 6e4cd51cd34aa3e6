// SPDX-License-Identifier: Apache-2.0
#include "server/admin/connection_list.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "core/when_all.h"
#include "net/engine.h"
#include "server/admin/answers.h"
#include "server/admin/connection_names.h"
#include "server/admin/connection_search.h"
#include "server/admin/query_keys.h"
#include "server/http/body_writer.h"

namespace mooring::server::admin {
namespace {

constexpr size_t kRowsPerWrite = 128;  // some 30 KB

struct Named {
  std::string listener;
  std::string service;
};
using NamesById = std::map<net::ListenerId, Named>;

Json JsonOf(const net::ConnectionFigures& row, const NamesById& names, int64_t now_wall_s) {
  Json json;
  json["id"] = TextOf(row.id);
  json["peer"] = row.peer.empty() ? Json() : Json(row.peer.ToString());
  const auto named = names.find(row.listener);
  json["listener"] = row.outbound || named == names.end() ? Json() : Json(named->second.listener);
  json["service"] = row.outbound           ? Json(ConnectionQuery::kOutbound)
                    : named == names.end() ? Json()
                                           : Json(named->second.service);
  json["shard"] = row.id.shard();
  json["state"] = std::string(StateOf(row));
  json["created"] = row.tracked ? Json(TimeText(now_wall_s - row.age_s)) : Json();
  json["last_active"] = TimeText(now_wall_s - row.idle_s);
  json["bytes_in"] = row.tracked ? Json(row.bytes_in) : Json();
  json["bytes_out"] = row.tracked ? Json(row.bytes_out) : Json();
  json["queued"] = row.queued_bytes;
  return json;
}

struct Found {
  uint64_t live = 0;
  uint64_t matched = 0;
  std::vector<net::ConnectionFigures> rows;
  NamesById names;
};

core::Task<> WriteRows(const Found& found, http::BodyWriter& out) {
  const int64_t now = time(nullptr);
  Json head;
  head["now"] = TimeText(now);
  head["live"] = found.live;
  head["matched"] = found.matched;
  std::string text = TextOf(head);
  text.pop_back();
  text += ",\"connections\":[";
  for (size_t i = 0; i < found.rows.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "\n" : ",\n", TextOf(JsonOf(found.rows[i], found.names, now)));
    if (i % kRowsPerWrite != kRowsPerWrite - 1) continue;
    const bool going = co_await out.Write(text);
    if (!going) co_return;
    text.clear();
  }
  text += "\n]}\n";
  const bool written = co_await out.Write(text);
  static_cast<void>(written);
}

// None: cancelled.
core::Task<std::optional<ConnectionSearch>> StepOn(uint32_t shard, ConnectionSearch search) {
  auto step = [search = std::move(search)]() mutable {
    search.Step(*net::Engine::Current(), core::Shard::Current()->counters().Read(core::ShardCount::kTurns));
    return std::move(search);
  };
  auto stepped = co_await core::SubmitTo(shard, std::move(step));
  if (!stepped.ok()) co_return std::nullopt;
  co_return std::move(*stepped);
}

// None: it has not answered in time, or the request was cancelled.
core::Task<std::optional<ConnectionSearch>> SearchOn(uint32_t shard, ConnectionSearch search, core::Nanos patience) {
  while (!search.done()) {
    auto stepped = co_await core::WithDeadline(patience, StepOn(shard, std::move(search)));
    if (!stepped->has_value()) co_return std::nullopt;
    search = std::move(**stepped);
  }
  co_return std::move(search);
}

http::Response Silent(uint32_t shard) {
  return Error(503, absl::StrCat("shard ", shard, " does not answer")).Header("Retry-After", "2");
}

class Permit {
 public:
  explicit Permit(core::Semaphore* semaphore) : semaphore_(semaphore) {}
  ~Permit() { semaphore_->Release(); }
  Permit(const Permit&) = delete;

 private:
  core::Semaphore* const semaphore_;
};

enum class Closed : uint8_t { kNoAnswer, kStale, kTold };

core::Task<Closed> CloseOn(net::ConnectionId id, bool abort) {
  auto close = [id, abort] {
    return net::Engine::Current()->CloseConnection(id, abort) ? Closed::kTold : Closed::kStale;
  };
  auto closed = co_await core::SubmitTo(id.shard(), std::move(close));
  co_return closed.ok() ? *closed : Closed::kNoAnswer;
}

}  // namespace

ConnectionQuery::Names ConnectionList::Names() const {
  ConnectionQuery::Names names;
  for (const ServedListener& each : control_->listeners()) {
    names.listeners.push_back({.listener = each.name, .service = each.service, .id = each.id});
  }
  names.shards = static_cast<uint32_t>(control_->shards().size());
  names.track_peers = control_->settings().runtime.track_peers;
  return names;
}

core::Task<http::Response> ConnectionList::List(http::Request& request) {
  absl::StatusOr<ConnectionQuery> query = ConnectionQuery::Parse(request.query(), Names());
  if (!query.ok()) co_return Error(query.status());
  const bool mine = co_await searching_.Acquire();
  if (!mine) co_return Error(503, "the request was cancelled");
  const Permit permit(&searching_);
  co_return co_await Search(*std::move(query));
}

core::Task<http::Response> ConnectionList::Search(ConnectionQuery query) {
  std::vector<uint32_t> shards;
  for (uint32_t shard = 0; shard < control_->shards().size(); ++shard) {
    if (query.shard.value_or(shard) == shard) shards.push_back(shard);
  }
  std::vector<core::Task<std::optional<ConnectionSearch>>> searches;
  for (const uint32_t shard : shards) searches.push_back(SearchOn(shard, ConnectionSearch(query), patience_));
  std::vector<std::optional<ConnectionSearch>> parts = co_await core::WhenAll(std::move(searches));

  // Shared by who writes it and nobody else; a stream's function may be moved, and its rows are many.
  auto found = std::make_unique<Found>();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].has_value()) co_return Silent(shards[i]);
    found->live += parts[i]->seen();
    found->matched += parts[i]->matched();
    std::vector<net::ConnectionFigures> best = parts[i]->TakeBest();
    found->rows.insert(found->rows.end(), best.begin(), best.end());
  }
  std::sort(found->rows.begin(), found->rows.end(),
            [&query](const net::ConnectionFigures& a, const net::ConnectionFigures& b) { return query.Before(a, b); });
  if (found->rows.size() > query.limit) found->rows.resize(query.limit);
  for (const ServedListener& each : control_->listeners()) {
    found->names[each.id] = {.listener = each.name, .service = each.service};
  }
  co_return http::Response::Stream(
      "application/json", [found = std::move(found)](http::BodyWriter& out) { return WriteRows(*found, out); });
}

core::Task<http::Response> ConnectionList::Close(http::Request& request) {
  const absl::StatusOr<QueryKeys> keys = QueryKeys::Parse(request.query(), {"abort"});
  if (!keys.ok()) co_return Error(keys.status());
  const absl::StatusOr<std::optional<uint64_t>> abort = keys->Number("abort", 0, 1);
  if (!abort.ok()) co_return Error(abort.status());
  const std::string text = request.Param("id");
  const std::optional<net::ConnectionId> id = ConnectionIdOf(text);
  if (!id.has_value())
    co_return Error(400,
                    absl::StrCat("'", text, "' is no id of a connection: those of /connections look like 0-17-42"));
  const std::string gone = absl::StrCat("there is no connection ", text, " (any more)");
  if (id->shard() >= control_->shards().size()) co_return Error(404, gone);
  auto closed = co_await core::WithDeadline(patience_, CloseOn(*id, abort->value_or(0) == 1));
  switch (*closed) {
    case Closed::kNoAnswer: co_return Silent(id->shard());
    case Closed::kStale: co_return Error(404, gone);
    case Closed::kTold: break;
  }
  Json json;
  json["closing"] = text;
  co_return Answer(202, json);
}

}  // namespace mooring::server::admin
