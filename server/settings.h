// SPDX-License-Identifier: Apache-2.0
// Settings: everything that a person can decide about a running server, after flags, environment and file were put
// together (server/config). What it says of a default's reason is beside the key in server/config/keys.cc.
//
// Threads:  values.
#ifndef MOORING_SERVER_SETTINGS_H_
#define MOORING_SERVER_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/endpoint.h"
#include "net/listener_limits.h"
#include "net/service_options.h"
#include "net/transport.h"
#include "server/program.h"

namespace mooring::server {

// [runtime]. cpus, shards, transport and the memory ceiling are fixed at start.
struct RuntimeSettings {
  std::string cpus = {};                             // "": all that the process may use
  int shards = 0;                                    // 0: one per CPU
  std::optional<net::TransportKind> transport = {};  // none: auto, the best that the kernel allows
  uint64_t memory_ceiling_bytes = 0;                 // 0: the next one holds; UINT64_MAX: none
  uint32_t memory_ceiling_percent = 90;              // of what the cgroup or the machine has
  bool track_peers = false;                          // for each connection: peer, when it was opened, bytes in and out
  uint64_t max_connections = 0;                      // 0: as many as the descriptor limit allows
  uint32_t max_connections_per_address = 0;          // all listeners together; 0: any number
  uint32_t accept_rate = 0;                          // connections a second, all listeners together; 0: any number
  uint32_t watchdog_warn_ms = 100;                   // a turn that takes longer is reported; 0: none is
  uint32_t watchdog_abort_s = 5;                     // a turn that takes longer ends the process, with a core; 0: never

  friend bool operator==(const RuntimeSettings&, const RuntimeSettings&) = default;
};

// What a [[listener]] says of its connections; where it says nothing, its service's own ServiceOptions hold.
struct OptionOverrides {
  std::optional<uint32_t> first_byte_s = {};
  std::optional<uint32_t> idle_s = {};
  std::optional<uint32_t> write_stall_s = {};
  std::optional<uint32_t> max_age_s = {};
  std::optional<uint32_t> queue_high_bytes = {};
  std::optional<uint32_t> queue_low_bytes = {};
  std::optional<uint32_t> queue_cap_bytes = {};
  std::optional<bool> drop_when_full = {};
  std::optional<bool> defer_accept = {};

  net::ServiceOptions Over(net::ServiceOptions options) const;
  friend bool operator==(const OptionOverrides&, const OptionOverrides&) = default;
};

// Where something was said, for messages: "/etc/mooringd/mooringd.toml:12", "--listen". No two differ by it.
struct Said {
  std::string at = {};

  friend bool operator==(const Said&, const Said&) { return true; }
};

// [[listener]], or one of --listen.
struct ListenerSettings {
  std::string name = {};             // no two alike: line, then line-2
  const Service* service = nullptr;  // the program's
  net::Endpoint endpoint = {};
  OptionOverrides options = {};
  net::ListenerLimits limits = {};
  ServiceValues values = {};         // one for each of Service::settings
  Said said = {};

  friend bool operator==(const ListenerSettings&, const ListenerSettings&) = default;
};

// [admin]
struct AdminSettings {
  std::optional<net::Endpoint> listen = {};          // none: there is no admin interface
  // Nobody asked for `listen`: where something else has that port, a server starts without, and says so.
  bool listen_is_default = false;
  std::optional<net::Endpoint> metrics_listen = {};  // the part that only reads, elsewhere too

  friend bool operator==(const AdminSettings&, const AdminSettings&) = default;
};

// [log]
struct LogSettings {
  enum class Format : uint8_t { kText, kJson };
  enum class Level : uint8_t { kDebug, kInfo, kWarning, kError };
  std::string file = "-";         // - is stdout
  Format format = Format::kText;
  Level level = Level::kInfo;     // what is said at least
  uint32_t summary_s = 10;        // between two summary lines; 0: none

  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

// [drain]
struct DrainSettings {
  uint32_t delay_s = 0;            // between the signal, when readiness ends, and the closing of the listeners
  uint32_t spread_s = 0;           // over which the connections' notices are spread evenly
  uint32_t deadline_s = 30;        // from the end of the delay on; then what is left is cut
  uint32_t keepalive_grace_s = 5;  // in which an idle HTTP connection may still bring the request that is on its way

  friend bool operator==(const DrainSettings&, const DrainSettings&) = default;
};

struct Settings {
  RuntimeSettings runtime = {};
  std::vector<ListenerSettings> listeners = {};
  AdminSettings admin = {};
  LogSettings log = {};
  DrainSettings drain = {};
  std::string file = {};  // where the file is that was read; empty: there was none

  friend bool operator==(const Settings&, const Settings&) = default;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_SETTINGS_H_
