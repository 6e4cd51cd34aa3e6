// SPDX-License-Identifier: Apache-2.0
#include "server/http/filters.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/event.h"
#include "core/scope.h"
#include "tests/core/stepped_test.h"
#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

using namespace std::string_literals;
using core::Task;

// The id that a request with this one gets.
std::string IdOf(RequestId* filter, std::optional<std::string> incoming) {
  RequestBuilder built(Method::kGet, "/");
  if (incoming) built.Header("x-request-id", *incoming);
  EXPECT_EQ((*filter)(built.request()), std::nullopt);
  const std::string id(built.request().HeaderSet(RequestId::kField));
  EXPECT_EQ(built.extra_lines(), "X-Request-Id: " + id + "\r\n");
  return id;
}

TEST(RequestId, KeepsASaneOne) {
  RequestId filter;
  for (const std::string& id : {"a"s, "7"s, "A-z_0.9"s, std::string(128, 'x')}) EXPECT_EQ(IdOf(&filter, id), id);
}

TEST(RequestId, MakesOneOf128BitsWhereThereIsNoneOrNoSaneOne) {
  RequestId filter;
  std::set<std::string> seen = {IdOf(&filter, std::nullopt)};
  RequestId copy = filter, second_copy = filter;
  const std::vector<std::optional<std::string>> insane = {
      std::nullopt, "",           std::string(129, 'x'), "a b",      "a\"b", "a/b", "<script>",
      "a\r\nb: c",  "a\tb",       "\xc3\xa9",            "a\0b"s,    "a,b",  "a:b"};
  for (int round = 0; round < 10; ++round) {
    for (const auto& id : insane) {
      for (RequestId* each : {&filter, &copy, &second_copy}) {
        const std::string made = IdOf(each, id);
        ASSERT_EQ(made.size(), 32u);
        EXPECT_EQ(made.find_first_not_of("0123456789abcdef"), std::string::npos) << made;
        EXPECT_TRUE(seen.insert(made).second) << "twice: " << made;
      }
    }
  }
}

TEST(SameSecret, ComparesAllOfBoth) {
  EXPECT_TRUE(SameSecret("", ""));
  EXPECT_TRUE(SameSecret("secret", "secret"));
  for (const char* other : {"", "s", "secre", "secret2", "secreT", "Secret", "secretsecret"}) {
    EXPECT_FALSE(SameSecret("secret", other)) << other;
    EXPECT_FALSE(SameSecret(other, "secret")) << other;
  }
  EXPECT_FALSE(SameSecret("\0"s, "")) << "no byte is not a NUL";
  EXPECT_FALSE(SameSecret("", "\0"s));
}

class BasicAuthTest : public ::testing::Test {
 protected:
  // Whom it lets in; else "" after having looked at the challenge.
  std::string Enters(std::vector<std::string> authorizations) {
    RequestBuilder built(Method::kGet, "/");
    for (const std::string& each : authorizations) built.Header("Authorization", each);
    const std::optional<Response> answer = auth_(built.request());
    if (!answer) return built.request().note;
    EXPECT_EQ(built.request().note, "");
    EXPECT_EQ(answer->status(), 401);
    EXPECT_EQ(answer->header_lines(), "WWW-Authenticate: Basic realm=\"the \\\"room\\\\\", charset=\"UTF-8\"\r\n");
    return "";
  }
  BasicAuth auth_{"the \"room\\", [](std::string_view user, std::string_view password) {
                    return (user == "ada" && SameSecret(password, "a:b")) || (user.empty() && password == "x");
                  }};
};

TEST_F(BasicAuthTest, LetsInWhoIsKnown) {
  EXPECT_EQ(Enters({"Basic YWRhOmE6Yg=="}), "ada");  // the first colon divides
  EXPECT_EQ(Enters({"bAsIc   YWRhOmE6Yg=="}), "ada");
}

TEST_F(BasicAuthTest, ChallengesEverybodyElse) {
  EXPECT_EQ(Enters({}), "");
  for (const char* value :
       {"", "Basic", "Basic ", "Basic YWRhOmE6Yw==" /* ada:a:c */, "Basic YWRh" /* ada */, "Basic Og==" /* : */,
        "Basic !!!!", "BasicYWRhOmE6Yg==", "Bearer YWRhOmE6Yg==", "Basic YWRhOmE6Yg== x", "YWRhOmE6Yg==",
        "Basic YWRhCTphOmI=" /* ada\t:a:b */, "Basic YWRhOmE6YgA=" /* ada:a:b\0 */}) {
    EXPECT_EQ(Enters({value}), "") << value;
  }
  EXPECT_EQ(Enters({"Basic YWRhOmE6Yg==", "Basic YWRhOmE6Yg=="}), "") << "which of them counts nobody knows";
}

class ConcurrencyLimitTest : public core::SteppedTest {
 protected:
  ConcurrencyLimitTest() {
    made_.Use(ConcurrencyLimit(2, 7));
    made_.Get("/waits", [this](Request&) -> Task<Response> {
      const bool set = co_await go_on_.Wait();
      co_return Response::Text(set ? "went on" : "cancelled");
    });
    made_.Get("/throws", [this](Request&) -> Task<Response> {
      co_await go_on_.Wait();
      throw std::runtime_error("route");
    });
    made_.Get("/plain", [] { return Response::Text("plain"); });
    router_ = made_;
  }

  // A request on its way.
  struct Asked : core::TestRoot {
    explicit Asked(std::string path) : built(Method::kGet, std::move(path)) {}
    RequestBuilder built;
    std::string got;
  };
  static Task<> Ask(const Router* router, Asked* asked) {
    const Router::Found found = router->Find(asked->built.request());
    const Response response = co_await found.route->action.later(asked->built.request());
    asked->got = std::to_string(response.status()) + std::string(response.header_lines());
  }
  std::unique_ptr<Asked> Send(std::string path, const Router* router) {
    auto asked = std::make_unique<Asked>(std::move(path));
    core::Shard::Enter enter(&stepped_.shard);
    EXPECT_TRUE(Ask(router, asked.get()).Start(asked.get()));
    return asked;
  }
  std::string Now(const Router* router) { return Send("/plain", router)->got; }
  void Settle() { stepped_.RunUntilIdle(1000); }

  core::Event go_on_;
  Router made_;
  Router router_;  // as a shard has it
  const std::string refused_ = "503Retry-After: 7\r\n";
};

TEST_F(ConcurrencyLimitTest, RequestsBeyondItAre503UntilOneEnds) {
  EXPECT_EQ(Now(&router_), "200");
  auto first = Send("/waits", &router_), second = Send("/waits", &router_), third = Send("/waits", &router_);
  EXPECT_EQ(first->got + second->got, "");
  EXPECT_EQ(third->got, refused_);
  EXPECT_EQ(Now(&router_), refused_) << "of all routes together";
  {
    core::Shard::Enter enter(&stepped_.shard);
    go_on_.Set();
  }
  Settle();
  EXPECT_EQ(first->got, "200");
  EXPECT_EQ(second->got, "200");
  EXPECT_EQ(Now(&router_), "200");
}

TEST_F(ConcurrencyLimitTest, WhoThrowsOrIsCancelledGivesItsPlaceBack) {
  for (int round = 0; round < 3; ++round) {
    go_on_.Reset();
    auto throws = Send("/throws", &router_), waits = Send("/waits", &router_);
    EXPECT_EQ(Now(&router_), refused_);
    {
      core::Shard::Enter enter(&stepped_.shard);
      waits->scope.Cancel();
    }
    Settle();
    EXPECT_EQ(waits->done_calls, 1);
    EXPECT_EQ(Now(&router_), "200");
    auto again = Send("/waits", &router_);
    EXPECT_EQ(Now(&router_), refused_);
    {
      core::Shard::Enter enter(&stepped_.shard);
      go_on_.Set();
    }
    Settle();
    EXPECT_NE(throws->error, nullptr);
    EXPECT_EQ(Now(&router_), "200");
  }
}

TEST_F(ConcurrencyLimitTest, ARequestThatNeverRunsTakesNoPlace) {
  for (int i = 0; i < 5; ++i) {
    RequestBuilder built(Method::kGet, "/waits");
    core::Shard::Enter enter(&stepped_.shard);
    const Task<Response> dropped = router_.Find(built.request()).route->action.later(built.request());
    EXPECT_TRUE(dropped.has_frame());
  }
  EXPECT_EQ(Now(&router_), "200");
}

TEST_F(ConcurrencyLimitTest, EachShardCountsForItself) {
  auto first = Send("/waits", &router_), second = Send("/waits", &router_);
  const Router other = router_;
  EXPECT_EQ(Now(&router_), refused_);
  EXPECT_EQ(Now(&other), "200");
  auto third = Send("/waits", &other), fourth = Send("/waits", &other);
  EXPECT_EQ(Now(&other), refused_);
  {
    core::Shard::Enter enter(&stepped_.shard);
    go_on_.Set();
  }
  Settle();
  EXPECT_EQ(third->got, "200");
}

}  // namespace
}  // namespace mooring::server::http
