// SPDX-License-Identifier: Apache-2.0
// AdminBed: an admin interface in front of two listeners, over the simulated kernel.
//
//   AdminBed bed(seed);
//   sim::SimPeer* client = bed.Client("echo");
//   EXPECT_EQ(bed.Get("/connections")["matched"], 1);
//
// The interface is served by all shards here, and asks each of them, its own too, by mail.
//
// Threads:  one.
// Owns:     the server, which checks at its end that nothing is left.
#ifndef MOORING_TESTS_SERVER_ADMIN_ADMIN_BED_H_
#define MOORING_TESTS_SERVER_ADMIN_ADMIN_BED_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"
#include "server/admin/admin.h"
#include "server/echo.h"
#include "tests/net/sim_server.h"
#include "tests/server/fake_control.h"
#include "tests/server/http/answers.h"

namespace mooring::server::admin {

class AdminBed {
 public:
  explicit AdminBed(uint64_t seed, const net::SimServer::Options& sim = {.shards = 3}) : server(seed, sim) {
    for (const char* name : {"echo", "echo-2"}) {
      const net::ListenerId id = next_id_;
      at_[name] = Listen(net::Callbacks<Echo>(), {.track_peers = true});
      control.listeners_now.push_back({.name = name,
                                       .service = id == 0 ? "echo" : "echo\xff",  // no UTF-8
                                       .endpoint = *net::Endpoint::Parse(at_[name]),
                                       .id = id,
                                       .open = true});
    }
    control.control_shard_now = &server.shard(0);
    control.settings_now.runtime.track_peers = true;
    for (uint32_t i = 0; i < server.size(); ++i) {
      control.shards_now.push_back(
          {.shard = &server.shard(i), .engine = &server.engine(i), .transport = nullptr, .cpu = -1, .handlers = {}});
    }
    const net::Endpoint here = *net::Endpoint::Parse("127.0.0.1:7070");
    at_["admin"] = Listen([this, here] { return admin.MakeHandler(Admin::Part::kAll, here); }, admin.options());
    at_["metrics"] = Listen([this, here] { return admin.MakeHandler(Admin::Part::kReadOnly, here); }, admin.options());
  }

  // Connected to that listener, and has been answered.
  sim::SimPeer* Client(const std::string& listener, std::string_view says = "x") {
    sim::SimPeer* peer = server.ConnectNow(at_.at(listener));
    peer->Send(says);
    server.world.RunUntilIdle();
    EXPECT_EQ(peer->TakeReceived(), says);
    return peer;
  }

  // The answer to a request on a connection of its own, which is closed then. `lines`: further header lines.
  http::Answer Ask(const std::string& request_line, const std::string& lines = "Host: localhost\r\n",
                   const std::string& of = "admin") {
    sim::SimPeer* peer = server.ConnectNow(at_.at(of));
    peer->Send(request_line + " HTTP/1.1\r\n" + lines + "Connection: close\r\n\r\n");
    EXPECT_TRUE(server.world.RunUntil([peer] { return peer->ended(); }, 90'000)) << request_line;
    const http::Answers answers(peer->received(), {request_line.starts_with("HEAD ")});
    EXPECT_EQ(answers.error(), "");
    peer->Close();
    server.world.RunUntilIdle();
    if (answers.complete() != 1) {
      ADD_FAILURE() << request_line << ": no answer: " << peer->received();
      return {};
    }
    return answers[0];
  }
  // Of a GET; the test fails where it is not 200.
  nlohmann::json Get(const std::string& target) {
    const http::Answer answer = Ask("GET " + target);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return nlohmann::json::parse(answer.body);
  }
  // {"error": ...} of an answer.
  static std::string ErrorOf(const http::Answer& answer) {
    const nlohmann::json json = nlohmann::json::parse(answer.body, nullptr, false);
    return json.is_object() && json.contains("error") ? json["error"].get<std::string>() : "no error: " + answer.body;
  }
  const std::string& at(const std::string& listener) const { return at_.at(listener); }

  FakeControl control;
  Admin admin{&control, {.metrics = [] { return "mooring_up 1\n"; }, .stats = [] { return "{\"program\":\"fake\"}"; }}};
  net::SimServer server;

 private:
  std::string Listen(const net::ServiceFactory& service, const net::ServiceOptions& options) {
    ++next_id_;
    return server.Listen(service, options);
  }

  std::map<std::string, std::string> at_;
  net::ListenerId next_id_ = 0;  // of SimServer's next listener
};

}  // namespace mooring::server::admin

#endif  // MOORING_TESTS_SERVER_ADMIN_ADMIN_BED_H_
