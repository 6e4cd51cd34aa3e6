// SPDX-License-Identifier: Apache-2.0
// Router: which route answers which request.
//
//   Router router;
//   router.Use(RequestId());                              // for all routes that are added behind it
//   router.Get("/hello/{name}", Hello);                   // Response(Request&), Task<Response>(Request&), a lambda, ...
//   router.Post("/things", Store, {.body_bytes_max = 64 << 20, .deadline = Seconds(5)});
//   router.Get("/files/{path...}", ServeFile);            // the rest of the path, slashes too; last in a pattern
//
// A pattern is compared segment by segment, after percent-decoding each; the order of adding does not matter: a literal
// segment goes before {name}, that before {name...}, from left to right, of what has the method. HEAD finds what GET
// has, without its body. A path that has routes, but none for the method, is answered 405 with Allow; OPTIONS where no
// route has it, 204 with Allow; else 404, or the fallback.
//
// {name} is a whole segment of at least one byte, which may be an encoded slash; {name...} may be nothing. Slashes
// count: "/a/" is not "/a", "/a//b" not "/a/b"; "." and ".." are segments like others. An escape that is malformed, or
// stands for NUL, makes the path one that no route has.
//
// Threads:  made by one; copied for each shard (routes' callables too), a copy is one shard's.
// Owns:     the callables, for as long as any request may run them: a lambda that is a coroutine may capture.
// Limits:   Request::kParametersMax names in a pattern. Looking up costs the path's length, not the number of routes;
//           only a path with escapes costs an allocation.
#ifndef MOORING_SERVER_HTTP_ROUTER_H_
#define MOORING_SERVER_HTTP_ROUTER_H_

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/task.h"
#include "server/http/method.h"
#include "server/http/request.h"
#include "server/http/response.h"

namespace mooring::server::http {

// What a route runs. `now` answers at once, or says that it can't; then, or where there is no `now`, `later` runs.
struct Action {
  std::function<std::optional<Response>(Request&)> now;
  std::function<core::Task<Response>(Request&)> later;
};

// Response(Request&), Task<Response>(Request&), the same with const Request& or nothing, or an Action.
template <class F>
Action ActionOf(F function) {
  if constexpr (std::same_as<F, Action>) {
    return function;
  } else if constexpr (std::is_invocable_r_v<Response, F&, Request&>) {
    return {.now = [function = std::move(function)](Request& request) mutable {
              return std::optional<Response>(function(request));
            },
            .later = nullptr};
  } else if constexpr (std::is_invocable_r_v<Response, F&>) {
    return {.now = [function = std::move(function)](Request&) mutable { return std::optional<Response>(function()); },
            .later = nullptr};
  } else if constexpr (std::is_invocable_r_v<core::Task<Response>, F&>) {
    return {.now = nullptr, .later = [function = std::move(function)](Request&) mutable { return function(); }};
  } else {
    static_assert(std::is_invocable_r_v<core::Task<Response>, F&, Request&>,
                  "a route is Response or Task<Response>, of (Request&) or ()");
    return {.now = nullptr, .later = std::move(function)};
  }
}

struct RouteOptions {
  std::optional<uint64_t> body_bytes_max = {};   // none: HttpOptions::limits
  std::optional<core::Nanos> deadline = {};      // until the response's head; none: HttpOptions::handler_deadline; 0: no
};

// What filters call to go on: the next filter, or the route.
using Next = std::function<core::Task<Response>(Request&)>;

class Router {
 public:
  struct Route {
    Action action;
    RouteOptions options;
  };

  Router();
  Router(const Router&);
  Router(Router&&) noexcept;
  Router& operator=(Router) noexcept;
  ~Router();

  // Adds a route. REQUIRES: a pattern that begins with '/', no two routes with the same method and pattern, whatever
  // their names are called; ends the process with a line that says what is wrong else: it is a mistake in the program.
  template <class F>
  Router& Add(Method method, std::string_view pattern, F handler, RouteOptions options = {}) {
    return AddAction(method, pattern, ActionOf(std::move(handler)), std::move(options));
  }
  template <class F>
  Router& Get(std::string_view pattern, F handler, RouteOptions options = {}) {
    return Add(Method::kGet, pattern, std::move(handler), std::move(options));
  }
  template <class F>
  Router& Post(std::string_view pattern, F handler, RouteOptions options = {}) {
    return Add(Method::kPost, pattern, std::move(handler), std::move(options));
  }
  template <class F>
  Router& Put(std::string_view pattern, F handler, RouteOptions options = {}) {
    return Add(Method::kPut, pattern, std::move(handler), std::move(options));
  }
  template <class F>
  Router& Delete(std::string_view pattern, F handler, RouteOptions options = {}) {
    return Add(Method::kDelete, pattern, std::move(handler), std::move(options));
  }
  template <class F>
  Router& Patch(std::string_view pattern, F handler, RouteOptions options = {}) {
    return Add(Method::kPatch, pattern, std::move(handler), std::move(options));
  }
  // For GET and HEAD of whatever no route has: a folder of files.
  template <class F>
  Router& Fallback(F handler, RouteOptions options = {}) {
    return SetFallback(ActionOf(std::move(handler)), std::move(options));
  }

  // A filter around all routes that are added behind it, and behind a fallback that is. The first one added is the
  // outermost. It is either std::optional<Response>(Request&), which answers instead of the route or lets it go on; or
  // Task<Response>(Request&, const Next&), which goes around it. The first form costs a plain route no coroutine.
  template <class F>
  Router& Use(F filter) {
    if constexpr (std::is_invocable_r_v<std::optional<Response>, F&, Request&>) {
      return AddBefore(std::move(filter));
    } else {
      static_assert(std::is_invocable_r_v<core::Task<Response>, F&, Request&, const Next&>,
                    "a filter is std::optional<Response>(Request&) or Task<Response>(Request&, const Next&)");
      return AddAround(std::move(filter));
    }
  }

  // The service's. Fills in the request's parameters. A route that is found lives as long as the router.
  struct Found {
    const Route* route = nullptr;
    // The value of Allow, where there is none but another method has one; for "*": of all methods that any route has.
    std::string allow = {};
  };
  Found Find(Request& request) const;

 private:
  using Before = std::function<std::optional<Response>(Request&)>;
  using Around = std::function<core::Task<Response>(Request&, const Next&)>;

  Router& AddAction(Method method, std::string_view pattern, Action action, RouteOptions options);
  Router& SetFallback(Action action, RouteOptions options);
  Router& AddBefore(Before filter);
  Router& AddAround(Around filter);

  struct Tree;
  std::unique_ptr<Tree> tree_;
};

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_ROUTER_H_
