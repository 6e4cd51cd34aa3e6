// SPDX-License-Identifier: Apache-2.0
// Flags: the command line of mooring-load.
//
// The flags are Abseil's, read one by one here instead of by absl::ParseCommandLine, because a flag given twice must be
// an error, and an error one line.
//
// Threads:  the main thread.
#ifndef MOORING_TOOLS_LOAD_FLAGS_H_
#define MOORING_TOOLS_LOAD_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load/options.h"

namespace mooring::tools::load {

// `arguments` without the program's name. Nothing when --help was among them. InvalidArgument names the flag, what is
// wrong with it and what it may be. Sets Abseil's flags, so a second call begins where the first one ended
// (absl::FlagSaver).
absl::StatusOr<std::optional<Options>> ParseFlags(const std::vector<std::string>& arguments);

std::string HelpText();

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_FLAGS_H_
