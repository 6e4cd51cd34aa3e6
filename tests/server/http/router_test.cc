// SPDX-License-Identifier: Apache-2.0
#include "server/http/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/stepped_test.h"
#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

using namespace std::string_literals;
using core::Task;

// A route that says its own name.
auto Says(std::string text) {
  return [text = std::move(text)] { return Response::Text(text); };
}

// What answers: the text of the route that does, which must be a plain one; else " " and the value of Allow.
std::string Answer(const Router& router, Request& request) {
  const Router::Found found = router.Find(request);
  if (found.route == nullptr) return " " + found.allow;
  EXPECT_EQ(found.allow, "");
  std::optional<Response> response = found.route->action.now(request);
  return response ? std::string(response->body()) : "not at once";
}
std::string Answer(const Router& router, Method method, std::string target) {
  RequestBuilder built(method, std::move(target));
  return Answer(router, built.request());
}
std::string Get(const Router& router, std::string target) { return Answer(router, Method::kGet, std::move(target)); }

// The value of a name in the route that answers GET.
std::string Param(const Router& router, std::string target, std::string_view name) {
  RequestBuilder built(Method::kGet, std::move(target));
  EXPECT_NE(router.Find(built.request()).route, nullptr);
  return built.request().Param(name);
}

TEST(Router, ComparesSegmentBySegment) {
  Router router;
  router.Get("/", Says("root")).Get("/a", Says("a")).Get("/a/", Says("a/")).Get("/a/b", Says("ab"));
  EXPECT_EQ(Get(router, "/"), "root");
  EXPECT_EQ(Get(router, "/?x=/a"), "root");
  EXPECT_EQ(Get(router, "/a"), "a");
  EXPECT_EQ(Get(router, "/a/"), "a/");
  EXPECT_EQ(Get(router, "/a/b"), "ab");
  for (const char* target : {"//", "/b", "/a//", "/a//b", "/a/b/", "/a/b/c", "//a", "/A", "/a/.", "/a/../a", ""}) {
    EXPECT_EQ(Get(router, target), " ") << target;
  }
  EXPECT_EQ(Get(Router(), "/"), " ");
}

TEST(Router, NamesStandForWholeSegments) {
  Router router;
  router.Get("/hello/{name}", Says("hello")).Get("/{a}/{b}/x", Says("abx")).Get("/one/", Says("one/"));
  EXPECT_EQ(Get(router, "/hello/ada"), "hello");
  EXPECT_EQ(Param(router, "/hello/ada", "name"), "ada");
  EXPECT_EQ(Param(router, "/hello/ada", "nam"), "");
  EXPECT_EQ(Param(router, "/hello/ada?name=bob", "name"), "ada");
  EXPECT_EQ(Get(router, "/hello/"), " ") << "no segment is empty";
  EXPECT_EQ(Get(router, "/hello"), " ");
  EXPECT_EQ(Get(router, "/hello/ada/"), " ");
  EXPECT_EQ(Get(router, "/1/2/x"), "abx");
  EXPECT_EQ(Param(router, "/1/2/x", "a") + Param(router, "/1/2/x", "b"), "12");
  EXPECT_EQ(Get(router, "/one/"), "one/");
}

TEST(Router, RestMatchesEverythingAlsoNothing) {
  Router router;
  router.Get("/files/{path...}", Says("files"));
  EXPECT_EQ(Param(router, "/files/a/b//c/", "path"), "a/b//c/");
  EXPECT_EQ(Param(router, "/files/", "path"), "");
  EXPECT_EQ(Get(router, "/files/"), "files");
  EXPECT_EQ(Get(router, "/files//"), "files");
  EXPECT_EQ(Get(router, "/files"), " ");
  Router all;
  all.Get("/{path...}", Says("all"));
  EXPECT_EQ(Get(all, "/"), "all");
  EXPECT_EQ(Param(all, "/a/b", "path"), "a/b");
}

TEST(Router, LiteralGoesBeforeNameBeforeRestInAnyOrderOfAdding) {
  const std::vector<std::string> patterns = {"/a/b/c",     "/a/{x}/c", "/a/{x...}", "/{x}/b/d",
                                             "/{x}/{y}/c", "/{x...}",  "/a/b/{x}"};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"/a/b/c", "/a/b/c"},   {"/a/q/c", "/a/{x}/c"}, {"/a/b/q", "/a/b/{x}"}, {"/a/q/d", "/a/{x...}"},
      {"/q/b/d", "/{x}/b/d"}, {"/q/b/c", "/{x}/{y}/c"}, {"/q/b/q", "/{x...}"}, {"/a/b/d", "/a/b/{x}"},
      {"/a", "/{x...}"},      {"/a/", "/a/{x...}"},   {"/a/b/c/d", "/a/{x...}"}};
  const unsigned seed = std::random_device()();
  RecordProperty("seed", static_cast<int>(seed));
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> order = patterns;
    std::shuffle(order.begin(), order.end(), random);
    Router router;
    for (const std::string& pattern : order) router.Get(pattern, Says(pattern));
    for (const auto& [target, pattern] : cases) ASSERT_EQ(Get(router, target), pattern) << target;
  }
}

TEST(Router, TurnsBackWhereALiteralLeadsNowhere) {
  Router router;
  router.Get("/a/{x}/c/e", Says("first")).Get("/{x}/b/{y}/d", Says("second"));
  EXPECT_EQ(Get(router, "/a/b/c/d"), "second");
  EXPECT_EQ(Param(router, "/a/b/c/d", "x") + Param(router, "/a/b/c/d", "y"), "ac");
  EXPECT_EQ(Param(router, "/a/b/c/e", "x"), "b");
}

TEST(Router, NamesAreTheRoutesOwn) {
  Router router;
  router.Get("/{who}/x", Says("get")).Post("/{id}/x", Says("post"));
  RequestBuilder get(Method::kGet, "/7/x"), post(Method::kPost, "/7/x");
  EXPECT_EQ(Answer(router, get.request()), "get");
  EXPECT_EQ(Answer(router, post.request()), "post");
  EXPECT_EQ(get.request().Param("who"), "7");
  EXPECT_EQ(get.request().Param("id"), "");
  EXPECT_EQ(post.request().Param("id"), "7");
}

TEST(Router, ComparesDecodedSegments) {
  Router router;
  router.Get("/a b/{x}/c", Says("literal")).Get("/caf%C3%A9", Says("coffee")).Get("/%7Bx%7D", Says("braces"));
  router.Get("/files/{path...}", Says("files"));
  EXPECT_EQ(Get(router, "/a%20b/1/%63"), "literal");
  EXPECT_EQ(Get(router, "/caf%c3%a9"), "coffee");
  EXPECT_EQ(Get(router, "/caf\xc3\xa9"), "coffee");
  EXPECT_EQ(Get(router, "/{x}"), "braces");
  EXPECT_EQ(Get(router, "/q"), " ");
  EXPECT_EQ(Get(router, "/a+b/1/c"), " ") << "a plus is a plus";
  EXPECT_EQ(Param(router, "/a%20b/1%20%2b+/c", "x"), "1 ++");
  EXPECT_EQ(Param(router, "/files/a%20b/%25", "path"), "a b/%");
}

TEST(Router, EncodedSlashStaysInItsSegment) {
  Router router;
  router.Get("/a/{x}", Says("one")).Get("/a/{x}/{y}", Says("two")).Get("/b%2Fc", Says("literal"));
  router.Get("/b/c", Says("two segments"));
  router.Get("/files/{path...}", Says("files"));
  EXPECT_EQ(Get(router, "/a/1%2F2"), "one");
  EXPECT_EQ(Param(router, "/a/1%2F2", "x"), "1/2");
  EXPECT_EQ(Param(router, "/a/%2f", "x"), "/");
  EXPECT_EQ(Get(router, "/b%2fc"), "literal");
  EXPECT_EQ(Get(router, "/b/c"), "two segments");
  EXPECT_EQ(Get(router, "%2Fb/c"), " ");
  RequestBuilder built(Method::kGet, "/files/a%2Fb/c");
  router.Find(built.request());
  EXPECT_EQ(built.request().Param("path"), "a/b/c");
  EXPECT_EQ(built.request().RawParam("path"), "a%2Fb/c");
}

TEST(Router, MalformedEscapesAndNulFindNothing) {
  Router router;
  router.Get("/a/{x}", Says("a")).Get("/{path...}", Says("all")).Fallback(Says("fallback"));
  for (const char* target : {"/a/%", "/a/%4", "/a/%zz", "/a/%00", "/a/b%00", "/%00", "/b/%", "/%/a"}) {
    EXPECT_EQ(Get(router, target), " ") << target;
    EXPECT_EQ(Answer(router, Method::kOptions, target), " ") << target;
  }
  EXPECT_EQ(Get(router, "/a/x?%00%"), "a");
}

TEST(Router, HeadFindsWhatGetHas) {
  Router router;
  router.Get("/a", Says("get")).Get("/b", Says("get")).Add(Method::kHead, "/b", Says("head")).Post("/c", Says("post"));
  EXPECT_EQ(Answer(router, Method::kHead, "/a"), "get");
  EXPECT_EQ(Answer(router, Method::kHead, "/b"), "head");
  EXPECT_EQ(Answer(router, Method::kGet, "/b"), "get");
  EXPECT_EQ(Answer(router, Method::kHead, "/c"), " POST, OPTIONS");
}

TEST(Router, WhereOnlyOtherMethodsHaveRoutesAllowNamesThem) {
  Router router;
  router.Get("/a", Says("get")).Put("/a", Says("put")).Delete("/{x}", Says("delete")).Patch("/p", Says("patch"));
  router.Add(Method::kOptions, "/own", Says("own")).Add(Method::kHead, "/own", Says("head"));
  EXPECT_EQ(Answer(router, Method::kPost, "/a"), " GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kOptions, "/a"), " GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kOther, "/a"), " GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kTrace, "/p"), " DELETE, PATCH, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kDelete, "/a"), "delete") << "the more general route has the method";
  EXPECT_EQ(Answer(router, Method::kOptions, "/own"), "own");
  EXPECT_EQ(Answer(router, Method::kGet, "/own"), " HEAD, DELETE, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kPost, "/a/b"), " ");
  EXPECT_EQ(Answer(router, Method::kOptions, "/a/b"), " ");
}

TEST(Router, AsteriskAllowsWhatAnyRouteHas) {
  Router router;
  EXPECT_EQ(Answer(router, Method::kOptions, "*"), " OPTIONS");
  router.Put("/a", Says("put")).Patch("/b/{x}", Says("patch"));
  EXPECT_EQ(Answer(router, Method::kOptions, "*"), " PUT, PATCH, OPTIONS");
  router.Get("/{path...}", Says("get"));
  EXPECT_EQ(Answer(router, Method::kOptions, "*"), " GET, HEAD, PUT, PATCH, OPTIONS");
  Router files;
  files.Fallback(Says("files"));
  EXPECT_EQ(Answer(files, Method::kOptions, "*"), " GET, HEAD, OPTIONS");
}

TEST(Router, FallbackServesGetAndHeadOfWhatNoRouteHas) {
  Router router;
  router.Post("/a", Says("post")).Fallback(Says("fallback"), {.body_bytes_max = 7});
  EXPECT_EQ(Get(router, "/b"), "fallback");
  EXPECT_EQ(Get(router, "//b/"), "fallback");
  EXPECT_EQ(Answer(router, Method::kHead, "/b"), "fallback");
  EXPECT_EQ(Answer(router, Method::kPost, "/b"), " GET, HEAD, OPTIONS");
  EXPECT_EQ(Answer(router, Method::kOptions, "/b"), " GET, HEAD, OPTIONS");
  EXPECT_EQ(Get(router, "/a"), " POST, OPTIONS");
  EXPECT_EQ(Get(router, "b"), " ");
  RequestBuilder built(Method::kGet, "/b");
  EXPECT_EQ(router.Find(built.request()).route->options.body_bytes_max, 7u);
}

TEST(Router, OptionsAreTheRoutes) {
  Router router;
  router.Post("/a", Says("a"), {.body_bytes_max = 5, .deadline = core::Seconds(3)}).Post("/b", Says("b"));
  const Router copy = router;
  RequestBuilder a(Method::kPost, "/a"), b(Method::kPost, "/b");
  for (const Router* each : {&std::as_const(router), &copy}) {
    EXPECT_EQ(each->Find(a.request()).route->options.body_bytes_max, 5u);
    EXPECT_EQ(each->Find(a.request()).route->options.deadline, core::Seconds(3));
    EXPECT_EQ(each->Find(b.request()).route->options.deadline, std::nullopt);
  }
}

TEST(Router, EveryNameOfALongPatternIsThere) {
  Router router;
  router.Get("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}", Says("eight"));
  RequestBuilder built(Method::kGet, "/1/2/3/4/5/6/7/8/9");
  EXPECT_EQ(Answer(router, built.request()), "eight");
  EXPECT_EQ(built.request().Param("a"), "1");
  EXPECT_EQ(built.request().Param("g"), "7");
  EXPECT_EQ(built.request().Param("h"), "8/9");
  router.Get("/x/{a}", Says("x"));
  RequestBuilder again(Method::kGet, "/x/1");
  EXPECT_EQ(Answer(router, again.request()), "x");
  EXPECT_EQ(again.request().Param("a"), "1");
  EXPECT_EQ(again.request().Param("b"), "");
  EXPECT_EQ(Answer(Router(), again.request()), " ");
  EXPECT_EQ(again.request().Param("a"), "") << "of a route that it was not";
}

TEST(RouterDeathTest, MistakesOfTheProgramEndItWithALine) {
  const auto add = [](std::string pattern, std::string before = "/x") {
    Router().Get(before, Says("")).Get(pattern, Says(""));
  };
  EXPECT_DEATH(add(""), "route GET : a pattern begins with '/'");
  EXPECT_DEATH(add("a/b"), "begins with '/'");
  EXPECT_DEATH(add("/x"), "there is a route of that method and pattern");
  EXPECT_DEATH(add("/%78"), "there is a route");
  EXPECT_DEATH(add("/{b}/x", "/{a}/x"), "there is a route");
  EXPECT_DEATH(add("/{b...}", "/{a...}"), "there is a route");
  EXPECT_DEATH(add("/a?b"), "without '\\?'");
  EXPECT_DEATH(add("/{}"), "a name has letters");
  EXPECT_DEATH(add("/{1a}"), "a name has letters");
  EXPECT_DEATH(add("/{a.b}"), "a name has letters");
  EXPECT_DEATH(add("/{...}"), "a name has letters");
  EXPECT_DEATH(add("/{a}/{a}"), "a name twice");
  EXPECT_DEATH(add("/{a...}/b"), "stands last");
  EXPECT_DEATH(add("/a{b}"), "a name is a whole segment");
  EXPECT_DEATH(add("/{b}a"), "a name is a whole segment");
  EXPECT_DEATH(add("/%zz"), "an escape that no path has");
  EXPECT_DEATH(add("/%00"), "an escape that no path has");
  EXPECT_DEATH(add("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"), "too many names");
  EXPECT_DEATH(Router().Add(Method::kOther, "/a", Says("")), "no route has that method");
  EXPECT_DEATH(Router().Add(Method::kConnect, "/a", Says("")), "no route has that method");
  EXPECT_DEATH(Router().Get("/a", Action{}), "nothing to run");
  EXPECT_DEATH(Router().Fallback(Action{}), "nothing to run");
  EXPECT_DEATH(Router().Fallback(Says("")).Fallback(Says("")), "there is a fallback");
}

// Against a plain search through all patterns, by their precedence.
TEST(Router, FindsWhatAPlainSearchFinds) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::vector<std::string> from) { return from[random() % from.size()]; };
  const auto split = [](const std::string& path) {
    std::vector<std::string> segments;
    for (size_t at = 1; at <= path.size();) {
      const size_t end = std::min(path.find('/', at), path.size());
      segments.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    return segments;
  };
  // A key that orders patterns as the router does: per segment 0 literal, 1 name, 2 rest; none where it does not match.
  const auto key = [&](const std::string& pattern, const std::string& path) -> std::optional<std::string> {
    const auto want = split(pattern), got = split(path);
    std::string order;
    for (size_t i = 0; i < want.size(); ++i) {
      if (want[i].ends_with("...}")) return i < got.size() ? std::optional(order + "2") : std::nullopt;
      if (i >= got.size()) return std::nullopt;
      if (want[i].starts_with("{")) {
        if (got[i].empty()) return std::nullopt;
        order += "1";
      } else {
        if (want[i] != got[i]) return std::nullopt;
        order += "0";
      }
    }
    return want.size() == got.size() ? std::optional(order) : std::nullopt;
  };
  int found = 0;
  for (int round = 0; round < 300; ++round) {
    Router router;
    std::vector<std::string> patterns;
    for (int i = 0; i < 12; ++i) {
      std::string pattern;
      const size_t length = 1 + random() % 4;
      for (size_t n = 0; n < length; ++n) {
        const std::string name = "n" + std::to_string(n);
        pattern += "/" + pick({"a", "b", "", "{" + name + "}", n + 1 == length ? "{" + name + "...}" : "a"});
      }
      if (std::find(patterns.begin(), patterns.end(), pattern) != patterns.end()) continue;
      patterns.push_back(pattern);
      router.Get(pattern, Says(pattern));
    }
    for (int i = 0; i < 30; ++i) {
      std::string path;
      for (size_t n = 1 + random() % 4; n > 0; --n) path += "/" + pick({"a", "b", "c", ""});
      std::string best = " ", best_key = "9";
      for (const std::string& pattern : patterns) {
        const auto order = key(pattern, path);
        if (order && *order < best_key) best = pattern, best_key = *order;
      }
      ASSERT_EQ(Get(router, path), best) << path;
      found += best != " ";
    }
  }
  EXPECT_GT(found, 1000);
}

// Filters.

class RouterFilters : public core::SteppedTest {
 protected:
  // Runs what the router finds, as the service does: now, then later. The log has what ran.
  std::string Serve(const Router& router, std::string target) {
    RequestBuilder built(Method::kGet, std::move(target));
    const Router::Found found = router.Find(built.request());
    if (found.route == nullptr) return "none";
    const Action& action = found.route->action;
    started_later_ = false;
    if (action.now) {
      if (std::optional<Response> response = action.now(built.request())) return std::string(response->body());
    }
    if (!action.later) return "no later";
    started_later_ = true;
    std::string body;
    Run([&] { return Later(action, built.request(), &body); });
    return root_.error ? Thrown() : body;
  }
  static Task<> Later(const Action& action, Request& request, std::string* body) {
    const Response response = co_await action.later(request);
    *body = response.body();
  }

  // Filters that note themselves; `before` ones answer requests whose query names them.
  auto BeforeNamed(std::string name) {
    return [this, name = std::move(name)](Request& request) -> std::optional<Response> {
      log_ += name + " ";
      if (request.query() == name) return Response::Text("by " + name);
      return std::nullopt;
    };
  }
  auto AroundNamed(std::string name) {
    return [this, name = std::move(name)](Request& request, const Next& next) -> Task<Response> {
      log_ += name + "( ";
      if (request.query() == name) co_return Response::Text("by " + name);
      co_await core::Yield();
      Response response = co_await next(request);
      log_ += ")" + name + " ";
      co_return std::move(response);
    };
  }
  auto Plain() {
    return [this] {
      log_ += "route ";
      return Response::Text("plain");
    };
  }
  auto Coroutine() {
    return [this](Request&) -> Task<Response> {
      co_await core::Yield();
      log_ += "route ";
      co_return Response::Text("coroutine");
    };
  }

  std::string log_;
  bool started_later_ = false;
};

TEST_F(RouterFilters, PlainRouteWithPlainFiltersStaysPlain) {
  Router router;
  router.Use(BeforeNamed("a")).Use(BeforeNamed("b")).Get("/x", Plain());
  RequestBuilder built(Method::kGet, "/x");
  EXPECT_EQ(router.Find(built.request()).route->action.later, nullptr);
  EXPECT_EQ(Serve(router, "/x"), "plain");
  EXPECT_EQ(log_, "a b route ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/x?b"), "by b");
  EXPECT_EQ(Serve(router, "/x?a"), "by a");
  EXPECT_EQ(log_, "a b a ");
}

TEST_F(RouterFilters, PlainFilterAnswersForACoroutineWithoutStartingIt) {
  Router router;
  router.Use(BeforeNamed("a")).Use(BeforeNamed("b")).Get("/x", Coroutine());
  EXPECT_EQ(Serve(router, "/x?b"), "by b");
  EXPECT_FALSE(started_later_);
  EXPECT_EQ(log_, "a b ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/x"), "coroutine");
  EXPECT_TRUE(started_later_);
  EXPECT_EQ(log_, "a b route ") << "each once";
}

TEST_F(RouterFilters, FirstAddedIsOutermostOfEitherKind) {
  Router router;
  router.Use(BeforeNamed("a")).Use(AroundNamed("b")).Use(BeforeNamed("c")).Use(AroundNamed("d")).Use(BeforeNamed("e"));
  router.Get("/plain", Plain()).Get("/coroutine", Coroutine());
  for (const char* target : {"/plain", "/coroutine"}) {
    const std::string path(target);
    log_.clear();
    EXPECT_EQ(Serve(router, path), path.substr(1));
    EXPECT_EQ(log_, "a b( c d( e route )d )b ");
    log_.clear();
    EXPECT_EQ(Serve(router, path + "?c"), "by c");
    EXPECT_EQ(log_, "a b( c )b ");
    log_.clear();
    EXPECT_EQ(Serve(router, path + "?d"), "by d");
    EXPECT_EQ(log_, "a b( c d( )b ");
    log_.clear();
    EXPECT_EQ(Serve(router, path + "?e"), "by e");
    EXPECT_EQ(log_, "a b( c d( e )d )b ");
    log_.clear();
    EXPECT_EQ(Serve(router, path + "?a"), "by a");
    EXPECT_FALSE(started_later_);
    EXPECT_EQ(log_, "a ");
  }
}

TEST_F(RouterFilters, OnlyRoutesAddedBehindAFilterHaveIt) {
  Router router;
  router.Get("/first", Plain()).Use(BeforeNamed("a")).Get("/second", Plain()).Fallback(Plain()).Use(AroundNamed("b"));
  router.Get("/third", Coroutine());
  EXPECT_EQ(Serve(router, "/first?a"), "plain");
  EXPECT_EQ(log_, "route ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/second"), "plain");
  EXPECT_EQ(Serve(router, "/whatever"), "plain");
  EXPECT_EQ(Serve(router, "/whatever?a"), "by a");
  EXPECT_EQ(log_, "a route a route a ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/third"), "coroutine");
  EXPECT_EQ(log_, "a b( route )b ");
}

TEST_F(RouterFilters, AroundMayTryTwiceAndSeesWhatTheRouteThrows) {
  Router router;
  int calls = 0;
  router.Use([](Request& request, const Next& next) -> Task<Response> {
    std::string first;
    try {
      co_await next(request);
    } catch (const std::exception& error) {
      first = error.what();
    }
    const Response second = co_await next(request);
    co_return Response::Text(first + "," + std::string(second.body()));
  });
  router.Get("/plain", [&calls] {
    if (calls++ == 0) throw std::runtime_error("once");
    return Response::Text("twice");
  });
  EXPECT_EQ(Serve(router, "/plain"), "once,twice");
}

TEST_F(RouterFilters, ActionWithBothIsAskedNowFirst) {
  const auto action = [this](std::string name) {
    return Action{.now = [this, name](Request& request) -> std::optional<Response> {
                    log_ += "now ";
                    if (request.query() == "now") return Response::Text(name + " now");
                    return std::nullopt;
                  },
                  .later = [this, name](Request&) -> Task<Response> {
                    log_ += "later ";
                    co_return Response::Text(name + " later");
                  }};
  };
  Router router;
  router.Get("/bare", action("bare")).Use(BeforeNamed("a")).Get("/before", action("before"));
  router.Use(AroundNamed("b")).Get("/around", action("around"));
  EXPECT_EQ(Serve(router, "/bare?now"), "bare now");
  EXPECT_EQ(Serve(router, "/bare"), "bare later");
  log_.clear();
  EXPECT_EQ(Serve(router, "/before?now"), "before now");
  EXPECT_EQ(log_, "a now ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/before"), "before later");
  EXPECT_EQ(log_, "a now later ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/around?now"), "around now");
  EXPECT_EQ(log_, "a b( now )b ");
  log_.clear();
  EXPECT_EQ(Serve(router, "/around"), "around later");
  EXPECT_EQ(log_, "a b( now later )b ");
}

TEST_F(RouterFilters, RoutesMayBeOfAnyKind) {
  struct Free {
    static Task<Response> Nothing() { co_return Response::Text("task of nothing"); }
    static Task<Response> Const(const Request&) { co_return Response::Text("task of const"); }
    static Response Plain(const Request& request) { return Response::Text(request.Param("x")); }
  };
  Router router;
  router.Get("/1", Free::Nothing).Get("/2", Free::Const).Get("/3/{x}", Free::Plain);
  router.Get("/4", [count = 0]() mutable { return Response::Text(std::to_string(++count)); });
  router.Get("/5", [text = "captured"s]() -> Task<Response> {
    co_await core::Yield();
    co_return Response::Text(text);
  });
  EXPECT_EQ(Serve(router, "/1"), "task of nothing");
  EXPECT_EQ(Serve(router, "/2"), "task of const");
  EXPECT_EQ(Serve(router, "/3/c"), "c");
  EXPECT_EQ(Serve(router, "/4"), "1");
  EXPECT_EQ(Serve(router, "/4"), "2");
  EXPECT_EQ(Serve(router, "/5"), "captured");
}

// A callable that counts its copies.
struct Counted {
  explicit Counted(int* live) : live(live) { ++*live; }
  Counted(const Counted& other) : live(other.live), calls(other.calls) { ++*live; }
  ~Counted() { --*live; }
  int* live;
  int calls = 0;
};

TEST_F(RouterFilters, CopiesAreIndependentAndOutliveWhatTheyWereMadeOf) {
  int live = 0;
  {
    auto first = std::make_unique<Router>();
    first->Use([counted = Counted(&live)](Request& request) mutable -> std::optional<Response> {
      request.note = std::to_string(++counted.calls);
      return std::nullopt;
    });
    first->Use([counted = Counted(&live)](Request& request, const Next& next) -> Task<Response> {
      Response response = co_await next(request);
      co_return Response::Text(request.note + std::string(response.body()));
    });
    const auto counts = [](std::string name, Counted counted) {
      return [name, counted]() mutable { return Response::Text(name + std::to_string(++counted.calls)); };
    };
    first->Get("/x", counts("/", Counted(&live))).Fallback(counts("f", Counted(&live)));
    const int of_one = live;
    EXPECT_EQ(of_one, 4) << "one copy of each callable";
    EXPECT_EQ(Serve(*first, "/x"), "1/1");
    EXPECT_EQ(Serve(*first, "/x"), "2/2");
    Router second = *first;
    EXPECT_EQ(live, 2 * of_one);
    EXPECT_EQ(Serve(*first, "/x"), "3/3");
    first.reset();
    EXPECT_EQ(live, of_one);
    EXPECT_EQ(Serve(second, "/x"), "3/3") << "as they were when it was copied";
    EXPECT_EQ(Serve(second, "/y"), "4f1");
    Router third = std::move(second);
    EXPECT_EQ(live, of_one);
    EXPECT_EQ(Serve(third, "/x"), "5/4");
    third = Router();
    EXPECT_EQ(live, 0);
    EXPECT_EQ(Serve(third, "/x"), "none");
  }
  EXPECT_EQ(live, 0);
}

TEST_F(RouterFilters, RouteThatIsFoundStaysWhereItIs) {
  Router router;
  router.Get("/x", Plain());
  RequestBuilder built(Method::kGet, "/x");
  const Router::Route* route = router.Find(built.request()).route;
  for (int i = 0; i < 500; ++i) router.Get("/x/" + std::to_string(i), Plain());
  const Router moved = std::move(router);
  EXPECT_EQ(moved.Find(built.request()).route, route);
}

}  // namespace
}  // namespace mooring::server::http
