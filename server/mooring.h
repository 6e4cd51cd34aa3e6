// SPDX-License-Identifier: Apache-2.0
// The library in one header: what a program needs to hold connections, under one name.
//
//   #include <mooring/mooring.h>
//   using namespace mooring;
//
// docs/LIBRARY.md says what may be relied on; each name's own header, below, says the rest.
#ifndef MOORING_MOORING_H_
#define MOORING_MOORING_H_

#include "alloc/buffer_pool.h"
#include "alloc/shared_bytes.h"
#include "core/blocking.h"
#include "core/channel.h"
#include "core/clock.h"
#include "core/event.h"
#include "core/every.h"
#include "core/scope.h"
#include "core/semaphore.h"
#include "core/shard.h"
#include "core/shards.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "core/task.h"
#include "core/wait_fd.h"
#include "core/when_all.h"
#include "core/when_any.h"
#include "net/address.h"
#include "net/close_cause.h"
#include "net/connect.h"
#include "net/connection.h"
#include "net/connection_set.h"
#include "net/endpoint.h"
#include "net/handler.h"
#include "net/owned_connection.h"
#include "net/pool.h"
#include "net/post.h"
#include "net/read_result.h"
#include "net/resolve.h"
#include "net/service_options.h"
#include "server/http/body_writer.h"
#include "server/http/client.h"
#include "server/http/filters.h"
#include "server/http/http_service.h"
#include "server/http/method.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "server/http/router.h"
#include "server/server.h"
#include "server/version.h"

namespace mooring {

// A server and its services.
using net::CloseCause;
using net::Connection;
using net::ConnectionId;
using net::ConnectionSet;
using net::Handler;
using net::ReadOptions;
using net::ReadReason;
using net::ReadResult;
using net::ServiceOptions;
using net::SlowPolicy;
using server::About;
using server::ListenOptions;
using server::Server;

// HTTP.
using server::http::Action;
using server::http::BasicAuth;
using server::http::BodyEnd;
using server::http::BodyPiece;
using server::http::BodyWriter;
using server::http::ConcurrencyLimit;
using server::http::Http;
using server::http::HttpOptions;
using server::http::Method;
using server::http::Next;
using server::http::Request;
using server::http::RequestId;
using server::http::Response;
using server::http::RouteOptions;
using server::http::Router;
using server::http::SameSecret;

// HTTP, asking.
using server::http::AskOptions;
using server::http::ClientAnswer;
using server::http::ClientCount;
using server::http::ClientExchange;
using server::http::ClientFailure;
using server::http::ClientOptions;
using server::http::ClientRequest;
using server::http::ClientResult;
using server::http::HttpClient;
using server::http::RequestBody;

// Connections to somewhere else.
using net::Address;
using net::Borrowed;
using net::BorrowFailure;
using net::Connect;
using net::ConnectFailure;
using net::ConnectOptions;
using net::ConnectResult;
using net::Endpoint;
using net::OwnedConnection;
using net::Pool;
using net::PoolCount;
using net::PoolOptions;
using net::Resolve;
using net::Resolved;
using net::ResolveFailure;

// Bytes.
using alloc::Lease;
using alloc::SharedBytes;

// Time and control on a shard.
using core::Blocked;
using core::Blocking;
using core::Channel;
using core::Deadlined;
using core::Event;
using core::Every;
using core::FdEnd;
using core::FdResult;
using core::FirstDone;
using core::JobEnd;
using core::Millis;
using core::Nanos;
using core::Scope;
using core::Scoped;
using core::Seconds;
using core::Semaphore;
using core::Sleep;
using core::Task;
using core::WaitFd;
using core::WaitReadable;
using core::WaitWritable;
using core::WhenAll;
using core::WhenAny;
using core::WithDeadline;
using core::Woken;

// Shards.
using core::Local;
using core::OnEveryShard;
using core::Shard;
using core::Shards;
using core::Submitted;
using core::SubmitTo;
using net::ConnectionMail;
using net::Post;

}  // namespace mooring

#endif  // MOORING_MOORING_H_
