// SPDX-License-Identifier: Apache-2.0
// RequestCases: the one table of requests and their answers: what is accepted and as what, what is refused and why.
//
// docs/HTTP.md has the rules; here is what they mean in bytes. The parser's tests feed each case in every cut; the
// service's tests may send them.
#ifndef MOORING_TESTS_SERVER_HTTP_REQUEST_CASES_H_
#define MOORING_TESTS_SERVER_HTTP_REQUEST_CASES_H_

#include <string>
#include <vector>

#include "server/http/refusal.h"
#include "server/http/request_parser.h"

namespace mooring::server::http {

struct RequestCase {
  std::string name;
  std::string bytes;
  Refusal refusal = Refusal::kNone;
  int status = 200;
  // Accepted: as Summary() writes it. Empty: refused, or (with `incomplete`) neither yet.
  std::string summary = {};
  bool incomplete = false;
  // Refused, but llhttp in its strict mode alone would have let it pass: why there is a screen and rules.
  bool llhttp_passes = false;
  RequestParser::Limits limits = {};
};

const std::vector<RequestCase>& RequestCases();

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_REQUEST_CASES_H_
