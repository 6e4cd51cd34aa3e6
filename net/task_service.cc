// SPDX-License-Identifier: Apache-2.0
#include "net/task_service.h"

#include "net/engine.h"

namespace mooring::net {

void TaskService::OnOpen(Connection& conn) {
  core::Task<> task = service_(conn);
  if (!task.has_frame()) return Engine::Current()->End(conn, CloseCause::kServiceFailed, /*abort=*/true);
  conn.Set(Connection::kTask | Connection::kNoReader);
  std::move(task).StartService(&conn.scope_);
}

}  // namespace mooring::net
