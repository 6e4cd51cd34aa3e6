// SPDX-License-Identifier: Apache-2.0
// Command: one line that a controlled run is told on its standard input.
//
//   run SECONDS [active=K] [rate=R]
//   messages N [ahead=K]
//   wake
//
// Threads:  any; a pure function.
#ifndef MOORING_TOOLS_LOAD_COMMAND_H_
#define MOORING_TOOLS_LOAD_COMMAND_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mooring::tools::load {

struct Command {
  enum class Kind : uint8_t { kRun, kMessages, kWake };
  Kind kind = Kind::kRun;
  std::string text;       // as it was said, without the space around it
  double seconds = 0;     // run
  uint32_t active = 0;    // run: so many connections; 0: all
  double rate = 0;        // run: messages a second over all of them; 0: as many as are answered
  uint32_t messages = 0;  // messages: on each connection
  uint32_t ahead = 0;     // messages: so many connections at it at once; 0: all
};

// InvalidArgument says what the line may be.
absl::StatusOr<Command> ParseCommand(absl::string_view line, uint32_t connections);

}  // namespace mooring::tools::load

#endif  // MOORING_TOOLS_LOAD_COMMAND_H_
