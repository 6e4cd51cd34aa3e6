// SPDX-License-Identifier: Apache-2.0
// ExplainConnectError: why a connect failed, and what to do about it.
//
// Threads:  a function.
#ifndef MOORING_NET_CONNECT_ERROR_H_
#define MOORING_NET_CONNECT_ERROR_H_

#include <string>

namespace mooring::net {

// Of an errno of connect(2) or of making its socket: "no free local port: widen ..." for EADDRNOTAVAIL.
std::string ExplainConnectError(int error);

}  // namespace mooring::net

#endif  // MOORING_NET_CONNECT_ERROR_H_
