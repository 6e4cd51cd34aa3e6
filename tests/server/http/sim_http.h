// SPDX-License-Identifier: Apache-2.0
// SimHttp: an HTTP service over the simulated kernel, and its peers.
//
//   SimHttp http(seed, SampleRoutes());
//   auto* peer = http.Connect();
//   peer->Send("GET /plain/3 HTTP/1.1\r\nHost: sim\r\n\r\n");
//   http.server.world.RunUntilIdle();
//   EXPECT_EQ(http.AnswersTo(peer)[0].body, Pattern(3));
//
// Threads:  one.
// Owns:     the server, which checks at its end that nothing is left.
#ifndef MOORING_TESTS_SERVER_HTTP_SIM_HTTP_H_
#define MOORING_TESTS_SERVER_HTTP_SIM_HTTP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/http_service.h"
#include "tests/net/sim_server.h"
#include "tests/server/http/answers.h"

namespace mooring::server::http {

class SimHttp {
 public:
  SimHttp(uint64_t seed, const Router& router, const HttpOptions& options = {}, const net::SimServer::Options& sim = {})
      : server(seed, sim),
        at(server.Listen(
            [this, router, options] {
              auto service = std::make_unique<HttpService>(router, options);
              services_.push_back(service.get());
              return service;
            },
            Http(router, options).limits())) {}

  sim::SimPeer* Connect() { return server.ConnectNow(at); }
  // Connected; has sent `bytes`, and the server has nothing to do at this moment.
  sim::SimPeer* Ask(std::string_view bytes) {
    sim::SimPeer* peer = Connect();
    peer->Send(bytes);
    server.world.RunUntilIdle();
    return peer;
  }
  static Answers AnswersTo(const sim::SimPeer* peer) { return Answers(peer->received()); }

  uint64_t Count(HttpCount which) const {
    uint64_t sum = 0;
    for (const HttpService* service : services_) sum += service->counters().Read(which);
    return sum;
  }
  uint64_t Refused(Refusal why) const {
    uint64_t sum = 0;
    for (const HttpService* service : services_) sum += service->refusals().Read(why);
    return sum;
  }
  // Until `done` says so; how long that took. -1: it was not so within a minute and a half.
  template <class F>
  int64_t MsUntil(F&& done) {
    const int64_t begin = server.world.now_ms();
    return server.world.RunUntil(done, 90'000) ? server.world.now_ms() - begin : -1;
  }

 private:
  std::vector<const HttpService*> services_;

 public:
  net::SimServer server;
  const std::string at;
};

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_SIM_HTTP_H_
