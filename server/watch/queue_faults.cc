// SPDX-License-Identifier: Apache-2.0
#include "server/watch/queue_faults.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mooring::server::watch {

QueueFaults::QueueFaults(Control* control, Read read)
    : control_(control),
      read_(read != nullptr ? read : [](const std::vector<net::Endpoint>& endpoints) {
        return metrics::ReadAcceptQueues(endpoints);
      }) {}

void QueueFaults::Look(core::Nanos now) {
  if (control_->state() != ServerState::kServing || (looked_ && now - last_ < kInterval)) return;
  looked_ = true;
  last_ = now;
  std::vector<net::Endpoint> endpoints;
  std::vector<std::string> names, keys;
  for (const ServedListener& listener : control_->listeners()) {
    if (!listener.open || listener.endpoint.is_unix()) continue;
    endpoints.push_back(listener.endpoint);
    names.push_back(listener.name);
    keys.push_back(absl::StrCat(listener.name, " ", listener.endpoint.ToString()));
  }
  if (endpoints.empty()) return;
  const metrics::AcceptQueues queues = read_(endpoints);
  // One line, of the listener that lost most: the cause is the machine's for all of them.
  uint64_t count = 0, most = 0;
  size_t worst = 0;
  std::map<std::string, uint64_t> before;
  for (size_t i = 0; i < keys.size() && i < queues.of.size(); ++i) {
    if (!queues.of[i] || !queues.of[i]->overflows) continue;
    const uint64_t overflows = *queues.of[i]->overflows;
    const auto known = before_.find(keys[i]);
    before[keys[i]] = overflows;
    if (known == before_.end() || overflows <= known->second) continue;  // what was before is nobody's news
    const uint64_t more = overflows - known->second;
    count += more;
    if (more > most) {
      most = more;
      worst = i;
    }
  }
  before_ = std::move(before);
  if (count == 0) return;
  control_->log().Say(Log::Level::kError, "handshakes were dropped: an accept queue was full",
                      {{"cause", "accept_queue_overflow"},
                       {"count", count},
                       {"listener", std::string_view(names[worst])},
                       {"do", "raise net.core.somaxconn and start again (tools/tune-host), or use more shards"}});
}

}  // namespace mooring::server::watch
