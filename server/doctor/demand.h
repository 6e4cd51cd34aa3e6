// SPDX-License-Identifier: Apache-2.0
// Demand: what the machine is judged for.
//
// Threads:  a value.
#ifndef MOORING_SERVER_DOCTOR_DEMAND_H_
#define MOORING_SERVER_DOCTOR_DEMAND_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mooring::server::doctor {

struct DemandedListener {
  std::string name = {};
  std::string service = {};
  uint16_t port = 0;    // 0: a Unix path, or any port
  bool admin = false;   // not one of those that the connections are for
};

struct Demand {
  uint64_t connections = 10'000;
  bool asked = false;  // somebody said that number; otherwise a shortage is no problem
  std::string program = "mooringd";

  // Of the settings.
  int shards = 1;
  uint64_t max_connections = 0;       // 0: no cap
  uint64_t memory_ceiling_bytes = 0;  // 0: 90 % of what there is; UINT64_MAX: none
  std::vector<DemandedListener> listeners = {};
};

}  // namespace mooring::server::doctor

#endif  // MOORING_SERVER_DOCTOR_DEMAND_H_
