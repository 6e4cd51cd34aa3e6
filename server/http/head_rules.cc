// SPDX-License-Identifier: Apache-2.0
#include "server/http/head_rules.h"

#include <cstring>
#include <type_traits>

#include "llhttp.h"
#include "server/http/authority.h"
#include "server/http/byte_scan.h"

namespace mooring::server::http {
namespace {

using Head = RequestParser::Head;

constexpr std::string_view kOtherMethods[] = {
#define MOORING_METHOD(number, name, string) #string,
    HTTP_METHOD_MAP(MOORING_METHOD)
#undef MOORING_METHOD
    "PRI",
};

// RFC 9112, section 7, without chunked.
constexpr std::string_view kCodings[] = {"gzip", "deflate", "compress", "x-gzip", "x-compress"};

constexpr uint64_t kLengthMax = uint64_t{1} << 63;

void PlacePath(Head& head, const char* bytes, uint32_t from, uint32_t to) {
  const auto* mark = static_cast<const char*>(std::memchr(bytes + from, '?', to - from));
  const uint32_t path_end = mark == nullptr ? to : static_cast<uint32_t>(mark - bytes);
  const uint32_t query = mark == nullptr ? to : path_end + 1;
  head.path = static_cast<uint16_t>(from);
  head.path_bytes = static_cast<uint16_t>(path_end - from);
  head.query = static_cast<uint16_t>(query);
  head.query_bytes = static_cast<uint16_t>(to - query);
}

// Of http:// and https://; 0 for anything else.
uint32_t SchemeBytes(std::string_view target) {
  if (SameIgnoringCase(target.substr(0, 7), "http://")) return 7;
  if (SameIgnoringCase(target.substr(0, 8), "https://")) return 8;
  return 0;
}

// Of an absolute-form target, or all of an authority-form one.
std::string_view AuthorityOf(std::string_view target) {
  const std::string_view rest = target.substr(SchemeBytes(target));
  return rest.substr(0, rest.find_first_of("/?"));
}

// `name` is a token of as many bytes as `lower` has; in a token the bit of 0x20 tells the cases of letters apart, and
// no other two bytes of it differ by that bit alone where one is a lower-case letter or '-'.
template <size_t size>
bool SameName(std::string_view name, const char (&lower)[size]) {
  using Word = std::conditional_t<(size - 1 >= 8), uint64_t, uint32_t>;
  constexpr size_t kBytes = size - 1;
  static_assert(kBytes >= sizeof(Word));
  constexpr auto kCaseBit = static_cast<Word>(0x2020202020202020);
  const auto same = [&name, &lower](size_t at) {
    Word a;
    Word b;
    std::memcpy(&a, name.data() + at, sizeof a);
    std::memcpy(&b, lower + at, sizeof b);
    return (a | kCaseBit) == b;
  };
  for (size_t at = 0; at + sizeof(Word) < kBytes; at += sizeof(Word)) {
    if (!same(at)) return false;
  }
  return same(kBytes - sizeof(Word));
}

struct Seen {
  uint32_t hosts = 0;
  uint32_t lengths = 0;
  uint32_t codings = 0;
  std::string_view host;
  std::string_view length;
  std::string_view coding;  // the last
  bool unknown_coding = false;
  bool keep_alive = false;
  bool close = false;
  bool connection_upgrade = false;
  bool upgrade = false;
  bool expects_continue = false;
  bool expects_other = false;
};

bool KnowsCodings(std::string_view list) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!element.empty() && !Is(element.front(), kTokenByte)) element.remove_prefix(1);
    element = element.substr(0, static_cast<size_t>(Skip<kTokenByte>(element.data(), element.data() + element.size()) -
                                                    element.data()));
    bool known = element.empty() || SameIgnoringCase(element, "chunked");
    for (const std::string_view coding : kCodings) known = known || SameIgnoringCase(element, coding);
    if (!known) return false;
  }
  return true;
}

void LookAtConnection(std::string_view value, Seen& seen) {
  if (value == "keep-alive") {
    seen.keep_alive = true;
    return;
  }
  seen.keep_alive = seen.keep_alive || ListHas(value, "keep-alive");
  seen.close = seen.close || ListHas(value, "close");
  seen.connection_upgrade = seen.connection_upgrade || ListHas(value, "upgrade");
}

void LookAt(std::string_view name, std::string_view value, Seen& seen) {
  switch (name.size()) {
    case 4:
      if (!SameName(name, "host")) return;
      ++seen.hosts;
      seen.host = value;
      return;
    case 6:
      if (!SameName(name, "expect")) return;
      (SameIgnoringCase(value, "100-continue") ? seen.expects_continue : seen.expects_other) = true;
      return;
    case 7:
      if (SameName(name, "upgrade") && !value.empty()) seen.upgrade = true;
      return;
    case 10:
      if (SameName(name, "connection")) LookAtConnection(value, seen);
      return;
    case 14:
      if (!SameName(name, "content-length")) return;
      ++seen.lengths;
      seen.length = value;
      return;
    case 17:
      if (!SameName(name, "transfer-encoding")) return;
      ++seen.codings;
      seen.coding = value;
      seen.unknown_coding = seen.unknown_coding || !KnowsCodings(value);
      return;
    default: return;
  }
}

Refusal CheckFraming(const Seen& seen, Head& head) {
  if (seen.lengths != 0 && seen.codings != 0) return Refusal::kLengthAndCoding;
  if (seen.lengths != 0) {
    if (seen.lengths > 1 || seen.length.find(',') != std::string_view::npos) return Refusal::kLengthRepeated;
    if (seen.length.empty()) return Refusal::kLength;
    uint64_t length = 0;
    for (const char c : seen.length) {
      if (!Is(c, kDigitByte)) return Refusal::kLength;
      const auto digit = static_cast<uint64_t>(c - '0');
      if (length > (kLengthMax - digit) / 10) return Refusal::kLength;
      length = length * 10 + digit;
    }
    head.length = length;
    head.has_body = length != 0;
  }
  if (seen.codings != 0) {
    if (head.minor == 0) return Refusal::kCoding;
    if (seen.unknown_coding) return Refusal::kUnknownCoding;
    if (seen.codings > 1 || !SameIgnoringCase(seen.coding, "chunked")) return Refusal::kCoding;
    head.chunked = true;
    head.has_body = true;
  }
  return Refusal::kNone;
}

Refusal CheckHost(const Seen& seen, std::string_view target, const Head& head) {
  if (seen.hosts == 0) return head.minor == 0 ? Refusal::kNone : Refusal::kHost;
  if (seen.hosts > 1) return Refusal::kHost;
  const std::optional<Authority> host = Authority::Parse(seen.host);
  if (!host) return Refusal::kHost;
  if (target.front() == '/' || target == "*") return Refusal::kNone;
  const std::optional<Authority> meant = Authority::Parse(AuthorityOf(target));
  const uint16_t default_port = SchemeBytes(target) == 8 ? 443 : 80;
  return meant && meant->Same(*host, default_port) ? Refusal::kNone : Refusal::kHostMismatch;
}

}  // namespace

std::optional<Method> FindMethod(std::string_view name) {
  if (name == "GET") return Method::kGet;
  for (int i = 0; i < kMethods; ++i) {
    const auto method = static_cast<Method>(i);
    if (name == Name(method)) return method;
  }
  for (const std::string_view other : kOtherMethods) {
    if (name == other) return Method::kOther;
  }
  return std::nullopt;
}

Refusal CheckRequestLine(const char* bytes, Head& head) {
  const std::string_view target(bytes + head.target, head.target_bytes);
  const uint32_t end = head.target + head.target_bytes;
  if (head.method == Method::kOther) {
    if (std::string_view(bytes + head.method_at(), head.method_bytes) == "PRI") return Refusal::kMethod;
  }
  if (head.method == Method::kConnect) {
    const std::optional<Authority> authority = Authority::Parse(target);
    if (!authority || !authority->port) return Refusal::kTarget;
    // No path; as it doesn't begin with '/', no route has it.
    head.path = head.target;
    head.path_bytes = head.target_bytes;
    head.query = static_cast<uint16_t>(end);
    return Refusal::kNone;
  }
  if (target.front() == '/') {
    PlacePath(head, bytes, head.target, end);
    return Refusal::kNone;
  }
  if (target == "*") {
    if (head.method != Method::kOptions) return Refusal::kTarget;
    PlacePath(head, bytes, head.target, end);
    return Refusal::kNone;
  }
  const uint32_t scheme = SchemeBytes(target);
  const std::string_view authority = AuthorityOf(target);
  if (scheme == 0 || !Authority::Parse(authority)) return Refusal::kTarget;
  PlacePath(head, bytes, head.target + scheme + static_cast<uint32_t>(authority.size()), end);
  return Refusal::kNone;
}

Refusal CheckFields(const char* bytes, const Field* fields, Head& head) {
  Seen seen;
  for (const Field* field = fields; field != fields + head.fields; ++field) {
    LookAt({bytes + field->name, field->name_bytes}, {bytes + field->value, field->value_bytes}, seen);
  }
  if (const Refusal refusal = CheckFraming(seen, head); refusal != Refusal::kNone) return refusal;
  const std::string_view target(bytes + head.target, head.target_bytes);
  if (const Refusal refusal = CheckHost(seen, target, head); refusal != Refusal::kNone) return refusal;
  const bool modern = head.minor != 0;
  head.keep_alive = !seen.close && (modern || seen.keep_alive);
  // What bytes follow a CONNECT, or an upgrade that is granted, nobody could say while there is a body too.
  if (head.has_body && head.method == Method::kConnect) return Refusal::kUpgradeBody;
  if (!modern) return Refusal::kNone;  // 1.0 has neither Expect nor Upgrade (RFC 9110, sections 10.1.1 and 7.8)
  if (seen.expects_other) return Refusal::kExpect;
  head.expects_continue = seen.expects_continue && head.has_body;
  if (seen.upgrade && seen.connection_upgrade) {
    if (head.has_body) return Refusal::kUpgradeBody;
    head.upgrade = head.method == Method::kGet;
  }
  return Refusal::kNone;
}

}  // namespace mooring::server::http
