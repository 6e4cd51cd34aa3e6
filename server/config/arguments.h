// SPDX-License-Identifier: Apache-2.0
// Arguments: the command line, taken apart: a command, our flags with their values, and the flags of the program itself.
//
// The program's own are those that it defines with ABSL_FLAG: registry and parsing of their values are the flag
// library's. The loop over the arguments is ours: the library keeps the last of two equal flags in silence, knows no
// dashes in names, and ends the process by itself.
//
// Threads:  one.
#ifndef MOORING_SERVER_CONFIG_ARGUMENTS_H_
#define MOORING_SERVER_CONFIG_ARGUMENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/config/errors.h"
#include "server/program.h"

namespace mooring::server::config {

enum class What : uint8_t {
  kServe,
  kHelp,
  kVersion,
  kCheck,   // NAME check ..., or -t: whether the configuration is good
  kDoctor,  // NAME doctor ...: whether the machine is
};

struct CommandLine {
  What what = What::kServe;
  std::map<std::string, std::string> given = {};  // our flags by name, "drain-deadline"
  std::vector<std::string> rest = {};             // what the doctor reads itself
};

struct KnownFlag {
  std::string name;
  bool is_bool = false;  // may stand without a value
};

// `set_own`: the program's own flags get their values; else they are only looked at.
CommandLine ReadArguments(const Program& program, const std::vector<std::string>& arguments,
                          const std::vector<KnownFlag>& known, bool set_own, Errors* errors);

struct OwnFlag {
  std::string name;  // with dashes
  std::string default_value;
  std::string help;
};
// What the program itself has defined, by name. `known`: ours, which hide those of the same name.
std::vector<OwnFlag> OwnFlags(const std::vector<KnownFlag>& known);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_ARGUMENTS_H_
