// SPDX-License-Identifier: Apache-2.0
// libevent_echo: the echo server of libevent's book, on one event base: a bufferevent for each connection, whose input
// is moved to its output without a copy.
//
// What the book leaves out: a connection that does not take its answers is not read meanwhile, and the end of its input
// is answered when all is written. Several processes may share a port (SO_REUSEPORT). perf/peers/build builds it.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

namespace {

constexpr size_t kUnsentBytesMax = 64 * 1024;

void OnRead(bufferevent* connection, void*) {
  evbuffer* output = bufferevent_get_output(connection);
  bufferevent_read_buffer(connection, output);
  if (evbuffer_get_length(output) > kUnsentBytesMax) bufferevent_disable(connection, EV_READ);
}

// Called when the output is empty.
void OnWritten(bufferevent* connection, void*) {
  if (!(bufferevent_get_enabled(connection) & EV_READ)) bufferevent_enable(connection, EV_READ);
}

void OnEvent(bufferevent* connection, short events, void*) {
  if ((events & BEV_EVENT_EOF) && evbuffer_get_length(bufferevent_get_output(connection)) > 0) {
    const auto free_it = [](bufferevent* written, void*) { bufferevent_free(written); };
    bufferevent_setcb(connection, nullptr, free_it, OnEvent, nullptr);
    bufferevent_disable(connection, EV_READ);
  } else if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
    bufferevent_free(connection);
  }
}

void OnConnection(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  bufferevent* connection = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(connection, OnRead, OnWritten, OnEvent, nullptr);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

}  // namespace

int main(int argc, char** argv) {
  int port = 7000;
  if (argc > 2 || (argc == 2 && sscanf(argv[1], "--port=%d", &port) != 1)) {
    fprintf(stderr, "usage: libevent_echo [--port=N]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  event_base* base = event_base_new();
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  evconnlistener* listener = evconnlistener_new_bind(
      base, OnConnection, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_REUSEABLE_PORT, 4096,
      reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (listener == nullptr) {
    perror("libevent_echo: evconnlistener_new_bind");
    return 1;
  }
  const int on = 1;
  setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // inherited
  return event_base_dispatch(base);
}
