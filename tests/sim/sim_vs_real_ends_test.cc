// SPDX-License-Identifier: Apache-2.0
// How connections end, on both kernels: FIN, RST, close, abort, half-close.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "core/uapi.h"
#include "tests/sim/both.h"

namespace mooring::sim {
namespace {

TEST(SimVsRealEnds, CloseWithAReceiveArmedSendsNothing) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.CloseSlot(slot, 3);
    hands.Collect(1, "closed");
    hands.Note("client sees " + client->End());
    client->Send("still read");
    hands.Collect(1, "the receive lives on");
    hands.Cancel(2, 4);
    hands.Collect(2, "cancelled");
    hands.Note("client sees " + client->End());
    hands.Send(slot, 5, "x", false);
    hands.CloseSlot(slot, 6);
    hands.Collect(2, "the slot is empty");
  });
}

TEST(SimVsRealEnds, AbortWithAReceiveArmed) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Collect(0, "armed");
    hands.Unconnect(slot, 3);
    hands.CloseSlot(slot, 4);
    hands.Collect(3, "aborted");
    hands.Note("client sees " + client->End());
  });
}

TEST(SimVsRealEnds, AbortWithAWaitingSend) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    static const std::string big(8 << 20, 'b');
    std::vector<io_uring_cqe> done;
    int result = 1;
    while (result > 0) {
      bool full = false;
      hands.Send(slot, 2, big, false);
      hands.ring().Enter(1, 1'000'000'000);
      hands.machine().Settle();
      hands.ring().Reap([&](const io_uring_cqe& cqe) {
        result = cqe.res;
        full = true;
      });
      if (!full) break;
    }
    hands.Note("full: " + ErrorName(result));
    hands.MultishotReceive(slot, 3, true);
    hands.Send(slot, 4, big, true);
    hands.Collect(0, "both wait");
    hands.Unconnect(slot, 5);
    hands.CloseSlot(slot, 6);
    // Whichever runs first takes ECONNRESET; the other ENOTCONN (receive) or EPIPE (send).
    int receive = 0, send = 0;
    hands.ring().Enter(4, 1'000'000'000);
    hands.machine().Settle();
    hands.ring().Reap([&](const io_uring_cqe& cqe) {
      if (cqe.user_data == 3) receive = cqe.res;
      if (cqe.user_data == 4) send = cqe.res;
    });
    const bool one_each = (receive == -ECONNRESET && send == -EPIPE) || (receive == -ENOTCONN && send == -ECONNRESET);
    hands.Note(one_each ? "one each" : ErrorName(receive) + " " + ErrorName(send));
    hands.Note("client sees " + client->End());
  });
}

TEST(SimVsRealEnds, HalfCloseByInstalledDescriptor) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Collect(0, "armed");
    hands.Sqe(core::uapi::kOpFixedFdInstall, slot, 3);
    int fd = -1;
    hands.ring().Enter(1, 1'000'000'000);
    hands.ring().Reap([&](const io_uring_cqe& cqe) { fd = cqe.res; });
    hands.Note("shutdown " + ErrorName(hands.kernel().Shutdown(fd, SHUT_WR)));
    hands.Note("close " + ErrorName(hands.kernel().Close(fd)));
    hands.Note("client sees " + client->End());
    client->Send("more");
    hands.Collect(1, "it may still talk");
    hands.Send(slot, 4, "x", false);
    hands.Collect(1, "we may not");
    client->Close();
    hands.Collect(1, "its end");
    hands.MultishotReceive(slot, 5, true);
    hands.Collect(1, "again");
    hands.Unconnect(slot, 6);
    hands.MultishotReceive(slot, 7, true);
    hands.Collect(2, "unconnect after both FINs");
  });
}

TEST(SimVsRealEnds, ResetByThePeer) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Collect(0, "armed");
    client->Reset();
    hands.Collect(1, "reset");
    hands.MultishotReceive(slot, 3, true);
    hands.Send(slot, 4, "x", false);
    hands.Collect(2, "afterwards");
  });
}

TEST(SimVsRealEnds, ResetRightAfterBytesIsToldToAnArmedReceive) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Collect(0, "armed");
    client->Send("abc");
    hands.machine().Settle();
    client->Reset();
    hands.machine().Settle();
    hands.Collect(2, "bytes and reset");
  });
}

// More blocks than one run of work takes (33). One that was armed keeps its wake-ups for the run that goes on
// (IOU_REQUEUE), and is told. One that is armed behind them has one wake-up for all that is left, and is not.
TEST(SimVsRealEnds, ResetBehindMoreThanARun) {
  for (const bool armed_before : {true, false}) {
    RunOnBoth([armed_before](Hands& hands) {
      int slot = -1;
      auto client = Accepted(hands, &slot);
      hands.Group(128, 16);
      hands.Publish(128);
      if (armed_before) {
        hands.MultishotReceive(slot, 2, /*poll_first=*/false);
        hands.Collect(0, "armed");
      }
      client->Send(std::string(16 * 80, 'x'));
      hands.machine().Settle();
      client->Reset();
      hands.machine().Settle();
      if (!armed_before) hands.MultishotReceive(slot, 2, /*poll_first=*/false);
      hands.Collect(armed_before ? 81 : 80, "bytes and reset");
      hands.Collect(0, "nothing more");
      hands.Cancel(2, 3);
      hands.Collect(1, "is it still armed?");
    });
  }
}

// A receive that finds bytes and the reset when it is armed with POLL_FIRST has one wake-up for both: it reads the bytes
// and waits for another wake-up that never comes. Without POLL_FIRST the bytes are read first, and then there is one.
TEST(SimVsRealEnds, ResetBehindBytesIsLostToAReceiveArmedWithPollFirst) {
  for (const bool poll_first : {true, false}) {
    RunOnBoth([poll_first](Hands& hands) {
      int slot = -1;
      auto client = Accepted(hands, &slot);
      hands.Group(8, 64);
      hands.Publish(8);
      client->Send("abc");
      hands.machine().Settle();
      client->Reset();
      hands.machine().Settle();
      hands.MultishotReceive(slot, 2, poll_first);
      hands.Collect(poll_first ? 1 : 2, "armed late");
      hands.Collect(0, "nothing more");
      hands.Cancel(2, 3);
      hands.Collect(1, "is it still armed?");
    });
  }
}

TEST(SimVsRealEnds, ResetSeenFirstByASend) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    client->Reset();
    hands.machine().Settle();
    hands.Send(slot, 2, "x", false);
    hands.Collect(1, "send");
    hands.MultishotReceive(slot, 3, true);
    hands.Collect(1, "receive");
  });
}

TEST(SimVsRealEnds, SendToAPeerThatClosed) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    client->Close();
    hands.Send(slot, 2, "into the void", false);
    hands.Collect(1, "the first is taken");
    hands.Send(slot, 3, "x", false);
    hands.Collect(1, "the answer was RST");
    hands.MultishotReceive(slot, 4, true);
    hands.Collect(1, "receive");
  });
}

TEST(SimVsRealEnds, CloseWithUnreadBytesResets) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    client->Send("unread");
    hands.machine().Settle();
    hands.CloseSlot(slot, 2);
    hands.Collect(1, "closed");
    hands.Note("client sees " + client->End());
  });
}

TEST(SimVsRealEnds, ShutdownOperationAndSkippedSuccess) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Sqe(IORING_OP_SHUTDOWN, slot, 3)->len = SHUT_WR;
    hands.Collect(1, "shut");
    hands.Note("client sees " + client->End());
    hands.Sqe(IORING_OP_SHUTDOWN, slot, 4)->len = SHUT_RDWR;
    hands.Collect(2, "both ways: the receive ends");
    hands.CloseSlot(slot, 5);
    hands.CloseSlot(slot, 6);
    hands.ring().Enter(0, 0);
    hands.Collect(0, "the second close fails");
    io_uring_sqe* sqe = hands.Sqe(IORING_OP_NOP, -1, 7, false);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    hands.Collect(0, "a success that is skipped");
  });
}

}  // namespace
}  // namespace mooring::sim
