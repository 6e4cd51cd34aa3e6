// SPDX-License-Identifier: Apache-2.0
// SECURITY.md, promise 4: what one connection holds is bounded, whatever its peer does. Everything on the shard is this
// connection's, and it is looked at after every step.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>

#include "alloc/accounting.h"
#include "alloc/buffer_pool.h"
#include "server/echo.h"
#include "server/line.h"
#include "tests/net/sim_server.h"

namespace mooring::net {
namespace {

using alloc::BufferPool;
using alloc::Purpose;

enum class Talk { kFloodUnread, kFloodUnended, kBytewise };
struct Case {
  const char* name;
  ServiceFactory service;
  Talk talk;
  uint32_t message_max;  // that the service waits for
};

core::Task<> EchoTask(Connection& conn) {
  while (auto data = co_await conn.Read({.max_bytes = 5000})) {
    conn.Write(*data);
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}
// What a peer can make the hungriest reader keep: its limit, and the step to the next size of a carry block.
constexpr uint32_t kLimit = 100'000;
core::Task<> LongLines(Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = kLimit})) conn.Write("OK\n");
}

const Case kCases[] = {
    {"EchoUnread", Callbacks<server::Echo>(), Talk::kFloodUnread, 1},
    {"EchoTaskUnread", Coroutine(EchoTask), Talk::kFloodUnread, 5000},
    {"LineUnread", Coroutine(server::Line), Talk::kFloodUnread, server::kLineBytesMax},
    {"LineUnended", Coroutine(server::Line), Talk::kFloodUnended, server::kLineBytesMax},
    {"LongLineUnended", Coroutine(LongLines), Talk::kFloodUnended, kLimit},
    {"EchoBytewise", Callbacks<server::Echo>(), Talk::kBytewise, 1},
    {"LineBytewise", Coroutine(server::Line), Talk::kBytewise, server::kLineBytesMax},
    {"DiscardFlood", Callbacks<server::Discard>(), Talk::kFloodUnread, 1},
};

class SimPromises : public testing::TestWithParam<std::tuple<int, uint64_t>> {};

TEST_P(SimPromises, WhatAConnectionHoldsIsBoundedWhateverItsPeerDoes) {
  const Case& each = kCases[std::get<0>(GetParam())];
  SimServer server(Seed(std::get<1>(GetParam())));
  auto* peer = server.ConnectNow(server.Listen(each.service));
  core::Shard& shard = server.shard();
  const uint64_t blocks_before = shard.accounting().Bytes(Purpose::kBlocks);
  const uint64_t frames_before = shard.accounting().Bytes(Purpose::kFrames);

  peer->Stall();
  std::string flood;
  while (flood.size() < (2u << 20)) flood += each.talk == Talk::kFloodUnread ? "ab\n" : "ab";
  if (each.talk == Talk::kBytewise) flood.resize(3000);
  uint64_t retained = 0;
  uint64_t queued = 0;
  uint64_t blocks = 0;
  uint64_t frames = 0;
  const auto look = [&] {
    retained = std::max<uint64_t>(retained, server.engine().retained_blocks());
    server.engine().ForEach([&](Connection* conn) { queued = std::max(queued, conn->queued_bytes()); });
    blocks = std::max(blocks, shard.accounting().Bytes(Purpose::kBlocks) - blocks_before);
    frames = std::max(frames, shard.accounting().Bytes(Purpose::kFrames) - frames_before);
  };
  if (each.talk == Talk::kBytewise) {
    for (const char byte : flood) {
      peer->Send(std::string(1, byte));
      for (int i = 0; i < 8 && server.world.Step(); ++i) look();
    }
  } else {
    peer->Send(flood);
  }
  while (server.world.Step()) look();
  std::printf("at most %" PRIu64 " receive blocks, %" PRIu64 " bytes queued, %" PRIu64 " in other blocks, %" PRIu64 " in frames\n",
              retained, queued, blocks, frames);
  // Contract 5: from 8 retained on it is not read, and one enter brings at most what was published.
  const uint64_t grown = server.TransportCount("group_grown");
  EXPECT_LE(retained, 8 + std::min<uint64_t>(uint64_t{64} << std::min<uint64_t>(grown, 3), 512));
  // Contract 6: at the high watermark delivery stops; the write that got there may have been a whole block.
  EXPECT_LE(queued, (64u << 10) + BufferPool::kReceiveBlockBytes);
  // What is queued lies in blocks that may be half full. Contract 2: an unfinished message, and while it moves to a larger
  // block its beginning twice. The rest is pages that are not full, of each class and of descriptors.
  EXPECT_LE(blocks, 2 * ((64u << 10) + BufferPool::kReceiveBlockBytes) + 2 * std::bit_ceil(each.message_max) + (32u << 10));
  EXPECT_LE(frames, 16u << 10) << "the service's frame, Input, Output and the chunks of its two queues";
  peer->Close();
  server.world.RunFor(40'000);
}

INSTANTIATE_TEST_SUITE_P(All, SimPromises,
                         testing::Combine(testing::Range(0, static_cast<int>(std::size(kCases))),
                                          testing::Range<uint64_t>(1, 7)),
                         [](const auto& info) {
                           return std::string(kCases[std::get<0>(info.param)].name) + "_" +
                                  std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace mooring::net
