// SPDX-License-Identifier: Apache-2.0
// SimEpoll: epoll(7), after fs/eventpoll.c.
//
//   Control ADD ──> entry, waits on its file ──wake──> on the ready list ──Wait──> asked again: reported, or dropped
//                                                        ^──────── level-triggered: back to the end ────┘
//
// An entry is of an open file under a number, so it outlives the number while a duplicate or a request in flight holds
// the file. What is reported is what holds when Wait looks, not what woke the entry.
//
// Threads:  one.
// Owns:     its entries; the files only know them as waiters.
#ifndef MOORING_TESTS_SIM_SIM_EPOLL_H_
#define MOORING_TESTS_SIM_SIM_EPOLL_H_

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "core/clock.h"
#include "tests/sim/choices.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_network.h"

namespace mooring::sim {

class SimEpoll final : public SimFile, public SimSleep {
 public:
  struct Counts {
    uint64_t waits = 0;
    uint64_t events = 0;
    uint64_t sleeps = 0;
    uint64_t dropped = 0;  // entries that were on the list for something that was over by then
  };

  SimEpoll(Choices* choices, SimNetwork* network) : choices_(choices), network_(network) {}

  int Control(int operation, int fd, const FileRef& file, const epoll_event* event);
  // What is ready now, or 0; then asleep, unless `timeout` is 0. Negative: for ever.
  int Wait(epoll_event* events, int count, core::Nanos timeout);

  uint32_t Ready() const override;
  void OnLastClose() override;

  size_t entries() const { return entries_.size(); }
  const Counts& counts() const { return counts_; }

 private:
  using Key = std::pair<int, const OpenFile*>;
  struct Entry final : Waiter {
    Entry(SimEpoll* of, const FileRef& open, int number, const epoll_event& asked)
        : epoll(of), file(open->file.get()), key(number, open.get()), event(asked) {}
    bool OnWake(uint32_t wake) override { return epoll->OnEntryWake(this, wake); }
    void OnGone() override { epoll->Remove(this); }
    uint32_t Poll() const { return file->Ready() & event.events; }

    SimEpoll* const epoll;
    SimFile* const file;
    const Key key;
    epoll_event event;
    bool listed = false;
  };

  bool OnEntryWake(Entry* entry, uint32_t key);
  void List(Entry* entry);
  void Remove(Entry* entry);

  Choices* const choices_;
  SimNetwork* const network_;
  std::map<Key, std::unique_ptr<Entry>> entries_;
  std::deque<Entry*> ready_;
  Counts counts_;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_EPOLL_H_
