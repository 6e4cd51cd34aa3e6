// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets on both kernels.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/sim/plain.h"

namespace mooring::sim {
namespace {

constexpr uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

const std::string& Path() {
  static const std::string path = "/tmp/mooring-sim-" + std::to_string(getpid()) + ".sock";
  return path;
}

int Accepted(Plain& plain, std::unique_ptr<Client>* client) {
  const int listener = plain.ListenUnix(Path());
  *client = plain.machine().ConnectUnix(Path());
  return plain.Accept(listener);
}

TEST(SimVsRealUnix, BytesBothWaysAndTheEnd) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    plain.Wait(epoll, "writable");
    plain.Receive(fd, 8, "nothing");
    client->Send("abc");
    plain.Wait(epoll, "bytes");
    plain.Receive(fd, 2, "two");
    plain.Wait(epoll, "no edge for the rest");
    plain.Receive(fd, 8, "one");
    plain.Send(fd, "answer", "send");
    plain.Wait(epoll, "not read yet");
    plain.Note("client reads " + client->Read(6));
    plain.Wait(epoll, "each buffer that is read makes room");
    plain.Note("out queue", plain.kernel().OutQueue(fd));
    client->HalfClose();
    plain.Wait(epoll, "half closed");
    plain.Receive(fd, 8, "end");
    plain.Send(fd, "late", "still open this way");
    plain.Note("client reads " + client->Read(4));
    plain.Wait(epoll, "room");
    plain.Note("shutdown", plain.kernel().Shutdown(fd, SHUT_WR));
    plain.Wait(epoll, "both ways over");
    plain.Send(fd, "x", "after shutdown");
    plain.Note("client sees " + client->End());
  });
}

TEST(SimVsRealUnix, CloseWithNothingUnread) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    client->Send("abc");
    client->Close();
    plain.Wait(epoll, "closed behind bytes");
    plain.Send(fd, "x", "send");
    plain.Receive(fd, 8, "bytes");
    plain.Receive(fd, 8, "end");
    plain.Error(fd, "SO_ERROR");
    plain.Names(fd, "peer is gone");
    plain.Wait(epoll, "told");
  });
}

TEST(SimVsRealUnix, CloseWithUnreadBytesIsAReset) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    const int epoll = plain.Epoll();
    plain.Send(fd, "unread", "send");
    client->Send("abc");
    plain.machine().Settle();
    client->Close();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 7);
    plain.Wait(epoll, "reset");
    plain.Send(fd, "x", "send");
    plain.Receive(fd, 8, "bytes before it");
    plain.Receive(fd, 8, "told once");
    plain.Receive(fd, 8, "then the end");
    plain.Send(fd, "x", "send");
  });
}

TEST(SimVsRealUnix, OurCloseWithUnreadBytes) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    client->Send("abc");
    plain.machine().Settle();
    plain.Close(fd);
    plain.Note("client sees " + client->End());
  });
}

TEST(SimVsRealUnix, OurCloseAfterReading) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    client->Send("abc");
    plain.Receive(fd, 8, "receive");
    plain.Send(fd, "bye", "send");
    plain.Close(fd);
    plain.Note("client reads " + client->Read(3));
    plain.Note("client sees " + client->End());
  });
}

TEST(SimVsRealUnix, ThereIsNoAbort) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    plain.Unconnect(fd, "unspec");
    plain.Note("client sees " + client->End());
    const int on = 1;
    plain.Note("a TCP option", plain.kernel().SetOption(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    client->Reset();
    plain.Receive(fd, 8, "its reset is a close");
  });
}

TEST(SimVsRealUnix, WhoListensWhere) {
  PlainOnBoth([](Plain& plain) {
    const int fd = plain.Socket(AF_UNIX);
    plain.ConnectUnix(fd, Path(), "nobody there");
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll, 7);
    plain.Wait(epoll, "a socket that is nothing");
    plain.Receive(fd, 8, "receive");
    plain.Send(fd, "x", "send");
    plain.Note("shutdown", plain.kernel().Shutdown(fd, SHUT_WR));
    plain.Note("listen without a name", plain.kernel().Listen(fd, 1));
    const int listener = plain.ListenUnix(Path());
    plain.Note("accept", plain.kernel().Accept(listener));
    plain.ListenUnix(Path());
    const int client = plain.Socket(AF_UNIX);
    plain.ConnectUnix(client, Path(), "connect");
    plain.ConnectUnix(client, Path(), "again");
    plain.Send(client, "early", "before it is accepted");
    plain.Names(client, "client");
    const int accepted = plain.Accept(listener);
    plain.Names(accepted, "accepted");
    plain.Names(listener, "listener");
    plain.Receive(accepted, 8, "early");
    plain.Close(listener);
    plain.ConnectUnix(plain.Socket(AF_UNIX), Path(), "the file without its socket");
    plain.machine().Unlink(Path());
    plain.ConnectUnix(plain.Socket(AF_UNIX), Path(), "no file");
  });
}

TEST(SimVsRealUnix, AFullQueueAndItsEnd) {
  PlainOnBoth([](Plain& plain) {
    const int listener = plain.ListenUnix(Path(), 1);
    const int other = plain.kernel().Duplicate(listener);
    int fds[4];
    for (int& fd : fds) {
      fd = plain.Socket(AF_UNIX);
      plain.ConnectUnix(fd, Path(), "connect");
    }
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, other, EPOLLIN, 7);
    plain.Wait(epoll, "through the duplicate");
    plain.Close(plain.Accept(other));
    plain.ConnectUnix(fds[2], Path(), "room again");
    plain.Receive(fds[0], 8, "accepted and closed");
    plain.Close(listener);
    plain.Receive(fds[1], 8, "still listening");
    plain.kernel().Close(other);
    plain.Receive(fds[1], 8, "never accepted");
    plain.Receive(fds[1], 8, "then");
    plain.Send(fds[2], "x", "send");
  });
}

TEST(SimVsRealUnix, RoomAfterAFullBuffer) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = Accepted(plain, &client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLET, 7);
    plain.Wait(epoll, "writable");
    const std::string block(16 << 10, 'b');
    const iovec piece = {const_cast<char*>(block.data()), block.size()};
    size_t sent = 0;
    int result = 0;
    do {
      result = plain.kernel().Send(fd, &piece, 1);
      if (result > 0) sent += static_cast<size_t>(result);
    } while (result > 0);
    plain.Note("full", result);
    plain.Wait(epoll, "not writable");
    plain.Note(client->Read(sent).size() == sent ? "all read" : "lost");
    plain.Wait(epoll, "writable again");
  });
}

}  // namespace
}  // namespace mooring::sim
