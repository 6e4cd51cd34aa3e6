// SPDX-License-Identifier: Apache-2.0
#include "server/admin/shard_health.h"

#include <utility>

#include "core/sleep.h"
#include "core/submit_to.h"
#include "core/when_all.h"

namespace mooring::server::admin {
namespace {

core::Task<bool> Answers(uint32_t shard) {
  auto nothing = [] {};
  const auto answered = co_await core::SubmitTo(shard, std::move(nothing));
  co_return answered.ok();
}

core::Task<bool> AnswersWithin(uint32_t shard, core::Nanos patience) {
  auto answered = co_await core::WithDeadline(patience, Answers(shard));
  co_return *answered;
}

}  // namespace

core::Task<std::vector<uint32_t>> SilentShards(uint32_t shards, core::Nanos patience) {
  std::vector<core::Task<bool>> asked;
  for (uint32_t shard = 0; shard < shards; ++shard) asked.push_back(AnswersWithin(shard, patience));
  const std::vector<bool> answered = co_await core::WhenAll(std::move(asked));
  std::vector<uint32_t> silent;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    if (!answered[shard]) silent.push_back(shard);
  }
  co_return silent;
}

}  // namespace mooring::server::admin
