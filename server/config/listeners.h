// SPDX-License-Identifier: Apache-2.0
// Listeners: what is listened on, out of --listen, the file's [[listener]] tables and the program's own listeners.
//
//   --listen ── given: the tables are looked at, and replaced as a whole
//   tables   ── a listener of the program, by its name; else a further one of a service that is offered
//   neither  ── the program's listeners, and its default_listen
//
// Threads:  one.
#ifndef MOORING_SERVER_CONFIG_LISTENERS_H_
#define MOORING_SERVER_CONFIG_LISTENERS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/config/errors.h"
#include "server/config/file.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server::config {

struct ListenText {
  std::string text;   // NAME=ADDRESS[,...]
  std::string where;  // --listen, MOORING_LISTEN
};

struct ListenersSaid {
  std::optional<ListenText> listen = {};
  std::string path = {};                   // of the file
  std::vector<FileTable> tables = {};      // its [[listener]]s
  // A service's settings, where no table says others: from flags, the environment and defaults.
  std::function<ServiceValues(const Service&)> values = {};
};

std::vector<ListenerSettings> ReadListeners(const Program& program, const ListenersSaid& said, Errors* errors);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_LISTENERS_H_
