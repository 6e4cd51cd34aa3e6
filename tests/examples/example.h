// SPDX-License-Identifier: Apache-2.0
// Example: a program of docs/examples as a child process, on a free port.
//
// Threads:  one.
// Owns:     the process, as Daemon does.
#ifndef MOORING_TESTS_EXAMPLES_EXAMPLE_H_
#define MOORING_TESTS_EXAMPLES_EXAMPLE_H_

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/server/daemon.h"

namespace mooring::examples {

class Example {
 public:
  // Its only listener is called as it is.
  explicit Example(const std::string& name, std::vector<std::string> arguments = {})
      : daemon_(WithPort(name, std::move(arguments)), Of(name)), port_(daemon_.AwaitPort(name)) {}

  uint16_t port() const { return port_; }
  server::Daemon& daemon() { return daemon_; }

  // Drains, and has nobody left who needs to be cut.
  void ExpectDrained() {
    daemon_.Signal(SIGTERM);
    EXPECT_EQ(daemon_.AwaitExit(), 0) << daemon_.err();
  }

 private:
  static server::Daemon::Options Of(const std::string& name) {
    server::Daemon::Options options;
    options.binary = "docs/examples/" + name;
    return options;
  }
  static std::vector<std::string> WithPort(const std::string& name, std::vector<std::string> arguments) {
    arguments.push_back("--listen=" + name + "=127.0.0.1:0");
    return arguments;
  }

  server::Daemon daemon_;
  const uint16_t port_;
};

}  // namespace mooring::examples

#endif  // MOORING_TESTS_EXAMPLES_EXAMPLE_H_
