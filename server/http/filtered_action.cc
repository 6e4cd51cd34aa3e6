// SPDX-License-Identifier: Apache-2.0
#include "server/http/filtered_action.h"

#include <utility>

namespace mooring::server::http {
namespace {

core::Task<Response> Run(const Action* action, Request& request) {
  if (action->now) {
    if (std::optional<Response> answer = action->now(request)) co_return *std::move(answer);
  }
  if (!action->later) co_return Response::Plain(500);  // it said that it can't answer at once, and can't later either
  co_return co_await action->later(request);
}

}  // namespace

Action Filtered(const BeforeFilter* filter, const Action* inside) {
  Action action;
  if (inside->now) {
    action.now = [filter, inside](Request& request) {
      std::optional<Response> answer = (*filter)(request);
      return answer ? std::move(answer) : inside->now(request);
    };
  } else {
    action.now = [filter](Request& request) { return (*filter)(request); };
  }
  if (inside->later) action.later = [inside](Request& request) { return inside->later(request); };
  return action;
}

Action Filtered(const AroundFilter* filter, const Action* inside) {
  Next next = [inside](Request& request) { return Run(inside, request); };
  return {.now = nullptr,
          .later = [filter, next = std::move(next)](Request& request) { return (*filter)(request, next); }};
}

}  // namespace mooring::server::http
