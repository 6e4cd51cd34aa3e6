// SPDX-License-Identifier: Apache-2.0
#include "tests/net/broadcasts.h"

#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "alloc/shared_bytes.h"
#include "core/submit_to.h"
#include "core/task.h"
#include "tests/net/trial_across.h"

namespace mooring::net {
namespace {

constexpr uint64_t kBoundBytes = 300;  // where a member counts as slow

core::Task<> TellAll(alloc::SharedBytes body, SlowPolicy slow) {
  auto tell = [body = std::move(body), slow] {
    AcrossBook& book = core::Local<AcrossBook>();
    ++book.told;
    book.room.WriteAll(body, slow, kBoundBytes);
  };
  auto told = co_await core::OnEveryShard(std::move(tell));
  (void)told.ok();  // cancelled by the end of its shard: they are told all the same
}

}  // namespace

Broadcasts::Broadcasts(std::vector<core::Shard*> shards, SlowPolicy slow, Findings* findings)
    : shards_(std::move(shards)), slow_(slow), findings_(findings), bodies_before_(alloc::SharedBytes::Live().bodies) {}

void Broadcasts::Tell() {
  if (told_ == kBodiesMax) return;
  alloc::SharedBytes body = alloc::SharedBytes::Copy(Text(told_));
  core::Shard* from = shards_[0];
  core::Shard::Enter enter(from);
  // It is on its way when Spawn returns, to all or, without memory, to none.
  const uint64_t failed = from->background().failed();
  const bool spawned = body && from->background().Spawn(TellAll(std::move(body), slow_));
  if (spawned && from->background().failed() == failed) ++told_;
  from->port()->Wake();
}

void Broadcasts::CheckOver() {
  for (core::Shard* shard : shards_) {
    const AcrossBook& book = *shard->locals().Find<AcrossBook>();
    if (book.told != told_) {
      findings_->Add("broadcast", absl::StrCat("shard ", shard->id(), " was told ", book.told, " of ", told_));
    }
    if (!book.room.empty()) findings_->Add("broadcast", absl::StrCat(book.room.size(), " members who are gone"));
  }
  const uint64_t bodies = alloc::SharedBytes::Live().bodies;
  if (bodies != bodies_before_) findings_->Add("leftovers", absl::StrCat(bodies - bodies_before_, " shared bodies"));
}

std::string Broadcasts::Text(uint64_t number) {
  const uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15 >> 32;
  std::string text = absl::StrCat("body ", number, "\n");
  text.append(mixed % (mixed % 4 == 0 ? 6000 : 300), static_cast<char>('a' + mixed % 26));
  return text;
}

std::string Broadcasts::Heard(uint64_t from, uint64_t end) {
  std::string text = absl::StrCat("at ", from, "\n");
  for (uint64_t number = from; number < end; ++number) text += Text(number);
  return text;
}

bool Broadcasts::First(std::string_view received, uint64_t* from) {
  const size_t end = received.find('\n');
  if (end == std::string_view::npos || received.substr(0, 3) != "at ") return false;
  const char* const last = received.data() + end;
  const auto [at, error] = std::from_chars(received.data() + 3, last, *from);
  return error == std::errc() && at == last;
}

}  // namespace mooring::net
