// SPDX-License-Identifier: Apache-2.0
// Services: mooringd as a program: what it can speak, by the name that --listen uses.
//
// Threads:  a value.
#ifndef MOORING_SERVER_SERVICES_H_
#define MOORING_SERVER_SERVICES_H_

#include "server/program.h"

namespace mooring::server {

Program Mooringd();

}  // namespace mooring::server

#endif  // MOORING_SERVER_SERVICES_H_
