// SPDX-License-Identifier: Apache-2.0
#include "server/http/response.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/match.h"
#include "server/http/outgoing_field.h"

namespace mooring::server::http {
namespace {

bool Same(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase({a.data(), a.size()}, {b.data(), b.size()});
}

// Takes out the lines of that name.
void Remove(std::string_view name, std::string* lines) {
  for (size_t at = 0; at < lines->size();) {
    const size_t end = lines->find('\n', at) + 1;
    const std::string_view line = std::string_view(*lines).substr(at, end - at);
    if (Same(line.substr(0, line.find(':')), name)) {
      lines->erase(at, end - at);
    } else {
      at = end;
    }
  }
}

}  // namespace

std::string_view ReasonOf(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 510: return "Not Extended";
    case 511: return "Network Authentication Required";
    default: return "Unknown";
  }
}

Response Response::Plain(int status) {
  assert(status >= 200 && status <= 599);
  Response response;
  response.SetStatus(status);
  if (status == 204 || status == 205 || status == 304) return response;  // they have no body
  response.type_ = "text/plain; charset=utf-8";
  response.text_ = std::to_string(status);
  response.text_.append(" ").append(ReasonOf(status)).append("\n");
  return response;
}

Response Response::SharedPart(std::string_view type, alloc::SharedBytes body, uint32_t offset, uint32_t size) {
  assert(offset <= body.size());
  assert(size <= body.size() - offset);
  Response response;
  response.type_ = type;
  response.shared_ = std::move(body);
  response.offset_ = offset;
  response.part_bytes_ = size;
  return response;
}

Response Response::Stream(std::string_view type, StreamFunction write, uint64_t length) {
  if (!write) return Plain(500);
  Response response;
  response.type_ = type;
  response.later_ = std::make_unique<Later>();
  response.later_->stream = std::move(write);
  response.later_->length = length;
  return response;
}

Response Response::Redirect(int status, std::string_view location) {
  assert(status >= 300 && status <= 399);
  Response response = Plain(status);
  return response.AddHeader("Location", location) ? std::move(response) : Plain(500);
}

Response Response::TakeOver(std::string_view protocol, TakeOverFunction service) {
  if (!service || !FitsInHead("Upgrade", protocol)) return Plain(500);
  Response response;
  response.SetStatus(101);
  response.later_ = std::make_unique<Later>();
  response.later_->take_over = std::move(service);
  response.later_->protocol = protocol;
  response.later_->length = 0;
  return response;
}

bool Response::AddHeader(std::string_view name, std::string_view value) {
  constexpr std::string_view kType = "Content-Type";
  if (Same(name, kType) && FitsInHead(name, value)) {
    type_ = {};
    Remove(kType, &lines_);
  }
  if (AppendField(name, value, &lines_)) return true;
  left_out_ = static_cast<uint8_t>(std::min(left_out_ + 1, 255));
  return false;
}

}  // namespace mooring::server::http
