// SPDX-License-Identifier: Apache-2.0
#include "server/http/head_writer.h"

#include <charconv>

#include "server/http/http_date.h"

namespace mooring::server::http {
namespace {

void AppendNumber(std::string* out, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out->append(digits, static_cast<size_t>(end - digits));
}

void AppendStatusLine(std::string* out, int status) {
  out->append("HTTP/1.1 ");
  AppendNumber(out, static_cast<uint64_t>(status));
  out->push_back(' ');
  out->append(ReasonOf(status));
  out->append("\r\n");
}

}  // namespace

HeadWriter::HeadWriter(std::string_view server, int64_t (*wall_s)())
    : wall_s_(wall_s), server_(server.empty() ? std::string() : "Server: " + std::string(server) + "\r\n") {}

// Wall time has whole seconds and no fixed place between the shard's; a tenth of a second is as exact as a Date can be.
void HeadWriter::Refresh(int64_t now_ms) {
  refresh_at_ms_ = now_ms + 100;
  char date[kHttpDateBytes];
  FormatHttpDate(wall_s_(), date);
  common_ = server_;
  common_.append("Date: ").append(date, sizeof(date)).append("\r\n");
  ok_.clear();
  AppendStatusLine(&ok_, 200);
  ok_ += common_;
}

void HeadWriter::Append(std::string* out, const Response& response, const To& to, std::string_view extra,
                        int64_t now_ms) {
  if (now_ms >= refresh_at_ms_) Refresh(now_ms);
  const int status = response.status();
  if (status == 200) {
    out->append(ok_);
  } else {
    AppendStatusLine(out, status);
    out->append(common_);
  }
  if (response.prepared()) out->append(response.prepared().view());
  if (!response.type().empty()) out->append("Content-Type: ").append(response.type()).append("\r\n");
  out->append(response.header_lines());
  out->append(extra);
  if (!Bodiless(status)) {
    if (response.length() != Response::kUnknownLength) {
      out->append("Content-Length: ");
      AppendNumber(out, response.length());
      out->append("\r\n");
    } else if (to.minor == 1) {
      out->append("Transfer-Encoding: chunked\r\n");
    }
  }
  if (!to.keep_alive) {
    out->append("Connection: close\r\n");
  } else if (to.minor == 0) {
    out->append("Connection: keep-alive\r\n");
  }
  out->append("\r\n");
}

void HeadWriter::AppendSwitch(std::string* out, std::string_view protocol, std::string_view extra, int64_t now_ms) {
  if (now_ms >= refresh_at_ms_) Refresh(now_ms);
  AppendStatusLine(out, 101);
  out->append(common_);
  out->append("Connection: Upgrade\r\nUpgrade: ").append(protocol).append("\r\n");
  out->append(extra);
  out->append("\r\n");
}

}  // namespace mooring::server::http
