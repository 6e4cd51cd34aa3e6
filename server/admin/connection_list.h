// SPDX-License-Identifier: Apache-2.0
// ConnectionList: /connections, and the closing of one of them.
//
//   ask all shards, step by step ──> merge their best ──> write the rows, as fast as the client takes them
//
// Threads:  the control shard.
// Owns:     nothing that a request does not.
// Limits:   one search at a time, others wait for it; ConnectionQuery::kLimitMax rows for each request and shard. A
//           shard that does not answer within `patience` ends the request: 503. So does a client that goes away, at the next
//           step.
#ifndef MOORING_SERVER_ADMIN_CONNECTION_LIST_H_
#define MOORING_SERVER_ADMIN_CONNECTION_LIST_H_

#include "core/clock.h"
#include "core/semaphore.h"
#include "core/task.h"
#include "server/admin/connection_query.h"
#include "server/control.h"
#include "server/http/request.h"
#include "server/http/response.h"

namespace mooring::server::admin {

class ConnectionList {
 public:
  ConnectionList(Control* control, core::Nanos patience) : control_(control), patience_(patience) {}
  ConnectionList(const ConnectionList&) = delete;

  core::Task<http::Response> List(http::Request& request);
  // {id} of the path. 202: it is told to; 404: there is no such connection any more.
  core::Task<http::Response> Close(http::Request& request);

 private:
  ConnectionQuery::Names Names() const;
  core::Task<http::Response> Search(ConnectionQuery query);

  Control* const control_;
  const core::Nanos patience_;
  core::Semaphore searching_{1};
};

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_CONNECTION_LIST_H_
