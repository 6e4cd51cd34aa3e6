// SPDX-License-Identifier: Apache-2.0
#include "net/peer_addresses.h"

#include <cassert>
#include <new>

namespace mooring::net {
namespace {

constexpr Address kNone{};

}  // namespace

PeerAddresses::PeerAddresses(uint32_t slots_max, alloc::Accounting* accounting)
    : accounting_(accounting), pages_((slots_max + kPageSlots - 1) / kPageSlots) {}

PeerAddresses::~PeerAddresses() {
  for (std::unique_ptr<Page>& page : pages_) Drop(page);
}

const Address& PeerAddresses::At(uint32_t slot) const {
  const std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
  return page == nullptr ? kNone : page->of_slot[slot % kPageSlots];
}

void PeerAddresses::Set(uint32_t slot, const Address& address) {
  if (address.empty()) return;
  std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
  if (page == nullptr) {
    page.reset(new (std::nothrow) Page());
    if (page == nullptr) return;
    accounting_->Add(alloc::Purpose::kOther, sizeof(Page));
  }
  Address& at = page->of_slot[slot % kPageSlots];
  assert(at.empty());
  at = address;
  ++page->live;
}

void PeerAddresses::Forget(uint32_t slot) {
  std::unique_ptr<Page>& page = pages_[slot / kPageSlots];
  if (page == nullptr) return;
  Address& at = page->of_slot[slot % kPageSlots];
  if (at.empty()) return;
  at = Address();
  --page->live;
}

void PeerAddresses::Trim() {
  for (std::unique_ptr<Page>& page : pages_) {
    if (page != nullptr && page->live == 0) Drop(page);
  }
}

void PeerAddresses::Drop(std::unique_ptr<Page>& page) {
  if (page == nullptr) return;
  page.reset();
  accounting_->Add(alloc::Purpose::kOther, -static_cast<int64_t>(sizeof(Page)));
}

}  // namespace mooring::net
