// SPDX-License-Identifier: Apache-2.0
#include "tests/server/daemon.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace mooring::server {
namespace {

constexpr int kPatienceMs = 60'000;

std::string Path(const std::string& binary) {
  if (binary[0] == '/') return binary;
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) return "bazel-bin/" + binary;
  return std::string(runfiles) + "/" + workspace + "/" + binary;
}

// Takes what is there; closes `fd` at its end.
void Take(int* fd, std::string* text) {
  char chunk[4096];
  const ssize_t n = read(*fd, chunk, sizeof(chunk));
  if (n > 0) {
    text->append(chunk, static_cast<size_t>(n));
  } else if (n == 0 || errno != EINTR) {
    close(std::exchange(*fd, -1));
  }
}

}  // namespace

Daemon::Daemon(const std::vector<std::string>& arguments) : Daemon(arguments, Options()) {}

Daemon::Daemon(const std::vector<std::string>& arguments, const Options& options) {
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) std::abort();
  const int binary = open(Path(options.binary).c_str(), O_PATH | O_CLOEXEC);
  std::vector<std::string> words = {options.binary.substr(options.binary.rfind('/') + 1)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = options.environment;
  for (char** each = environ; *each != nullptr; ++each) {
    if (std::string_view(*each).substr(0, 8) != "MOORING_") variables.emplace_back(*each);
  }
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (int cpu : options.cpus) CPU_SET(cpu, &cpus);

  pid_ = fork();
  if (pid_ == 0) {
    dup2(out[1], 1);
    dup2(err[1], 2);
    if (!options.cpus.empty() && sched_setaffinity(0, sizeof(cpus), &cpus) != 0) _exit(99);
    // What is not in the bounding set is not regained by exec, not even by root. Who may not drop it does not have it.
    if (!options.low_ports) prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0);
    if (options.before_exec && !options.before_exec()) _exit(98);
    fexecve(binary, argv.data(), envp.data());
    _exit(97);
  }
  close(binary);
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

Daemon::~Daemon() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

bool Daemon::Pump() {
  if (out_fd_ < 0 && err_fd_ < 0) return false;
  pollfd both[] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  const int n = poll(both, 2, kPatienceMs);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) {
    ADD_FAILURE() << "mooringd says nothing and does not end; so far:\n" << err_;
    return false;
  }
  if (both[0].revents != 0) Take(&out_fd_, &out_);
  if (both[1].revents != 0) Take(&err_fd_, &err_);
  return true;
}

std::string Daemon::AwaitLine(const std::string& begin) {
  // A server that runs says other things all the time.
  const auto end_of_patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  for (;;) {
    const std::string lines = "\n" + err_;
    const size_t at = lines.find("\n" + begin);
    if (at != std::string::npos) {
      const size_t from = at + 1 + begin.size();
      const size_t end = lines.find('\n', from);
      if (end != std::string::npos) return lines.substr(from, end - from);
    }
    if (std::chrono::steady_clock::now() > end_of_patience || !Pump()) {
      ADD_FAILURE() << "no line '" << begin << "...' in:\n" << err_;
      return {};
    }
  }
}

std::string Daemon::AwaitLog(const std::string& part) {
  size_t& from = seen_[part];
  const auto end_of_patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  for (;;) {
    const size_t at = out_.find(part, from);
    const size_t end = at == std::string::npos ? at : out_.find('\n', at);
    if (end != std::string::npos) {
      const size_t begin = out_.rfind('\n', at) + 1;  // npos + 1 is 0
      from = end;
      return out_.substr(begin, end - begin);
    }
    if (std::chrono::steady_clock::now() > end_of_patience || !Pump()) {
      ADD_FAILURE() << "no '" << part << "' in the log:\n" << out_ << "\nand on stderr:\n" << err_;
      return {};
    }
  }
}

std::string Daemon::AwaitUpTo(const std::string& begin) {
  const std::string rest = AwaitLine(begin);
  const size_t at = ("\n" + err_).find("\n" + begin);
  return at == std::string::npos ? err_ : err_.substr(0, at + begin.size() + rest.size() + 1);
}

uint16_t Daemon::AwaitPort(const std::string& service) {
  const std::string address = AwaitLine("listening: " + service + " on ");
  const size_t colon = address.rfind(':');
  return colon == std::string::npos ? 0 : static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1));
}

void Daemon::Signal(int signal) { EXPECT_EQ(kill(pid_, signal), 0); }

int Daemon::AwaitExit() {
  while (Pump()) {
  }
  if (out_fd_ >= 0 || err_fd_ >= 0) return -1;  // it does not end
  int status = 0;
  if (waitpid(std::exchange(pid_, -1), &status, 0) < 0) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace mooring::server
