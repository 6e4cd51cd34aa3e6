// SPDX-License-Identifier: Apache-2.0
// Notify: tells the service manager that started this process how it is (sd_notify(3)), without libsystemd.
//
// Without NOTIFY_SOCKET everything does nothing and succeeds, so that nobody has to ask who started the server. A
// datagram is sent or it is not: none waits, and one that the manager has no room for is lost, with an error.
//
// Threads:  made before there are threads (it reads the environment); after that one at a time.
// Owns:     a socket.
#ifndef MOORING_SERVER_SYSTEMD_NOTIFY_H_
#define MOORING_SERVER_SYSTEMD_NOTIFY_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::server::systemd {

class Notify {
 public:
  // NOTIFY_SOCKET (a path, or @NAME: abstract), WATCHDOG_USEC and WATCHDOG_PID, which are then unset: they are not for
  // children. The error says what is wrong with them.
  static absl::StatusOr<Notify> FromEnvironment();

  Notify() = default;  // nobody listens
  Notify(Notify&& other) noexcept;
  Notify& operator=(Notify&& other) noexcept;
  ~Notify();

  bool active() const { return fd_ >= 0; }
  // How often Alive() is due: half of what the manager allows, in ms; 0: it does not ask for it.
  int64_t watchdog_interval_ms() const { return watchdog_interval_ms_; }

  // `status` is a line for people (systemctl status); empty: none.
  absl::Status Ready(std::string_view status);  // start-up, or a reload, is over
  absl::Status Reloading();                     // Ready() must follow, whether it was taken or refused
  // Ends within `at_most_ms`, for which the manager is asked to wait whatever its TimeoutStopSec= says.
  absl::Status Stopping(std::string_view status, int64_t at_most_ms);
  absl::Status Say(std::string_view status);
  absl::Status Alive();  // WATCHDOG=1

 private:
  absl::Status Send(std::string message, std::string_view status);

  int fd_ = -1;
  sockaddr_un to_ = {};
  socklen_t to_size_ = 0;
  int64_t watchdog_interval_ms_ = 0;
};

}  // namespace mooring::server::systemd

#endif  // MOORING_SERVER_SYSTEMD_NOTIFY_H_
