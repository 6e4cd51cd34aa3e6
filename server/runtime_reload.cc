// SPDX-License-Identifier: Apache-2.0
// Runtime: reload: other settings for a server that runs on.
//
// Listeners are known by their endpoint: one that has it still keeps its sockets, whatever else has changed, so nobody who
// waits in a backlog is lost.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/config/config.h"
#include "server/config/configure.h"
#include "server/runtime.h"

namespace mooring::server {

struct Runtime::Reload {
  struct Change {
    size_t at;   // in served_
    Served now;  // without claim: that stays
  };
  Settings settings;
  std::vector<Served> added;
  std::vector<Change> changed;
  std::vector<size_t> removed;  // in served_, rising
  std::vector<std::pair<admin::Admin::Part, net::Claim>> admin;  // new addresses of the admin interface
  std::vector<std::vector<const net::Handler*>> made;  // by shard: of `added`, then of `changed`
  std::string threw;

  std::vector<const Served*> All() const {
    std::vector<const Served*> all;
    for (const Served& each : added) all.push_back(&each);
    for (const Change& each : changed) all.push_back(&each.now);
    return all;
  }
};

void Runtime::ReloadNow() {
  if (!options_.read_again) return;
  if (state_ != ServerState::kServing) {
    log().Say(Log::Level::kWarning, "reload refused: the server is draining");
    return;
  }
  if (reloading_) {
    reload_again_ = true;
    return;
  }
  options_.notify.Reloading().IgnoreError();
  reloading_ = true;
  absl::StatusOr<Settings> settings = options_.read_again(settings_);
  if (!settings.ok()) return ReloadFailed(settings.status());
  auto reload = std::make_shared<Reload>();
  reload->settings = *std::move(settings);
  if (absl::Status status = PlanReload(*reload); !status.ok()) return GiveUp(*reload, status);
  PrepareReload(std::move(reload));
}

// What is to be added, changed and removed; new endpoints are claimed, new services made ready. On an error all of it goes.
absl::Status Runtime::PlanReload(Reload& reload) {
  if (const std::vector<std::string> fixed = config::FixedKeysChanged(settings_, reload.settings); !fixed.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("fixed at start, so a restart is needed for: ", absl::StrJoin(fixed, ", ")));
  }
  absl::StatusOr<std::vector<Configured>> services = config::Configure(reload.settings);
  if (!services.ok()) return services.status();
  if (numbers_.size() + reload.settings.listeners.size() > net::ListenerCountersTable::kListenersMax) {
    return absl::ResourceExhaustedError(absl::StrCat("connections of ", numbers_.size(), " listeners, old and new, are open; at most ",
                                                     net::ListenerCountersTable::kListenersMax, " are possible"));
  }

  const bool tracking = reload.settings.runtime.track_peers != settings_.runtime.track_peers;
  const bool grace = reload.settings.drain.keepalive_grace_s != settings_.drain.keepalive_grace_s;
  absl::Status status = PlanAdmin(reload);
  std::vector<bool> kept(served_.size(), false);
  for (size_t i = 0; i < reload.settings.listeners.size() && status.ok(); ++i) {
    const ListenerSettings& wanted = reload.settings.listeners[i];
    const auto same = std::find_if(served_.begin(), served_.end(), [&](const Served& served) {
      const bool any_port = !wanted.endpoint.is_unix() && wanted.endpoint.address().port() == 0;
      return served.open && served.settings.endpoint == wanted.endpoint && (!any_port || served.settings.name == wanted.name);
    });
    if (same == served_.end()) {
      reload.added.push_back(MakeServed(wanted, std::move((*services)[i])));
      absl::StatusOr<std::unique_ptr<net::Claim>> claim =
          ClaimFor(wanted, reload.added.back().service.options, reload.settings.listeners.size());
      status = claim.status();
      if (claim.ok()) reload.added.back().claim = *std::move(claim);
      continue;
    }
    const auto at = static_cast<size_t>(same - served_.begin());
    kept[at] = true;
    // The socket has it, and shards have the socket.
    if (same->service.options.defer_accept != (*services)[i].options.defer_accept) {
      status = absl::InvalidArgumentError(absl::StrCat("listener ", wanted.name,
                                                       ": defer_accept is fixed as long as it listens; a restart is needed"));
      continue;
    }
    if (same->settings == wanted && !tracking && (!grace || wanted.service->settings.empty())) continue;
    Served now;
    now.number = same->number;
    now.handler = next_handler_++;
    now.settings = wanted;
    now.service = std::move((*services)[i]);
    now.bounds = same->bounds;
    reload.changed.push_back({at, std::move(now)});
  }
  for (size_t i = 0; i < served_.size(); ++i) {
    if (!kept[i] && served_[i].open) reload.removed.push_back(i);
  }
  return status;
}

// The admin interface's listeners are known by their addresses, too. What is new is claimed.
absl::Status Runtime::PlanAdmin(Reload& reload) {
  const AdminSettings& now = settings_.admin;
  const AdminSettings& wanted = reload.settings.admin;
  const auto claim = [&](admin::Admin::Part part, const std::optional<net::Endpoint>& before,
                         const std::optional<net::Endpoint>& after) {
    if (!after.has_value() || before == after) return absl::OkStatus();
    absl::StatusOr<net::Claim> claimed = ClaimAdmin(part, *after);
    if (!claimed.ok()) return claimed.status();
    reload.admin.emplace_back(part, *std::move(claimed));
    return absl::OkStatus();
  };
  absl::Status status = claim(admin::Admin::Part::kAll, now.listen, wanted.listen);
  if (status.ok()) status = claim(admin::Admin::Part::kReadOnly, now.metrics_listen, wanted.metrics_listen);
  return status;
}

void Runtime::ApplyAdmin(Reload& reload) {
  const AdminSettings& now = settings_.admin;
  const AdminSettings& wanted = reload.settings.admin;
  for (AdminListener& listener : admin_listeners_) {
    const bool all = listener.part == admin::Admin::Part::kAll;
    const bool stays = all ? now.listen == wanted.listen : now.metrics_listen == wanted.metrics_listen;
    if (stays || !std::exchange(listener.open, false)) continue;
    listener.claim.Withdraw();
    control_engine_->RetireListener(listener.id, [this, all] {
      log().Say(Log::Level::kInfo, "listener closed", {{"listener", std::string_view(all ? "admin" : "metrics")}});
    });
  }
  for (auto& [part, claim] : reload.admin) {
    log().Say(Log::Level::kInfo, "the admin interface listens", {{"address", std::string_view(claim.endpoint().ToString())}});
    if (const std::string warning = admin::Admin::Warning(part, claim.endpoint()); !warning.empty()) {
      log().Say(Log::Level::kWarning, warning);
    }
    ServeAdmin(part, std::move(claim));
  }
}

// Each shard makes all its new handlers; if one cannot be made, all are given up everywhere.
void Runtime::PrepareReload(std::shared_ptr<Reload> reload) {
  reload->made.resize(shards_.size());
  OnEach(
      [this, reload](DataShard& data) {
        std::vector<const net::Handler*> made;
        std::string threw;
        for (const Served* each : reload->All()) {
          if (threw.empty()) threw = data.Make(each->handler, each->service.make);
          made.push_back(threw.empty() ? data.At(each->handler) : nullptr);
        }
        data.shard().PostAlways(control_.get(), [reload, made = std::move(made), threw, shard = data.shard().id()] {
          reload->made[shard] = made;
          if (reload->threw.empty()) reload->threw = threw;
        });
      },
      [this, reload] {
        if (state_ != ServerState::kServing) reload->threw = "the server is draining";
        if (reload->threw.empty()) return ApplyReload(reload);
        OnEach(
            [reload](DataShard& data) {
              for (const Served* each : reload->All()) data.Discard(each->handler);
            },
            [this, reload] { GiveUp(*reload, absl::InternalError(absl::StrCat("making a service: ", reload->threw))); });
      });
}

void Runtime::ApplyReload(std::shared_ptr<Reload> reload) {
  // Sockets of the new listeners, by shard and in order.
  std::vector<std::vector<DataShard::Socket>> sockets(shards_.size());
  for (Served& served : reload->added) {
    for (size_t shard = 0; shard < shards_.size(); ++shard) {
      sockets[shard].push_back({served.claim->Release(static_cast<int>(shard)), served.claim->backlog(), served.claim->shared()});
    }
  }
  std::vector<uint32_t> old_handlers;  // of `changed`
  for (const Reload::Change& change : reload->changed) old_handlers.push_back(served_[change.at].handler);
  for (const uint32_t handler : old_handlers) ExpectForgotten(handler);
  std::vector<std::shared_ptr<Leaving>> retired;
  for (const size_t at : reload->removed) {
    retired.push_back(std::make_shared<Leaving>(LeavingOf(served_[at])));
    ExpectForgotten(served_[at].handler);
    served_[at].claim->Withdraw();
  }
  for (size_t shard = 0; shard < shards_.size(); ++shard) {
    const std::vector<const Served*> all = reload->All();
    for (size_t i = 0; i < all.size(); ++i) views_[shard].handlers.push_back({all[i]->settings.name, reload->made[shard][i]});
  }
  OnEach(
      [this, reload, sockets = std::move(sockets), old_handlers, retired](DataShard& data) {
        size_t i = 0;
        for (const Served& served : reload->added) {
          data.Serve(served.number, served.settings.name, served.handler, served.service.options, BoundsOf(served),
                     sockets[data.shard().id()][i++]);
        }
        i = 0;
        for (const Reload::Change& change : reload->changed) {
          data.Change(change.now.number, change.now.handler, change.now.service.options,
                      [this, &data, old = old_handlers[i]] { ForgetHandler(data, old); });
          ++i;
        }
        for (const std::shared_ptr<Leaving>& leaving : retired) RetireOn(data, leaving);
      },
      [this, reload] {
        for (Reload::Change& change : reload->changed) {
          Served& served = served_[change.at];
          SetLimits(*served.bounds, change.now.settings.limits);
          change.now.claim = std::move(served.claim);
          KeepOld(served);
          served = std::move(change.now);
        }
        for (auto at = reload->removed.rbegin(); at != reload->removed.rend(); ++at) {
          KeepOld(served_[*at]);
          served_.erase(served_.begin() + static_cast<ptrdiff_t>(*at));
        }
        // Drained by hand, and, if they are still wanted, here again.
        for (Served& served : served_) {
          if (!served.open) KeepOld(served);
        }
        std::erase_if(served_, [](const Served& served) { return !served.open; });
        for (const Served& served : reload->added) {
          log().Say(Log::Level::kInfo, "listening",
                    {{"listener", std::string_view(served.settings.name)}, {"address", std::string_view(served.claim->endpoint().ToString())}});
        }
        log().Say(Log::Level::kInfo, "reloaded",
                  {{"file", std::string_view(reload->settings.file)},
                   {"listeners_added", uint64_t{reload->added.size()}},
                   {"listeners_changed", uint64_t{reload->changed.size()}},
                   {"listeners_removed", uint64_t{reload->removed.size()}}});
        for (Served& served : reload->added) served_.push_back(std::move(served));
        ApplyAdmin(*reload);
        AdoptSettings(std::move(reload->settings));
        ReloadDone();
      });
}

Runtime::Leaving Runtime::LeavingOf(const Served& served) const {
  return {.number = served.number, .handler = served.handler, .name = served.settings.name, .unclosed = shards_.size(), .ungone = shards_.size()};
}

// On the shard. What is counted here is the control shard's.
void Runtime::RetireOn(DataShard& data, const std::shared_ptr<Leaving>& leaving) {
  const auto tell_control = [this, &data](std::function<void()> what) { data.shard().PostAlways(control_.get(), std::move(what)); };
  data.engine().RetireListener(
      leaving->number,
      [this, tell_control, leaving] {
        tell_control([this, leaving] {
          if (--leaving->unclosed > 0) return;
          log().Say(Log::Level::kInfo, "listener closed", {{"listener", std::string_view(leaving->name)}});
        });
      },
      [this, &data, tell_control, leaving] {
        ForgetHandler(data, leaving->handler);
        tell_control([this, leaving] {
          if (--leaving->ungone == 0) numbers_.erase(leaving->number);
        });
      });
}

// The control shard may be reading what it counts, so it is told first.
void Runtime::ForgetHandler(DataShard& data, uint32_t handler) {
  data.shard().PostAlways(control_.get(), [this, &data, handler, gone = data.At(handler)] {
    std::erase_if(views_[data.shard().id()].handlers, [gone](const ShardView::Served& each) { return each.handler == gone; });
    control_->PostAlways(&data.shard(), [this, &data, handler] {
      data.Discard(handler);
      data.shard().PostAlways(control_.get(), [this, handler] {
        if (--old_services_.at(handler).left == 0) old_services_.erase(handler);
      });
    });
  });
}

// Until the last shard has forgotten its handler, which may have been already.
void Runtime::KeepOld(Served& served) {
  const auto old = old_services_.find(served.handler);
  if (old != old_services_.end()) old->second.service = std::move(served.service);
}

void Runtime::AdoptSettings(Settings settings) {
  const uint64_t wanted = settings.runtime.max_connections;
  if (wanted != settings_.runtime.max_connections) {
    // Tables and rings were laid out at start: no cap can be above what they hold.
    const uint64_t now = wanted == 0 ? connections_possible_ : std::min(wanted, connections_possible_);
    if (now < wanted) {
      log().Say(Log::Level::kWarning, "max_connections is more than was laid out at start; a restart makes room",
                {{"max_connections", wanted}, {"possible", connections_possible_}});
    }
    SetCredit(now);
  }
  addresses_.SetMax(settings.runtime.max_connections_per_address);
  rate_.SetRate(settings.runtime.accept_rate);
  // A raised cap is news to shards that have stopped.
  std::vector<std::pair<net::ListenerId, net::ListenerBounds>> all;
  for (const Served& served : served_) all.emplace_back(served.number, BoundsOf(served));
  OnEach([all = std::move(all)](DataShard& data) {
    for (const auto& [listener, bounds] : all) data.engine().ChangeBounds(listener, bounds);
  });
  if (settings.log != settings_.log) {
    log().Change(settings.log).IgnoreError();  // it says so itself
  }
  settings_ = std::move(settings);
}

void Runtime::GiveUp(Reload& reload, const absl::Status& why) {
  for (; !reload.added.empty(); reload.added.pop_back()) {
    numbers_.erase(reload.added.back().number);
    bounds_.pop_back();  // the last ones made
  }
  ReloadFailed(why);
}

void Runtime::ReloadFailed(const absl::Status& why) {
  for (const absl::string_view line : absl::StrSplit(why.message(), '\n', absl::SkipEmpty())) {
    log().Say(Log::Level::kError, "reload refused, nothing has changed", {{"error", std::string_view(line.data(), line.size())}});
  }
  ReloadDone();
}

void Runtime::ReloadDone() {
  reloading_ = false;
  if (state_ == ServerState::kServing) options_.notify.Ready("serving").IgnoreError();
  for (const std::function<void()>& asked : std::exchange(after_reload_, {})) asked();
  if (std::exchange(reload_again_, false)) ReloadNow();
}

void Runtime::ReopenFiles() {
  bool all = log().Reopen().ok();  // it says itself where it cannot
  const auto reopen = [&](const Configured& service) {
    if (!service.reopen) return;
    const absl::Status status = service.reopen();
    if (status.ok()) return;
    all = false;
    log().Say(Log::Level::kError, "a file goes on where it was", {{"why", std::string_view(status.message().data(), status.message().size())}});
  };
  for (const Served& served : served_) reopen(served.service);
  for (const auto& [handler, old] : old_services_) reopen(old.service);
  if (all) log().Say(Log::Level::kInfo, "files reopened");
}

}  // namespace mooring::server
