// SPDX-License-Identifier: Apache-2.0
// A listening socket that the server inherited: all shards share it, and it outlives the server. What a drain does to it
// must not be seen by the next server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "net/address.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/services.h"

namespace mooring::scenario {
namespace {

using net::CloseCause;

// What a service manager keeps open between two servers.
class Kept {
 public:
  Kept() {
    const net::Address any = *net::Address::Parse("127.0.0.1:0");
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, any.get(), any.size()), 0) << errno;
    EXPECT_EQ(listen(fd_, 64), 0);
  }
  ~Kept() { close(fd_); }
  int HandOver() const { return core::RealKernel()->Duplicate(fd_); }
  uint16_t port() const {
    net::Address at;
    socklen_t size = net::Address::kSizeMax;
    EXPECT_EQ(getsockname(fd_, at.get(), &size), 0);
    return at.port();
  }

 private:
  int fd_;
};

class Inherited : public Scenario {};
INSTANTIATE_TEST_SUITE_P(Worlds, Inherited, EveryWorld(), WorldName());

TEST_P(Inherited, ServesFromEveryShardWhatComesToTheOneSocket) {
  Kept kept;
  LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2, .inherited_fd = kept.HandOver()}));
  ASSERT_EQ(server.port(), kept.port());
  const auto live = [&](int shard) {
    return server.OnShard(shard, [](net::Engine& engine) { return engine.live_counter().Read(); });
  };
  std::vector<Client> clients;
  for (int i = 0; i < 2000 && (live(0) < 3 || live(1) < 3); ++i) {
    clients.emplace_back(server.port());
    ASSERT_EQ(clients.back().Exchange("hello", 5), "hello") << i;
  }
  EXPECT_GE(live(0), 3u) << "of " << clients.size();
  EXPECT_GE(live(1), 3u) << "of " << clients.size();
}

TEST_P(Inherited, WhoConnectsBetweenTwoServersIsServedByTheSecond) {
  Kept kept;
  for (int server_number = 0; server_number < 3; ++server_number) {
    Client waited(kept.port());  // the queue is the manager's: nobody is refused when there is no server
    ASSERT_TRUE(waited.Send("early"));
    LoopbackServer server(Callbacks<EchoCallbacks>(), In({.shards = 2, .inherited_fd = kept.HandOver()}));
    EXPECT_EQ(waited.Receive(5), "early") << "server " << server_number;
    Client client(kept.port());
    ASSERT_EQ(client.Exchange("hello", 5), "hello");
    server.BeginDrain();
    EXPECT_EQ(client.ReceiveToFin(), "");
    EXPECT_EQ(waited.ReceiveToFin(), "");
    client.Close();
    waited.Close();
    ASSERT_TRUE(server.AwaitDrained());
    EXPECT_EQ(server.Cause(CloseCause::kDrained), 2u);
  }
}

// A drain lets TCP listeners of its own ignore handshakes; in this socket that would stay for ever.
TEST_P(Inherited, DuringADrainTheQueueStaysOpenForTheNextServer) {
  Kept kept;
  std::vector<Client> late;
  {
    LoopbackServer server(Coroutine(ShortLines), In({.shards = 2, .inherited_fd = kept.HandOver()}));
    server.BeginDrain();
    // Each is served by this one, which accepts for a while, or waits for the next.
    ASSERT_TRUE(server.Await([&] {
      if (late.size() < 300) {
        late.emplace_back(kept.port());
        EXPECT_TRUE(late.back().Send("x\n"));
      }
      for (Client& client : late) {
        if (!client.open() || !client.HasData()) continue;
        // Its line may come when the server has looked for the last time.
        const std::string answer = client.ReceiveToFin();
        EXPECT_TRUE(answer == "x\n" || answer.empty()) << answer;
        client.Close();
      }
      bool drained = true;
      for (int id = 0; id < 2; ++id) drained &= server.OnShard(id, [](net::Engine& engine) { return engine.drained(); });
      return drained;
    }));
    EXPECT_EQ(server.TransportCount("refuse_new_errors"), 0u) << "nobody has tried, where only CAP_NET_ADMIN may";
    late.emplace_back(kept.port());  // there is no server
    ASSERT_TRUE(late.back().Send("x\n"));
  }
  LoopbackServer next(Coroutine(ShortLines), In({.shards = 2, .inherited_fd = kept.HandOver()}));
  for (Client& client : late) {
    if (!client.open()) continue;
    EXPECT_EQ(client.Receive(2), "x\n");
  }
}

}  // namespace
}  // namespace mooring::scenario
