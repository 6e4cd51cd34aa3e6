// SPDX-License-Identifier: Apache-2.0
// chat_load: the members of one chat room, and how long a message takes to each of them.
//
//   1. connect every member, say its name, join the room, await the room's answer; print "ready"
//   2. for each line on stdin: the first member says something; print when the first, the median and the last of all
//      members had the whole message, in microseconds since it was sent, and how many got anything else
//
// A process has as many members as one source address has ports for, and the rest are in processes of its own, each with
// an address of its own: a `Group`. They share the clock. Both servers under comparison keep their members, and the one
// who asks lets them speak in turn (perf/broadcast).
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kEventsMax = 512;
constexpr int kPatienceMs = 20'000;  // for the next byte of a message
constexpr int kGroupMax = 14'000;    // members of a process: of one source address there are few more ports
constexpr char kJoin[] = "/join load\n";
constexpr std::string_view kJoined = "* you are in load\n";

struct Options {
  int port = 7000;
  int members = 10'000;
  int bytes = 256;  // of the message as a member gets it, with the speaker's name and the newline
};

struct Member {
  int fd = -1;
  size_t got = 0;  // of the message under way
};

// The other end of a pair of pipes to a process with a group.
struct Group {
  int to = -1;
  int from = -1;
  size_t members = 0;
};

[[noreturn]] void Die(const char* what) {
  perror(what);
  exit(1);
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    if (sscanf(argv[i], "--port=%d", &options.port) == 1) continue;
    if (sscanf(argv[i], "--members=%d", &options.members) == 1 && options.members > 0) continue;
    if (sscanf(argv[i], "--bytes=%d", &options.bytes) == 1 && options.bytes >= 8) continue;
    fprintf(stderr, "usage: chat_load [--port=N] [--members=N] [--bytes=N, at least 8]\n");
    exit(2);
  }
  return options;
}

double NowUs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

void SendAll(int fd, std::string_view bytes) {
  if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) Die("send");
}

void WriteAll(int fd, const void* data, size_t size) {
  for (const char* at = static_cast<const char*>(data); size > 0;) {
    const ssize_t n = write(fd, at, size);
    if (n <= 0) Die("write to a group");
    at += n;
    size -= static_cast<size_t>(n);
  }
}

// False at the end of the pipe.
bool ReadAll(int fd, void* data, size_t size) {
  for (char* at = static_cast<char*>(data); size > 0;) {
    const ssize_t n = read(fd, at, size);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

sockaddr_in Loopback(int host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(host));
  return address;
}

// Connected and in the room: the answer has come.
int Join(int port, int number) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // Without it the kernel looks for a port at bind(2), and cannot give one twice.
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  const sockaddr_in from = Loopback(number / kGroupMax, 0), to = Loopback(0, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) Die("bind");
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) Die("connect");
  SendAll(fd, "m" + std::to_string(number) + "\n" + kJoin);
  char answer[kJoined.size()];
  if (recv(fd, answer, sizeof(answer), MSG_WAITALL) != static_cast<ssize_t>(sizeof(answer)) ||
      std::string_view(answer, sizeof(answer)) != kJoined) {
    Die("joining");
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// Members of one process.
class Members {
 public:
  Members(const Options& options, int first, int count)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)), text_(static_cast<size_t>(options.bytes) - 5, 'x'),
        message_("m0: " + text_ + "\n"), members_(static_cast<size_t>(count)) {
    for (size_t i = 0; i < members_.size(); i++) {
      members_[i].fd = Join(options.port, first + static_cast<int>(i));
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(i);
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, members_[i].fd, &event) != 0) Die("epoll_ctl");
    }
  }

  size_t size() const { return members_.size(); }
  void Say() { SendAll(members_[0].fd, text_ + "\n"); }

  // When each of them had the whole message, by the clock; who got something else is not among them.
  std::vector<double> Hear() {
    for (Member& member : members_) member.got = 0;
    std::vector<double> when;
    when.reserve(members_.size());
    size_t wrong = 0;
    while (when.size() + wrong < members_.size()) {
      epoll_event events[kEventsMax];
      const int n = epoll_wait(epoll_, events, kEventsMax, kPatienceMs);
      if (n <= 0) break;
      for (int i = 0; i < n; i++) wrong += !Take(members_[events[i].data.u32], &when);
    }
    return when;
  }

 private:
  bool Take(Member& member, std::vector<double>* when) {
    char chunk[4096];
    const ssize_t got = recv(member.fd, chunk, sizeof(chunk), 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) Die("a member was closed");
    if (message_.compare(member.got, static_cast<size_t>(got), chunk, static_cast<size_t>(got)) != 0) return false;
    member.got += static_cast<size_t>(got);
    if (member.got == message_.size()) when->push_back(NowUs());
    return true;
  }

  const int epoll_;
  const std::string text_;
  const std::string message_;
  std::vector<Member> members_;
};

// A process that says a byte when its members are there, and for each byte it gets when they heard the message.
Group Fork(const Options& options, int first, int count) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) Die("pipe");
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid > 0) {
    close(to[0]);
    close(from[1]);
    return {to[1], from[0], static_cast<size_t>(count)};
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(to[1]);
  close(from[0]);
  Members members(options, first, count);
  WriteAll(from[1], "", 1);
  for (char go; ReadAll(to[0], &go, 1);) {
    const std::vector<double> when = members.Hear();
    const size_t heard = when.size();
    WriteAll(from[1], &heard, sizeof(heard));
    WriteAll(from[1], when.data(), heard * sizeof(double));
  }
  _exit(0);
}

// Messages wait in the sockets of groups that do not look yet, but their times would be too late: so they look first,
// which takes a wake-up, and a message to the last of many members takes many times that.
void Broadcast(Members& members, const std::vector<Group>& groups) {
  for (const Group& group : groups) WriteAll(group.to, "", 1);
  const double begin = NowUs();
  members.Say();
  std::vector<double> when = members.Hear();
  size_t all = 0;
  for (const Group& group : groups) {
    size_t heard = 0;
    if (!ReadAll(group.from, &heard, sizeof(heard))) Die("a group ended");
    when.resize(when.size() + heard);
    if (!ReadAll(group.from, when.data() + when.size() - heard, heard * sizeof(double))) Die("a group ended");
    all += group.members;
  }
  const size_t wrong = members.size() + all - when.size();
  if (when.empty()) when.push_back(begin);
  std::sort(when.begin(), when.end());
  printf("{\"first_us\": %.1f, \"median_us\": %.1f, \"last_us\": %.1f, \"errors\": %zu}\n", when.front() - begin,
         when[when.size() / 2] - begin, when.back() - begin, wrong);
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  std::vector<Group> groups;
  for (int first = kGroupMax; first < options.members; first += kGroupMax) {
    groups.push_back(Fork(options, first, std::min(kGroupMax, options.members - first)));
  }
  Members members(options, 0, std::min(kGroupMax, options.members));
  for (const Group& group : groups) {
    char there;
    if (!ReadAll(group.from, &there, 1)) Die("a group could not join");
  }
  puts("ready");
  fflush(stdout);
  for (char line[16]; fgets(line, sizeof(line), stdin) != nullptr;) Broadcast(members, groups);
}
