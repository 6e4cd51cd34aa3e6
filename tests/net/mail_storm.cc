// SPDX-License-Identifier: Apache-2.0
#include "tests/net/mail_storm.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace mooring::net {

MailStorm::MailStorm(std::vector<core::Shard*> shards, Dice* dice, Findings* findings)
    : shards_(std::move(shards)),
      dice_(dice),
      findings_(findings),
      channels_((shards_.size() + 1) * (shards_.size() + 1) * static_cast<size_t>(By::kCount)) {}

void MailStorm::Blow(uint64_t letters) {
  for (uint64_t i = 0; i < letters; ++i) {
    const size_t to = dice_->Pick(shards_.size());
    const unsigned hops = dice_->Chance(50) ? static_cast<unsigned>(dice_->Pick(4)) : 0;
    Post(shards_.size(), to, hops);
  }
}

bool MailStorm::Post(size_t from, size_t to, unsigned hops) {
  Channel& channel = Of(from, to, By::kPost);
  const uint64_t number = channel.sent;
  const bool taken = shards_[to]->Post([this, from, to, number, hops] { OnLetter(from, to, By::kPost, number, hops); });
  if (!taken) {
    ++refused_;
    return false;
  }
  ++channel.sent;
  ++taken_;
  return true;
}

void MailStorm::PostAlways(size_t from, size_t to, unsigned hops) {
  const uint64_t number = Of(from, to, By::kPostAlways).sent++;
  ++taken_;
  shards_[from]->PostAlways(
      shards_[to], [this, from, to, number, hops] { OnLetter(from, to, By::kPostAlways, number, hops); });
}

void MailStorm::OnLetter(size_t from, size_t to, By by, uint64_t number, unsigned hops) {
  if (core::Shard::Current() != shards_[to]) {
    findings_->Add("mail", absl::StrCat("a letter to shard ", to, " arrived elsewhere"));
  }
  Channel& channel = Of(from, to, by);
  if (number != channel.arrived) {
    findings_->Add("mail", absl::StrCat("letter ", number, " from shard ", from, " to ", to, " came as number ",
                                        channel.arrived));
  }
  ++channel.arrived;
  if (hops == 0) return;
  for (uint64_t n = dice_->Between(1, 3); n > 0; --n) {
    const size_t next = dice_->Pick(shards_.size());  // maybe itself
    if (dice_->Chance(70)) {
      PostAlways(to, next, hops - 1);
    } else {
      Post(to, next, hops - 1);
    }
  }
}

void MailStorm::CheckArrived() {
  for (const Channel& channel : channels_) {
    if (channel.sent == channel.arrived) continue;
    findings_->Add("mail", absl::StrCat(channel.sent - channel.arrived, " letters of ", channel.sent,
                                        " have not arrived, and nobody moves"));
  }
}

}  // namespace mooring::net
