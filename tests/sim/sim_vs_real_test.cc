// SPDX-License-Identifier: Apache-2.0
// Accepting, receiving, sending, polling, commands and ports on both kernels.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "core/uapi.h"
#include "tests/sim/both.h"

namespace mooring::sim {
namespace {

TEST(SimVsReal, MultishotAcceptTakesTheQueueAndWhatComesLater) {
  RunOnBoth([](Hands& hands) {
    uint16_t port = 0;
    const int listener = hands.Listen(&port);
    auto a = hands.machine().Connect(port);
    auto b = hands.machine().Connect(port);
    hands.MultishotAccept(listener, 1);
    hands.Collect(2, "two that waited");
    auto c = hands.machine().Connect(port);
    hands.Collect(1, "one that came later");
    hands.CloseSlot(1, 2);
    hands.Collect(1, "close");
    hands.Note("closed one sees " + b->End());
    auto d = hands.machine().Connect(port);
    hands.Collect(1, "takes the freed slot");
    hands.Cancel(1, 3);
    hands.Collect(2, "cancelled");
  });
}

TEST(SimVsReal, AcceptDontWait) {
  RunOnBoth([](Hands& hands) {
    uint16_t port = 0;
    const int listener = hands.Listen(&port);
    hands.OneAccept(listener, 1);
    hands.Collect(1, "nobody there");
    auto client = hands.machine().Connect(port);
    hands.OneAccept(listener, 2);
    hands.OneAccept(listener, 3);
    hands.Collect(2, "one there");
  });
}

TEST(SimVsReal, FullTableLosesTheConnection) {
  RunOnBoth(
      [](Hands& hands) {
        hands.machine().AllowFullTable(&hands.ring());
        uint16_t port = 0;
        const int listener = hands.Listen(&port);
        auto a = hands.machine().Connect(port);
        auto b = hands.machine().Connect(port);
        hands.MultishotAccept(listener, 1);
        hands.Collect(2, "one slot for two");
        hands.Note("second sees " + b->End());
      },
      kRing, /*slots=*/1);
}

TEST(SimVsReal, EchoAndHalfCloseByThePeer) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(slot, 2, true);
    hands.Collect(0, "armed");
    client->Send("hello");
    hands.Collect(1, "bytes");
    hands.Send(slot, 3, "world", false);
    hands.Collect(1, "answered");
    hands.Note("client reads " + client->Read(5));
    client->Send("last");
    client->HalfClose();
    hands.Collect(2, "bytes and end");
    hands.Send(slot, 4, "bye", false);
    hands.Collect(1, "send after its FIN");
    hands.Note("client reads " + client->Read(3));
    hands.MultishotReceive(slot, 5, false);
    hands.Collect(1, "the end is told again");
    hands.CloseSlot(slot, 6);
    hands.Collect(1, "closed");
    hands.Note("client sees " + client->End());
  });
}

TEST(SimVsReal, EmptyGroup) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.MultishotReceive(slot, 2, false);
    hands.Collect(1, "without POLL_FIRST it fails at once");
    hands.MultishotReceive(slot, 3, true);
    hands.Collect(0, "with POLL_FIRST it waits for bytes");
    client->Send(std::string(150, 'x'));
    hands.Collect(1, "bytes, but no block");
    hands.Publish(2);
    hands.MultishotReceive(slot, 4, false);
    hands.Collect(3, "two blocks of three");
    client->HalfClose();
    hands.Publish(1);
    hands.MultishotReceive(slot, 5, false);
    hands.Collect(2, "the third; the end needs a block to be seen");
    hands.Publish(1);
    hands.MultishotReceive(slot, 6, true);
    hands.Collect(1, "the end");
  });
}

TEST(SimVsReal, Cancel) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    hands.Group(8, 64);
    hands.Publish(8);
    hands.Cancel(99, 2);
    hands.Collect(1, "nothing to cancel");
    hands.MultishotReceive(slot, 3, true);
    hands.Collect(0, "armed");
    hands.Cancel(3, 4);
    hands.Collect(2, "cancelled");
    hands.MultishotReceive(slot, 5, true);
    hands.Collect(0, "armed again");
    client->Send("late");
    hands.machine().Settle();
    hands.Cancel(5, 6);
    hands.Collect(2, "cancelled with bytes there: they stay");
    hands.MultishotReceive(slot, 7, true);
    hands.Collect(1, "and come now");
    hands.Cancel(7, 8);
    hands.Cancel(7, 9);
    hands.Collect(3, "cancelled twice");
  });
}

TEST(SimVsReal, WaitingSendEndsWithItsFirstBytes) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    static const std::string big(8 << 20, 'b');
    size_t taken = 0;
    int result = 1;
    while (result > 0) {
      hands.Send(slot, 2, big, false);
      hands.ring().Enter(1, 1'000'000'000);
      hands.machine().Settle();
      hands.ring().Reap([&](const io_uring_cqe& cqe) { result = cqe.res; });
      if (result > 0) taken += static_cast<size_t>(result);
    }
    hands.Note("full: " + ErrorName(result));
    hands.Send(slot, 3, big, true);
    hands.Collect(0, "waits");
    hands.Note("all of it arrives: " + std::to_string(client->Read(taken).size() == taken));
    hands.ring().Enter(1, 1'000'000'000);
    hands.ring().Reap([&](const io_uring_cqe& cqe) { result = cqe.res; });
    hands.Note(std::string("then some: ") + (result > 0 && result < (8 << 20) ? "yes" : ErrorName(result)));
  });
}

TEST(SimVsReal, PollListenerAndEventFd) {
  RunOnBoth([](Hands& hands) {
    uint16_t port = 0;
    const int listener = hands.Listen(&port);
    hands.Sqe(IORING_OP_POLL_ADD, listener, 1, false)->poll32_events = POLLIN;
    hands.Collect(0, "waits");
    auto client = hands.machine().Connect(port);
    hands.Collect(1, "somebody came");
    hands.Sqe(IORING_OP_POLL_ADD, listener, 2, false)->poll32_events = POLLIN;
    hands.Collect(1, "is still there");

    const int event = hands.kernel().EventFd();
    io_uring_sqe* sqe = hands.Sqe(IORING_OP_POLL_ADD, event, 3, false);
    sqe->poll32_events = POLLIN;
    sqe->len = IORING_POLL_ADD_MULTI;
    hands.Collect(0, "multishot waits");
    hands.kernel().Signal(event);
    hands.kernel().Signal(event);
    hands.Collect(1, "two signals, one completion");
    hands.kernel().Signal(event);
    hands.Collect(1, "not read, and signalled again");
    uint64_t count = 0;
    sqe = hands.Sqe(IORING_OP_READ, event, 4, false);
    sqe->addr = reinterpret_cast<uint64_t>(&count);
    sqe->len = sizeof(count);
    hands.Collect(1, "read");
    hands.Note("count " + std::to_string(count));
    sqe = hands.Sqe(IORING_OP_READ, event, 5, false);
    sqe->addr = reinterpret_cast<uint64_t>(&count);
    sqe->len = sizeof(count);
    hands.Collect(0, "read waits");
    hands.Cancel(3, 6);
    hands.Collect(2, "poll cancelled");
    hands.kernel().Signal(event);
    hands.Collect(1, "read");
    hands.kernel().Close(event);
  });
}

TEST(SimVsReal, SocketCommands) {
  RunOnBoth([](Hands& hands) {
    int slot = -1;
    auto client = Accepted(hands, &slot);
    sockaddr_in6 peer = {};
    const auto ask = [&](unsigned size, uint64_t user_data) {
      io_uring_sqe* sqe = hands.Sqe(IORING_OP_URING_CMD, slot, user_data);
      sqe->cmd_op = core::uapi::kSocketGetOption;
      sqe->addr = SOL_SOCKET | uint64_t{SO_PEERNAME} << 32;
      sqe->file_index = size;
      sqe->addr3 = reinterpret_cast<uint64_t>(&peer);
    };
    ask(sizeof(sockaddr_in), 2);
    hands.Collect(1, "name");
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer);
    hands.Note("family " + std::to_string(v4->sin_family) + " address " + std::to_string(ntohl(v4->sin_addr.s_addr)));
    ask(sizeof(sockaddr_in6), 3);
    hands.Collect(1, "more room than name");
    hands.Sqe(IORING_OP_URING_CMD, slot, 4)->cmd_op = core::uapi::kSocketOutQueue;
    hands.Collect(1, "queue");
    client->Reset();
    hands.machine().Settle();
    ask(sizeof(sockaddr_in), 5);
    hands.Collect(1, "name after a reset");
    hands.Unconnect(slot, 6);
    ask(sizeof(sockaddr_in), 7);
    hands.Collect(2, "name after an abort");
  });
}

TEST(SimVsReal, ConnectOnDirectSlots) {
  RunOnBoth([](Hands& hands) {
    uint16_t port = 0;
    const int listener = hands.Listen(&port);
    hands.Group(8, 64);
    hands.Publish(8);
    int numbers[2] = {hands.kernel().Socket(AF_INET, SOCK_STREAM, 0), hands.kernel().Socket(AF_INET, SOCK_STREAM, 0)};
    const int fds[2] = {numbers[0], numbers[1]};
    io_uring_sqe* sqe = hands.Sqe(IORING_OP_FILES_UPDATE, -1, 1, false);
    sqe->addr = reinterpret_cast<uint64_t>(numbers);
    sqe->len = 2;
    sqe->off = IORING_FILE_INDEX_ALLOC;
    hands.Collect(1, "moved into slots");
    hands.Note("slots " + std::to_string(numbers[0]) + " " + std::to_string(numbers[1]));
    for (const int fd : fds) hands.kernel().Close(fd);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto connect = [&](int slot, uint64_t user_data) {
      io_uring_sqe* entry = hands.Sqe(IORING_OP_CONNECT, slot, user_data);
      entry->addr = reinterpret_cast<uint64_t>(&to);
      entry->off = sizeof(to);
    };
    connect(numbers[0], 2);
    hands.Collect(1, "connected");
    hands.OneAccept(listener, 3);
    hands.Collect(1, "accepted");
    hands.MultishotReceive(numbers[0], 4, true);
    hands.Send(2, 5, "greeting", false);
    hands.Collect(2, "bytes go through");
    to.sin_port = htons(1);
    connect(numbers[1], 6);
    hands.Collect(1, "nobody listens");
  });
}

TEST(SimVsReal, WhoMayTakeAPort) {
  RunOnBoth([](Hands& hands) {
    core::Kernel& kernel = hands.kernel();
    const int on = 1;
    std::vector<int> open;
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto make = [&](bool reuse_address, bool reuse_port) {
      const int fd = kernel.Socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (reuse_address) kernel.SetOption(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      if (reuse_port) kernel.SetOption(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
      open.push_back(fd);
      return fd;
    };
    const auto bind = [&](int fd) {
      return ErrorName(kernel.Bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    };
    const int first = make(true, false);
    hands.Note("first binds " + bind(first));
    socklen_t size = sizeof(address);
    kernel.Name(first, reinterpret_cast<sockaddr*>(&address), &size);
    const int rival = make(true, false);
    hands.Note("a rival binds beside it " + bind(rival));
    hands.Note("first listens " + ErrorName(kernel.Listen(first, 16)));
    hands.Note("the rival listens " + ErrorName(kernel.Listen(rival, 16)));
    kernel.Close(rival);
    open.pop_back();
    hands.Note("a late rival binds " + bind(make(true, false)));
    hands.Note("one with both options " + bind(make(true, true)));
    hands.Note("share " + ErrorName(kernel.SetOption(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))));
    const int sibling = make(true, true);
    hands.Note("a sibling binds " + bind(sibling) + " listens " + ErrorName(kernel.Listen(sibling, 16)));
    hands.Note("a rival " + bind(make(true, false)));
    hands.Note("a careless one " + bind(make(false, false)));
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    hands.Note("on the wildcard " + bind(make(true, false)));
    for (const int fd : open) kernel.Close(fd);
  });
}

}  // namespace
}  // namespace mooring::sim
