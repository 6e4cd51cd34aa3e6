// SPDX-License-Identifier: Apache-2.0
#include "server/http/access_line.h"

#include <arpa/inet.h>

#include <charconv>
#include <chrono>
#include <cstring>

namespace mooring::server::http {
namespace {

// The client, the time, the status, the length and what stands between.
constexpr uint32_t kRestBytes = 256;
static_assert(AccessLine::kRequestBytes + AccessLine::kRefererBytes + AccessLine::kUserAgentBytes + kRestBytes <=
              AccessLog::kLineBytes);

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

bool NeedsEscape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\' || c >= 0x7f; }

}  // namespace

AccessLine::AccessLine(const AccessRecord& record, int64_t wall_s) {
  AddPeer(record.peer);
  Add(" - - [");
  AddTime(wall_s);
  Add(" +0000] ");
  AddQuoted(record.request_line, kRequestBytes);
  Add(' ');
  AddPadded(static_cast<unsigned>(record.status) % 1000, 3);
  Add(' ');
  AddNumber(record.body_bytes);
  Add(' ');
  AddQuoted(record.referer, kRefererBytes);
  Add(' ');
  AddQuoted(record.user_agent, kUserAgentBytes);
  Add('\n');
}

void AccessLine::Add(std::string_view text) {
  std::memcpy(bytes_ + size_, text.data(), text.size());
  size_ += static_cast<uint32_t>(text.size());
}

void AccessLine::AddPadded(unsigned number, int digits) {
  for (int at = digits - 1; at >= 0; --at, number /= 10) bytes_[size_ + at] = static_cast<char>('0' + number % 10);
  size_ += static_cast<uint32_t>(digits);
}

void AccessLine::AddPeer(const net::Address* peer) {
  if (peer == nullptr || peer->empty()) return Add('-');
  if (peer->family() == AF_INET) {
    return AddIpv4(reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(peer->get())->sin_addr));
  }
  const in6_addr* host = &reinterpret_cast<const sockaddr_in6*>(peer->get())->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(host)) return AddIpv4(host->s6_addr + 12);
  inet_ntop(AF_INET6, host, bytes_ + size_, INET6_ADDRSTRLEN);
  size_ += static_cast<uint32_t>(std::strlen(bytes_ + size_));
}

// inet_ntop(3) goes by way of sprintf, which takes longer than the rest of the line.
void AccessLine::AddIpv4(const uint8_t* host) {
  for (int i = 0; i < 4; ++i) {
    if (i != 0) Add('.');
    AddNumber(host[i]);
  }
}

void AccessLine::AddNumber(uint64_t number) {
  size_ = static_cast<uint32_t>(std::to_chars(bytes_ + size_, bytes_ + sizeof(bytes_), number).ptr - bytes_);
}

void AccessLine::AddTime(int64_t wall_s) {
  using std::chrono::days;
  const std::chrono::sys_seconds now{std::chrono::seconds(wall_s)};
  const auto day = std::chrono::floor<days>(now);
  const std::chrono::year_month_day date(day);
  const auto second = static_cast<unsigned>((now - day).count());
  AddPadded(static_cast<unsigned>(date.day()), 2);
  Add('/');
  Add(kMonths.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3));
  Add('/');
  AddPadded(static_cast<unsigned>(static_cast<int>(date.year())), 4);
  Add(':');
  AddPadded(second / 3600, 2);
  Add(':');
  AddPadded(second / 60 % 60, 2);
  Add(':');
  AddPadded(second % 60, 2);
}

void AccessLine::AddQuoted(std::string_view text, uint32_t bytes_max) {
  constexpr char kHex[] = "0123456789ABCDEF";
  Add('"');
  const uint32_t end = size_ + bytes_max;
  if (text.empty()) Add('-');
  for (const char each : text) {
    const auto c = static_cast<unsigned char>(each);
    if (!NeedsEscape(c)) {
      if (size_ == end) break;
      Add(each);
      continue;
    }
    if (end - size_ < 4) break;
    Add('\\');
    Add('x');
    Add(kHex[c >> 4]);
    Add(kHex[c & 15]);
  }
  Add('"');
}

}  // namespace mooring::server::http
