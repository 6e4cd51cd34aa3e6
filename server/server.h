// SPDX-License-Identifier: Apache-2.0
// Server: a whole server around a service: flags, signals, one shard for each CPU, drain and exit code.
//
//   Task<> Line(Connection& conn) {
//     while (auto line = co_await conn.ReadLine({.max_bytes = 8192})) conn.Write("OK\n");
//   }
//   int main(int argc, char** argv) { return Server(argc, argv).Listen("tcp://127.0.0.1:7001", Line).Run(); }
//
// The program understands the flags, variables and file of docs/CONFIGURATION.md, `check`, and the flags that it defines
// itself with ABSL_FLAG; with --help it says so. mooringd is made of this class too.
//
// Threads:  the main one, before any other is started: the constructor blocks the signals that drain.
// Owns:     what it is given; services are copied, one for each shard.
#ifndef MOORING_SERVER_SERVER_H_
#define MOORING_SERVER_SERVER_H_

#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/locals.h"
#include "core/shard.h"
#include "core/task.h"
#include "net/connection.h"
#include "net/handler.h"
#include "net/listener_limits.h"
#include "net/service_options.h"
#include "net/task_service.h"
#include "server/program.h"

namespace mooring::server {

// How a program calls itself; empty: by the name of its file, and by Mooring's version.
struct About {
  std::string name = {};
  std::string version = {};
  std::string summary = {};  // a sentence, the first line of --help
};

struct ListenOptions {
  // What --listen and the plan call it. Empty: the handler's class in small letters, or, for a function, the program's
  // name. A name that is taken already gets a number: line, line-2.
  std::string name = {};
  std::string summary = {};         // a line for --help
  net::ServiceOptions limits = {};  // deadlines and queue bounds. Untouched: the service's own, where it has some
  net::ListenerLimits caps = {};    // how many connections it takes, on all shards together
};

class Server {
 public:
  Server(int argc, char** argv, About about = {});
  Server(Program program, int argc, char** argv);  // all of it said at once

  // Listens on `address` (HOST:PORT, tcp://HOST:PORT or unix:PATH), unless --listen=NAME=ADDRESS says another, or
  // --listen=ADDRESS where the program has but one listener. `service` is a function or callable object that takes a
  // Connection& and returns a Task<>: one coroutine per connection; or a Handler: callbacks, one copy of it for each
  // shard; or a callable that makes a std::unique_ptr<Handler> on each shard. The same copy serves all connections of a
  // shard and outlives them, so what a lambda captures stays there for all of its coroutine.
  template <class S>
  Server& Listen(std::string_view address, S service, ListenOptions options = {}) {
    std::string kind;
    if constexpr (std::derived_from<S, net::Handler>) kind = ClassName(typeid(S));
    if constexpr (requires { { service.limits() } -> std::same_as<net::ServiceOptions>; }) {
      if (options.limits == net::ServiceOptions{}) options.limits = service.limits();
    }
    return AddListener(address, MakerOf(std::move(service)), std::move(kind), std::move(options));
  }

  // A T on every shard, made there from copies of `arguments` before its first turn and destroyed there after its
  // drain, in the opposite order. Local<T>() finds it. What its constructor throws is a failed start.
  template <class T, class... A>
  Server& PerShard(A... arguments) {
    program_.per_shard.push_back([made_from = std::tuple<A...>(std::move(arguments)...)](core::Locals& locals) {
      std::apply([&](const A&... each) { locals.Emplace<T>(each...); }, made_from);
    });
    return *this;
  }

  // Called on every shard, in its turn, before it accepts anybody; what it throws is a failed start. If it returns a
  // Task<>, that runs beside the shard's connections (Shard::background()) until it is done, or is cancelled when a drain
  // has served the last peer of every shard.
  template <std::invocable F>
  Server& OnShardStart(F start) {
    if constexpr (std::same_as<std::invoke_result_t<F&>, core::Task<>>) {
      program_.on_start.push_back([start = std::move(start)] {
        if (!core::Shard::Current()->background().Spawn(start)) throw std::bad_alloc();
      });
    } else {
      program_.on_start.push_back(std::move(start));
    }
    return *this;
  }
  // Called on every shard that has started, after its last turn.
  Server& OnShardStop(std::function<void()> stop);

  // Serves until a SIGTERM or SIGINT has drained it, and says how that went: 0 all finished, 1 it could not start, 2 a
  // bad flag, 3 the drain's deadline cut some connections. A second signal ends the process with 4. Errors and the plan
  // go to stderr. Once.
  int Run();

 private:
  using Make = std::function<std::unique_ptr<net::Handler>()>;

  template <class S>
  static Make MakerOf(S service) {
    if constexpr (std::derived_from<S, net::Handler>) {
      return [service = std::move(service)] { return std::make_unique<S>(service); };
    } else if constexpr (std::is_invocable_r_v<std::unique_ptr<net::Handler>, S&>) {
      return service;
    } else {
      static_assert(std::is_invocable_r_v<core::Task<>, S&, net::Connection&>,
                    "a service is Task<>(Connection&), a Handler, or makes a std::unique_ptr<Handler>");
      return [service = std::move(service)] { return std::make_unique<net::TaskService>(service); };
    }
  }
  static std::string ClassName(const std::type_info& type);
  Server& AddListener(std::string_view address, Make make, std::string kind, ListenOptions options);

  std::vector<std::string> arguments_;
  Program program_;
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_SERVER_H_
