// SPDX-License-Identifier: Apache-2.0
// ClientBed: an HttpClient on a simulated server, and whom it asks, played by the test.
//
// Threads:  one.
// Owns:     all of it; at its end everything that was used must be back.
#ifndef MOORING_TESTS_SERVER_HTTP_CLIENT_BED_H_
#define MOORING_TESTS_SERVER_HTTP_CLIENT_BED_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/client.h"
#include "tests/net/sim_server.h"
#include "tests/net/upstream.h"

namespace mooring::server::http {

inline ClientOptions To(std::string_view target) {
  ClientOptions options;
  options.target = std::string(target);
  return options;
}

// The bytes of the first whole request in `received`; 0: none. Chunked bodies end with the first empty chunk.
inline size_t RequestBytes(const std::string& received) {
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  const size_t body = end + 4;
  if (received.find("Transfer-Encoding: chunked\r\n") < end) {
    const size_t last = received.find("0\r\n\r\n", body);
    return last == std::string::npos ? 0 : last + 5;
  }
  const size_t length = received.find("Content-Length: ");
  const size_t bytes = body + (length < end ? std::stoul(received.substr(length + 16)) : 0);
  return received.size() < bytes ? 0 : bytes;
}

struct ClientBed {
  explicit ClientBed(uint64_t seed, ClientOptions options = To(net::kUpstream))
      : server(seed), upstream(&server), client(std::make_unique<HttpClient>(std::move(options))) {}
  ~ClientBed() {
    server.CutAll();
    server.world.RunFor(1000);
    server.OnShard(0, [&](net::Engine&) { client.reset(); });
    for (sim::SimPeer* peer : upstream.peers) {
      if (!peer->ended()) peer->Reset();
    }
    server.world.RunFor(100'000);
    server.ExpectNothingLeft();
  }

  // Answers each whole request by `answer`, where there is one.
  void Answer() {
    upstream.Accept();
    if (!answer) return;
    for (sim::SimPeer* peer : upstream.peers) {
      const size_t bytes = RequestBytes(peer->received());
      if (bytes == 0) continue;
      std::string all = peer->TakeReceived();
      asked.push_back(all.substr(0, bytes));
      answer(peer, asked.back());
    }
  }
  void Run(int64_t ms = 0) {
    Answer();
    net::RunWith(&server, ms, [&] { Answer(); });
  }
  // The next answers are all this.
  void Say(std::string_view bytes) {
    answer = [text = std::string(bytes)](sim::SimPeer* peer, std::string_view) { peer->Send(text); };
  }
  uint64_t Count(ClientCount which) const { return client->counters().Read(which); }
  uint64_t Count(net::PoolCount which) const { return client->pool().counters().Read(which); }

  net::SimServer server;
  net::Upstream upstream;
  std::unique_ptr<HttpClient> client;
  std::function<void(sim::SimPeer*, std::string_view request)> answer;
  std::vector<std::string> asked;
};

inline core::Task<> SendTo(HttpClient* client, ClientRequest request, ClientResult* got) {
  *got = co_await client->Send(std::move(request));
}

// One request under way.
class Asking {
 public:
  Asking(ClientBed* bed, ClientRequest request)
      : bed_(bed),
        request_(std::move(request)),
        run_(&bed->server, [this, bed] { return SendTo(bed->client.get(), std::move(request_), &got); }) {}
  // A test that has failed already leaves it as it is.
  ~Asking() {
    if (done()) return;
    Cancel();
    bed_->Run();
  }
  bool done() const { return run_.done(); }
  void Cancel() { run_.Cancel(); }
  ClientResult got;

 private:
  ClientBed* const bed_;
  ClientRequest request_;
  net::Running<std::function<core::Task<>()>> run_;
};

// Asked and answered, or not, within `ms`.
inline ClientResult Ask(ClientBed* bed, ClientRequest request, int64_t ms = 0) {
  Asking asking(bed, std::move(request));
  bed->Run(ms);
  EXPECT_TRUE(asking.done());
  if (!asking.done()) {
    asking.Cancel();
    bed->Run();
  }
  return std::move(asking.got);
}
inline ClientRequest Get(std::string target = "/", AskOptions options = {}) {
  return ClientRequest(Method::kGet, std::move(target), options);
}

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_CLIENT_BED_H_
