// SPDX-License-Identifier: Apache-2.0
#include "server/watch/watch.h"

#include "server/watch/totals.h"

namespace mooring::server::watch {

Watch::Watch(Control* control)
    : control_(control),
      summary_(control, control->control_shard()->now()),
      faults_(&control->log()),
      queue_faults_(control),
      watchdog_(control) {}

void Watch::OnSecond() {
  const core::Nanos now = control_->control_shard()->now();
  watchdog_.Look(now);
  const Totals totals(control_->shards());
  faults_.Look(totals, now);
  queue_faults_.Look(now);
  summary_.Look(totals, now);
}

}  // namespace mooring::server::watch
