// SPDX-License-Identifier: Apache-2.0
// TestServer: a shard in this process that serves a callback on a port of its own, for the load to talk to.
#ifndef MOORING_TESTS_TOOLS_LOAD_TEST_SERVER_H_
#define MOORING_TESTS_TOOLS_LOAD_TEST_SERVER_H_

#include <functional>
#include <memory>
#include <utility>

#include "core/kernel.h"
#include "core/shard_thread.h"
#include "net/claim.h"
#include "net/connection.h"
#include "net/engine.h"
#include "net/uring/provider.h"
#include "tools/load/options.h"

namespace mooring::tools::load {

using Answer = std::function<void(net::Connection&, alloc::Lease)>;

class Service final : public net::Handler {
 public:
  explicit Service(Answer on_data) : on_data_(std::move(on_data)) {}
  void OnData(net::Connection& conn, alloc::Lease data) override { on_data_(conn, std::move(data)); }

 private:
  Answer on_data_;
};

// A shard that serves `on_data` on a port of its own.
class TestServer {
 public:
  explicit TestServer(Answer on_data) : service_(std::move(on_data)) {}
  ~TestServer() { thread_.Join(); }

  absl::Status Start() {
    if (absl::Status status = thread_.Start(); !status.ok()) return status;
    thread_.Go();
    return absl::OkStatus();
  }
  net::Address address() const { return address_; }
  net::Engine& engine() { return engine_; }  // of its shard: in an answer only

 private:
  absl::Status SetUp() {
    auto transport = provider_.Open(&shard_, engine_.events(), {.connections_max = kSlots});
    if (!transport.ok()) return transport.status();
    transport_ = *std::move(transport);
    shard_.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
    auto claim = net::Claim::Take(core::RealKernel(), *net::Address::Parse("127.0.0.1:0"), {.backlog = 128});
    if (!claim.ok()) return claim.status();
    address_ = claim->address();
    engine_.Listen(engine_.AddListener("test", &service_, {}), claim->Release(0), claim->backlog());
    return absl::OkStatus();
  }
  void TearDown() {
    engine_.CutAll();
    for (int turn = 0; turn < 1000 && engine_.live() > 0; ++turn) shard_.RunTurn(core::kNanosPerMs);
    transport_.reset();
  }

  static constexpr uint32_t kSlots = 2048;
  Service service_;
  net::uring::UringProvider provider_{core::RealKernel()};
  core::MonotonicClock clock_;
  core::Shard shard_{{.id = 9, .clock = &clock_}};
  net::Engine engine_{&shard_, {.connections_max = kSlots}};
  std::unique_ptr<net::Transport> transport_;
  net::Address address_;
  core::ShardThread thread_{&shard_, {.name = "server",
                                      .set_up = [this] { return SetUp(); },
                                      .tear_down = [this] { TearDown(); }}};
};

inline void Echo(net::Connection& conn, alloc::Lease data) { conn.Write(std::move(data)); }

inline Options Short(const net::Address& target) {
  Options options;
  options.target = target;
  options.connections = 20;
  options.seconds = 0.2;
  options.warmup_seconds = 0;
  options.shards = 2;
  return options;
}

}  // namespace mooring::tools::load

#endif  // MOORING_TESTS_TOOLS_LOAD_TEST_SERVER_H_
