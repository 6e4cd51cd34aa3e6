// SPDX-License-Identifier: Apache-2.0
#include "net/resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/blocking.h"
#include "core/shard.h"

namespace mooring::net {
namespace {

// RFC 1035, 2.3.4: 255 octets in a message, which are at most 253 characters of text.
constexpr size_t kHostBytesMax = 253;

absl::Status Wrong(std::string_view text, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("'", absl::string_view(text.data(), text.size()),
                                                 "' is not a target: ", what,
                                                 "; write HOST:PORT, e.g. db.example:5432 or [::1]:5432"));
}

NameAnswer AskTheSystem(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  NameAnswer answer;
  answer.error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (answer.error == EAI_SYSTEM) answer.system_error = errno;
  if (answer.error != 0) return answer;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    Address address(each->ai_addr);
    if (address.empty()) continue;
    address.set_port(port);
    answer.addresses.push_back(address);
  }
  freeaddrinfo(list);
  if (answer.addresses.empty()) answer.error = EAI_NONAME;
  return answer;
}

std::string Explain(const NameAnswer& answer) {
  switch (answer.error) {
    case EAI_NONAME: return "no such name: look at its spelling, /etc/hosts and `getent ahosts NAME`";
    case EAI_AGAIN: return "the name servers do not answer for now: try again, or look at /etc/resolv.conf";
    case EAI_FAIL: return "the name servers refuse to answer: look at /etc/resolv.conf";
    case EAI_MEMORY: return "no memory for the look-up";
    case EAI_SYSTEM: return absl::StrCat("the look-up failed: ", std::strerror(answer.system_error));
    default: return absl::StrCat("the look-up failed: ", gai_strerror(answer.error));
  }
}

}  // namespace

absl::StatusOr<HostAndPort> HostAndPort::Parse(std::string_view given) {
  std::string_view text = given;
  if (text.substr(0, 6) == "tcp://") text.remove_prefix(6);
  if (text.substr(0, 5) == "unix:") return Wrong(given, "connecting to Unix paths is not there yet");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(given, "it has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &port) || port == 0 || port > 65535) {
    return Wrong(given, "its port is not a number from 1 to 65535");
  }
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host.empty()) return Wrong(given, "it has no host");
  if (host.size() > kHostBytesMax) return Wrong(given, "its host has more than 253 characters");
  if (!brackets && host.find(':') != std::string_view::npos) return Wrong(given, "an IPv6 host needs brackets");
  for (char c : host) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '[' || c == ']' || c == '\x7f') {
      return Wrong(given, "its host is not a name");
    }
  }
  return HostAndPort{std::string(host), static_cast<uint16_t>(port)};
}

core::Task<Resolved> Resolve(std::string target) {
  Resolved out;
  absl::StatusOr<HostAndPort> parsed = HostAndPort::Parse(target);
  if (!parsed.ok()) {
    out.failure = ResolveFailure::kTarget;
    out.text = std::string(parsed.status().message());
    co_return out;
  }
  const std::string_view plain = target;
  const auto digits = Address::Parse(plain.substr(0, 6) == "tcp://" ? plain.substr(6) : plain);
  if (digits.ok()) {
    out.addresses.push_back(*digits);
    co_return out;
  }
  const auto* names = core::Shard::Current()->locals().Find<NamesInUse>();
  NameSource* const source = names == nullptr ? nullptr : names->source;
  auto look_up = [source, name = *parsed] {
    return source == nullptr ? AskTheSystem(name.host, name.port) : source->LookUp(name.host, name.port);
  };
  auto answer = co_await core::Blocking(std::move(look_up));
  if (answer.ok() && answer->error == 0) {
    out.addresses = std::move(answer->addresses);
    co_return out;
  }
  if (answer.ok()) {
    out.failure = ResolveFailure::kName;
    out.error = answer->error;
    out.text = absl::StrCat(target, ": ", Explain(*answer));
  } else if (answer.end() == core::JobEnd::kCancelled) {
    out.failure = ResolveFailure::kCancelled;
    out.text = absl::StrCat(target, ": cancelled");
  } else {
    out.failure = ResolveFailure::kRefused;
    out.text = absl::StrCat(target, ": no helper thread for the look-up: too many wait, or the server ends");
  }
  co_return out;
}

}  // namespace mooring::net
