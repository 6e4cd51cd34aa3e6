// SPDX-License-Identifier: Apache-2.0
// Config: from the command line, the environment and a file to Settings.
//
//   flag ── else ── environment ── else ── file ── else ── default          (server/config/keys.h has the table)
//
// The file is --config, MOORING_CONFIG, or /etc/NAME/NAME.toml where that exists. What a flag or the environment says of a
// service (--http-root) holds for those of its listeners whose [[listener]] says nothing itself.
//
// An error is a line for each thing that is wrong: where it was said, what is wrong with it, what is allowed.
//
// Threads:  one.
#ifndef MOORING_SERVER_CONFIG_CONFIG_H_
#define MOORING_SERVER_CONFIG_CONFIG_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/arguments.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server::config {

// Names and values; only MOORING_... are looked at.
using Environment = std::vector<std::pair<std::string, std::string>>;
Environment ProcessEnvironment();

struct Sources {
  std::vector<std::string> arguments = {};  // without the program's name
  Environment environment = {};
  std::string etc = "/etc";                 // where NAME/NAME.toml is looked for
};

struct Asked {
  What what = What::kServe;
  Settings settings = {};              // of kServe and kCheck
  std::vector<std::string> rest = {};  // kDoctor: its arguments
};

// At start: gives the program's own flags (ABSL_FLAG) their values, too. `program` outlives the settings.
absl::StatusOr<Asked> Read(const Program& program, const Sources& sources);

// At SIGHUP: the same once more, with the file as it is now. `before` is what is in force: a file that was there then and
// is gone is an error.
absl::StatusOr<Settings> ReadAgain(const Program& program, const Sources& sources, const Settings& before);

// The keys that are fixed at start and differ, "runtime.shards".
std::vector<std::string> FixedKeysChanged(const Settings& before, const Settings& after);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_CONFIG_H_
