// SPDX-License-Identifier: Apache-2.0
// AccessLine: a response as one line of the combined format, which every log reader knows.
//
//   127.0.0.1 - - [29/Nov/2026:15:04:05 +0000] "GET /a?b HTTP/1.1" 200 1024 "http://referer/" "curl/7.88"
//
// What a client sent is escaped as nginx does it: \xHH for control bytes, '"', '\' and all from 0x7f on. So a line has
// one line break, its last byte, and six quotes, whatever the client says. Times are UTC: the same on every machine, with
// no hour twice a year, and without localtime(3), which takes a lock. An IPv4 client of an IPv6 socket is shown as IPv4.
//
// Threads:  any.
// Limits:   the lengths below, of what is written, escapes included; what is longer is cut, never inside an escape.
#ifndef MOORING_SERVER_HTTP_ACCESS_LINE_H_
#define MOORING_SERVER_HTTP_ACCESS_LINE_H_

#include <cstdint>
#include <string_view>

#include "server/http/access_log.h"

namespace mooring::server::http {

class AccessLine {
 public:
  static constexpr uint32_t kRequestBytes = 2048;
  static constexpr uint32_t kRefererBytes = 1024;
  static constexpr uint32_t kUserAgentBytes = 768;

  // `wall_s`: seconds since 1970, of the years 0 to 9999.
  AccessLine(const AccessRecord& record, int64_t wall_s);

  std::string_view view() const { return {bytes_, size_}; }  // with its line break

 private:
  void Add(char c) { bytes_[size_++] = c; }
  void Add(std::string_view text);
  void AddPadded(unsigned number, int digits);
  void AddNumber(uint64_t number);
  void AddIpv4(const uint8_t* host);
  void AddPeer(const net::Address* peer);
  void AddTime(int64_t wall_s);
  void AddQuoted(std::string_view text, uint32_t bytes_max);

  uint32_t size_ = 0;
  char bytes_[AccessLog::kLineBytes];
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_ACCESS_LINE_H_
