// SPDX-License-Identifier: Apache-2.0
#include "server/systemd/notify.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/systemd/take_variable.h"

namespace mooring::server::systemd {
namespace {

// As systemd compares it with its own: CLOCK_MONOTONIC.
int64_t MonotonicMicros() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

absl::StatusOr<Notify> Notify::FromEnvironment() {
  const std::string socket_name = TakeVariable("NOTIFY_SOCKET");
  const std::string watchdog = TakeVariable("WATCHDOG_USEC");
  const std::string watchdog_pid = TakeVariable("WATCHDOG_PID");
  Notify notify;
  if (socket_name.empty()) return notify;

  if ((socket_name[0] != '/' && socket_name[0] != '@') || socket_name.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET '", socket_name, "' is neither a path nor @NAME; unset it to start without"));
  }
  if (socket_name.size() > sizeof(notify.to_.sun_path) - 1) {
    return absl::InvalidArgumentError(absl::StrCat("NOTIFY_SOCKET '", socket_name, "' is longer than ",
                                                   sizeof(notify.to_.sun_path) - 1, " bytes"));
  }
  notify.to_.sun_family = AF_UNIX;
  std::memcpy(notify.to_.sun_path, socket_name.data(), socket_name.size());
  // unix(7): an abstract name begins with a zero byte and ends with the address, a path ends with a zero byte.
  if (socket_name[0] == '@') notify.to_.sun_path[0] = '\0';
  notify.to_size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_name.size() +
                                           (socket_name[0] == '@' ? 0 : 1));

  int64_t micros = 0;
  if (!watchdog.empty()) {
    if (!absl::SimpleAtoi(watchdog, &micros) || micros <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("WATCHDOG_USEC '", watchdog, "' is not a number of microseconds"));
    }
    const bool ours = watchdog_pid.empty() || watchdog_pid == absl::StrCat(getpid());
    if (ours) notify.watchdog_interval_ms_ = std::max<int64_t>(micros / 2000, 1);
  }

  notify.fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (notify.fd_ < 0) return absl::InternalError(absl::StrCat("no socket for NOTIFY_SOCKET: ", strerror(errno)));
  return notify;
}

Notify::Notify(Notify&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      to_(other.to_),
      to_size_(other.to_size_),
      watchdog_interval_ms_(std::exchange(other.watchdog_interval_ms_, 0)) {}

Notify& Notify::operator=(Notify&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(to_, other.to_);
  std::swap(to_size_, other.to_size_);
  std::swap(watchdog_interval_ms_, other.watchdog_interval_ms_);
  return *this;
}

Notify::~Notify() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Notify::Ready(std::string_view status) { return Send("READY=1", status); }

absl::Status Notify::Reloading() {
  return Send(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", MonotonicMicros()), {});
}

absl::Status Notify::Stopping(std::string_view status, int64_t at_most_ms) {
  return Send(absl::StrCat("STOPPING=1\nEXTEND_TIMEOUT_USEC=", at_most_ms * 1000), status);
}

absl::Status Notify::Say(std::string_view status) { return Send({}, status); }

absl::Status Notify::Alive() { return Send("WATCHDOG=1", {}); }

absl::Status Notify::Send(std::string message, std::string_view status) {
  if (!active()) return absl::OkStatus();
  if (!status.empty()) {
    absl::StrAppend(&message, message.empty() ? "" : "\n", "STATUS=", absl::string_view(status.data(), status.size()));
    // A line is a field: what follows the first would be taken for another one.
    std::replace(message.end() - static_cast<ptrdiff_t>(status.size()), message.end(), '\n', ' ');
  }
  if (message.empty()) return absl::OkStatus();
  ssize_t sent;
  do {
    sent = sendto(fd_, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&to_), to_size_);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the service manager was not told (", message.substr(0, message.find('\n')),
                                             "): ", strerror(errno)));
}

}  // namespace mooring::server::systemd
