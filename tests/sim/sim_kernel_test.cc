// SPDX-License-Identifier: Apache-2.0
// What the simulated kernel does by seed, what it refuses, and that it is deterministic. That it answers as the real
// one does is the business of sim_vs_real_test and its neighbours.
#include "tests/sim/sim_kernel.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/ring.h"
#include "core/uapi.h"
#include "tests/sim/machine.h"

namespace mooring::sim {
namespace {

constexpr uint64_t kSeeds = 200;

core::Ring::Options SmallRing() { return {.sq_entries = 64, .cq_entries = 1024, .features_off = {}}; }

// A ring of the code under test on a simulated kernel, with its group and one listener.
struct Bed {
  explicit Bed(uint64_t seed, Mood mood = Mood::kSeeded, core::Ring::Options options = SmallRing())
      : kernel(seed, &clock, mood), machine(&kernel), hands(&machine, options) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    listener = hands.Listen(&port);
    hands.Group(64, 256);
    hands.Publish(64);
  }

  struct OwnMachine final : Machine {
    explicit OwnMachine(SimKernel* k) : sim(k) {}
    core::Kernel* kernel() override { return sim; }
    std::unique_ptr<Client> Connect(uint16_t) override { return nullptr; }
    std::unique_ptr<Client> ConnectUnix(const std::string&) override { return nullptr; }
    void Unlink(const std::string&) override {}
    void Settle() override {}
    void AllowFullTable(core::Ring*) override {}
    void LimitDescriptors(bool) override {}
    SimKernel* const sim;
  };

  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
  SimRing& ring() { return *kernel.last_entered(); }
  SimPeer* Accept(int* slot) {
    SimPeer* peer = kernel.Connect(address());
    kernel.network().DeliverAll();
    hands.OneAccept(listener, 1);
    hands.ring().Enter(0, 0);
    hands.ring().Reap([&](const io_uring_cqe& cqe) { *slot = cqe.res; });
    return peer;
  }

  core::ManualClock clock{core::kNanosPerSecond};
  SimKernel kernel;
  OwnMachine machine;
  Hands hands;
  uint16_t port = 0;
  int listener = -1;
};

// Receives until the end, re-arming as needed; everything that came, and how many completions it took.
std::string ReceiveAll(Bed& bed, int slot, int* end, size_t* pieces) {
  std::string all;
  bool armed = false, ended = false;
  for (int turn = 0; turn < 100'000 && !ended; ++turn) {
    if (!armed) {
      bed.hands.MultishotReceive(slot, 7, turn % 2 == 0);
      armed = true;
    }
    bed.hands.ring().Enter(0, 0);
    unsigned back = 0;
    bed.hands.ring().Reap([&](const io_uring_cqe& cqe) {
      if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
        all.append(bed.hands.block(cqe.flags >> IORING_CQE_BUFFER_SHIFT), static_cast<size_t>(cqe.res));
        ++*pieces;
        ++back;
      }
      if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
      armed = false;
      if (cqe.res > 0 || cqe.res == -ENOBUFS) return;
      *end = cqe.res;
      ended = true;
    });
    bed.hands.Publish(back);
    if (back == 0) bed.kernel.network().DeliverOne();
  }
  return all;
}

std::string Pattern(size_t bytes) {
  std::string pattern(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<char>(i * 31 + i / 251);
  return pattern;
}

TEST(SimKernel, BytesArriveInOrderUnderEverySeed) {
  std::set<size_t> piece_counts;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Bed bed(seed);
    int slot = -1;
    SimPeer* peer = bed.Accept(&slot);
    ASSERT_EQ(slot, 0);
    const std::string sent = Pattern(20'000);
    peer->Send(sent);
    peer->HalfClose();
    int end = -1;
    size_t pieces = 0;
    ASSERT_EQ(ReceiveAll(bed, slot, &end, &pieces), sent);
    EXPECT_EQ(end, 0);
    piece_counts.insert(pieces);
  }
  EXPECT_GT(piece_counts.size(), 50u) << "the seeds cut alike";
}

TEST(SimKernel, TheSameSeedDoesTheSame) {
  const auto run = [](uint64_t seed) {
    Bed bed(seed);
    int slot = -1;
    SimPeer* peer = bed.Accept(&slot);
    peer->Send(Pattern(9'000));
    peer->Close();
    int end = -1;
    size_t pieces = 0;
    ReceiveAll(bed, slot, &end, &pieces);
    return std::to_string(pieces) + " " + std::to_string(bed.ring().counts().enters) + " " +
           std::to_string(bed.kernel.choices().Between(0, SIZE_MAX - 1));
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(run(seed), run(seed)) << "seed " << seed;
  EXPECT_NE(run(1), run(2));
}

TEST(SimKernel, SendsAreShortAndNothingIsLost) {
  size_t short_sends = 0, blocked = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Bed bed(seed);
    int slot = -1;
    SimPeer* peer = bed.Accept(&slot);
    const std::string bytes = Pattern(100'000);
    size_t sent = 0;
    bool wait = false;
    while (sent < bytes.size()) {
      bed.hands.Send(slot, 3, std::string_view(bytes).substr(sent), wait);
      int result = 0;
      bool done = false;
      for (int turn = 0; !done; ++turn) {
        ASSERT_LT(turn, 100'000);
        bed.hands.ring().Enter(0, 0);
        bed.hands.ring().Reap([&](const io_uring_cqe& cqe) {
          result = cqe.res;
          done = true;
        });
        if (!done) bed.kernel.network().DeliverOne();
      }
      if (result == -EAGAIN) {
        ASSERT_FALSE(wait);
        ++blocked;
        wait = true;
        continue;
      }
      ASSERT_GT(result, 0);
      wait = false;
      sent += static_cast<size_t>(result);
      if (sent < bytes.size()) ++short_sends;
    }
    bed.kernel.network().DeliverAll();
    ASSERT_EQ(peer->received(), bytes);
    EXPECT_EQ(peer->unacknowledged(), 0u);
  }
  EXPECT_GT(short_sends, kSeeds);
  EXPECT_GT(blocked, kSeeds / 4);
}

TEST(SimKernel, DifferentSocketsCompleteInAnyOrder) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Bed bed(seed);
    std::vector<SimPeer*> peers;
    for (int i = 0; i < 4; ++i) {
      int slot = -1;
      peers.push_back(bed.Accept(&slot));
      ASSERT_EQ(slot, i) << "seed " << seed;
      bed.hands.MultishotReceive(slot, 10 + static_cast<uint64_t>(i), true);
    }
    bed.hands.ring().Enter(0, 0);
    for (SimPeer* peer : peers) peer->Send("x");
    bed.kernel.network().DeliverAll();
    std::string order;
    bed.hands.ring().Enter(0, 0);
    bed.hands.ring().Reap([&](const io_uring_cqe& cqe) { order += static_cast<char>('a' + cqe.user_data - 10); });
    EXPECT_EQ(order.size(), 4u);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 10u);
}

TEST(SimKernel, ARingSleepsUntilSomethingHappensOrItsTimeIsUp) {
  Bed bed(1, Mood::kCalm);
  const int event = bed.kernel.EventFd();
  io_uring_sqe* sqe = bed.hands.Sqe(IORING_OP_POLL_ADD, event, 1, false);
  sqe->poll32_events = POLLIN;
  sqe->len = IORING_POLL_ADD_MULTI;
  bed.hands.ring().Enter(1, 5 * core::kNanosPerMs);
  EXPECT_TRUE(bed.ring().asleep());
  EXPECT_EQ(bed.ring().wake_at(), bed.clock.Now() + 5 * core::kNanosPerMs);
  bed.kernel.Signal(event);
  EXPECT_FALSE(bed.ring().asleep());
  EXPECT_TRUE(bed.hands.ring().WorkPending());
  EXPECT_FALSE(bed.hands.ring().CompletionsReady()) << "nothing completes outside an enter";
  bed.hands.ring().Enter(1, 5 * core::kNanosPerMs);
  EXPECT_FALSE(bed.ring().asleep());
  EXPECT_EQ(bed.hands.ring().Reap([](const io_uring_cqe&) {}), 1u);
  bed.hands.ring().Enter(0, 0);
  EXPECT_FALSE(bed.ring().asleep()) << "that enter did not wait";
  bed.hands.ring().Enter(1, -1);
  EXPECT_EQ(bed.ring().wake_at(), INT64_MAX);
}

TEST(SimKernel, AskingForMoreThanComesIsCounted) {
  Bed bed(1, Mood::kCalm);
  bed.hands.Sqe(IORING_OP_NOP, -1, 1, false);
  bed.hands.ring().Enter(2, core::kNanosPerSecond);
  EXPECT_EQ(bed.ring().counts().short_waits, 1u);
  EXPECT_FALSE(bed.ring().asleep());
}

TEST(SimKernel, ListenersOfAGroupShareThePeers) {
  Bed bed(3);
  core::Kernel& kernel = bed.kernel;
  const int on = 1;
  kernel.SetOption(bed.listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  const int sibling = kernel.Socket(AF_INET, SOCK_STREAM, 0);
  kernel.SetOption(sibling, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  kernel.Name(bed.listener, reinterpret_cast<sockaddr*>(&address), &size);
  ASSERT_EQ(kernel.Bind(sibling, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(kernel.Listen(sibling, 64), 0);
  for (int i = 0; i < 12; ++i) bed.kernel.Connect(bed.address());
  bed.kernel.network().DeliverAll();
  int first = 0, second = 0;
  while (kernel.Accept(bed.listener) >= 0) ++first;
  while (kernel.Accept(sibling) >= 0) ++second;
  EXPECT_EQ(first + second, 12);
  EXPECT_GT(first, 1);
  EXPECT_GT(second, 1);
}

TEST(SimKernel, BacklogHoldsPeersBackUntilOneIsAccepted) {
  Bed bed(1, Mood::kCalm);
  bed.kernel.Listen(bed.listener, 1);
  SimPeer* peers[3];
  for (SimPeer*& peer : peers) peer = bed.kernel.Connect(bed.address());
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(peers[0]->connected());
  EXPECT_TRUE(peers[1]->connected());
  EXPECT_FALSE(peers[2]->connected());
  EXPECT_GE(bed.kernel.Accept(bed.listener), 0);
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(peers[2]->connected());
}

TEST(SimKernel, AFilterIgnoresNewPeersAndCloseRefusesThem) {
  Bed bed(1, Mood::kCalm);
  SimPeer* before = bed.kernel.Connect(bed.address());
  bed.kernel.network().DeliverAll();
  sock_filter drop[] = {{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0}};
  const sock_fprog program = {.len = 1, .filter = drop};
  ASSERT_EQ(bed.kernel.SetOption(bed.listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
  SimPeer* after = bed.kernel.Connect(bed.address());
  bed.kernel.network().DeliverAll();
  EXPECT_FALSE(after->connected());
  EXPECT_FALSE(after->refused());
  const int accepted = bed.kernel.Accept(bed.listener);
  EXPECT_GE(accepted, 0);
  EXPECT_EQ(bed.kernel.Accept(bed.listener), -EAGAIN);
  bed.kernel.Close(bed.listener);
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(after->refused());
  EXPECT_FALSE(before->ended());
}

TEST(SimKernel, ClosingAListenerResetsItsQueue) {
  Bed bed(1, Mood::kCalm);
  SimPeer* waiting = bed.kernel.Connect(bed.address());
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(waiting->connected());
  bed.kernel.Close(bed.listener);
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(waiting->saw_reset());
}

TEST(SimKernel, PeersThatStallReadSlowlyAndVanish) {
  Bed bed(1, Mood::kCalm);
  int slot = -1;
  SimPeer* peer = bed.Accept(&slot);
  peer->ReadSlowly(10, 5);
  bed.hands.Send(slot, 2, "0123456789abcdefghij", false);
  bed.hands.ring().Enter(0, 0);
  bed.kernel.network().DeliverAll();
  EXPECT_EQ(peer->received(), "");
  for (int i = 0; i < 2; ++i) {
    bed.clock.Set(bed.kernel.network().NextTimer());
    bed.kernel.network().RunTimers();
    EXPECT_EQ(peer->received().size(), 10u * (i + 1));
  }
  peer->Stall();
  bed.hands.Send(slot, 3, "more", false);
  bed.hands.ring().Enter(0, 0);
  bed.kernel.network().DeliverAll();
  EXPECT_EQ(peer->received().size(), 20u);
  peer->Resume();
  EXPECT_EQ(peer->received().size(), 24u);
  peer->Vanish();
  bed.hands.Send(slot, 4, "lost", false);
  bed.hands.ring().Enter(0, 0);
  bed.kernel.network().DeliverAll();
  EXPECT_EQ(peer->received().size(), 24u);
  EXPECT_TRUE(bed.kernel.network().quiet());
}

TEST(Choices, BytesDecideAndASeedGoesOnWhenTheyAreUsedUp) {
  const uint8_t bytes[] = {7, 200, 1, 2, 9};
  const auto draw = [&](size_t size) {
    ByteDecisions from(bytes, size);
    Choices choices(1);
    choices.SetDecisions(&from);
    std::vector<size_t> drawn = {choices.Pick(10), choices.Pick(1), choices.Pick(100), choices.Pick(1000)};
    EXPECT_EQ(from.used_up(), size <= 4);
    for (int i = 0; i < 8; ++i) drawn.push_back(choices.Pick(1 << 20));
    return drawn;
  };
  const std::vector<size_t> all = draw(5);
  EXPECT_EQ(all[0], 7u);
  EXPECT_EQ(all[1], 0u) << "takes no byte";
  EXPECT_EQ(all[2], 0u);          // 200 % 100
  EXPECT_EQ(all[3], 258u);        // two bytes
  EXPECT_EQ(draw(5), all);
  std::vector<size_t> rest = draw(4);
  rest.erase(rest.begin(), rest.begin() + 4);
  EXPECT_NE(rest, std::vector<size_t>(8, 0));
}

TEST(SimKernel, FaultsComeWhereTheTestPutsThem) {
  Bed bed(1, Mood::kCalm);
  bed.kernel.choices().SetFaults([](FaultSite site) { return site == FaultSite::kSocket ? EMFILE : 0; });
  EXPECT_EQ(bed.kernel.Socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
  bed.kernel.choices().SetFaults(nullptr);
  EXPECT_GE(bed.kernel.Socket(AF_INET, SOCK_STREAM, 0), 0);
}

TEST(SimKernel, DescriptorLimitIsKept) {
  Bed bed(1, Mood::kCalm);
  bed.kernel.descriptors().set_limit(bed.kernel.descriptors().open());
  EXPECT_EQ(bed.kernel.Socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
}

TEST(SimKernel, PeersOfOutboundConnections) {
  Bed bed(5);
  const int listener = bed.kernel.ListenAsPeer("[::1]:9000");
  ASSERT_GE(listener, 0);
  SimPeer* peer = bed.kernel.Connect("[::1]:9000");
  peer->Send("hi");
  bed.kernel.network().DeliverAll();
  SimPeer* accepted = bed.kernel.TakeAccepted(listener);
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->received(), "hi");
  EXPECT_EQ(bed.kernel.TakeAccepted(listener), nullptr);
  accepted->Close();
  bed.kernel.network().DeliverAll();
  EXPECT_TRUE(peer->saw_fin());
}

TEST(SimKernel, RequestsInFlightAtExitAreReported) {
  core::ManualClock clock(1);
  SimKernel kernel(1, &clock, Mood::kCalm);
  {
    auto ring = core::Ring::Open(&kernel, SmallRing());
    ASSERT_TRUE(ring.ok());
    io_uring_sqe* sqe = (*ring)->NextSqe();
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = kernel.EventFd();
    sqe->poll32_events = POLLIN;
    sqe->user_data = 0x2a;
    (*ring)->Enter(0, 0);
  }
  ASSERT_EQ(kernel.in_flight_at_exit().size(), 1u);
  EXPECT_EQ(kernel.in_flight_at_exit()[0], "opcode 6 user_data 0x2a");
}

// What the code under test must not do.

TEST(SimKernelDeathTest, PublishingABlockTwice) {
  EXPECT_DEATH(
      {
        Bed bed(77);
        bed.hands.Publish(1);
        bed.hands.ring().Enter(0, 0);
      },
      "seed 77.*(published while|65 blocks are published)");
  EXPECT_DEATH(
      {
        Choices choices(77);
        alignas(4096) static io_uring_buf entries[8];
        auto* ring = reinterpret_cast<io_uring_buf_ring*>(entries);
        BufferGroup group(&choices, ring, 8);
        char block[64];
        io_uring_buf_ring_init(ring);
        io_uring_buf_ring_add(ring, block, 64, 1, 7, 0);
        io_uring_buf_ring_add(ring, block + 32, 32, 2, 7, 1);
        io_uring_buf_ring_advance(ring, 2);
        group.Look();
      },
      "block 2 .* is published while it, or one that it overlaps, already is");
}

TEST(SimKernelDeathTest, ChangingTheBytesOfASendInFlight) {
  EXPECT_DEATH(
      {
        Bed bed(1, Mood::kCalm);
        int slot = -1;
        SimPeer* peer = bed.Accept(&slot);
        peer->Stall();
        std::string big(4 << 20, 'a');
        int result = 1;
        while (result > 0) {
          bed.hands.Send(slot, 2, big, false);
          bed.hands.ring().Enter(0, 0);
          bed.hands.ring().Reap([&](const io_uring_cqe& cqe) { result = cqe.res; });
          bed.kernel.network().DeliverAll();
        }
        bed.hands.Send(slot, 3, big, true);
        bed.hands.ring().Enter(0, 0);
        big[1000] = 'b';
        peer->Resume();
        bed.kernel.network().DeliverAll();
        bed.hands.ring().Enter(0, 0);
      },
      "the bytes of a send in flight changed");
}

TEST(SimKernelDeathTest, OverflowingTheDirectTable) {
  EXPECT_DEATH(
      {
        Bed bed(1, Mood::kCalm);
        for (int i = 0; i < 17; ++i) bed.kernel.Connect(bed.address());
        bed.kernel.network().DeliverAll();
        bed.hands.MultishotAccept(bed.listener, 1);
        bed.hands.ring().Enter(0, 0);
        bed.hands.ring().Enter(0, 0);
      },
      "direct table \\(16 slots\\) overflowed");
}

TEST(SimKernelDeathTest, TwoReceivesOrTwoSendsOnOneSocket) {
  const auto arm_twice = [](bool receive) {
    Bed bed(1, Mood::kCalm);
    int slot = -1;
    SimPeer* peer = bed.Accept(&slot);
    peer->Stall();
    static const std::string big(8 << 20, 'a');
    for (int i = 0; i < 8; ++i) {
      if (receive) {
        bed.hands.MultishotReceive(slot, 2, true);
      } else {
        bed.hands.Send(slot, 2, big, true);
      }
    }
    bed.hands.ring().Enter(0, 0);
  };
  EXPECT_DEATH(arm_twice(true), "two receives are armed on one socket");
  EXPECT_DEATH(arm_twice(false), "two sends are in flight on one socket");
}

TEST(SimKernelDeathTest, WhatIsNotSimulated) {
  const auto submit = [](uint8_t opcode, uint8_t flags) {
    Bed bed(1, Mood::kCalm);
    bed.hands.Sqe(opcode, bed.listener, 2, false)->flags = flags;
    bed.hands.ring().Enter(0, 0);
  };
  EXPECT_DEATH(submit(IORING_OP_SPLICE, 0), "opcode 30 is not simulated");
  EXPECT_DEATH(submit(IORING_OP_NOP, IOSQE_IO_LINK), "unknown entry flags");
  EXPECT_DEATH(
      {
        Bed bed(1, Mood::kCalm);
        bed.hands.Sqe(IORING_OP_ASYNC_CANCEL, bed.listener, 2, false)->cancel_flags = IORING_ASYNC_CANCEL_FD;
        bed.hands.ring().Enter(0, 0);
      },
      "only by exact user_data");
  EXPECT_DEATH(
      {
        Bed bed(1, Mood::kCalm);
        const int on = 1;
        bed.kernel.SetOption(bed.listener, SOL_SOCKET, SO_MARK, &on, sizeof(on));
      },
      "setsockopt .* is not simulated");
}

// Backlog 0 holds one; the second waits at the listener and the third behind it.
TEST(SimKernel, WhoVanishesWhileItWaitsKeepsNobodyOut) {
  for (const int vanishing : {0, 1}) {
    core::ManualClock clock{core::kNanosPerSecond};
    SimKernel kernel(1, &clock, Mood::kCalm);
    const int listener = kernel.Socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_storage at;
    const socklen_t size = SimAddress::Parse("127.0.0.1:7000").ToSockaddr(AF_INET, &at);
    ASSERT_EQ(kernel.Bind(listener, reinterpret_cast<const sockaddr*>(&at), size), 0);
    ASSERT_EQ(kernel.Listen(listener, 0), 0);
    SimPeer* peers[3];
    for (SimPeer*& peer : peers) peer = kernel.Connect("127.0.0.1:7000");
    if (vanishing == 0) {
      kernel.network().DeliverOne();  // the first has sent its SYN and not answered
      ASSERT_TRUE(peers[0]->connected());
    } else {
      kernel.network().DeliverAll();
    }
    peers[vanishing]->Vanish();
    for (int accepted = 0; accepted < 2; ++accepted) {
      kernel.network().DeliverAll();
      EXPECT_GE(kernel.Accept(listener), 0) << accepted << " beside " << vanishing;
    }
    EXPECT_TRUE(peers[2]->connected());
  }
}

// Each listener holds one; whom the seed sends to a full one waits there, and may find the other when it tries again.
TEST(SimKernel, NobodyIsLeftAtAListenerThatHasRoomAgain) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    core::ManualClock clock{core::kNanosPerSecond};
    SimKernel kernel(seed, &clock);
    sockaddr_storage at;
    const socklen_t size = SimAddress::Parse("127.0.0.1:7000").ToSockaddr(AF_INET, &at);
    int listeners[2];
    for (int& listener : listeners) {
      listener = kernel.Socket(AF_INET, SOCK_STREAM, 0);
      const int on = 1;
      ASSERT_EQ(kernel.SetOption(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
      ASSERT_EQ(kernel.Bind(listener, reinterpret_cast<const sockaddr*>(&at), size), 0);
      ASSERT_EQ(kernel.Listen(listener, 0), 0);
    }
    for (int i = 0; i < 8; ++i) kernel.Connect("127.0.0.1:7000");
    int accepted = 0;
    for (bool any = true; any;) {
      kernel.network().DeliverAll();
      any = false;
      for (const int listener : listeners) any |= kernel.Accept(listener) >= 0 && ++accepted > 0;
    }
    EXPECT_EQ(accepted, 8) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mooring::sim
