// SPDX-License-Identifier: Apache-2.0
// Rings over plain descriptors on both kernels: what the base personality does.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "core/uapi.h"
#include "tests/sim/both.h"

namespace mooring::sim {
namespace {

// Accepts one connection by multishot into a descriptor; the accept stays armed as user_data 1.
std::unique_ptr<Client> AcceptedPlain(Hands& hands, int* fd, int* listener, uint16_t* port) {
  *listener = hands.Listen(port);
  hands.Sqe(IORING_OP_ACCEPT, *listener, 1, false)->ioprio = IORING_ACCEPT_MULTISHOT;
  auto client = hands.machine().Connect(*port);
  *fd = -1;
  hands.ring().Enter(1, 1'000'000'000);
  hands.ring().Reap([&](const io_uring_cqe& cqe) {
    *fd = cqe.res;
    hands.Note(std::string("accepted, flags ") + std::to_string(cqe.flags));
  });
  return client;
}

void ReceiveOne(Hands& hands, int fd, uint64_t user_data, bool poll_first) {
  io_uring_sqe* sqe = hands.Sqe(IORING_OP_RECV, fd, user_data, false);
  sqe->flags = IOSQE_BUFFER_SELECT;
  sqe->len = 64;
  sqe->ioprio = poll_first ? IORING_RECVSEND_POLL_FIRST : 0;
}

void SendPlain(Hands& hands, int fd, uint64_t user_data, std::string_view bytes) {
  io_uring_sqe* sqe = hands.Sqe(IORING_OP_SEND, fd, user_data, false);
  sqe->addr = reinterpret_cast<uint64_t>(bytes.data());
  sqe->len = static_cast<unsigned>(bytes.size());
  sqe->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
}

TEST(SimVsRealPlain, AcceptReceiveSendClose) {
  RunOnBoth([](Hands& hands) {
    int fd = -1, listener = -1;
    uint16_t port = 0;
    auto client = AcceptedPlain(hands, &fd, &listener, &port);
    hands.Group(8, 64);
    hands.Publish(2);
    ReceiveOne(hands, fd, 2, true);
    hands.Collect(0, "armed");
    client->Send("abc");
    hands.Collect(1, "one shot");
    client->Send(std::string(100, 'x'));
    ReceiveOne(hands, fd, 3, false);
    hands.Collect(1, "a block of it");
    ReceiveOne(hands, fd, 4, false);
    hands.Collect(1, "no block for the rest");
    hands.Publish(2);
    ReceiveOne(hands, fd, 5, false);
    hands.Collect(1, "the rest");
    SendPlain(hands, fd, 6, "answer");
    hands.Collect(1, "sent");
    hands.Note("client reads " + client->Read(6));
    hands.Sqe(IORING_OP_CLOSE, fd, 7, false);
    hands.Collect(1, "closed");
    hands.Note("client sees " + client->End());
    hands.Sqe(IORING_OP_CLOSE, fd, 8, false);
    SendPlain(hands, fd, 9, "x");
    hands.Collect(2, "no such descriptor");
    hands.Note(hands.kernel().Receive(fd, nullptr, 0) == -EBADF ? "EBADF" : "open");
  });
}

TEST(SimVsRealPlain, CloseWithAReceiveArmedAndAbort) {
  RunOnBoth([](Hands& hands) {
    int fd = -1, listener = -1;
    uint16_t port = 0;
    auto client = AcceptedPlain(hands, &fd, &listener, &port);
    hands.Group(8, 64);
    hands.Publish(8);
    ReceiveOne(hands, fd, 2, true);
    hands.Sqe(IORING_OP_CLOSE, fd, 3, false);
    hands.Collect(1, "closed");
    hands.Note("client sees " + client->End());
    hands.Cancel(2, 4);
    hands.Collect(2, "cancelled");
    hands.Note("client sees " + client->End());

    auto other = hands.machine().Connect(port);
    int second = -1;
    hands.ring().Enter(1, 1'000'000'000);
    hands.ring().Reap([&](const io_uring_cqe& cqe) { second = cqe.res; });
    ReceiveOne(hands, second, 5, true);
    hands.Collect(0, "armed");
    static const sockaddr kNobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
    io_uring_sqe* sqe = hands.Sqe(IORING_OP_CONNECT, second, 6, false);
    sqe->addr = reinterpret_cast<uint64_t>(&kNobody);
    sqe->off = sizeof(kNobody);
    hands.Sqe(IORING_OP_CLOSE, second, 7, false);
    hands.Collect(3, "aborted");
    hands.Note("client sees " + other->End());
  });
}

TEST(SimVsRealPlain, NoDescriptorLeftKeepsTheConnection) {
  RunOnBoth([](Hands& hands) {
    uint16_t port = 0;
    const int listener = hands.Listen(&port);
    auto client = hands.machine().Connect(port);
    hands.machine().LimitDescriptors(true);
    hands.Sqe(IORING_OP_ACCEPT, listener, 1, false)->ioprio = IORING_ACCEPT_MULTISHOT;
    hands.Collect(1, "none left");
    hands.Sqe(IORING_OP_ACCEPT, listener, 2, false);
    hands.Collect(1, "also for one");
    hands.machine().LimitDescriptors(false);
    hands.Note("client sees " + client->End());
    hands.Sqe(IORING_OP_ACCEPT, listener, 3, false);
    int fd = -1;
    hands.ring().Enter(1, 1'000'000'000);
    hands.ring().Reap([&](const io_uring_cqe& cqe) { fd = cqe.res; });
    hands.Note(fd >= 0 ? "it waited" : ErrorName(fd));
    hands.kernel().Close(fd);
  });
}

TEST(SimVsRealPlain, AUnixConnection) {
  const std::string path = "/tmp/mooring-sim-ring-" + std::to_string(getpid()) + ".sock";
  RunOnBoth([&](Hands& hands) {
    core::Kernel& kernel = hands.kernel();
    const int listener = kernel.Socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof(at.sun_path) - 1);
    hands.Note(ErrorName(kernel.Bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof(at))));
    hands.Note(ErrorName(kernel.Listen(listener, 16)));
    hands.Sqe(IORING_OP_ACCEPT, listener, 1, false)->file_index = IORING_FILE_INDEX_ALLOC;
    hands.Collect(0, "waits");
    auto client = hands.machine().ConnectUnix(path);
    hands.Collect(1, "accepted into a slot");
    hands.Group(8, 64);
    hands.Publish(8);
    hands.MultishotReceive(0, 2, true);
    hands.Collect(0, "armed");
    client->Send("abc");
    hands.Collect(1, "bytes");
    hands.Send(0, 3, "answer", false);
    hands.Collect(1, "sent");
    hands.Note("client reads " + client->Read(6));
    hands.Unconnect(0, 4);
    hands.Collect(1, "there is no abort");
    io_uring_sqe* sqe = hands.Sqe(IORING_OP_URING_CMD, 0, 5);
    sqe->cmd_op = core::uapi::kSocketOutQueue;
    hands.Collect(1, "no out queue");
    hands.Cancel(2, 6);
    hands.CloseSlot(0, 7);
    hands.Collect(3, "cancelled and closed");
    hands.Note("client sees " + client->End());
    kernel.Close(listener);
    hands.machine().Unlink(path);
  });
}

TEST(SimVsRealPlain, Probe) {
  RunOnBoth([](Hands& hands) {
    alignas(io_uring_probe) char memory[sizeof(io_uring_probe) + 256 * sizeof(io_uring_probe_op)] = {};
    auto* probe = reinterpret_cast<io_uring_probe*>(memory);
    hands.Note(ErrorName(hands.ring().Register(IORING_REGISTER_PROBE, probe, 257)));
    hands.Note(ErrorName(hands.ring().Register(IORING_REGISTER_PROBE, probe, 256)));
    for (const uint8_t op : {IORING_OP_READ, IORING_OP_POLL_ADD, IORING_OP_SENDMSG, IORING_OP_ACCEPT,
                             IORING_OP_ASYNC_CANCEL, IORING_OP_CONNECT, IORING_OP_CLOSE, IORING_OP_SEND,
                             IORING_OP_RECV, IORING_OP_URING_CMD}) {
      hands.Note(std::to_string(probe->ops[op].op) + " " + std::to_string(probe->ops[op].flags));
    }
    hands.Note(probe->last_op == probe->ops_len - 1 ? "all of them" : "some of them");
    hands.Note("not cleared " + ErrorName(hands.ring().Register(IORING_REGISTER_PROBE, probe, 256)));
  });
}

}  // namespace
}  // namespace mooring::sim
