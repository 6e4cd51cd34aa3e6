// SPDX-License-Identifier: Apache-2.0
// RequestBuilder: a request without a connection, for tests of what looks at one: routes, filters, files.
//
//   RequestBuilder built(Method::kGet, "/a?b=c");
//   built.Header("Host", "x").Header("If-None-Match", "\"7\"");
//   router.Find(built.request());
#ifndef MOORING_TESTS_SERVER_HTTP_REQUEST_BUILDER_H_
#define MOORING_TESTS_SERVER_HTTP_REQUEST_BUILDER_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/http/request.h"

namespace mooring::server::http {

class RequestBuilder {
 public:
  // `target` in origin-form, or "*".
  RequestBuilder(Method method, std::string target) : target_(std::move(target)) {
    request_.method_ = method;
    request_.method_name_ = Name(method);
    request_.target_ = target_;
    const size_t mark = target_.find('?');
    request_.path_ = std::string_view(target_).substr(0, mark);
    if (mark != std::string::npos) request_.query_ = std::string_view(target_).substr(mark + 1);
  }
  RequestBuilder(const RequestBuilder&) = delete;

  RequestBuilder& Header(std::string_view name, std::string_view value) {
    fields_.push_back({.name = static_cast<uint16_t>(head_.size()),
                       .name_bytes = static_cast<uint16_t>(name.size()),
                       .value = static_cast<uint16_t>(head_.size() + name.size()),
                       .value_bytes = static_cast<uint16_t>(value.size())});
    head_.append(name).append(value);
    request_.fields_ = Fields(head_.data(), fields_.data(), static_cast<uint32_t>(fields_.size()));
    return *this;
  }
  RequestBuilder& Minor(int minor) {
    request_.minor_ = static_cast<uint8_t>(minor);
    return *this;
  }
  RequestBuilder& Body(std::string body) {
    body_ = std::move(body);
    request_.body_ = body_;
    request_.has_body_ = true;
    return *this;
  }

  Request& request() { return request_; }
  const std::string& extra_lines() const { return request_.extra_lines_; }  // of SetHeader

 private:
  const std::string target_;
  std::string head_;
  std::string body_;
  std::vector<Field> fields_;
  Request request_;
};

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_REQUEST_BUILDER_H_
