// SPDX-License-Identifier: Apache-2.0
#include "server/settings.h"

namespace mooring::server {

net::ServiceOptions OptionOverrides::Over(net::ServiceOptions options) const {
  const auto set = [](auto& value, const auto& said) {
    if (said.has_value()) value = *said;
  };
  set(options.first_byte_s, first_byte_s);
  set(options.idle_timeout_s, idle_s);
  set(options.write_stall_s, write_stall_s);
  set(options.max_age_s, max_age_s);
  set(options.queue_high_bytes, queue_high_bytes);
  set(options.queue_low_bytes, queue_low_bytes);
  set(options.queue_cap_bytes, queue_cap_bytes);
  set(options.drop_when_full, drop_when_full);
  set(options.defer_accept, defer_accept);
  return options;
}

}  // namespace mooring::server
