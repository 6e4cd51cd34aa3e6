// SPDX-License-Identifier: Apache-2.0
// OutgoingField: which fields a route or a filter may add to a response: those that cannot break its head, and that are
// not the server's own.
//
// Threads:  none; functions.
#ifndef MOORING_SERVER_HTTP_OUTGOING_FIELD_H_
#define MOORING_SERVER_HTTP_OUTGOING_FIELD_H_

#include <string>
#include <string_view>

namespace mooring::server::http {

// `name` is a token, `value` has no control bytes but tabs (RFC 9110, section 5.5).
bool FitsInHead(std::string_view name, std::string_view value);

// Date, Server, Content-Length, Transfer-Encoding, Connection, Keep-Alive and Upgrade are the server's.
bool IsTheServers(std::string_view name);

// Appends "name: value\r\n"; false, and nothing is done, for a field that may not go out.
bool AppendField(std::string_view name, std::string_view value, std::string* lines);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_OUTGOING_FIELD_H_
