// SPDX-License-Identifier: Apache-2.0
// mooringd's http as an operator meets it: flags in, bytes out.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/server/daemon.h"
#include "tests/server/http/temp_folder.h"

namespace mooring::server::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// All that the server says to `bytes`, up to its FIN.
std::string Ask(uint16_t port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  std::string got;
  char part[4096];
  for (ssize_t n; (n = recv(fd, part, sizeof(part), 0)) > 0;) got.append(part, static_cast<size_t>(n));
  close(fd);
  return got;
}

std::string Get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
}

TEST(MooringdHttp, SaysWhatIsRunningWhereNoFolderIsServed) {
  Daemon daemon({"--listen=http=127.0.0.1:0", "--shards=1"});
  const uint16_t port = daemon.AwaitPort("http");
  const std::string page = Ask(port, Get("/"));
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(page, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(page, HasSubstr("mooringd"));
  EXPECT_THAT(Ask(port, Get("/nothing")), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
}

TEST(MooringdHttp, ServesAFolderAndLogsIt) {
  TempFolder folder;
  folder.Write("www/hello.txt", "hello\n");
  Daemon daemon({"--listen=http=127.0.0.1:0", "--shards=1", "--http-root=" + (folder / "www"),
                 "--http-access-log=" + (folder / "log"), "--http-server="});
  const uint16_t port = daemon.AwaitPort("http");
  const std::string file = Ask(port, Get("/hello.txt"));
  EXPECT_THAT(file, StartsWith("HTTP/1.1 200 OK\r\nDate: ")) << "no Server field was wanted";
  EXPECT_THAT(file, HasSubstr("\r\n\r\nhello\n"));
  EXPECT_THAT(Ask(port, Get("/../log")), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
  std::ifstream log(folder / "log");
  std::string line;
  ASSERT_TRUE(std::getline(log, line));
  EXPECT_THAT(line, StartsWith("127.0.0.1 - - ["));
  EXPECT_THAT(line, HasSubstr("] \"GET /hello.txt HTTP/1.1\" 200 6 \"-\" \"-\""));
}

TEST(MooringdHttp, LimitsAreFlags) {
  Daemon daemon({"--listen=http=127.0.0.1:0", "--shards=1", "--http-request-line-max=100", "--http-fields-max=2",
                 "--http-fields-max-bytes=300", "--http-body-max=10", "--http-requests-max=2"});
  const uint16_t port = daemon.AwaitPort("http");
  EXPECT_THAT(Ask(port, Get("/" + std::string(100, 'a'))), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(Ask(port, "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(port, "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(300, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(port, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  const std::string two = Ask(port, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(two, HasSubstr("Connection: close\r\n")) << "the second one is the last";
}

TEST(MooringdHttp, WhatCannotBeIsSaidAndNothingStarts) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--http-root=/nowhere/at/all",
       "mooringd: --http-root: cannot serve the folder \"/nowhere/at/all\": No such file or directory; create it, or name "
       "another one\n"},
      {"--http-access-log=/nowhere/log", "mooringd: --http-access-log: cannot write the access log '/nowhere/log': No such "
                                         "file or directory; its folder does not exist: make it\n"},
      {"--http-fields-max=257", "mooringd: --http-fields-max: '257' is not a whole number from 1 to 256\n"},
      {"--http-server=a\nb", "mooringd: --http-server: has control bytes; it is one line of text\n"},
      {"--http-keepalive=soon", "mooringd: --http-keepalive: 'soon' is not a time in whole seconds, at most 24d: 30, or with a "
                                "unit, like 30s, 5m or 1h\n"},
  };
  for (const auto& [flag, error] : cases) {
    Daemon daemon({"--listen=http=127.0.0.1:0", flag});
    EXPECT_EQ(daemon.AwaitExit(), 2) << flag;
    EXPECT_EQ(daemon.err(), error);
  }
}

TEST(MooringdHttp, FlagsOfAServiceThatNobodyAskedForAreNotLookedAt) {
  Daemon daemon({"--listen=echo=127.0.0.1:0", "--http-root=/nowhere/at/all"});
  daemon.AwaitPort("echo");
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.AwaitExit(), 0);
}

}  // namespace
}  // namespace mooring::server::http
