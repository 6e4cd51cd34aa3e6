// SPDX-License-Identifier: Apache-2.0
// HeadWriter: the head of a response, as bytes.
//
// What is the same in all responses of a second (the status line of 200, Server, Date) is put together once a second.
//
// Threads:  one shard.
// Owns:     what it has put together.
#ifndef MOORING_SERVER_HTTP_HEAD_WRITER_H_
#define MOORING_SERVER_HTTP_HEAD_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "server/http/response.h"

namespace mooring::server::http {

class HeadWriter {
 public:
  // What of a request its response's head depends on.
  struct To {
    uint8_t minor = 1;         // of HTTP/1.x
    bool keep_alive = true;    // the connection goes on behind this response
    bool head_only = false;    // HEAD
  };

  // `wall_s` gives the seconds since 1970.
  HeadWriter(std::string_view server, int64_t (*wall_s)());

  // `now_ms` is the shard's time, by which the Date is looked at again. `extra` are lines "Name: value\r\n".
  void Append(std::string* out, const Response& response, const To& to, std::string_view extra, int64_t now_ms);
  // The head of a 101.
  void AppendSwitch(std::string* out, std::string_view protocol, std::string_view extra, int64_t now_ms);

  // Such a response has neither a body nor a length (RFC 9110, sections 15.2, 15.3.5, 15.4.5).
  static bool Bodiless(int status) { return status == 204 || status == 304 || status < 200; }
  // Whether the body goes out in chunks; else one of unknown length ends with the connection.
  static bool Chunked(const Response& response, const To& to) {
    return response.length() == Response::kUnknownLength && to.minor == 1 && !Bodiless(response.status());
  }

 private:
  void Refresh(int64_t now_ms);

  int64_t (*const wall_s_)();
  const std::string server_;  // "Server: mooring\r\n", or nothing
  int64_t refresh_at_ms_ = INT64_MIN;
  std::string common_;        // Server and Date
  std::string ok_;            // the same behind the status line of 200
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HEAD_WRITER_H_
