// SPDX-License-Identifier: Apache-2.0
// WebService: mooringd's `http`: a folder, or a page that says what is running, as its settings have it.
#ifndef MOORING_SERVER_WEB_SERVICE_H_
#define MOORING_SERVER_WEB_SERVICE_H_

#include "server/program.h"

namespace mooring::server {

Service WebService();

}  // namespace mooring::server

#endif  // MOORING_SERVER_WEB_SERVICE_H_
