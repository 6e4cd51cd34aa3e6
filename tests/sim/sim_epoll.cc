// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_epoll.h"

#include <algorithm>
#include <cerrno>

#include "tests/sim/sim_socket.h"

namespace mooring::sim {
namespace {

constexpr uint32_t kPrivate = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;  // EP_PRIVATE_BITS
constexpr uint32_t kWithExclusive =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;  // EPOLLEXCLUSIVE_OK_BITS

}  // namespace

// do_epoll_ctl(), ep_insert(), ep_modify(), ep_remove().
int SimEpoll::Control(int operation, int fd, const FileRef& file, const epoll_event* event) {
  if (file->file.get() == this) return -EINVAL;
  const auto found = entries_.find({fd, file.get()});
  const bool here = found != entries_.end();
  const uint32_t asked = operation == EPOLL_CTL_DEL ? 0 : event->events;
  if ((asked & EPOLLEXCLUSIVE) != 0) {
    if (operation == EPOLL_CTL_MOD) return -EINVAL;
    if (dynamic_cast<SimEpoll*>(file->file.get()) != nullptr || (asked & ~kWithExclusive) != 0) return -EINVAL;
  }
  switch (operation) {
    case EPOLL_CTL_ADD: {
      if (here) return -EEXIST;
      auto* socket = dynamic_cast<SimSocket*>(file->file.get());
      const int fault = socket != nullptr ? socket->Fault(FaultSite::kEpollAdd) : -choices_->Fault(FaultSite::kEpollAdd);
      if (fault != 0) return fault;
      auto owned = std::make_unique<Entry>(this, file, fd, *event);
      Entry* entry = owned.get();
      entry->event.events |= EPOLLERR | EPOLLHUP;
      entries_.emplace(entry->key, std::move(owned));
      entry->file->AddWaiter(entry, (asked & EPOLLEXCLUSIVE) != 0);
      if (entry->Poll() != 0) List(entry);
      return 0;
    }
    case EPOLL_CTL_MOD: {
      if (!here) return -ENOENT;
      Entry* entry = found->second.get();
      if ((entry->event.events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
      entry->event = *event;
      entry->event.events |= EPOLLERR | EPOLLHUP;
      if (entry->Poll() != 0) List(entry);
      return 0;
    }
    case EPOLL_CTL_DEL:
      if (!here) return -ENOENT;
      Remove(found->second.get());
      return 0;
    default: return -EINVAL;
  }
}

// ep_poll() and ep_send_events().
int SimEpoll::Wait(epoll_event* events, int count, core::Nanos timeout) {
  if (count <= 0) return -EINVAL;
  ++counts_.waits;
  asleep_ = false;
  if (choices_->DeliverDuringEnter()) network_->DeliverOne();
  int reported = 0;
  // One pass over what is listed now: a level-triggered entry goes back to the end, and is met again in the next wait.
  for (size_t left = ready_.size(); left > 0 && reported < count; --left) {
    Entry* entry = ready_.front();
    ready_.pop_front();
    entry->listed = false;
    const uint32_t holds = entry->Poll();
    if (holds == 0) {
      ++counts_.dropped;
      continue;
    }
    events[reported].events = holds;
    events[reported].data = entry->event.data;
    ++reported;
    if ((entry->event.events & EPOLLONESHOT) != 0) {
      entry->event.events &= kPrivate;
    } else if ((entry->event.events & EPOLLET) == 0) {
      entry->listed = true;
      ready_.push_back(entry);
    }
  }
  counts_.events += static_cast<uint64_t>(reported);
  if (reported > 0 || timeout == 0) return reported;
  if (const int fault = choices_->Fault(FaultSite::kEpollWait); fault != 0) return -fault;  // a signal ends the sleep
  ++counts_.sleeps;
  asleep_ = true;
  wake_at_ = timeout < 0 ? INT64_MAX : network_->clock().Now() + timeout;
  return 0;
}

// ep_poll_callback(). Whoever sleeps here is woken, looks, and sleeps on when nothing holds, so only what holds counts.
bool SimEpoll::OnEntryWake(Entry* entry, uint32_t key) {
  const uint32_t asked = entry->event.events;
  const bool exclusive = (asked & EPOLLEXCLUSIVE) != 0;
  if ((asked & ~kPrivate) == 0 || (key != kWakeAny && (key & asked) == 0)) return !exclusive;
  List(entry);
  // An exclusive entry takes the wake-up only where somebody sleeps, and for one direction.
  bool took = false;
  if (asleep_ || waiters() > 0) {
    const uint32_t direction = key & (EPOLLIN | EPOLLOUT);
    took = asleep_ && (direction == 0 || (direction == EPOLLIN && (asked & EPOLLIN) != 0) ||
                       (direction == EPOLLOUT && (asked & EPOLLOUT) != 0));
    if (entry->Poll() != 0) asleep_ = false;
    Wake(kWakeReadable);
  }
  return !exclusive || took;
}

void SimEpoll::List(Entry* entry) {
  if (entry->listed) return;
  entry->listed = true;
  ready_.push_back(entry);
}

void SimEpoll::Remove(Entry* entry) {
  entry->file->RemoveWaiter(entry);
  if (entry->listed) ready_.erase(std::find(ready_.begin(), ready_.end(), entry));
  entries_.erase(entries_.find(entry->key));
}

uint32_t SimEpoll::Ready() const {
  const bool any = std::any_of(ready_.begin(), ready_.end(), [](const Entry* entry) { return entry->Poll() != 0; });
  return any ? POLLIN | POLLRDNORM : 0;
}

void SimEpoll::OnLastClose() {
  while (!entries_.empty()) Remove(entries_.begin()->second.get());
}

}  // namespace mooring::sim
