// SPDX-License-Identifier: Apache-2.0
// docs/examples/events.cc: everybody hears what is said, in order; who does not listen is dropped, and holds nobody up.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"
#include "tests/scenario/scale.h"

namespace mooring::examples {
namespace {

using scenario::Client;

const std::string kSilent = "--beat=3600";  // no beat comes between, however slow the machine is

// As it is on the wire: an event, in a chunk of its own.
std::string Chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", text.size());
  return size + text + "\r\n";
}
std::string Event(const std::string& data) { return Chunk("data: " + data + "\n\n"); }

// One that listens to /events.
class Listener {
 public:
  explicit Listener(uint16_t port, const scenario::ClientOptions& options = {}) : client_(port, options) {
    client_.Send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  // Behind the head and what greets it: from here on it hears all that is said.
  void AwaitWelcome() {
    const std::string welcome = Chunk(": welcome\n\n");
    while (got_.find(welcome) == std::string::npos) {
      const std::string more = client_.ReceiveSome(4096);
      ASSERT_FALSE(more.empty()) << got_;
      got_ += more;
    }
    EXPECT_TRUE(got_.starts_with("HTTP/1.1 200 OK\r\n")) << got_;
    EXPECT_NE(got_.find("\r\nContent-Type: text/event-stream\r\n"), std::string::npos) << got_;
    got_.erase(0, got_.find(welcome) + welcome.size());
  }
  // What it hears next, `n` bytes of it.
  std::string Hear(size_t n) {
    if (got_.size() < n) got_ += client_.Receive(n - got_.size());
    const std::string heard = got_.substr(0, n);
    got_.erase(0, n);
    return heard;
  }
  // All that it still hears, up to the end of the stream.
  std::string HearOut() {
    while (!got_.ends_with("\r\n0\r\n\r\n")) {
      const std::string more = client_.ReceiveSome(65536);
      if (more.empty()) {
        ADD_FAILURE() << "the connection ended before the stream did";
        break;
      }
      got_ += more;
    }
    return std::exchange(got_, "");
  }
  Client& client() { return client_; }

 private:
  Client client_;
  std::string got_;
};

// Says it; the answer's body.
std::string Say(uint16_t port, const std::string& text) {
  Client client(port);
  client.Send("POST /say HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(text.size()) +
              "\r\n\r\n" + text);
  const std::string answer = client.ReceiveToFin();
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST(EventsExample, EverybodyHearsEverythingInOrder) {
  Example events("events", {"--shards=2", kSilent});
  EXPECT_EQ(Say(events.port(), "nobody hears"), "told 0\n");
  std::vector<Listener> listeners;
  for (int i = 0; i < 20; ++i) listeners.emplace_back(events.port());
  for (Listener& each : listeners) each.AwaitWelcome();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    const std::string text = "number " + std::to_string(i);
    EXPECT_EQ(Say(events.port(), text), "told 20\n");
    all += Event(text);
  }
  for (Listener& each : listeners) ASSERT_EQ(each.Hear(all.size()), all);
  listeners.clear();
  events.ExpectDrained();
}

TEST(EventsExample, DrainEndsTheStreamsWhole) {
  Example events("events", {"--shards=2", kSilent});
  std::vector<Listener> listeners;
  for (int i = 0; i < 10; ++i) listeners.emplace_back(events.port());
  for (Listener& each : listeners) each.AwaitWelcome();
  EXPECT_EQ(Say(events.port(), "last words"), "told 10\n");
  events.daemon().Signal(SIGTERM);
  for (Listener& each : listeners) {
    EXPECT_EQ(each.HearOut(), Event("last words") + "0\r\n\r\n");
    EXPECT_EQ(each.client().ReceiveToFin(), "");
  }
  listeners.clear();
  EXPECT_EQ(events.daemon().AwaitExit(), 0) << events.daemon().err();
}

TEST(EventsExample, WhatIsSaidCannotMakeEventsOfItsOwn) {
  Example events("events", {"--shards=1", kSilent});
  Listener listener(events.port());
  listener.AwaitWelcome();
  Say(events.port(), "two\nlines\r\revent: mine\n\n");
  const std::string heard = Event("two\ndata: lines\ndata: \ndata: event: mine\ndata: \ndata: ");
  EXPECT_EQ(listener.Hear(heard.size()), heard);
  listener.client().Close();
  events.ExpectDrained();
}

TEST(EventsExample, WhoGoesIsForgotten) {
  Example events("events", {"--shards=2", kSilent});
  std::vector<Listener> listeners;
  for (int i = 0; i < 10; ++i) listeners.emplace_back(events.port());
  for (Listener& each : listeners) each.AwaitWelcome();
  EXPECT_EQ(Say(events.port(), "a"), "told 10\n");
  for (int i = 0; i < 4; ++i) listeners.pop_back();
  std::string told;
  int said = 0;
  for (; told != "told 6\n" && said < 10'000; ++said) told = Say(events.port(), "b");  // their ends are on their way
  EXPECT_EQ(told, "told 6\n") << said;
  listeners.clear();
  events.ExpectDrained();
}

TEST(EventsExample, WhoDoesNotListenIsDroppedAndTheRestHearEverything) {
  Example events("events", {"--shards=2", kSilent});
  std::vector<Listener> listeners;
  for (int i = 0; i < 6; ++i) listeners.emplace_back(events.port());
  for (Listener& each : listeners) each.AwaitWelcome();
  scenario::ClientOptions narrow;
  narrow.receive_buffer = 4096;
  Listener slow(events.port(), narrow);
  slow.AwaitWelcome();
  const std::string text(60'000, 'x');
  const std::string event = Event(text);
  std::string told = "told 7\n";
  int said = 0;
  for (; told == "told 7\n" && said < 1000; ++said) {
    told = Say(events.port(), text);
    for (Listener& each : listeners) ASSERT_TRUE(each.Hear(event.size()) == event) << said;
  }
  EXPECT_EQ(told, "told 6\n");
  EXPECT_GE(said, 32) << "that many wait for it";
  std::printf("dropped after %d events\n", said);
  EXPECT_LT(slow.HearOut().size(), event.size() * static_cast<size_t>(said));
  slow.client().Close();
  listeners.clear();
  events.ExpectDrained();
}

TEST(EventsExample, ABeatGoesOutWhenNobodySpeaks) {
  Example events("events", {"--shards=2", "--beat=1"});
  Listener first(events.port()), second(events.port());
  for (Listener* each : {&first, &second}) {
    each->AwaitWelcome();
    EXPECT_EQ(each->Hear(2 * Chunk(":\n\n").size()), Chunk(":\n\n") + Chunk(":\n\n"));
    each->client().Close();
  }
  events.ExpectDrained();
}

TEST(EventsExample, TenThousandHear) {
  const int clients = scenario::Scaled(10'000);
  const auto since = std::chrono::steady_clock::now();
  const auto report = [&](const char* what) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - since;
    std::printf("%6.2f s: %s\n", passed.count(), what);
  };
  Example events("events", {"--shards=2", "--max-connections=11000", kSilent});
  std::vector<Listener> listeners;
  while (std::ssize(listeners) < clients) {  // in waves that the backlog holds, however busy the machine is
    const size_t before = listeners.size();
    for (int i = 0; i < 500 && std::ssize(listeners) < clients; ++i) listeners.emplace_back(events.port());
    for (size_t i = before; i < listeners.size(); ++i) ASSERT_NO_FATAL_FAILURE(listeners[i].AwaitWelcome());
  }
  report("all listen");
  std::string all;
  for (int i = 0; i < 10; ++i) {
    const std::string text = "number " + std::to_string(i);
    ASSERT_EQ(Say(events.port(), text), "told " + std::to_string(clients) + "\n");
    all += Event(text);
  }
  report("all is said");
  for (Listener& each : listeners) ASSERT_EQ(each.Hear(all.size()), all);
  report("all is heard");
  listeners.clear();
  events.ExpectDrained();
  report("drained");
}

}  // namespace
}  // namespace mooring::examples
