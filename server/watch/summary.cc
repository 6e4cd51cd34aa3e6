// SPDX-License-Identifier: Apache-2.0
#include "server/watch/summary.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace mooring::server::watch {
namespace {

// A tick comes a little early or late; a line is not put off for a second because of it.
constexpr core::Nanos kTickSlack = core::Millis(500);

}  // namespace

void Summary::Look(const Totals& totals, core::Nanos now) {
  using net::EngineCount;
  const uint64_t active = totals.active();
  peak_ = std::max(peak_, active);
  const uint32_t every_s = control_->settings().log.summary_s;
  if (every_s == 0 || now - last_ < core::Seconds(every_s) - kTickSlack) return;

  const double seconds = static_cast<double>(now - last_) / 1e9;
  last_ = now;
  const Counted counted = {.accepts = totals.Of(EngineCount::kAccepted),
                           .closes = totals.Of(EngineCount::kReleased),
                           .bytes_in = totals.Of(EngineCount::kBytesReceived),
                           .bytes_out = totals.Of(EngineCount::kBytesSent),
                           .messages = totals.Of(EngineCount::kMessages)};
  const Counted before = std::exchange(before_, counted);
  const auto rate = [&](uint64_t Counted::*which) { return static_cast<double>(counted.*which - before.*which) / seconds; };
  const auto tenths = [&](uint64_t Counted::*which) { return std::round(rate(which) * 10) / 10; };
  const auto whole = [&](uint64_t Counted::*which) { return static_cast<uint64_t>(std::llround(rate(which))); };
  control_->log().Say(Log::Level::kInfo, "summary",
                      {{"state", std::string_view(Name(control_->state()))},
                       {"active", active},
                       {"total", counted.accepts + totals.Of(EngineCount::kConnects)},
                       {"peak", peak_},
                       {"accepts_per_s", tenths(&Counted::accepts)},
                       {"closes_per_s", tenths(&Counted::closes)},
                       {"bytes_in_per_s", whole(&Counted::bytes_in)},
                       {"bytes_out_per_s", whole(&Counted::bytes_out)},
                       {"messages_per_s", tenths(&Counted::messages)}});
}

}  // namespace mooring::server::watch
