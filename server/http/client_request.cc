// SPDX-License-Identifier: Apache-2.0
#include "server/http/client_request.h"

#include <charconv>

#include "absl/strings/match.h"
#include "server/http/outgoing_field.h"

namespace mooring::server::http {
namespace {

bool Same(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

bool IsTheClients(std::string_view name) {
  for (const std::string_view own : {"Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Connection",
                                     "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Expect"}) {
    if (Same(name, own)) return true;
  }
  return false;
}

}  // namespace

bool ClientRequest::AddHeader(std::string_view name, std::string_view value) {
  if (!FitsInHead(name, value) || IsTheClients(name)) {
    ++left_out_;
    return false;
  }
  lines_.append(name).append(": ").append(value).append("\r\n");
  return true;
}

bool RequestBody::Begin(uint64_t bytes) {
  if (stopped_ || bytes == 0) return false;
  if (left_ == ClientRequest::kUnknownLength) {
    char size[20];
    char* end = std::to_chars(size, size + sizeof(size) - 2, bytes, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    conn_->Write(std::string_view(size, static_cast<size_t>(end - size)));
    return true;
  }
  if (bytes > left_) {
    overrun_ = stopped_ = true;
    return false;
  }
  left_ -= bytes;
  return true;
}

void RequestBody::End() {
  if (left_ == ClientRequest::kUnknownLength) conn_->Write("\r\n");
}

RequestBody::Room RequestBody::Write(std::string_view bytes) {
  if (Begin(bytes.size())) {
    conn_->Write(bytes);
    End();
  }
  return Room(this);
}
RequestBody::Room RequestBody::Write(alloc::Lease lease) {
  if (Begin(lease.size())) {
    conn_->Write(std::move(lease));
    End();
  }
  return Room(this);
}
RequestBody::Room RequestBody::Write(const alloc::SharedBytes& bytes) {
  if (Begin(bytes.size())) {
    conn_->Write(bytes);
    End();
  }
  return Room(this);
}

}  // namespace mooring::server::http
