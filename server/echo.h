// SPDX-License-Identifier: Apache-2.0
// Echo and discard: the two smallest services, as shared callbacks without state.
#ifndef MOORING_SERVER_ECHO_H_
#define MOORING_SERVER_ECHO_H_

#include <utility>

#include "net/connection.h"
#include "net/handler.h"

namespace mooring::server {

// RFC 862: sends back what it gets, from the block the kernel put it in.
class Echo final : public net::Handler {
 public:
  void OnData(net::Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
};

// RFC 863: takes everything and says nothing.
class Discard final : public net::Handler {
 public:
  void OnData(net::Connection&, alloc::Lease) override {}
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_ECHO_H_
