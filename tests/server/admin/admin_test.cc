// SPDX-License-Identifier: Apache-2.0
#include "server/admin/admin.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/admin/answers.h"
#include "server/admin/connection_names.h"
#include "server/admin/page.h"
#include "server/admin/stalls.h"
#include "tests/server/admin/admin_bed.h"

namespace mooring::server::admin {
namespace {

using net::CloseCause;

TEST(Admin, ServesItsFiguresOnBothListeners) {
  AdminBed bed(1);
  for (const char* of : {"admin", "metrics"}) {
    const http::Answer metrics = bed.Ask("GET /metrics", "Host: localhost\r\n", of);
    EXPECT_EQ(metrics.status, 200);
    EXPECT_EQ(metrics.body, "mooring_up 1\n");
    EXPECT_EQ(metrics.Field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    const http::Answer stats = bed.Ask("GET /stats", "Host: localhost\r\n", of);
    EXPECT_EQ(stats.status, 200);
    EXPECT_EQ(stats.body, "{\"program\":\"fake\"}");
    EXPECT_EQ(stats.Field("Content-Type"), "application/json");
    EXPECT_EQ(bed.Ask("GET /healthz", "Host: localhost\r\n", of).status, 200);
    EXPECT_EQ(bed.Ask("GET /readyz", "Host: localhost\r\n", of).status, 200);
    EXPECT_EQ(bed.Ask("HEAD /readyz", "Host: localhost\r\n", of).status, 200);
  }
}

TEST(Admin, TheReadOnlyListenerHasNothingElse) {
  AdminBed bed(2);
  bed.Client("echo");
  for (const char* line : {"GET /", "GET /admin.js", "GET /connections", "GET /debug/stalls", "GET /drain"}) {
    EXPECT_EQ(bed.Ask(line, "Host: localhost\r\n", "metrics").status, 404) << line;
  }
  for (const char* line : {"POST /drain", "POST /connections/0-0-1/close", "POST /metrics"}) {
    EXPECT_EQ(bed.Ask(line, "Host: localhost\r\n", "metrics").status, 405) << line;
  }
  EXPECT_EQ(bed.control.asked, std::vector<std::string>{});
}

TEST(Admin, EveryAnswerIsGuarded) {
  AdminBed bed(3);
  for (const char* of : {"admin", "metrics"}) {
    for (const char* line : {"GET /metrics", "GET /stats", "GET /healthz", "GET /readyz", "GET /nothing"}) {
      EXPECT_EQ(bed.Ask(line, "Host: evil.example\r\n", of).status, 421) << line;
      EXPECT_EQ(bed.Ask(line, "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", of).status, 403) << line;
      const http::Answer answer = bed.Ask(line, "Host: localhost\r\n", of);
      EXPECT_EQ(answer.Field("Cache-Control"), "no-store") << line;
      EXPECT_EQ(answer.Field("X-Content-Type-Options"), "nosniff") << line;
      EXPECT_NE(answer.Field("Content-Security-Policy").find("frame-ancestors 'none'"), std::string::npos) << line;
      EXPECT_EQ(answer.Field("Access-Control-Allow-Origin"), "") << line;
    }
  }
  for (const char* line : {"GET /", "GET /admin.js", "GET /admin.css", "GET /connections", "POST /drain",
                           "POST /connections/0-0-1/close"}) {
    EXPECT_EQ(bed.Ask(line, "Host: evil.example\r\n").status, 421) << line;
    EXPECT_EQ(bed.Ask(line, "Host: localhost\r\nOrigin: null\r\n").status, 403) << line;
    EXPECT_EQ(bed.Ask(line, "Host: localhost\r\nSec-Fetch-Site: same-site\r\n").status, 403) << line;
  }
  EXPECT_EQ(bed.control.asked, std::vector<std::string>{}) << "and none of it did anything";
}

TEST(Admin, NoGetChangesAnything) {
  AdminBed bed(4);
  for (const char* line : {"GET /drain", "HEAD /drain", "GET /drain?listener=echo", "GET /connections/0-0-1/close",
                           "PUT /drain", "DELETE /drain"}) {
    EXPECT_EQ(bed.Ask(line).status, 405) << line;
  }
  EXPECT_EQ(bed.control.asked, std::vector<std::string>{});
}

TEST(Admin, ReadinessIsServingWithAListenerThatIsOpen) {
  AdminBed bed(5);
  bed.control.state_now = ServerState::kDelaying;
  EXPECT_EQ(bed.Ask("GET /readyz").status, 503);
  EXPECT_EQ(bed.ErrorOf(bed.Ask("GET /readyz")), "not ready: delaying");
  bed.control.state_now = ServerState::kDraining;
  EXPECT_EQ(bed.ErrorOf(bed.Ask("GET /readyz")), "not ready: draining");
  EXPECT_EQ(bed.Ask("GET /healthz").status, 200) << "it is alive all the same";
  bed.control.state_now = ServerState::kServing;
  bed.control.listeners_now[0].open = false;
  EXPECT_EQ(bed.Ask("GET /readyz?probe=1").status, 200);
  bed.control.listeners_now[1].open = false;
  EXPECT_EQ(bed.ErrorOf(bed.Ask("GET /readyz")), "not ready: no listener is open");
}

TEST(Admin, DrainsWhatItIsToldTo) {
  AdminBed bed(6);
  EXPECT_EQ(bed.Ask("POST /drain").status, 202);
  EXPECT_EQ(bed.Ask("POST /drain?listener=echo").status, 202);
  EXPECT_EQ(bed.Ask("POST /drain?listener=echo-2&percent=30").status, 202);
  EXPECT_EQ(bed.Ask("POST /drain", "Host: localhost\r\nContent-Length: 0\r\n").status, 202);
  EXPECT_EQ(bed.control.asked, (std::vector<std::string>{"drain", "drain echo", "drain 30% of echo-2", "drain"}));
}

TEST(Admin, ADrainThatIsNotUnderstoodDrainsNothing) {
  AdminBed bed(7);
  const auto error = [&](const std::string& query, int status) {
    const http::Answer answer = bed.Ask("POST /drain?" + query);
    EXPECT_EQ(answer.status, status) << query;
    return bed.ErrorOf(answer);
  };
  EXPECT_EQ(error("lisener=echo", 400), "'lisener' is not known: the query may have listener, percent");
  EXPECT_EQ(error("listener=ekho", 404), "no open listener is called 'ekho': there are echo, echo-2");
  EXPECT_EQ(error("percent=5", 400), "percent= is of one listener: say listener=NAME too");
  for (const char* percent : {"0", "101", "x", ""}) {
    EXPECT_EQ(error(std::string("listener=echo&percent=") + percent, 400),
              std::string("percent=") + percent + ": it is a whole number from 1 to 100");
  }
  bed.control.listeners_now[1].open = false;
  EXPECT_EQ(error("listener=echo-2", 404), "no open listener is called 'echo-2': there is echo");
  EXPECT_EQ(error("listener=%ff", 404), "no open listener is called '\xef\xbf\xbd': there is echo");
  EXPECT_EQ(bed.control.asked, std::vector<std::string>{});
  bed.control.answer = absl::FailedPreconditionError("it drains already");
  EXPECT_EQ(error("listener=echo", 409), "it drains already");
}

TEST(Admin, EveryPostIsALineInTheLog) {
  AdminBed bed(8);
  bed.Ask("POST /drain?listener=x");
  bed.Ask("POST /drain");
  bed.Ask("POST /connections/0-0-1/close");
  bed.Ask("POST /drain", "Host: evil.example\r\n");
  bed.Ask("GET /metrics", "Host: evil.example\r\n");
  bed.Ask("GET /connections");
  const std::vector<std::string>& lines = bed.control.log_now.lines;
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].rfind("info admin request|method=POST|target=/drain?listener=x|status=404|peer=127.0.0.1:", 0), 0u)
      << lines[0];
  EXPECT_EQ(lines[1].rfind("info admin request|method=POST|target=/drain|status=202|peer=127.0.0.1:", 0), 0u)
      << lines[1];
  EXPECT_EQ(
      lines[2].rfind("info admin request|method=POST|target=/connections/0-0-1/close|status=404|peer=127.0.0.1:", 0),
      0u)
      << lines[2];
  EXPECT_EQ(lines[3].rfind("warn admin request|method=POST|target=/drain|status=421|peer=127.0.0.1:", 0), 0u)
      << lines[3];
}

TEST(Admin, RefusesBodiesAndQueriesThatNothingNeeds) {
  AdminBed bed(9);
  EXPECT_EQ(bed.Ask("GET /metrics?x=1").status, 400);
  EXPECT_EQ(bed.Ask("GET /stats?x=1").status, 400);
  const std::string body = "Host: localhost\r\nContent-Length: 5\r\n";
  EXPECT_EQ(bed.Ask("POST /drain", body).status, 413);
  EXPECT_EQ(bed.control.asked, std::vector<std::string>{});
}

TEST(Admin, ServesThePageWithAllThatItNeeds) {
  AdminBed bed(10);
  ASSERT_EQ(PageFiles().size(), 3u);
  for (const PageFile& file : PageFiles()) {
    const http::Answer answer = bed.Ask("GET " + std::string(file.path));
    EXPECT_EQ(answer.status, 200) << file.path;
    EXPECT_EQ(answer.Field("Content-Type"), file.type);
    EXPECT_EQ(answer.body, file.content);
    // Nothing of elsewhere, nothing that its Content-Security-Policy refuses, nothing that writes HTML.
    for (const char* forbidden : {"https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                                  "<style", " style=", "onclick="}) {
      EXPECT_EQ(file.content.find(forbidden), std::string_view::npos) << file.path << " has " << forbidden;
    }
  }
}

TEST(Admin, ShowsTheLongestTurnsAndWhatRanInThem) {
  AdminBed bed(16);
  const core::Nanos began = bed.server.shard(1).now();
  bed.server.OnShard(1, [&](net::Engine& engine) {
    core::TurnTimes& turns = engine.shard()->turns();
    turns.SetLimit(core::Millis(100));
    turns.Begin(began);
    turns.Doing(core::kService);  // the first listener
    turns.Doing(core::kMail);
    turns.End(began + core::Millis(131));
  });
  const nlohmann::json stalls = bed.Get("/debug/stalls");
  ASSERT_GE(stalls["stalls"].size(), 1u);
  const nlohmann::json& longest = stalls["stalls"][0];
  EXPECT_EQ(longest["shard"], 1);
  EXPECT_EQ(longest["ms"], 131.0);
  EXPECT_NE(longest["ran"].get<std::string>().find("mail"), std::string::npos) << longest;
  ASSERT_EQ(stalls["shards"].size(), 3u);
  EXPECT_EQ(stalls["shards"][1]["over_limit"], 1);
  EXPECT_EQ(stalls["shards"][2]["over_limit"], 0);
  EXPECT_EQ(bed.Ask("GET /debug/stalls?x").status, 400);
}

TEST(Admin, SaysWhatAShardHangsIn) {
  AdminBed bed(17);
  core::TurnTimes* turns = &bed.server.shard(0).turns();
  turns->Begin(0);
  turns->Doing(core::kService + bed.control.listeners_now[1].id);
  bed.control.shards_now.resize(1);
  const nlohmann::json stuck = nlohmann::json::parse(TextOf(StallsOf(bed.control, core::Millis(4200))));
  EXPECT_EQ(stuck["shards"][0]["running"]["ms"], 4200.0);
  EXPECT_EQ(stuck["shards"][0]["running"]["at_work_on"], "echo-2");
  turns->End(core::Millis(4200));
  const nlohmann::json waits = nlohmann::json::parse(TextOf(StallsOf(bed.control, core::Millis(4300))));
  EXPECT_EQ(waits["shards"][0]["running"], nullptr);
}

TEST(Admin, WarnsOfWhatOthersReach) {
  const auto warning = [](Admin::Part part, const char* at) { return Admin::Warning(part, *net::Endpoint::Parse(at)); };
  for (const char* own : {"127.0.0.1:7070", "127.9.9.9:1", "[::1]:7070", "unix:/run/admin"}) {
    EXPECT_EQ(warning(Admin::Part::kAll, own), "") << own;
    EXPECT_EQ(warning(Admin::Part::kReadOnly, own), "") << own;
  }
  for (const char* others : {"0.0.0.0:7070", "[::]:7070", "192.0.2.7:7070", "[2001:db8::1]:7070"}) {
    EXPECT_NE(warning(Admin::Part::kAll, others).find("no password"), std::string::npos) << others;
    EXPECT_NE(warning(Admin::Part::kReadOnly, others).find(others), std::string::npos) << others;
  }
}

// /connections and /connections/{id}/close

TEST(Connections, SaysWhatIsKnownOfEach) {
  AdminBed bed(11);
  bed.Client("echo");
  bed.Client("echo-2", "yyyy");
  const nlohmann::json list = bed.Get("/connections?service=echo");
  EXPECT_EQ(list["matched"], 1);
  EXPECT_EQ(list["live"], 3) << "this request's too";
  ASSERT_EQ(list["connections"].size(), 1u);
  const nlohmann::json& row = list["connections"][0];
  EXPECT_EQ(row["listener"], "echo");
  EXPECT_EQ(row["service"], "echo");
  EXPECT_EQ(row["state"], "open");
  EXPECT_EQ(row["peer"].get<std::string>().rfind("127.0.0.1:", 0), 0u);
  EXPECT_EQ(row["queued"], 0);
  EXPECT_TRUE(ConnectionIdOf(row["id"].get<std::string>()).has_value());
  EXPECT_EQ(ConnectionIdOf(row["id"].get<std::string>())->shard(), row["shard"]);
  const nlohmann::json second = bed.Get("/connections?listener=echo-2")["connections"][0];
  EXPECT_EQ(second["service"], "echo\xef\xbf\xbd") << "whatever it is called, the answer is UTF-8";
}

TEST(Connections, FiltersAndErrorsCome) {
  AdminBed bed(12);
  for (int i = 0; i < 5; ++i) bed.Client(i % 2 == 0 ? "echo" : "echo-2");
  EXPECT_EQ(bed.Get("/connections?listener=echo")["matched"], 3);
  EXPECT_EQ(bed.Get("/connections?peer=127.0.0.0/8&listener=echo-2")["matched"], 2);
  EXPECT_EQ(bed.Get("/connections?peer=10.0.0.0/8")["matched"], 0);
  EXPECT_EQ(bed.Get("/connections?min_queued=1")["matched"], 0);
  const nlohmann::json limited = bed.Get("/connections?listener=echo&limit=2");
  EXPECT_EQ(limited["matched"], 3);
  EXPECT_EQ(limited["connections"].size(), 2u);
  int of_shards = 0;
  for (const char* shard : {"0", "1", "2"})
    of_shards += bed.Get(std::string("/connections?listener=echo&shard=") + shard)["matched"].get<int>();
  EXPECT_EQ(of_shards, 3);
  const http::Answer wrong = bed.Ask("GET /connections?listner=echo");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(bed.ErrorOf(wrong).rfind("'listner' is not known: the query may have listener, ", 0), 0u);
}

TEST(Connections, ClosesTheOneThatIsNamed) {
  AdminBed bed(13);
  sim::SimPeer* one = bed.Client("echo");
  sim::SimPeer* other = bed.Client("echo-2");
  const std::string id = bed.Get("/connections?listener=echo")["connections"][0]["id"];
  EXPECT_EQ(bed.Ask("POST /connections/" + id + "/close").status, 202);
  EXPECT_TRUE(one->saw_fin());
  EXPECT_FALSE(one->saw_reset());
  EXPECT_FALSE(other->ended());
  one->Close();
  bed.server.world.RunUntilIdle();
  EXPECT_EQ(bed.server.Cause(CloseCause::kOperator), 1u);
  const http::Answer stale = bed.Ask("POST /connections/" + id + "/close");
  EXPECT_EQ(stale.status, 404);
  EXPECT_EQ(bed.ErrorOf(stale), "there is no connection " + id + " (any more)");
}

TEST(Connections, AbortsTheOneThatIsNamed) {
  AdminBed bed(14);
  sim::SimPeer* one = bed.Client("echo");
  const std::string id = bed.Get("/connections?listener=echo")["connections"][0]["id"];
  EXPECT_EQ(bed.Ask("POST /connections/" + id + "/close?abort=1").status, 202);
  EXPECT_TRUE(one->saw_reset());
  EXPECT_EQ(bed.server.Cause(CloseCause::kOperator), 1u);
}

TEST(Connections, ClosesNobodyWhereItIsNotUnderstood) {
  AdminBed bed(15);
  sim::SimPeer* one = bed.Client("echo");
  const std::string id = bed.Get("/connections?listener=echo")["connections"][0]["id"];
  EXPECT_EQ(bed.Ask("POST /connections/" + id + "/close?abort=yes").status, 400);
  EXPECT_EQ(bed.Ask("POST /connections/" + id + "/close?force=1").status, 400);
  EXPECT_EQ(bed.Ask("POST /connections/x/close").status, 400);
  EXPECT_EQ(bed.Ask("POST /connections/1000-1-1/close").status, 404) << "of a shard that is not there";
  EXPECT_FALSE(one->ended());
}

}  // namespace
}  // namespace mooring::server::admin
