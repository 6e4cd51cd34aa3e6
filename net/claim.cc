// SPDX-License-Identifier: Apache-2.0
#include "net/claim.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace mooring::net {
namespace {

constexpr int kSiblingTries = 200;  // a millisecond apart
constexpr std::chrono::milliseconds kAskAgain(10);
constexpr uint32_t kDeferAcceptSeconds = 1;  // the least there is

absl::Status Explain(const Address& endpoint, const char* call, int result) {
  const std::string name = endpoint.ToString();
  switch (-result) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(absl::StrCat(
          name, " is in use by another process; stop it or choose another port (ss -ltnp 'sport = :", endpoint.port(),
          "' shows it; if nothing listens, an outgoing connection uses the port: add it to "
          "net.ipv4.ip_local_reserved_ports)"));
    case EADDRNOTAVAIL:
      return absl::NotFoundError(
          absl::StrCat(name, " is not an address of this machine (ip address shows those that are)"));
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          "no permission to listen on ", name, ": ports below net.ipv4.ip_unprivileged_port_start need "
          "CAP_NET_BIND_SERVICE (AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit)"));
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          absl::StrCat("no file descriptor is left to listen on ", name, "; raise ulimit -n or LimitNOFILE="));
    case EAFNOSUPPORT:
      return absl::UnimplementedError(absl::StrCat(name, ": this machine has no IPv6"));
    default:
      return absl::InternalError(absl::StrCat("cannot listen on ", name, ": ", call, ": ", strerror(-result)));
  }
}

int SetNumber(core::Kernel* kernel, int fd, int level, int name, uint32_t value) {
  return kernel->SetOption(fd, level, name, &value, sizeof(value));
}

// What is accepted inherits these (tcp(7)). 0 or -errno.
int SetTcpOptions(core::Kernel* kernel, int fd, const ClaimOptions& options) {
  int result = SetNumber(kernel, fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (result >= 0) result = SetNumber(kernel, fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.notsent_lowat);
  if (result >= 0 && options.user_timeout_ms != 0) {
    result = SetNumber(kernel, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
  }
  if (result >= 0 && options.defer_accept) {
    result = SetNumber(kernel, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, kDeferAcceptSeconds);
  }
  return result;
}

// Not bound yet.
int Open(core::Kernel* kernel, const Address& endpoint, const ClaimOptions& options, bool sibling) {
  const int fd = kernel->Socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  int result = SetNumber(kernel, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (result >= 0 && sibling) result = SetNumber(kernel, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (result >= 0) result = SetTcpOptions(kernel, fd, options);
  if (result >= 0 && endpoint.family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(endpoint.get());
    if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) result = SetNumber(kernel, fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (result >= 0) return fd;
  kernel->Close(fd);
  return result;
}

int BindAndListen(core::Kernel* kernel, int fd, const Address& endpoint, int backlog) {
  const int result = kernel->Bind(fd, endpoint.get(), endpoint.size());
  return result < 0 ? result : kernel->Listen(fd, backlog);
}

// As many as all shards' own sockets together would hold.
int SharedBacklog(const ClaimOptions& options) {
  return static_cast<int>(std::min<int64_t>(int64_t{options.backlog} * options.shards, options.somaxconn));
}

}  // namespace

absl::StatusOr<Claim> Claim::Take(core::Kernel* kernel, const Endpoint& endpoint, const ClaimOptions& options) {
  if (endpoint.empty()) return absl::InvalidArgumentError("no address to listen on");
  Claim claim(kernel, endpoint, options.backlog);
  absl::Status status = endpoint.is_unix() ? claim.TakePath(options) : claim.TakePort(options);
  if (!status.ok()) return status;
  return claim;
}

absl::StatusOr<Claim> Claim::Inherit(core::Kernel* kernel, int fd, const Endpoint& endpoint,
                                     const ClaimOptions& options) {
  Claim claim(kernel, endpoint, SharedBacklog(options));
  claim.sockets_.push_back(fd);
  const auto wrong = [&](const char* call, int result) {
    return absl::InternalError(absl::StrCat("cannot listen on the inherited socket of ", endpoint.ToString(), ": ", call,
                                            ": ", strerror(-result)));
  };
  // Of the open socket, whoever else has it: a shard must never wait in accept(2).
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return wrong("fcntl", -errno);
  int family = 0;
  socklen_t size = sizeof(family);
  if (const int result = kernel->GetOption(fd, SOL_SOCKET, SO_DOMAIN, &family, &size); result < 0) {
    return wrong("getsockopt", result);
  }
  if (family != AF_UNIX) {
    if (const int result = SetTcpOptions(kernel, fd, options); result < 0) return wrong("setsockopt", result);
  }
  // listen(2) on a socket that listens changes its backlog, which nobody can ask for.
  if (const int result = kernel->Listen(fd, claim.backlog_); result < 0) return wrong("listen", result);
  if (absl::Status status = claim.Share(options); !status.ok()) return status;
  return claim;
}

absl::Status Claim::TakePort(const ClaimOptions& options) {
  Address address = endpoint_.address();
  int first = -1;
  for (std::chrono::milliseconds waited(0);; waited += kAskAgain) {
    first = Open(kernel_, address, options, false);  // a fresh one each time: one whose listen failed stays bound
    if (first < 0) return Explain(address, "socket", first);
    const int result = BindAndListen(kernel_, first, address, options.backlog);
    if (result >= 0) break;
    kernel_->Close(first);
    if (result != -EADDRINUSE || waited.count() >= options.patience_ms) return Explain(address, "bind", result);
    std::this_thread::sleep_for(kAskAgain);
  }
  sockets_.push_back(first);
  socklen_t size = Address::kSizeMax;
  if (const int result = kernel_->Name(first, address.get(), &size); result < 0) {
    return Explain(address, "getsockname", result);
  }
  endpoint_ = address;
  if (options.shards == 1) return absl::OkStatus();

  const int on = 1;
  if (const int result = kernel_->SetOption(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)); result < 0) {
    return Explain(address, "setsockopt(SO_REUSEPORT)", result);
  }
  while (static_cast<int>(sockets_.size()) < options.shards) {
    int result = 0;
    for (int i = 0; i < kSiblingTries; ++i) {
      if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      // A fresh socket each time: one whose listen failed stays bound.
      const int fd = Open(kernel_, address, options, true);
      if (fd < 0) return Explain(address, "socket", fd);
      result = BindAndListen(kernel_, fd, address, options.backlog);
      if (result >= 0) {
        sockets_.push_back(fd);
        break;
      }
      kernel_->Close(fd);
      if (result != -EADDRINUSE) break;
    }
    if (result < 0) return Explain(address, "bind of a further shard's socket", result);
  }
  return absl::OkStatus();
}

absl::Status Claim::TakePath(const ClaimOptions& options) {
  backlog_ = SharedBacklog(options);
  int first = -1;
  absl::StatusOr<UnixPath> path = UnixPath::Take(
      kernel_, endpoint_.path(), {.backlog = backlog_, .patience_ms = options.patience_ms}, &first);
  if (!path.ok()) return path.status();
  path_ = *std::move(path);
  sockets_.push_back(first);
  return Share(options);
}

absl::Status Claim::Share(const ClaimOptions& options) {
  shared_ = true;
  while (static_cast<int>(sockets_.size()) < options.shards) {
    const int fd = kernel_->Duplicate(sockets_[0]);
    if (fd < 0) {
      return absl::ResourceExhaustedError(absl::StrCat("no file descriptor for each shard to listen on ",
                                                       endpoint_.ToString(), ": ", strerror(-fd),
                                                       "; raise ulimit -n or LimitNOFILE="));
    }
    sockets_.push_back(fd);
  }
  return absl::OkStatus();
}

Claim::Claim(Claim&& other) noexcept
    : kernel_(other.kernel_),
      endpoint_(std::move(other.endpoint_)),
      backlog_(other.backlog_),
      shared_(other.shared_),
      path_(std::move(other.path_)),
      sockets_(std::exchange(other.sockets_, {})) {}

Claim& Claim::operator=(Claim&& other) noexcept {
  std::swap(kernel_, other.kernel_);
  std::swap(endpoint_, other.endpoint_);
  std::swap(backlog_, other.backlog_);
  std::swap(shared_, other.shared_);
  std::swap(path_, other.path_);
  std::swap(sockets_, other.sockets_);
  return *this;
}

Claim::~Claim() {
  for (int fd : sockets_) {
    if (fd >= 0) kernel_->Close(fd);
  }
}

int Backlog(uint32_t slots, int listeners, int somaxconn) {
  const int share = static_cast<int>(slots / 8) / std::max(listeners, 1);
  return std::max(1, std::min({4096, somaxconn, share}));
}

int ReadSomaxconn() {
  int value = 4096;
  if (FILE* file = std::fopen("/proc/sys/net/core/somaxconn", "re")) {
    if (std::fscanf(file, "%d", &value) != 1) value = 4096;
    std::fclose(file);
  }
  return value;
}

}  // namespace mooring::net
