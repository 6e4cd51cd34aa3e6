// SPDX-License-Identifier: Apache-2.0
// WebService: mooringd's `http`: a folder, or a page that says what is running, as its flags have it.
#ifndef MOORING_SERVER_WEB_SERVICE_H_
#define MOORING_SERVER_WEB_SERVICE_H_

#include "server/program.h"

namespace mooring::server {

// Its settings are the flags --http-... and --drain-keepalive-grace.
Service WebService();

}  // namespace mooring::server

#endif  // MOORING_SERVER_WEB_SERVICE_H_
