// SPDX-License-Identifier: Apache-2.0
// TakeVariable: an environment variable's value, which is gone from the environment then: children are not to have it.
//
// Threads:  before there are any.
#ifndef MOORING_SERVER_SYSTEMD_TAKE_VARIABLE_H_
#define MOORING_SERVER_SYSTEMD_TAKE_VARIABLE_H_

#include <cstdlib>
#include <string>

namespace mooring::server::systemd {

// Empty: it was not there.
inline std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return {};
  std::string taken = value;
  unsetenv(name);
  return taken;
}

}  // namespace mooring::server::systemd

#endif  // MOORING_SERVER_SYSTEMD_TAKE_VARIABLE_H_
