// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/fault_plan.h"

#include <cerrno>
#include <cstring>

namespace mooring::sim {
namespace {

struct Site {
  const char* name;
  std::vector<int> errors;
};

const Site& Of(FaultSite site) {
  static const std::array<Site, FaultPlan::kSites> sites = [] {
    std::array<Site, FaultPlan::kSites> all;
    const auto set = [&](FaultSite at, const char* name, std::vector<int> errors) {
      all[static_cast<size_t>(at)] = {name, std::move(errors)};
    };
    set(FaultSite::kRingSetup, "io_uring_setup", {ENOMEM, EMFILE, EPERM, ENOSYS});
    set(FaultSite::kRegister, "io_uring_register", {ENOMEM});
    set(FaultSite::kRingEnter, "io_uring_enter", {EINTR, EAGAIN, EBUSY});
    set(FaultSite::kSocket, "socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM});
    set(FaultSite::kBind, "bind", {EADDRINUSE, EACCES});
    set(FaultSite::kListen, "listen", {EADDRINUSE});
    set(FaultSite::kFilter, "SO_ATTACH_FILTER", {ENOMEM});
    set(FaultSite::kAccept, "accept", {EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED});
    set(FaultSite::kInstall, "FIXED_FD_INSTALL", {EMFILE, ENFILE, ENOMEM});
    set(FaultSite::kReceive, "receive", {ECONNRESET, ETIMEDOUT, ENOMEM});
    set(FaultSite::kSend, "send", {ECONNRESET, EPIPE, ETIMEDOUT, ENOMEM, ENOBUFS});
    set(FaultSite::kConnect, "connect", {EADDRNOTAVAIL, ENETUNREACH, ENOMEM});
    set(FaultSite::kPeerName, "SO_PEERNAME", {ENOBUFS, ENOTCONN});
    set(FaultSite::kDuplicate, "F_DUPFD", {EMFILE});
    set(FaultSite::kEventFd, "eventfd", {EMFILE, ENFILE, ENOMEM});
    set(FaultSite::kEpollCreate, "epoll_create", {EMFILE, ENFILE, ENOMEM});
    set(FaultSite::kEpollAdd, "epoll_ctl", {ENOMEM, ENOSPC});
    set(FaultSite::kEpollWait, "epoll_wait", {EINTR});
    set(FaultSite::kOpenFile, "openat2", {EMFILE, ENFILE, ENOMEM, EACCES, EIO});
    set(FaultSite::kStatFile, "statx", {EIO, ENOMEM});
    set(FaultSite::kReadFile, "preadv2", {EIO, ENOMEM});
    return all;
  }();
  return sites[static_cast<size_t>(site)];
}

}  // namespace

FaultPlan::Rates FaultPlan::Running() {
  return {{FaultSite::kRingEnter, 30}, {FaultSite::kSocket, 100}, {FaultSite::kFilter, 200},  {FaultSite::kAccept, 100},
          {FaultSite::kInstall, 200},  {FaultSite::kReceive, 10}, {FaultSite::kSend, 10},     {FaultSite::kConnect, 100},
          {FaultSite::kPeerName, 150}, {FaultSite::kEpollAdd, 50}, {FaultSite::kEpollWait, 50}};
}

FaultPlan::Rates FaultPlan::Harmless() {
  return {{FaultSite::kRingEnter, 100}, {FaultSite::kInstall, 300}, {FaultSite::kEpollWait, 100}};
}

std::span<const int> FaultPlan::Errors(FaultSite site) { return Of(site).errors; }
const char* FaultPlan::Name(FaultSite site) { return Of(site).name; }

FaultPlan::FaultPlan(Choices* choices, const Rates& rates, unsigned budget)
    : choices_(choices), rates_(rates), budget_(budget) {
  choices_->SetFaults([this](const FaultPoint& at) { return Ask(at.site); });
}

int FaultPlan::Ask(FaultSite site) {
  const unsigned rate = rates_.per_mille[static_cast<size_t>(site)];
  if (!on_ || budget_ == 0 || rate == 0 || choices_->calm() || choices_->Pick(1000) >= rate) return 0;
  const std::span<const int> errors = Errors(site);
  const int error = errors[choices_->Pick(errors.size())];
  --budget_;
  injected_.emplace_back(site, error);
  return error;
}

unsigned FaultPlan::injected(FaultSite site) const {
  unsigned count = 0;
  for (const auto& [at, error] : injected_) count += at == site ? 1 : 0;
  return count;
}

std::string FaultPlan::ToString() const {
  std::string text;
  for (const auto& [site, error] : injected_) {
    if (!text.empty()) text += ", ";
    text += std::string(Name(site)) + " " + strerrorname_np(error);
  }
  return text.empty() ? "none" : text;
}

}  // namespace mooring::sim
