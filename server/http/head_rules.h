// SPDX-License-Identifier: Apache-2.0
// HeadRules: what a request's head must be as a whole, once its bytes are in order: RequestParser's second half.
//
// Each rule is one that a peer on the way could read differently: which host is meant, how long the body is, whether
// another protocol follows. Of several that are broken the first in the order of docs/HTTP.md's table is the verdict.
//
// Threads:  functions without state.
#ifndef MOORING_SERVER_HTTP_HEAD_RULES_H_
#define MOORING_SERVER_HTTP_HEAD_RULES_H_

#include <optional>
#include <string_view>

#include "server/http/fields.h"
#include "server/http/refusal.h"
#include "server/http/request_parser.h"

namespace mooring::server::http {

// The method of that name; none where it is not registered (what llhttp knows of HTTP; `PRI` too, because what follows
// it is a matter of the version).
std::optional<Method> FindMethod(std::string_view name);

// The line is complete, method, minor and the target's place are known. Fills in path and query.
Refusal CheckRequestLine(const char* bytes, RequestParser::Head& head);

// The head is complete. Fills in what it says about the connection and the body.
Refusal CheckFields(const char* bytes, const Field* fields, RequestParser::Head& head);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_HEAD_RULES_H_
