// SPDX-License-Identifier: Apache-2.0
// Method: what a request asks for (RFC 9110, section 9; PATCH: RFC 5789).
#ifndef MOORING_SERVER_HTTP_METHOD_H_
#define MOORING_SERVER_HTTP_METHOD_H_

#include <cstdint>
#include <string_view>

namespace mooring::server::http {

enum class Method : uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kPatch,
  kOptions,
  kConnect,
  kTrace,
  kOther,  // a registered one that Mooring does nothing with: Request::method_name() says which
};
inline constexpr int kMethods = static_cast<int>(Method::kOther);  // that have a name here

constexpr std::string_view Name(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kDelete: return "DELETE";
    case Method::kPatch: return "PATCH";
    case Method::kOptions: return "OPTIONS";
    case Method::kConnect: return "CONNECT";
    case Method::kTrace: return "TRACE";
    case Method::kOther: break;
  }
  return "?";
}

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_METHOD_H_
