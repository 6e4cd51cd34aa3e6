// SPDX-License-Identifier: Apache-2.0
// The drain's promise under full load: what was acknowledged before the signal is answered in full, whatever comes behind
// it, and each peer sees whole answers and then FIN (contract 19). Over the simulated kernel the trials (tests/net/trial.h)
// look at the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::server {
namespace {

using scenario::Client;
using scenario::Ending;

constexpr int kClients = 25;     // of each service
constexpr int kRequests = 200;   // that each has under way at the signal
constexpr int kRounds = 4;

// What a service is asked, and what it answers; all questions are alike, so an answer is counted by its length.
struct Kind {
  std::string name;
  std::string question;
  std::string answer;  // its length, at least; http's has a date in it
};

struct Peer {
  const Kind* kind;
  Client client;
  std::string got;
  Ending ending = Ending::kStillOpen;
};

size_t Answers(const Peer& peer) {
  if (peer.kind->name != "http") return peer.got.size() / peer.kind->answer.size();
  size_t answers = 0;
  for (size_t at = 0; (at = peer.got.find("HTTP/1.1 200 OK\r\n", at)) != std::string::npos; at += 17) ++answers;
  return answers;
}

bool Whole(const Peer& peer) {
  if (peer.kind->name != "http") return peer.got.size() % peer.kind->answer.size() == 0;
  size_t at = 0;
  while (at < peer.got.size()) {
    const size_t head = peer.got.find("\r\n\r\n", at);
    const size_t length = peer.got.find("Content-Length: ", at);
    if (head == std::string::npos || length > head) return false;
    at = head + 4 + static_cast<size_t>(std::atoi(peer.got.c_str() + length + 16));
  }
  return at == peer.got.size();
}

class LoadedDrain : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Transports, LoadedDrain, ::testing::Values("io_uring", "io_uring-base", "epoll"),
                         [](const auto& info) { return std::string(info.param == std::string("io_uring-base") ? "io_uring_base" : info.param); });

TEST_P(LoadedDrain, EveryAcknowledgedRequestOfEachServiceIsAnswered) {
  const Kind kKinds[] = {{"echo", std::string(64, 'e'), std::string(64, 'e')},
                         {"line", "a question\n", "OK\n"},
                         {"http", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK"}};
  for (int round = 0; round < kRounds; ++round) {
    Daemon daemon({"--listen=echo=127.0.0.1:0,line=127.0.0.1:0,http=127.0.0.1:0", "--shards=2",
                   "--drain-keepalive-grace=1", absl::StrCat("--transport=", GetParam())});
    std::vector<Peer> peers;
    for (const Kind& kind : kKinds) {
      const uint16_t port = daemon.AwaitPort(kind.name);
      for (int i = 0; i < kClients; ++i) peers.push_back({&kind, Client(port), {}, {}});
    }
    // Each has some answers already and is in the middle of its work; what is read, and what waits in the kernel, is the
    // scheduler's choice.
    for (Peer& peer : peers) {
      std::string burst;
      for (int i = 0; i < kRequests; ++i) burst += peer.kind->question;
      ASSERT_TRUE(peer.client.Send(burst));
    }
    for (Peer& peer : peers) peer.client.AwaitAcknowledged();
    daemon.Signal(SIGTERM);
    // They go on asking: what is behind the signal may be answered or not, but never in part, and it resets nobody.
    for (Peer& peer : peers) {
      for (int i = 0; i < 20; ++i) peer.client.SendWhatFits(peer.kind->question);
    }
    std::vector<std::thread> readers;
    for (Peer& peer : peers) {
      readers.emplace_back([&peer] {
        peer.got = peer.client.ReceiveToEnd(&peer.ending);
        peer.client.Close();
      });
    }
    for (std::thread& reader : readers) reader.join();
    for (const Peer& peer : peers) {
      EXPECT_GE(Answers(peer), static_cast<size_t>(kRequests)) << peer.kind->name << ", round " << round;
      EXPECT_TRUE(Whole(peer)) << peer.kind->name << ", round " << round << ": " << peer.got.size() << " bytes";
      EXPECT_EQ(peer.ending, Ending::kFin) << peer.kind->name << ", round " << round;
    }
    EXPECT_EQ(daemon.AwaitExit(), kExitFinished);
  }
}

}  // namespace
}  // namespace mooring::server
