// SPDX-License-Identifier: Apache-2.0
#include "server/systemd/activation.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/systemd/take_variable.h"

namespace mooring::server::systemd {
namespace {

constexpr int kSocketsMax = 1024;  // more is no number of listeners

absl::Status Wrong(const InheritedSocket& socket, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("descriptor ", socket.fd, " ('", socket.name,
                                                 "'), handed over by the service manager, ",
                                                 absl::string_view(what.data(), what.size())));
}

int OptionOf(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// Where it listens; empty: at no path that has a name in the file system.
net::Endpoint EndpointOf(int fd, int family) {
  if (family == AF_UNIX) {
    sockaddr_un at = {};
    socklen_t size = sizeof(at);
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) return {};
    if (size <= offsetof(sockaddr_un, sun_path) || at.sun_path[0] == '\0') return {};
    const auto endpoint =
        net::Endpoint::Parse("unix:" + std::string(at.sun_path, strnlen(at.sun_path, sizeof(at.sun_path))));
    return endpoint.ok() ? *endpoint : net::Endpoint();
  }
  net::Address at;
  socklen_t size = net::Address::kSizeMax;
  return getsockname(fd, at.get(), &size) == 0 ? net::Endpoint(at) : net::Endpoint();
}

absl::Status Check(InheritedSocket* socket) {
  const int flags = fcntl(socket->fd, F_GETFD);
  if (flags < 0) return Wrong(*socket, "is not open");
  fcntl(socket->fd, F_SETFD, flags | FD_CLOEXEC);
  const int type = OptionOf(socket->fd, SO_TYPE);
  if (type < 0) return Wrong(*socket, "is not a socket");
  if (type != SOCK_STREAM) return Wrong(*socket, "is no stream socket: the unit wants ListenStream=");
  const int family = OptionOf(socket->fd, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
    return Wrong(*socket, "is neither of TCP nor of a Unix path");
  }
  if (OptionOf(socket->fd, SO_ACCEPTCONN) != 1) {
    return Wrong(*socket, "does not listen: the unit wants Accept=no, which is the default");
  }
  const int status = fcntl(socket->fd, F_GETFL);
  if (status < 0 || fcntl(socket->fd, F_SETFL, status | O_NONBLOCK) != 0) {
    return Wrong(*socket, absl::StrCat("cannot be made nonblocking: ", strerror(errno)));
  }
  socket->endpoint = EndpointOf(socket->fd, family);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InheritedSockets> InheritedSockets::FromEnvironment(int first) {
  const std::string pid = TakeVariable("LISTEN_PID");
  const std::string count_text = TakeVariable("LISTEN_FDS");
  const std::string names_text = TakeVariable("LISTEN_FDNAMES");
  InheritedSockets all;
  if (pid.empty() || count_text.empty()) return all;
  if (pid != absl::StrCat(getpid())) return all;  // left over from a parent
  int count = 0;
  if (!absl::SimpleAtoi(count_text, &count) || count < 0 || count > kSocketsMax) {
    return absl::InvalidArgumentError(absl::StrCat("LISTEN_FDS '", count_text, "' is not a number of sockets"));
  }
  std::vector<std::string> names;
  if (!names_text.empty()) {
    names = absl::StrSplit(names_text, ':');
    if (static_cast<int>(names.size()) != count) {
      return absl::InvalidArgumentError(
          absl::StrCat("LISTEN_FDNAMES '", names_text, "' does not have LISTEN_FDS=", count, " names"));
    }
  }
  for (int i = 0; i < count; ++i) {
    all.sockets_.push_back({first + i, names.empty() ? "unknown" : names[static_cast<size_t>(i)], {}});
  }
  for (InheritedSocket& socket : all.sockets_) {
    if (absl::Status status = Check(&socket); !status.ok()) return status;
  }
  return all;
}

InheritedSockets& InheritedSockets::operator=(InheritedSockets&& other) noexcept {
  sockets_.swap(other.sockets_);
  return *this;
}

InheritedSockets::~InheritedSockets() {
  for (const InheritedSocket& socket : sockets_) close(socket.fd);
}

std::optional<InheritedSocket> InheritedSockets::Take(std::string_view name, const net::Endpoint& endpoint) {
  auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& each) { return each.name == name; });
  if (found == sockets_.end()) {
    found = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& each) {
      return !each.endpoint.empty() && each.endpoint == endpoint;
    });
  }
  if (found == sockets_.end()) return std::nullopt;
  InheritedSocket socket = *std::move(found);
  sockets_.erase(found);
  return socket;
}

}  // namespace mooring::server::systemd
