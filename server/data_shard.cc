// SPDX-License-Identifier: Apache-2.0
#include "server/data_shard.h"

#include <cstdio>
#include <exception>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace mooring::server {
namespace {

// Runs what the program has given us; empty, or what it threw.
template <class F>
std::string WhatItThrows(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception";
  }
  return "";
}

}  // namespace

DataShard::DataShard(const Options& options)
    : options_(options),
      shard_(std::make_unique<core::Shard>(core::Shard::Options{.id = options.id, .clock = options.clock})),
      engine_(std::make_unique<net::Engine>(shard_.get(), options.engine)) {
  core::ShardThread::Options thread = {.cpu = options.cpu, .name = absl::StrCat("shard-", options.id)};
  thread.set_up = [this] { return SetUp(); };
  thread.tear_down = [this] { TearDown(); };
  thread_ = std::make_unique<core::ShardThread>(shard_.get(), std::move(thread));
}

absl::Status DataShard::StartThread(Makers makers) {
  makers_ = std::move(makers);
  return thread_->Start();
}

absl::Status DataShard::SetUp() {
  absl::StatusOr<std::unique_ptr<net::Transport>> transport =
      options_.provider->Open(shard_.get(), engine_->events(), options_.transport);
  if (!transport.ok()) return transport.status();
  transport_ = *std::move(transport);
  shard_->SetPort(transport_.get());
  engine_->SetTransport(transport_.get());
  std::string threw = WhatItThrows([&] {
    for (const auto& make : options_.program->per_shard) make(shard_->locals());
  });
  for (const auto& [number, make] : std::exchange(makers_, {})) {
    if (threw.empty()) threw = Make(number, make);
  }
  return threw.empty() ? absl::OkStatus() : absl::InternalError(absl::StrCat("setting up a shard: ", threw));
}

std::string DataShard::Begin() {
  std::string threw = WhatItThrows([&] {
    shard_->turns().Doing(core::kStart);
    for (const auto& start : options_.program->on_start) start();
  });
  begun_ = threw.empty();
  return threw;
}

void DataShard::TearDown() {
  if (begun_) {
    const std::string threw = WhatItThrows([&] {
      for (const auto& stop : options_.program->on_stop) stop();
    });
    if (!threw.empty()) std::fprintf(stderr, "%s: stopping a shard: %s\n", options_.program->name.c_str(), threw.c_str());
  }
  shard_->locals().Clear();
  transport_.reset();
}

std::string DataShard::Make(uint32_t number, const std::function<std::unique_ptr<net::Handler>()>& make) {
  return WhatItThrows([&] { handlers_[number] = make(); });
}

void DataShard::Serve(net::ListenerId listener, const std::string& name, uint32_t handler,
                      const net::ServiceOptions& options, const net::ListenerBounds& bounds, const Socket& socket) {
  engine_->AddListenerAs(listener, name, At(handler), options, bounds);
  engine_->Listen(listener, socket.fd, socket.backlog, socket.shared);
}

void DataShard::Change(net::ListenerId listener, uint32_t handler, const net::ServiceOptions& options,
                       std::function<void()> forgotten) {
  engine_->ChangeListener(listener, At(handler), options,
                          [forgotten = std::move(forgotten)](net::Handler*) { forgotten(); });
}

}  // namespace mooring::server
