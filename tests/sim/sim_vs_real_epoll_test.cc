// SPDX-License-Identifier: Apache-2.0
// epoll on both kernels: the same script, the same events in the same order.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/plain.h"

namespace mooring::sim {
namespace {

constexpr uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

TEST(SimVsRealEpoll, AnEdgeForEachArrivalAndNoneForARest) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 7);
    plain.Wait(epoll, "nothing there");
    client->Send("abc");
    plain.Wait(epoll, "bytes");
    plain.Wait(epoll, "told once");
    plain.Receive(fd, 1, "one of three");
    plain.Wait(epoll, "the rest is no edge");
    client->Send("d");
    plain.Wait(epoll, "a new arrival is");
    plain.Receive(fd, 8, "all");
    plain.Receive(fd, 8, "empty");
    client->Send("e");
    plain.Receive(fd, 8, "read before the wait");
    plain.Wait(epoll, "nothing holds any more");
  });
}

TEST(SimVsRealEpoll, LevelTriggeredUntilRead) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, 7);
    client->Send("abc");
    plain.Wait(epoll, "bytes");
    plain.Wait(epoll, "still");
    plain.Receive(fd, 8, "all");
    plain.Wait(epoll, "none");
  });
}

TEST(SimVsRealEpoll, AWakeUpReportsAllThatHolds) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    plain.Wait(epoll, "writable when it is added");
    plain.Wait(epoll, "once");
    client->Send("abc");
    plain.Wait(epoll, "bytes, and still writable");
    client->Send("d");
    plain.Receive(fd, 8, "read before the wait");
    plain.Wait(epoll, "an edge with nothing to read");
    client->HalfClose();
    plain.Wait(epoll, "the end");
    plain.Receive(fd, 8, "end");
    plain.Receive(fd, 8, "end again");
    plain.Wait(epoll, "told");
  });
}

TEST(SimVsRealEpoll, FinBehindBytes) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    client->Send("abc");
    client->HalfClose();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    plain.Wait(epoll, "both at once");
    plain.Receive(fd, 8, "bytes");
    plain.Receive(fd, 8, "end");
    plain.Note("shutdown", plain.kernel().Shutdown(fd, SHUT_WR));
    plain.Wait(epoll, "both directions are over");
    plain.Send(fd, "x", "after shutdown");
  });
}

TEST(SimVsRealEpoll, Reset) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 7);
    client->Send("abc");
    client->Reset();
    plain.Wait(epoll, "reset");
    plain.Receive(fd, 8, "bytes before it");
    plain.Receive(fd, 8, "told once");
    plain.Receive(fd, 8, "then end");
    plain.Send(fd, "x", "send");
    plain.Wait(epoll, "no edge");
    plain.Note("out queue", plain.kernel().OutQueue(fd));
  });
}

TEST(SimVsRealEpoll, ResetFoundByASend) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    client->Reset();
    plain.machine().Settle();
    plain.Send(fd, "x", "first");
    plain.Send(fd, "x", "second");
    plain.Receive(fd, 8, "receive");
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    plain.Wait(epoll, "the error is taken");
    plain.Error(fd, "SO_ERROR");
  });
}

TEST(SimVsRealEpoll, RoomAfterAFullSendBuffer) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLET, 7);
    plain.Wait(epoll, "writable");
    const std::string block(1 << 20, 'b');
    const iovec piece = {const_cast<char*>(block.data()), block.size()};
    size_t sent = 0;
    int result = 0;
    do {
      result = plain.kernel().Send(fd, &piece, 1);
      if (result > 0) sent += static_cast<size_t>(result);
      plain.machine().Settle();
    } while (result > 0);
    plain.Note("full", result);
    plain.Wait(epoll, "not writable");
    plain.Note(client->Read(sent).size() == sent ? "all read" : "lost");
    plain.Wait(epoll, "writable again");
    plain.Wait(epoll, "once");
  });
}

TEST(SimVsRealEpoll, ConnectAndItsResult) {
  PlainOnBoth([](Plain& plain) {
    uint16_t port = 0;
    const int listener = plain.Listen(&port);
    const int fd = plain.Socket();
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, kAll | EPOLLET, 7);
    plain.Wait(epoll, "a socket that is nothing yet");
    plain.Receive(fd, 1, "receive");
    plain.Send(fd, "x", "send");
    plain.Connect(fd, port, "connect");
    plain.Wait(epoll, "connected");
    plain.Error(fd, "SO_ERROR");
    plain.Connect(fd, port, "connect again");
    plain.Connect(fd, port, "and again");
    const int accepted = plain.Accept(listener);
    plain.Send(fd, "abc", "send");
    plain.Receive(accepted, 8, "receive");
    plain.Close(accepted);
    plain.Wait(epoll, "the end");
    plain.Note("out queue of a listener", plain.kernel().OutQueue(listener));
  });
}

TEST(SimVsRealEpoll, ConnectRefused) {
  PlainOnBoth([](Plain& plain) {
    uint16_t port = 0;
    plain.Close(plain.Listen(&port));
    const int fd = plain.Socket();
    const int epoll = plain.Epoll();
    plain.Connect(fd, port, "connect");
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLET, 7);
    plain.Wait(epoll, "refused");
    plain.Error(fd, "SO_ERROR");
    plain.Error(fd, "once");
    const int other = plain.Socket();
    plain.Connect(other, port, "another");
    plain.machine().Settle();
    plain.Connect(other, port, "asked by connect");
    plain.Unconnect(other, "unconnect");
  });
}

TEST(SimVsRealEpoll, AbortByUnspec) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 7);
    client->Send("unread");
    plain.machine().Settle();
    plain.Unconnect(fd, "abort");
    plain.Wait(epoll, "aborted");
    plain.Receive(fd, 8, "receive");
    plain.Receive(fd, 8, "and then");
    plain.Send(fd, "x", "send");
    plain.Note("client sees " + client->End());
    plain.Close(fd);
    plain.Wait(epoll, "gone");
  });
}

TEST(SimVsRealEpoll, ADuplicateKeepsTheEntry) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 7);
    const int other = plain.kernel().Duplicate(fd);
    plain.Control(epoll, EPOLL_CTL_ADD, other, EPOLLIN, 8);
    plain.Close(fd);
    client->Send("abc");
    plain.Wait(epoll, "under both numbers");
    plain.Control(epoll, EPOLL_CTL_DEL, fd, 0, 0, "the closed number");
    plain.Note("client sees " + client->End());
    plain.Note("duplicate of nothing", plain.kernel().Duplicate(fd));
    const int again = plain.EventFd();  // takes the number, not the entry
    plain.Note(again == fd ? "same number" : "another number");
    plain.Control(epoll, EPOLL_CTL_MOD, again, EPOLLIN, 9, "no entry of this file");
    plain.Close(other);
    plain.Wait(epoll, "both gone");
  });
}

TEST(SimVsRealEpoll, WhatControlRefuses) {
  PlainOnBoth([](Plain& plain) {
    uint16_t port = 0;
    const int listener = plain.Listen(&port);
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_MOD, listener, EPOLLIN, 1, "modify nothing");
    plain.Control(epoll, EPOLL_CTL_DEL, listener, EPOLLIN, 1, "delete nothing");
    plain.Control(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, 1, "add");
    plain.Control(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, 1, "add twice");
    plain.Control(epoll, EPOLL_CTL_DEL, listener, 0, 0, "delete");
    plain.Control(epoll, EPOLL_CTL_ADD, epoll, EPOLLIN, 1, "itself");
    plain.Control(listener, EPOLL_CTL_ADD, epoll, EPOLLIN, 1, "no epoll");
    plain.Control(epoll, EPOLL_CTL_ADD, -1, EPOLLIN, 1, "no descriptor");
    plain.Control(-1, EPOLL_CTL_ADD, listener, EPOLLIN, 1, "no epoll descriptor");
    plain.Control(epoll, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1, "exclusive once");
    plain.Control(epoll, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP, 1, "exclusive hang-up");
    plain.Control(epoll, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE, 1, "exclusive");
    plain.Control(epoll, EPOLL_CTL_MOD, listener, EPOLLIN, 1, "modify an exclusive one");
    plain.Control(epoll, EPOLL_CTL_MOD, listener, EPOLLIN | EPOLLEXCLUSIVE, 1, "to exclusive");
    plain.Control(epoll, 77, listener, EPOLLIN, 1, "unknown");
    plain.Wait(epoll, "no room", 0 + 1);
    epoll_event event = {};
    plain.Note("no room", plain.kernel().EpollWait(epoll, &event, 0, 0));
    plain.Note("wait on a listener", plain.kernel().EpollWait(listener, &event, 1, 0));
    plain.Note("wait on nothing", plain.kernel().EpollWait(-1, &event, 1, 0));
  });
}

TEST(SimVsRealEpoll, ModifyTellsAgain) {
  PlainOnBoth([](Plain& plain) {
    std::unique_ptr<Client> client;
    const int fd = plain.Accepted(&client);
    const int epoll = plain.Epoll();
    client->Send("abc");
    plain.machine().Settle();
    plain.Control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 7);
    plain.Wait(epoll, "ready when added");
    plain.Wait(epoll, "once");
    plain.Control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, 8);
    plain.Wait(epoll, "again, with the new data");
    plain.Control(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLET, 9);
    plain.Control(epoll, EPOLL_CTL_MOD, fd, 0, 10);
    plain.Wait(epoll, "asked for nothing before the wait");
    client->Send("d");
    plain.Wait(epoll, "not asked for");
    client->Reset();
    plain.Wait(epoll, "hang-up is always told");
    plain.Wait(epoll, "and again");
    plain.Control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 11);
    plain.Wait(epoll, "one shot");
    plain.Wait(epoll, "is spent");
    plain.Control(epoll, EPOLL_CTL_DEL, fd, 0, 0);
    plain.Wait(epoll, "deleted");
  });
}

TEST(SimVsRealEpoll, MoreReadyThanRoom) {
  PlainOnBoth([](Plain& plain) {
    std::vector<std::unique_ptr<Client>> clients(4);
    const int epoll = plain.Epoll();
    for (uint64_t i = 0; i < 4; ++i) {
      const int fd = plain.Accepted(&clients[i]);
      plain.Control(epoll, EPOLL_CTL_ADD, fd, i % 2 == 0 ? EPOLLIN : EPOLLIN | EPOLLET, i);
    }
    for (const uint64_t i : {2, 0, 3, 1}) {
      clients[i]->Send("x");
      plain.machine().Settle();
    }
    for (int i = 0; i < 4; ++i) plain.Wait(epoll, "two a time", 2);
    plain.Wait(epoll, "all");
  });
}

TEST(SimVsRealEpoll, AListenerInTwo) {
  PlainOnBoth([](Plain& plain) {
    uint16_t port = 0;
    const int listener = plain.Listen(&port);
    const int one = plain.Epoll();
    const int two = plain.Epoll();
    plain.Control(one, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE, 1);
    plain.Control(two, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE, 2);
    const auto client = plain.machine().Connect(port);
    plain.Wait(one, "nobody slept, so both are told");
    plain.Wait(two, "two");
    plain.Close(plain.Accept(listener));
    plain.Wait(one, "taken");
    plain.Wait(two, "taken");
    plain.Accept(listener);
  });
}

TEST(SimVsRealEpoll, EventFds) {
  PlainOnBoth([](Plain& plain) {
    const int event = plain.EventFd();
    const int epoll = plain.Epoll();
    plain.Control(epoll, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, 7);
    plain.Note("take nothing", plain.kernel().TakeSignals(event));
    plain.Note("signal", plain.kernel().Signal(event));
    plain.Wait(epoll, "signalled");
    plain.Wait(epoll, "once");
    plain.kernel().Signal(event);
    plain.Wait(epoll, "each signal is an edge");
    plain.Note("take", plain.kernel().TakeSignals(event));
    plain.Note("take nothing", plain.kernel().TakeSignals(event));
    plain.Wait(epoll, "taken");
    plain.Close(event);
    plain.Note("signal nothing", plain.kernel().Signal(event));
    plain.Note("take from nothing", plain.kernel().TakeSignals(event));
  });
}

TEST(SimVsRealEpoll, AnEpollInAnEpoll) {
  PlainOnBoth([](Plain& plain) {
    const int event = plain.EventFd();
    const int inner = plain.Epoll();
    const int outer = plain.Epoll();
    plain.Control(inner, EPOLL_CTL_ADD, event, EPOLLIN, 7);
    plain.Control(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 8);
    plain.Wait(outer, "nothing");
    plain.kernel().Signal(event);
    plain.Wait(outer, "the inner one is ready");
    plain.Wait(inner, "the event");
    plain.kernel().TakeSignals(event);
    plain.Wait(outer, "taken");
    plain.Close(inner);
    plain.Wait(outer, "closed");
  });
}

TEST(SimVsRealEpoll, NoDescriptorLeftKeepsTheConnection) {
  PlainOnBoth([](Plain& plain) {
    uint16_t port = 0;
    const int listener = plain.Listen(&port);
    const auto client = plain.machine().Connect(port);
    plain.machine().LimitDescriptors(true);
    plain.Accept(listener);
    plain.Note("socket", plain.kernel().Socket(AF_INET, SOCK_STREAM, 0));
    plain.Note("duplicate", plain.kernel().Duplicate(listener));
    plain.Note("eventfd", plain.kernel().EventFd());
    plain.Note("epoll", plain.kernel().EpollCreate());
    plain.machine().LimitDescriptors(false);
    plain.Note("client sees " + client->End());
    const int fd = plain.Accept(listener);
    plain.Send(fd, "x", "send");
    plain.Note("client reads " + client->Read(1));
  });
}

}  // namespace
}  // namespace mooring::sim
