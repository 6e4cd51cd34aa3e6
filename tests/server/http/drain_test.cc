// SPDX-License-Identifier: Apache-2.0
// A POST at every moment around SIGTERM, on connections that are kept: none is lost. The real program, on both kinds of
// transport.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/scenario/client.h"
#include "tests/server/daemon.h"
#include "tests/server/http/answers.h"
#include "tests/server/http/sample_routes.h"

namespace mooring::server::http {
namespace {

using scenario::Client;
using scenario::Ending;
using std::chrono::steady_clock;

constexpr char kPost[] = "POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n01234";
constexpr char kFirst[] = "GET /plain/3 HTTP/1.1\r\nHost: x\r\n\r\n";

int64_t MsSince(steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin).count();
}

class App {
 public:
  App(const std::string& transport, unsigned grace_s)
      : daemon_({"--transport=" + transport, "--grace=" + std::to_string(grace_s), "--drain-deadline=60"}, Binary()),
        port_(daemon_.AwaitPort("app")) {}

  // Idle, and used before.
  Client Kept() {
    Client client(port_);
    client.Send(kFirst);
    std::string got;
    while (Answers(got).complete() < 1) {
      const std::string more = client.ReceiveSome(4096);
      if (more.empty()) break;
      got += more;
    }
    EXPECT_EQ(Answers(got).complete(), 1u) << got;
    return client;
  }
  Client Asked(const std::string& request) {
    Client client(port_);
    client.Send(request);
    return client;
  }
  void Terminate() { daemon_.Signal(SIGTERM); }
  void AwaitDraining() { daemon_.AwaitLog("reason=SIGTERM"); }
  void ExpectDrained() { EXPECT_EQ(daemon_.AwaitExit(), 0) << daemon_.err(); }

 private:
  static Daemon::Options Binary() {
    Daemon::Options options;
    options.binary = "tests/server/http/real_clients/app";
    return options;
  }
  Daemon daemon_;
  const uint16_t port_;
};

class HttpDrain : public testing::TestWithParam<const char*> {};

TEST_P(HttpDrain, APostAtAnyMomentIsAnswered) {
  // Milliseconds from the signal: densely around it, then up to shortly before the grace of 1 s is over.
  std::vector<int64_t> moments;
  for (int64_t ms = -20; ms < 20; ++ms) moments.insert(moments.end(), ms >= -1 && ms <= 2 ? 8 : 2, ms);
  for (int64_t ms = 20; ms <= 900; ms += 20) moments.push_back(ms);
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE(round);
    App app(GetParam(), 1);
    std::vector<Client> clients;
    for (size_t i = 0; i < moments.size(); ++i) clients.push_back(app.Kept());
    const auto signal_at = steady_clock::now() + std::chrono::milliseconds(25);
    std::vector<int64_t> sent(moments.size());
    bool signalled = false;
    const auto signal_now = [&] {
      if (!signalled) app.Terminate();
      signalled = true;
    };
    for (size_t i = 0; i < moments.size(); ++i) {
      const auto at = signal_at + std::chrono::milliseconds(moments[i]);
      // Half of those of the signal's own millisecond go before it, the other behind.
      if (at > signal_at || (at == signal_at && i % 2 == 1)) {
        std::this_thread::sleep_until(signal_at);
        signal_now();
      }
      std::this_thread::sleep_until(at);  // the moments are what is tested
      sent[i] = MsSince(signal_at);
      clients[i].Send(kPost);
    }
    int closing = 0;
    for (size_t i = 0; i < clients.size(); ++i) {
      SCOPED_TRACE("sent " + std::to_string(sent[i]) + " ms after the signal");
      Ending ending = Ending::kStillOpen;
      const std::string got = clients[i].ReceiveToEnd(&ending);
      EXPECT_EQ(ending, Ending::kFin);
      const Answers answers(got);
      EXPECT_EQ(answers.error(), "");
      ASSERT_EQ(answers.complete(), 1u) << "lost: " << got;
      EXPECT_EQ(answers[0].status, 200);
      EXPECT_EQ(answers[0].body, Told("01234"));
      // Whether it says that it closes: when its shard has heard of the drain, which the simulation decides exactly.
      closing += answers[0].closes;
      clients[i].Close();
    }
    std::printf("%zu answered, %d of them with Connection: close\n", clients.size(), closing);
    EXPECT_GE(closing, 1);
    app.ExpectDrained();
  }
}

TEST_P(HttpDrain, WhoStaysSilentGetsAFinAfterTheGrace) {
  App app(GetParam(), 2);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(app.Kept());
  for (int i = 0; i < 5; ++i) clients.push_back(app.Asked(""));
  const auto begin = steady_clock::now();
  app.Terminate();
  for (Client& client : clients) {
    EXPECT_EQ(client.ReceiveToFin(), "");
    EXPECT_GE(MsSince(begin), 1900);
    client.Close();
  }
  EXPECT_LE(MsSince(begin), 10'000);
  app.ExpectDrained();
}

// What comes after the FIN is taken and thrown away: a RST could overtake the answer before it.
TEST_P(HttpDrain, WhatComesAfterTheFinIsNotAnsweredWithAReset) {
  App app(GetParam(), 1);
  Client client = app.Kept();
  app.Terminate();
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Send(kPost);
  client.AwaitAcknowledged();
  EXPECT_EQ(client.Now(), Ending::kFin);
  client.Close();
  app.ExpectDrained();
}

TEST_P(HttpDrain, WhatIsUnderWayIsFinished) {
  App app(GetParam(), 1);
  Client later = app.Asked("GET /later/3000/9 HTTP/1.1\r\nHost: x\r\n\r\n");
  Client naps = app.Asked("GET /naps/300/100 HTTP/1.1\r\nHost: x\r\n\r\n");
  Client slow = app.Asked("GET /chunks/2000/5000 HTTP/1.1\r\nHost: x\r\n\r\n");  // nobody reads it yet
  Client half = app.Asked(std::string(kPost).substr(0, 40));
  std::string of_naps = naps.Receive(1);  // its head is out
  std::string of_slow = slow.Receive(1);
  app.Terminate();
  app.AwaitDraining();
  half.Send(std::string(kPost).substr(40));
  const auto finished = [](Client& client, std::string got) {
    Ending ending = Ending::kStillOpen;
    got += client.ReceiveToEnd(&ending);
    EXPECT_EQ(ending, Ending::kFin);
    client.Close();
    const Answers answers(got);
    EXPECT_EQ(answers.error(), "");
    EXPECT_EQ(answers.complete(), 1u) << got.substr(0, 500);
    return answers.size() == 0 ? Answer() : answers[0];
  };
  const Answer of_half = finished(half, "");
  EXPECT_EQ(of_half.body, Told("01234"));  // that it closes is said where its shard has heard of the drain by then
  const Answer of_later = finished(later, "");
  EXPECT_EQ(of_later.body, Pattern(9));
  EXPECT_TRUE(of_later.closes);
  EXPECT_EQ(finished(naps, of_naps).body.size(), 30'000u);
  EXPECT_EQ(finished(slow, of_slow).body.size(), 10'000'000u);
  app.ExpectDrained();
}

INSTANTIATE_TEST_SUITE_P(Transports, HttpDrain, testing::Values("io_uring", "epoll"));

}  // namespace
}  // namespace mooring::server::http
