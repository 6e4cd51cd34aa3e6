// SPDX-License-Identifier: Apache-2.0
// SimNetwork: who listens where, what is under way between sockets, and what happens at a time.
//
// Each direction of each connection is a queue in its sending socket. One step takes a socket by the seed and delivers
// one piece of its queue, so a delay is the steps that others took meanwhile, and order holds only within a direction.
//
// Threads:  one.
#ifndef MOORING_TESTS_SIM_SIM_NETWORK_H_
#define MOORING_TESTS_SIM_SIM_NETWORK_H_

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "tests/sim/choices.h"
#include "tests/sim/sim_address.h"
#include "tests/sim/sim_socket.h"

namespace mooring::sim {

class SimNetwork {
 public:
  SimNetwork(Choices* choices, core::Clock* clock) : choices_(choices), clock_(clock) {}
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;

  std::shared_ptr<SimSocket> NewSocket(sa_family_t family);

  // Steps. DeliverOne is false when nothing is under way.
  bool quiet() const { return active_.empty() && deferred_.empty(); }
  bool DeliverOne();
  void DeliverAll();

  // Calls `then` at `when`, in RunTimers; NextTimer is INT64_MAX when none is set.
  void At(core::Nanos when, std::function<void()> then);
  core::Nanos NextTimer() const;
  bool RunTimers();  // false when none was due
  // Calls `then` in some later step: a kernel worker's job.
  void Defer(std::function<void()> then) { deferred_.push_back(std::move(then)); }

  Choices& choices() { return *choices_; }
  core::Clock& clock() { return *clock_; }

  // A path of a Unix socket stays when its socket is closed, until somebody unlinks it: 0 or -ENOENT.
  int Unlink(const std::string& path) { return paths_.erase(path) == 1 ? 0 : -ENOENT; }
  int Rename(const std::string& from, const std::string& to);

 private:
  friend class SimSocket;
  void Touch(SimSocket* socket);  // it may have something to deliver now
  int Bind(SimSocket* socket, SimAddress address);
  int CheckListen(SimSocket* socket);
  void Unbind(SimSocket* socket);
  bool Conflicts(const SimSocket& a, const SimAddress& address, const SimSocket& b) const;
  uint16_t FreePort(const SimSocket& socket, SimAddress address);
  void RouteSyn(SimSocket* from);
  // The listener at a path, or null with -ENOENT or -ECONNREFUSED.
  std::shared_ptr<SimSocket> FindPath(const std::string& path, int* error);
  void RouteUnix(SimSocket* from);
  std::shared_ptr<SimSocket> MakeChild(SimSocket* listener, SimSocket* from);

  Choices* const choices_;
  core::Clock* const clock_;
  std::vector<std::shared_ptr<SimSocket>> active_;
  std::vector<std::function<void()>> deferred_;
  std::multimap<core::Nanos, std::function<void()>> timers_;
  std::vector<SimSocket*> bound_;
  std::map<std::string, std::weak_ptr<SimSocket>> paths_;
  std::vector<std::weak_ptr<SimSocket>> all_;
  uint16_t next_port_ = 32768;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_NETWORK_H_
