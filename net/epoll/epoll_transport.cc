// SPDX-License-Identifier: Apache-2.0
#include "net/epoll/epoll_transport.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace mooring::net::epoll {
namespace {

constexpr uint32_t kEverything = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> EpollTransport::Open(core::Kernel* kernel, core::Shard* shard,
                                                                TransportEvents* events,
                                                                const TransportOptions& options) {
  std::unique_ptr<EpollTransport> self(new EpollTransport(kernel, shard, events, options));
  if (absl::Status status = self->Start(); !status.ok()) return status;
  return absl::StatusOr<std::unique_ptr<Transport>>(std::move(self));
}

absl::Status EpollTransport::Start() {
  const auto failed = [](const char* call, int result) {
    if (result == -EMFILE || result == -ENFILE) {
      return absl::ResourceExhaustedError(
          absl::StrCat(call, ": no file descriptor is left; raise ulimit -n or LimitNOFILE= (systemd)"));
    }
    return absl::InternalError(absl::StrCat(call, ": ", strerror(-result)));
  };
  epoll_fd_ = kernel_->EpollCreate();
  if (epoll_fd_ < 0) return failed("epoll_create", epoll_fd_);
  wake_fd_ = kernel_->EventFd();
  if (wake_fd_ < 0) return failed("eventfd", wake_fd_);
  const int added = Add(wake_fd_, EPOLLIN, EventData(Kind::kWake, 0, 0));
  return added < 0 ? failed("epoll_ctl", added) : absl::OkStatus();
}

EpollTransport::~EpollTransport() {
  for (size_t fd = 0; fd < owned_.size(); ++fd) {
    if (owned_[fd]) kernel_->Close(static_cast<int>(fd));
  }
  for (const Listener& l : listeners_) {
    if (l.fd >= 0) kernel_->Close(l.fd);
  }
  if (wake_fd_ >= 0) kernel_->Close(wake_fd_);
  if (epoll_fd_ >= 0) kernel_->Close(epoll_fd_);
  if (spare_ != nullptr) shard_->buffers().Release(spare_);
}

void EpollTransport::Poll(core::Nanos wait, Sleeper* sleeper) {
  if (!starved_.empty()) ListStarved();
  bool stopping = false;  // some listener is emptied, or was
  ListenerId steered = 0;
  for (Listener& l : listeners_) {
    Steer(steered++, l);
    stopping |= l.stopping;
  }

  // Results that are all there is to do are told without asking the kernel: in the turn after each answer, that is.
  spared_ = !spared_ && !pending_.empty() && listed_.empty();
  if (HasOwnWork(stopping)) wait = 0;
  const int count = spared_ ? 0 : Wait(wait);

  sleeper->OnAwake();
  accepts_left_ = kAcceptsPerPoll;
  DeliverPending();
  if (spared_) {
    counters_.Add(TransportCount::kWaitsSpared);
    read_to_end_ = false;  // nobody has looked
    return;
  }
  reading_.swap(listed_);  // what upcalls list from here on is for the next Poll
  for (int i = 0; i < count; ++i) OnEvent(ready_[static_cast<size_t>(i)]);
  ReadListed();
  for (ListenerId i = 0; stopping && i < listeners_.size(); ++i) {
    if (listeners_[i].stopping) AcceptFrom(i, listeners_[i]);
  }
  read_to_end_ = count >= 0 && count < static_cast<int>(kEventsMax) && listed_.empty() && starved_.empty();
}

bool EpollTransport::HasOwnWork(bool stopping) const {
  if (!pending_.empty() || !listed_.empty()) return true;
  return stopping && std::any_of(listeners_.begin(), listeners_.end(),
                     [this](const Listener& l) { return l.stopping && MayAccept(l); });
}

// The number of events, -1 when the kernel did not say.
int EpollTransport::Wait(core::Nanos wait) {
  counters_.Add(TransportCount::kWaits);
  const int count = kernel_->EpollWait(epoll_fd_, ready_.data(), kEventsMax, wait);
  if (count < 0) {
    if (count != -EINTR) counters_.Add(TransportCount::kWaitErrors);
    return -1;
  }
  counters_.Add(TransportCount::kEvents, static_cast<uint64_t>(count));
  if (count == static_cast<int>(kEventsMax)) counters_.Add(TransportCount::kWaitsFull);
  return count;
}

void EpollTransport::OnEvent(const epoll_event& event) {
  switch (KindOf(event.data.u64)) {
    case Kind::kConnection: return OnConnectionEvent(event);
    case Kind::kListener: {
      const auto listener = static_cast<ListenerId>(SlotOf(event.data.u64));
      return AcceptFrom(listener, listeners_[listener]);
    }
    case Kind::kWatch: return OnWatch(event);
    case Kind::kWake: return OnWake();
  }
}

void EpollTransport::OnConnectionEvent(const epoll_event& event) {
  const uint32_t slot = SlotOf(event.data.u64);
  auto* area = static_cast<EpollArea*>(events_->Area(slot, GenerationOf(event.data.u64)));
  if (area == nullptr || !area->open()) {  // closed by an upcall for an earlier event of the same wait
    counters_.Add(TransportCount::kStale);
    return;
  }
  const ConnId id = {slot, area->generation};
  constexpr uint32_t kBroken = EPOLLERR | EPOLLHUP;
  if (area->Is(EpollArea::kConnecting)) {
    if ((event.events & (EPOLLOUT | kBroken)) == 0) return;
    OnConnectEvent(id, *area);
    if (!area->open() || area->Is(EpollArea::kReceiveEnded)) return;
  }
  if (event.events & (EPOLLRDHUP | EPOLLPRI | kBroken)) area->Set(EpollArea::kNoProof);
  if (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | kBroken)) {
    area->Set(EpollArea::kReadable);
    constexpr unsigned kNotNow = EpollArea::kListed | EpollArea::kStarved | EpollArea::kReceiveEnded;
    if (area->Is(EpollArea::kReadWanted) && !area->Is(kNotNow)) Read(id, *area);
  }
  // After the read, which then is who finds a reset.
  if (area->Is(EpollArea::kSendBlocked) && (event.events & (EPOLLOUT | kBroken))) SendAgain(id, *area);
}

EpollArea* EpollTransport::Find(ConnId id) {
  auto* area = static_cast<EpollArea*>(events_->Area(id.slot, id.generation & 0xffffff));
  return area != nullptr && area->generation == id.generation ? area : nullptr;
}

int EpollTransport::Add(int fd, uint32_t events, uint64_t data) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  const int result = kernel_->EpollControl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  if (result < 0) counters_.Add(TransportCount::kAddErrors);
  return result;
}

// From here on `fd` is the connection's. One that epoll does not take is over as soon as it is told.
void EpollTransport::Adopt(int fd, ConnId id, EpollArea& area) {
  ++slots_used_;
  const auto index = static_cast<size_t>(fd);
  if (index >= owned_.size()) owned_.resize(std::max(index + 1, 2 * owned_.size()));
  owned_[index] = true;
  area.fd_plus_one = static_cast<uint32_t>(fd) + 1;
  const int result = Add(fd, kEverything, EventData(Kind::kConnection, id.generation, id.slot));
  if (result >= 0) return;
  Later(area.Is(EpollArea::kConnecting) ? Pending::Kind::kConnect : Pending::Kind::kReceiveEnd, result, id);
}

bool EpollTransport::Owns(int fd) const {
  const auto index = static_cast<size_t>(fd);
  return (index < owned_.size() && owned_[index]) ||
         std::any_of(listeners_.begin(), listeners_.end(), [fd](const Listener& l) { return l.fd == fd; });
}

// close(2) takes it out of the epoll instance, too: nobody else has a descriptor of it.
void EpollTransport::Disown(EpollArea& area) {
  const int fd = area.fd();
  area.fd_plus_one = 0;
  owned_[static_cast<size_t>(fd)] = false;
  CloseFd(fd);
}

void EpollTransport::DeliverPending() {
  // What the upcalls add is for the next Poll, which does not wait then.
  if (pending_.empty()) return;
  delivering_.swap(pending_);
  for (const Pending& next : delivering_) {
    const auto listener = static_cast<ListenerId>(next.id.slot);
    switch (next.kind) {
      case Pending::Kind::kSend:
        AreaOf(next.id).Clear(EpollArea::kSending);
        events_->OnSend(next.id, next.result);
        break;
      case Pending::Kind::kReceiveEnd: {
        EpollArea& area = AreaOf(next.id);
        if (area.leaving() || area.Is(EpollArea::kReceiveEnded)) break;
        area.Set(EpollArea::kReceiveEnded);
        events_->OnReceiveEnd(next.id, next.result);
        break;
      }
      case Pending::Kind::kShutdown:
        if (!AreaOf(next.id).leaving()) events_->OnShutdown(next.id);
        break;
      case Pending::Kind::kConnect: {
        EpollArea& area = AreaOf(next.id);
        if (area.leaving()) break;
        area.Clear(EpollArea::kConnecting);
        if (next.result < 0) {
          area.Set(EpollArea::kReceiveEnded);
          counters_.Add(TransportCount::kConnectErrors);
        }
        events_->OnConnect(next.id, next.result);
        break;
      }
      case Pending::Kind::kPeer:
        if (EpollArea& area = AreaOf(next.id); !area.leaving()) TellPeer(next.id, area);
        break;
      case Pending::Kind::kOutQueue:
        if (!AreaOf(next.id).leaving()) events_->OnOutQueue(next.id, next.result);
        break;
      case Pending::Kind::kReleased:
        slots_used_ -= static_cast<uint32_t>(next.result);
        events_->OnReleased(next.id);
        break;
      case Pending::Kind::kAcceptStopped: events_->OnAcceptStopped(listener); break;
      case Pending::Kind::kAcceptError: OnAcceptFailure(listener, listeners_[listener], -next.result); break;
    }
  }
  delivering_.clear();
}

void EpollTransport::Count(absl::FunctionRef<void(std::string_view name, uint64_t value)> sink) const {
  for (size_t i = 0; i < std::size(kTransportCountNames); ++i) {
    sink(kTransportCountNames[i], counters_.Read(static_cast<TransportCount>(i)));
  }
}

}  // namespace mooring::net::epoll
