// SPDX-License-Identifier: Apache-2.0
// Daemon: mooringd, or another server, as a child process, with what it says and how it ends.
//
// Threads:  one.
// Owns:     the process; one that still runs is killed.
#ifndef MOORING_TESTS_SERVER_DAEMON_H_
#define MOORING_TESTS_SERVER_DAEMON_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mooring::server {

class Daemon {
 public:
  struct Options {
    std::string binary = "server/mooringd";  // its target's path, a `data` of the test; or /...
    bool low_ports = true;  // false: without CAP_NET_BIND_SERVICE, root or not
    std::vector<int> cpus = {};  // empty: all that we may use
    // MOORING_... of the test's own are not passed on. Off: two daemons would want one port.
    std::vector<std::string> environment = {"MOORING_ADMIN_LISTEN=off"};
    // In the child, just before exec: only async-signal-safe calls (signal-safety(7)). False: the child ends with 98.
    std::function<bool()> before_exec = {};
  };
  explicit Daemon(const std::vector<std::string>& arguments);
  Daemon(const std::vector<std::string>& arguments, const Options& options);
  ~Daemon();
  Daemon(const Daemon&) = delete;

  // Waits until stderr has a whole line that begins with `begin` and gives its rest; empty, and the test has failed,
  // when the daemon ends first.
  std::string AwaitLine(const std::string& begin);
  // All of stderr up to and with that line. As AwaitLine.
  std::string AwaitUpTo(const std::string& begin);
  // Waits until stdout, where the log is, has a whole line with `part` in it, and gives that line. The next call with the
  // same `part` waits for another one.
  std::string AwaitLog(const std::string& part);
  // The port in "listening: SERVICE on 127.0.0.1:PORT".
  uint16_t AwaitPort(const std::string& service);

  void Signal(int signal);
  int AwaitExit();  // its exit code; 1000 + the signal that killed it
  pid_t pid() const { return pid_; }

  // Complete after AwaitExit.
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  bool Pump();  // takes what it has said; false when both streams have ended

  pid_t pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string out_;
  std::map<std::string, size_t> seen_;  // by part: where in out_ the last line that had it ends
  std::string err_;
};

}  // namespace mooring::server

#endif  // MOORING_TESTS_SERVER_DAEMON_H_
