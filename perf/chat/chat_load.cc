// SPDX-License-Identifier: Apache-2.0
// chat_load: the members of one chat room, in one thread, and how long a message takes to each of them.
//
//   1. connect every member, say its name, join the room, await the room's answer; print "ready"
//   2. for each line on stdin: the first member says something; print when the first, the median and the last of all
//      members had the whole message, in microseconds since it was sent, and how many got anything else
//
// Both servers under comparison keep their members, and the one who asks lets them speak in turn (perf/broadcast).
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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

// Connected and in the room: the answer has come.
int Join(int port, int number) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("connect");
  SendAll(fd, "m" + std::to_string(number) + "\n" + kJoin);
  char answer[kJoined.size()];
  if (recv(fd, answer, sizeof(answer), MSG_WAITALL) != static_cast<ssize_t>(sizeof(answer)) ||
      std::string_view(answer, sizeof(answer)) != kJoined) {
    Die("joining");
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

void Broadcast(int epoll, std::vector<Member>& members, int bytes) {
  const std::string text(static_cast<size_t>(bytes) - 5, 'x');
  const std::string message = "m0: " + text + "\n";
  for (Member& member : members) member.got = 0;
  std::vector<double> when;
  when.reserve(members.size());
  size_t wrong = 0;
  const double begin = NowUs();
  SendAll(members[0].fd, text + "\n");
  while (when.size() + wrong < members.size()) {
    epoll_event events[kEventsMax];
    const int n = epoll_wait(epoll, events, kEventsMax, kPatienceMs);
    if (n <= 0) break;
    for (int i = 0; i < n; i++) {
      Member& member = members[events[i].data.u32];
      char chunk[4096];
      const ssize_t got = recv(member.fd, chunk, sizeof(chunk), 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) Die("a member was closed");
      if (message.compare(member.got, static_cast<size_t>(got), chunk, static_cast<size_t>(got)) != 0) {
        ++wrong;
        continue;
      }
      member.got += static_cast<size_t>(got);
      if (member.got == message.size()) when.push_back(NowUs() - begin);
    }
  }
  wrong = members.size() - when.size();
  if (when.empty()) when.push_back(0);
  std::sort(when.begin(), when.end());
  printf("{\"first_us\": %.1f, \"median_us\": %.1f, \"last_us\": %.1f, \"errors\": %zu}\n", when.front(),
         when[when.size() / 2], when.back(), wrong);
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Member> members(static_cast<size_t>(options.members));
  for (size_t i = 0; i < members.size(); i++) {
    members[i].fd = Join(options.port, static_cast<int>(i));
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(i);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, members[i].fd, &event) != 0) Die("epoll_ctl");
  }
  puts("ready");
  fflush(stdout);
  for (char line[16]; fgets(line, sizeof(line), stdin) != nullptr;) Broadcast(epoll, members, options.bytes);
}
