// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/accept_queues.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace mooring::server::metrics {
namespace {

constexpr uint32_t kListening = 1u << TCP_LISTEN;  // for Unix sockets too (net/unix/diag.c)
constexpr size_t kAnswerBytes = 32 << 10;

int OpenDiag() { return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG); }

// Asks, and calls f(message) for each answer; false when it was refused.
template <class Request, class F>
bool Dump(int fd, const Request& request, F&& f) {
  struct {
    nlmsghdr header;
    Request request;
  } message = {};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request = request;
  if (send(fd, &message, sizeof(message), 0) != static_cast<ssize_t>(sizeof(message))) return false;
  alignas(nlmsghdr) char answer[kAnswerBytes];
  for (;;) {
    const ssize_t n = recv(fd, answer, sizeof(answer), 0);  // a dump's answers are made inside recv: it does not wait
    if (n <= 0) return false;
    auto left = static_cast<unsigned>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return true;
      if (header->nlmsg_type == NLMSG_ERROR) return false;
      f(header);
    }
  }
}

// The attribute `type` behind the answer's head of `head_bytes`; null when it is not there or too short.
const void* Attribute(nlmsghdr* header, size_t head_bytes, uint16_t type, size_t bytes_min, size_t* bytes = nullptr) {
  auto* attribute = reinterpret_cast<rtattr*>(static_cast<char*>(NLMSG_DATA(header)) + NLMSG_ALIGN(head_bytes));
  size_t left = header->nlmsg_len - NLMSG_LENGTH(head_bytes);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != type || RTA_PAYLOAD(attribute) < bytes_min) continue;
    if (bytes != nullptr) *bytes = RTA_PAYLOAD(attribute);
    return RTA_DATA(attribute);
  }
  return nullptr;
}

void Add(std::optional<AcceptQueue>* queue, uint64_t depth, uint64_t limit, std::optional<uint64_t> overflows) {
  if (!queue->has_value()) *queue = AcceptQueue{.depth = 0, .limit = 0, .overflows = std::nullopt};
  (*queue)->depth += depth;
  *(*queue)->limit += limit;
  if (overflows.has_value()) (*queue)->overflows = (*queue)->overflows.value_or(0) + *overflows;
}

bool SameAddress(const net::Address& address, const inet_diag_sockid& id) {
  if (address.family() == AF_INET) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr, id.idiag_src, 4) == 0;
  }
  return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr, id.idiag_src, 16) == 0;
}

bool AskTcp(int fd, const net::Address& address, std::optional<AcceptQueue>* queue) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = static_cast<uint8_t>(address.family());
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_ext = 1u << (INET_DIAG_SKMEMINFO - 1);
  request.idiag_states = kListening;
  request.id.idiag_sport = htons(address.port());
  return Dump(fd, request, [&](nlmsghdr* header) {
    const auto* socket = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)) || socket->idiag_family != address.family()) return;
    if (socket->id.idiag_sport != htons(address.port()) || !SameAddress(address, socket->id)) return;
    constexpr size_t kDrops = SK_MEMINFO_DROPS;
    std::optional<uint64_t> drops;
    if (const void* memory = Attribute(header, sizeof(*socket), INET_DIAG_SKMEMINFO, (kDrops + 1) * sizeof(uint32_t))) {
      drops = static_cast<const uint32_t*>(memory)[kDrops];
    }
    Add(queue, socket->idiag_rqueue, socket->idiag_wqueue, drops);
  });
}

bool AskUnix(int fd, const std::vector<net::Endpoint>& endpoints, AcceptQueues* queues) {
  unix_diag_req request = {};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = kListening;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN;
  return Dump(fd, request, [&](nlmsghdr* header) {
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) return;
    size_t bytes = 0;
    const auto* text = static_cast<const char*>(Attribute(header, sizeof(unix_diag_msg), UNIX_DIAG_NAME, 1, &bytes));
    const void* lengths = Attribute(header, sizeof(unix_diag_msg), UNIX_DIAG_RQLEN, sizeof(unix_diag_rqlen));
    if (text == nullptr || lengths == nullptr) return;
    const std::string name(text, strnlen(text, bytes));
    for (size_t i = 0; i < endpoints.size(); ++i) {
      // A path is bound under another name and then renamed (net/unix_path.h); the socket keeps the first.
      if (!endpoints[i].is_unix() || (name != endpoints[i].path() && name != endpoints[i].path() + ".tmp")) continue;
      const auto* length = static_cast<const unix_diag_rqlen*>(lengths);
      Add(&queues->of[i], length->udiag_rqueue, length->udiag_wqueue, std::nullopt);
    }
  });
}

std::optional<AcceptQueue> FromProc(const net::Address& address) {
  const int fd = open(address.family() == AF_INET6 ? "/proc/net/tcp6" : "/proc/net/tcp", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  std::optional<uint64_t> depth;
  bool complete = false;
  while (!complete && text.size() < (1 << 20)) {
    char piece[8192];
    const ssize_t n = read(fd, piece, sizeof(piece));
    if (n <= 0) break;
    text.append(piece, static_cast<size_t>(n));
    depth = DepthFromProc(text, address, &complete);
  }
  close(fd);
  if (!depth.has_value()) return std::nullopt;
  return AcceptQueue{.depth = *depth, .limit = std::nullopt, .overflows = std::nullopt};
}

// "0100007F:1F90", words of the address in the machine's byte order (net/ipv4/tcp_ipv4.c, get_tcp4_sock).
std::string ProcName(const net::Address& address) {
  uint32_t words[4] = {};
  size_t count = 1;
  if (address.family() == AF_INET6) {
    count = 4;
    std::memcpy(words, &reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr, sizeof(words));
  } else {
    std::memcpy(words, &reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr, 4);
  }
  std::string name;
  char part[16];
  for (size_t i = 0; i < count; ++i) {
    snprintf(part, sizeof(part), "%08X", words[i]);
    name += part;
  }
  snprintf(part, sizeof(part), ":%04X", address.port());
  return name + part;
}

}  // namespace

std::optional<uint64_t> DepthFromProc(std::string_view text, const net::Address& address, bool* complete) {
  const std::string name = ProcName(address);
  std::optional<uint64_t> depth;
  size_t begin = text.find('\n');  // behind the titles
  *complete = false;
  while (begin != std::string_view::npos) {
    const size_t end = text.find('\n', begin + 1);
    if (end == std::string_view::npos) break;  // not whole
    const std::string_view line = text.substr(begin + 1, end - begin - 1);
    begin = end;
    const std::vector<absl::string_view> words =
        absl::StrSplit(absl::string_view(line.data(), line.size()), ' ', absl::SkipEmpty());
    if (words.size() < 5) continue;
    if (words[3] != "0A") {  // TCP_LISTEN: the others come behind them
      *complete = true;
      break;
    }
    if (words[1] != name) continue;
    uint64_t waiting = 0;  // "tx_queue:rx_queue"; the second is how many wait
    const size_t colon = words[4].find(':');
    if (colon == absl::string_view::npos || !absl::SimpleHexAtoi(words[4].substr(colon + 1), &waiting)) continue;
    depth = depth.value_or(0) + waiting;
  }
  return depth;
}

AcceptQueues ReadAcceptQueues(const std::vector<net::Endpoint>& endpoints, int (*open_diag)()) {
  AcceptQueues queues;
  queues.of.resize(endpoints.size());
  if (endpoints.empty()) return queues;
  const int fd = open_diag == nullptr ? OpenDiag() : open_diag();
  bool any_unix = false;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    any_unix = any_unix || endpoints[i].is_unix();
    if (endpoints[i].address().empty()) continue;
    if (fd >= 0 && AskTcp(fd, endpoints[i].address(), &queues.of[i])) continue;
    queues.refused = true;
    queues.of[i] = FromProc(endpoints[i].address());
  }
  if (any_unix && (fd < 0 || !AskUnix(fd, endpoints, &queues))) queues.refused = true;
  if (fd >= 0) close(fd);
  return queues;
}

}  // namespace mooring::server::metrics
