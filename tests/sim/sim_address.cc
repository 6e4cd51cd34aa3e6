// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace mooring::sim {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

SimAddress SimAddress::Any(sa_family_t family) {
  SimAddress result;
  result.family = family;
  if (family == AF_INET) std::memcpy(result.ip.data(), kMappedPrefix.data(), kMappedPrefix.size());
  return result;
}

SimAddress SimAddress::FromSockaddr(const sockaddr* from, socklen_t size) {
  SimAddress result;
  if (from->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, from, sizeof(v4));
    result = Any(AF_INET);
    std::memcpy(result.ip.data() + 12, &v4.sin_addr, 4);
    result.port = ntohs(v4.sin_port);
  } else if (from->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, from, sizeof(v6));
    result.family = AF_INET6;
    std::memcpy(result.ip.data(), &v6.sin6_addr, 16);
    result.port = ntohs(v6.sin6_port);
  } else if (from->sa_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path)) {
    const char* path = reinterpret_cast<const sockaddr_un*>(from)->sun_path;
    result.path.assign(path, strnlen(path, size - offsetof(sockaddr_un, sun_path)));
    if (!result.path.empty()) result.family = AF_UNIX;  // abstract names are not simulated
  }
  return result;
}

SimAddress SimAddress::Parse(std::string_view text) {
  if (text.substr(0, 5) == "unix:") {
    SimAddress result;
    result.family = AF_UNIX;
    result.path = text.substr(5);
    return result;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string host(text.substr(0, colon));
  const std::string port(text.substr(colon + 1));
  SimAddress result;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), result.ip.data()) != 1) return {};
    result.family = AF_INET6;
  } else {
    result = Any(AF_INET);
    if (inet_pton(AF_INET, host.c_str(), result.ip.data() + 12) != 1) return {};
  }
  result.port = static_cast<uint16_t>(std::strtoul(port.c_str(), nullptr, 10));
  return result;
}

bool SimAddress::mapped() const { return std::memcmp(ip.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0; }

bool SimAddress::any() const { return ip == Any(AF_INET).ip || ip == Any(AF_INET6).ip; }

socklen_t SimAddress::ToSockaddr(sa_family_t as, sockaddr_storage* to) const {
  *to = {};
  if (as == AF_UNIX) {
    auto* un = reinterpret_cast<sockaddr_un*>(to);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, path.data(), std::min(path.size(), sizeof(un->sun_path) - 1));
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + (path.empty() ? 0 : path.size() + 1));
  }
  if (as == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(to);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, ip.data() + 12, 4);
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(to);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  std::memcpy(&v6->sin6_addr, ip.data(), 16);
  return sizeof(*v6);
}

std::string SimAddress::ToString() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (family == AF_UNSPEC) return "none";
  if (family == AF_UNIX) return "unix:" + path;
  if (mapped()) {
    inet_ntop(AF_INET, ip.data() + 12, host, sizeof(host));
    return std::string(host) + ":" + std::to_string(port);
  }
  inet_ntop(AF_INET6, ip.data(), host, sizeof(host));
  return "[" + std::string(host) + "]:" + std::to_string(port);
}

}  // namespace mooring::sim
