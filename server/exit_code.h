// SPDX-License-Identifier: Apache-2.0
// ExitCode: how a server ended, for who started it.
#ifndef MOORING_SERVER_EXIT_CODE_H_
#define MOORING_SERVER_EXIT_CODE_H_

namespace mooring::server {

enum ExitCode : int {
  kExitFinished = 0,
  kExitFailedStart = 1,
  kExitBadFlag = 2,         // or a bad setting, wherever it was said
  kExitCut = 3,             // the drain's deadline cut some connections
  kExitSecondSignal = 4,
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_EXIT_CODE_H_
