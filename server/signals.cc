// SPDX-License-Identifier: Apache-2.0
#include "server/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mooring::server {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

sigset_t Set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

}  // namespace

void Signals::Block() {
  const sigset_t set = Set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Signals::Watch(core::EventPort* port, std::function<void(int)> on_signal) {
  const sigset_t set = Set();
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ < 0) return absl::InternalError(absl::StrCat("signalfd failed: ", strerror(errno)));
  on_signal_ = std::move(on_signal);
  if (const int result = port->Watch(fd_, POLLIN, this); result < 0) {
    return absl::InternalError(absl::StrCat("cannot watch for signals: ", strerror(-result)));
  }
  return absl::OkStatus();
}

const char* Signals::Name(int signal) {
  switch (signal) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGHUP: return "SIGHUP";
    case SIGUSR1: return "SIGUSR1";
    default: return "a signal";
  }
}

void Signals::OnReady(uint32_t) {
  signalfd_siginfo info;
  while (read(fd_, &info, sizeof(info)) == sizeof(info)) on_signal_(static_cast<int>(info.ssi_signo));
}

}  // namespace mooring::server
