// SPDX-License-Identifier: Apache-2.0
// Filtered: an Action with a filter in front of it or around it, as one Action.
//
// What stays plain costs no coroutine: a filter that answers or lets go on becomes part of `now`, before a plain route
// and before one that is a coroutine. One that goes around makes the whole a `later`; the Next that it is given is made
// here, once, and not for each request, so that it may be named for as long as the filter runs.
//
// Threads:  none; functions.
// Owns:     what they give owns nothing: the filter and what is inside outlive it.
#ifndef MOORING_SERVER_HTTP_FILTERED_ACTION_H_
#define MOORING_SERVER_HTTP_FILTERED_ACTION_H_

#include <functional>
#include <optional>

#include "core/task.h"
#include "server/http/router.h"

namespace mooring::server::http {

using BeforeFilter = std::function<std::optional<Response>(Request&)>;
using AroundFilter = std::function<core::Task<Response>(Request&, const Next&)>;

Action Filtered(const BeforeFilter* filter, const Action* inside);
Action Filtered(const AroundFilter* filter, const Action* inside);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FILTERED_ACTION_H_
