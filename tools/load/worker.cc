// SPDX-License-Identifier: Apache-2.0
#include "tools/load/worker.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mooring::tools::load {
namespace {

constexpr int kCutTurnsMax = 1000;  // a millisecond each at most: what does not end then is left to the kernel

}  // namespace

Worker::Worker(net::TransportProvider* provider, int cpu, const Options& options, Share share)
    : provider_(provider),
      shards_(share.shards),
      slots_(share.connections + ShardLoad::kSlotsSpare),
      shard_({.id = share.index, .clock = &clock_}),
      engine_(&shard_, {.connections_max = slots_, .shards = share.shards}),
      load_(&engine_, options, std::move(share)),
      thread_(&shard_, {.cpu = cpu,
                        .name = absl::StrCat("load/", shard_.id()),
                        .set_up = [this] { return SetUp(); },
                        .tear_down = [this] { TearDown(); }}) {}

Worker::~Worker() { Stop(); }

absl::Status Worker::Start() {
  if (absl::Status status = thread_.Start(); !status.ok()) return status;
  thread_.Go();
  return absl::OkStatus();
}

// The box has a thousand places, and a run posts a handful of calls.
void Worker::Post(core::Mail call) {
  while (!shard_.Post(std::move(call))) std::this_thread::yield();
}

void Worker::Stop() { thread_.Join(); }

absl::Status Worker::SetUp() {
  absl::StatusOr<std::unique_ptr<net::Transport>> transport =
      provider_->Open(&shard_, engine_.events(), {.connections_max = slots_, .shards = shards_});
  if (!transport.ok()) return transport.status();
  transport_ = *std::move(transport);
  shard_.SetPort(transport_.get());
  engine_.SetTransport(transport_.get());
  return load_.SetUp();
}

void Worker::TearDown() {
  if (engine_.live() > 0) {
    engine_.CutAll();
    for (int turn = 0; turn < kCutTurnsMax && engine_.live() > 0; ++turn) shard_.RunTurn(core::kNanosPerMs);
  }
  load_.Release();
  transport_.reset();
}

}  // namespace mooring::tools::load
