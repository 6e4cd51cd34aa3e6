// SPDX-License-Identifier: Apache-2.0
// What it costs to find the route of a request among 1, 20 and 1,000, and to run it when it is a plain one.
#include "server/http/router.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/server/http/request_builder.h"

namespace mooring::server::http {
namespace {

// /hello/{name} and others beside it, as an API has them.
Router With(int64_t routes) {
  Router router;
  router.Get("/hello/{name}", [] { return Response::Text("hello\n"); });
  for (int64_t i = 1; i < routes; ++i) {
    const char* const below = i % 2 == 0 ? "/{id}" : "/list";
    router.Get("/resource" + std::to_string(i) + below, [] { return Response::Text("x\n"); });
  }
  return router;
}

void Find(benchmark::State& state, const std::string& target) {
  const Router router = With(state.range(0));
  RequestBuilder built(Method::kGet, target);
  if (router.Find(built.request()).route == nullptr) std::abort();
  for (auto _ : state) {
    Request* request = &built.request();
    benchmark::DoNotOptimize(request);
    const Router::Found found = router.Find(*request);
    benchmark::DoNotOptimize(found.route);
  }
}

void BM_RouterFindName(benchmark::State& state) { Find(state, "/hello/world"); }
BENCHMARK(BM_RouterFindName)->Arg(1)->Arg(20)->Arg(1000);

void BM_RouterFindEscaped(benchmark::State& state) { Find(state, "/hello/w%6frld"); }
BENCHMARK(BM_RouterFindEscaped)->Arg(20);

void BM_RouterFindLiteral(benchmark::State& state) { Find(state, "/resource1/list"); }
BENCHMARK(BM_RouterFindLiteral)->Arg(20)->Arg(1000);

void BM_RouterFindNothing(benchmark::State& state) {
  const Router router = With(state.range(0));
  RequestBuilder built(Method::kGet, "/nothing/here");
  for (auto _ : state) {
    Request* request = &built.request();
    benchmark::DoNotOptimize(request);
    const Router::Found found = router.Find(*request);
    benchmark::DoNotOptimize(found.route);
  }
}
BENCHMARK(BM_RouterFindNothing)->Arg(20);

// Finding and running, with as many plain filters as the argument says.
void BM_RouterRunPlain(benchmark::State& state) {
  Router router;
  for (int64_t i = 0; i < state.range(0); ++i) {
    router.Use([](Request&) -> std::optional<Response> { return std::nullopt; });
  }
  router.Get("/hello/{name}", [] { return Response::Text("hello\n"); });
  RequestBuilder built(Method::kGet, "/hello/world");
  for (auto _ : state) {
    const Router::Found found = router.Find(built.request());
    std::optional<Response> response = found.route->action.now(built.request());
    benchmark::DoNotOptimize(response);
  }
}
BENCHMARK(BM_RouterRunPlain)->Arg(0)->Arg(1)->Arg(3);

}  // namespace
}  // namespace mooring::server::http
