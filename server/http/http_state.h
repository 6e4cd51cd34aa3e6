// SPDX-License-Identifier: Apache-2.0
// HttpService::State: what all HTTP connections of a listener share on a shard.
#ifndef MOORING_SERVER_HTTP_HTTP_STATE_H_
#define MOORING_SERVER_HTTP_HTTP_STATE_H_

#include <string>

#include "core/counters.h"
#include "server/http/head_writer.h"
#include "server/http/http_service.h"
#include "server/http/request_parser.h"

namespace mooring::server::http {

class HttpService::State {
 public:
  State(Router with_router, HttpOptions with_options);

  const HttpOptions options;
  const RequestParser::Limits limits;
  Router router;
  HeadWriter heads;
  core::CounterSet<HttpCount> counters;
  core::CounterSet<Refusal> refusals;

  // Of the request that is being parsed and answered without a wait; nobody's between two calls.
  RequestParser parser{&limits};
  Field fields[RequestParser::kFieldsMax];
  Request request;
  std::string out;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HTTP_STATE_H_
