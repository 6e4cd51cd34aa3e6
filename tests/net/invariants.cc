// SPDX-License-Identifier: Apache-2.0
#include "tests/net/invariants.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "net/uring/uring_area.h"

namespace mooring::net {
namespace {

using uring::Op;
using uring::UringArea;

constexpr uint64_t kWheelEvery = 64;  // its own check walks all its lists

bool OfConnection(Op op) { return op >= Op::kReceive && op <= Op::kAbort; }

}  // namespace

Invariants::Invariants(SimServer* server, TransportKind kind, const Bounds& bounds, Findings* findings)
    : server_(server), kind_(kind), bounds_(bounds), findings_(findings) {}

void Invariants::Check(int shard) {
  if (shard < 0 || !findings_->none()) return;
  const auto i = static_cast<size_t>(shard);
  CheckEngine(i);
  CheckBounds(i);
  if (kind_ != TransportKind::kEpoll) CheckUring(i);
  if (++checks_ % kWheelEvery == 0 && !server_->shard(i).wheel().Validate()) {
    findings_->Add("timers", absl::StrCat("the wheel of shard ", i, " is not in order"));
  }
}

void Invariants::CheckAll() {
  for (size_t i = 0; i < server_->size(); ++i) Check(static_cast<int>(i));
}

void Invariants::CheckEngine(size_t shard) {
  if (const char* wrong = server_->engine(shard).Validate(); wrong != nullptr) {
    findings_->Add("engine", absl::StrCat("shard ", shard, ": ", wrong));
  }
}

void Invariants::CheckBounds(size_t shard) {
  if (bounds_.credit != 0 && server_->live() > bounds_.credit + bounds_.outbound) {
    findings_->Add("bounds", absl::StrCat(server_->live(), " connections, and credit is ", bounds_.credit));
  }
  server_->engine(shard).ForEach([&](Connection* conn) {
    // Connections that a coroutine owns have profiles of their own, with the bounds of the last.
    const size_t profile = std::min<size_t>(server_->engine(shard).ListenerOf(*conn), bounds_.queue_bytes.size() - 1);
    if (conn->queued_bytes() <= bounds_.queue_bytes[profile]) return;
    findings_->Add("bounds", absl::StrCat(conn->queued_bytes(), " bytes are queued for a connection"));
  });
}

void Invariants::CheckUring(size_t shard) {
  const sim::SimRing* ring = server_->world.kernel().ring(shard);
  if (ring == nullptr) return;
  TransportEvents* events = server_->engine(shard).events();
  in_flight_.clear();
  ring->ForEachInFlight([&](uint64_t user_data) {
    if (!OfConnection(uring::OpOf(user_data))) return;
    const uint32_t slot = uring::SlotOf(user_data);
    auto* area = static_cast<UringArea*>(events->Area(slot, uring::GenerationOf(user_data)));
    if (area == nullptr) {
      char text[64];
      std::snprintf(text, sizeof(text), "%#" PRIx64, user_data);
      findings_->Add("slots", absl::StrCat("an operation in flight names nobody: ", text));
      return;
    }
    if (in_flight_.size() <= slot) in_flight_.resize(slot + 1);
    if (++in_flight_[slot] > area->in_flight) {
      findings_->Add("slots", absl::StrCat("slot ", slot, " has more operations in flight than it counts"));
    }
  });
  uint32_t slots = 0;
  server_->engine(shard).ForEach([&](Connection* conn) {
    const auto* area = static_cast<const UringArea*>(events->Area(conn->handle.slot, conn->handle.generation & 0xffffff));
    if (area->open()) ++slots;
    const bool to_be_read = area->Is(UringArea::kReadWanted) && area->open() && !area->leaving();
    constexpr unsigned kSomebody = UringArea::kReceiveArmed | UringArea::kReceiveEnded | UringArea::kStarved |
                                   UringArea::kConnecting;
    if (to_be_read && !area->Is(kSomebody) && conn->open()) {
      findings_->Add("receiving", absl::StrCat("slot ", conn->handle.slot, " is to be read and no receive is armed"));
    }
  });
  if (slots > bounds_.slots) {
    findings_->Add("bounds", absl::StrCat(slots, " connections in ", bounds_.slots, " slots of shard ", shard));
  }
}

}  // namespace mooring::net
