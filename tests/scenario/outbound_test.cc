// SPDX-License-Identifier: Apache-2.0
// Connections that services make: by name, through a pool, a proxy's; on real sockets, on every transport.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/blocking_pool.h"
#include "core/scope.h"
#include "net/address.h"
#include "net/connect.h"
#include "net/pool.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using net::CloseCause;
using net::Connection;
using net::EngineCount;

std::string At(const char* host, uint16_t port) { return std::string(host) + ":" + std::to_string(port); }

// A root task on a shard of a server: started there, looked at from the test.
class Job : private core::TaskRoot {
 public:
  template <class F>
  Job(LoopbackServer* server, F make) : server_(server) {
    core::TaskRoot::done = [](core::TaskRoot* self, std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      static_cast<Job*>(self)->ended_ = true;
    };
    server->OnShard(0, [this, make](net::Engine&) { EXPECT_TRUE(make().Start(this)); });
  }
  ~Job() { EXPECT_TRUE(ended_); }
  bool ended() const { return ended_; }
  bool Await() {
    return server_->Await([this] { return ended(); });
  }
  void Cancel() {
    server_->OnShard(0, [this](net::Engine&) { scope.Cancel(); });
  }

 private:
  LoopbackServer* const server_;
  std::atomic<bool> ended_{false};
};

// A connect may fail where faults are put into the kernel; then it is tried again, as a program would.
core::Task<net::OwnedConnection> ConnectInTheEnd(std::string target) {
  for (int i = 0; i < 100; ++i) {
    auto made = co_await net::Connect(target);
    if (made) co_return std::move(made.connection);
  }
  co_return net::OwnedConnection();
}

class ByName : public Scenario {};

core::Task<> SayTenTimes(std::string target, std::string* got) {
  auto up = co_await ConnectInTheEnd(std::move(target));
  EXPECT_TRUE(up);
  if (!up) co_return;
  for (int i = 0; i < 10; ++i) {
    up->Write(std::to_string(i) + "\n");
    auto line = co_await up->ReadLine();
    EXPECT_TRUE(line);
    if (!line) co_return;
    *got += std::string(*line);
  }
}

TEST_P(ByName, TheSystemsResolverFindsThisHost) {
  // ::1 may come first, and nobody listens there.
  LoopbackServer upstream(Callbacks<EchoCallbacks>(), In());
  core::BlockingPool helpers({.threads = 2, .queue_max = 16, .cpus = {}});
  {
    LoopbackServer server(Callbacks<EchoCallbacks>(), In());
    server.OnShard(0, [&](net::Engine& engine) { engine.shard()->SetJobRunner(&helpers); });
    std::string by_name, by_digits;
    Job first(&server, [&] { return SayTenTimes(At("localhost", upstream.port()), &by_name); });
    Job second(&server, [&] { return SayTenTimes(At("127.0.0.1", upstream.port()), &by_digits); });
    first.Await();
    second.Await();
    EXPECT_EQ(by_name, "0123456789");
    EXPECT_EQ(by_digits, "0123456789");
    server.Await([&] { return server.live() == 0; });
  }
}
INSTANTIATE_TEST_SUITE_P(Worlds, ByName, EveryWorld(), WorldName());

class Unreachable : public Scenario {};

core::Task<> TryOnce(std::string target, net::ConnectOptions options, std::string* why) {
  auto up = co_await net::Connect(std::move(target), options);
  *why = up.Explain();
}

TEST_P(Unreachable, IsSaidToBeAndLeavesNothing) {
  LoopbackServer server(Callbacks<EchoCallbacks>(), In());
  // A backlog of one that is full: what comes then gets no answer.
  const int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  ASSERT_EQ(bind(full, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  ASSERT_EQ(listen(full, 0), 0);
  ASSERT_EQ(getsockname(full, reinterpret_cast<sockaddr*>(&at), &size), 0);
  std::vector<int> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect(crowd.back(), reinterpret_cast<sockaddr*>(&at), sizeof(at));
  }
  const uint16_t port = ntohs(at.sin_port);
  std::string late, cancelled, refused;
  {
    Job job(&server, [&] { return TryOnce(At("127.0.0.1", port), {.deadline = 300 * kNanosPerMs}, &late); });
    Job other(&server, [&] { return TryOnce(At("127.0.0.1", port), {.deadline = 0}, &cancelled); });
    job.Await();
    EXPECT_FALSE(other.ended());
    other.Cancel();
    other.Await();
  }
  EXPECT_THAT(late, testing::EndsWith(": the deadline has passed"));
  EXPECT_THAT(cancelled, testing::EndsWith(": cancelled"));
  server.Await([&] { return server.live() == 0; });
  for (int fd : crowd) close(fd);
  close(full);
  Job job(&server, [&] { return TryOnce(At("127.0.0.1", port), {}, &refused); });
  job.Await();
  EXPECT_EQ(refused, At("127.0.0.1", port) + ": connection refused: nobody listens on the target");
}
INSTANTIATE_TEST_SUITE_P(Worlds, Unreachable, PlainWorlds(), WorldName());

std::atomic<uint16_t> upstream_port{0};

// An end is passed on (a drain is one), and a break too: the other pump may wait for room that only this one could
// make.
core::Task<> Pump(Connection* from, Connection* to) {
  for (;;) {
    auto data = co_await from->Read({.max_bytes = 64 << 10});
    if (!data) {
      if (data.reason == net::ReadReason::kEof || data.reason == net::ReadReason::kDraining) {
        to->ShutdownWrite();
      } else {
        to->Abort();
      }
      co_return;
    }
    const bool taken = to->Write(from->Keep(data));
    if (const bool room = co_await to->Writable(); !taken || !room) {
      from->Abort();
      co_return;
    }
  }
}

core::Task<> Proxy(Connection& conn) {
  auto up = co_await ConnectInTheEnd(At("127.0.0.1", upstream_port));
  if (!up) co_return;
  Connection* const to = up.get();
  auto both = [&conn, to](core::Scope& scope) -> core::Task<> {
    scope.Spawn(Pump(to, &conn));
    co_await Pump(&conn, to);
  };
  co_await core::Scoped(both);
}

core::Task<> EchoToTheEnd(Connection& conn) {
  while (auto data = co_await conn.Read()) {
    conn.Write(conn.Keep(data));
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

class Proxied : public Scenario {};

TEST_P(Proxied, EachByteComesBackAndTheEndToo) {
  LoopbackServer upstream(Coroutine(EchoToTheEnd), In());
  upstream_port = upstream.port();
  LoopbackServer proxy(Coroutine(Proxy), In({.service = {.full_duplex = true}}));
  std::string all;
  for (int i = 0; all.size() < 3'000'000; ++i) all += std::to_string(i) + " ";
  for (int round = 0; round < 3; ++round) {
    Client client(proxy.port());
    std::string back;
    for (size_t at = 0; at < all.size(); at += 200'000) {
      const std::string part = all.substr(at, 200'000);
      ASSERT_TRUE(client.Send(part));
      back += client.Receive(part.size());
    }
    client.ShutdownWrite();
    back += client.ReceiveToFin();
    EXPECT_EQ(back, all);
  }
  // One that goes without reading.
  {
    Client client(proxy.port());
    client.SendWhatFits(all);
    client.Reset();
  }
  proxy.Await([&] { return proxy.live() == 0; });
  upstream.Await([&] { return upstream.live() == 0; });
}
INSTANTIATE_TEST_SUITE_P(Worlds, Proxied, EveryWorld(), WorldName());

class Pooled : public Scenario {};

core::Task<> ExchangeThrough(net::Pool* pool, int number, std::atomic<int>* answered) {
  for (int i = 0; i < 50; ++i) {
    const std::string question = std::to_string(number) + "." + std::to_string(i);
    for (int tried = 0;; ++tried) {
      auto up = co_await pool->Borrow(0);
      if (!up) {  // a fault
        EXPECT_LT(tried, 100) << up.Explain();
        if (tried == 100) co_return;
        continue;
      }
      up->Write(question + "\n");
      auto line = co_await up->ReadLine();
      EXPECT_TRUE(line);
      if (!line) co_return;
      EXPECT_EQ(*line, question);
      up.Return();
      break;
    }
    ++*answered;
  }
}

TEST_P(Pooled, FewConnectionsServeMany) {
  LoopbackServer upstream(Callbacks<EchoCallbacks>(), In());
  LoopbackServer server(Callbacks<EchoCallbacks>(), In());
  net::Pool* pool = server.OnShard(0, [&](net::Engine& engine) {
    net::PoolOptions options;
    options.target = At("127.0.0.1", upstream.port());
    options.connections_max = 4;
    return &engine.shard()->locals().Emplace<net::Pool>(std::move(options));
  });
  std::atomic<int> answered{0};
  {
    std::vector<std::unique_ptr<Job>> jobs;
    for (int i = 0; i < 20; ++i) {
      const auto exchange = [pool, i, &answered] { return ExchangeThrough(pool, i, &answered); };
      jobs.push_back(std::make_unique<Job>(&server, exchange));
    }
    for (const auto& job : jobs) job->Await();
  }
  EXPECT_EQ(answered, 1000);
  EXPECT_LE(upstream.Count(EngineCount::kAccepted), 4u);
  EXPECT_EQ(pool->counters().Read(net::PoolCount::kReused) + pool->counters().Read(net::PoolCount::kOpened), 1000u);
  EXPECT_GE(server.live(), 1u);
  // They are idle now, and do not keep a drain.
  server.BeginDrain();
  EXPECT_TRUE(server.AwaitDrained());
  EXPECT_EQ(server.Cause(CloseCause::kDrained) + server.Cause(CloseCause::kService),
            server.Count(EngineCount::kConnected));
}
INSTANTIATE_TEST_SUITE_P(Worlds, Pooled, EveryWorld(), WorldName());

}  // namespace
}  // namespace mooring::scenario
