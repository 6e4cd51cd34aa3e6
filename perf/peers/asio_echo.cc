// SPDX-License-Identifier: Apache-2.0
// asio_echo: the echo server of Asio's examples, on one io_context: a session with a buffer of its own (--buffer,
// 4 KB), kept alive by a shared_ptr in each handler, which reads some and writes all of it in turn.
//
// Several processes may share a port (SO_REUSEPORT). perf/peers/build builds it.
#include <stdio.h>

#include <asio.hpp>
#include <memory>
#include <utility>

namespace {

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, size_t buffer_bytes)
      : socket_(std::move(socket)),
        buffer_bytes_(buffer_bytes),
        buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)) {}  // pages no message reaches take no memory

  void Read() {
    socket_.async_read_some(asio::buffer(buffer_.get(), buffer_bytes_),
                            [self = shared_from_this()](std::error_code error, size_t bytes) {
                              if (!error) self->Write(bytes);
                            });
  }

 private:
  void Write(size_t bytes) {
    asio::async_write(socket_, asio::buffer(buffer_.get(), bytes),
                      [self = shared_from_this()](std::error_code error, size_t) {
                        if (!error) self->Read();
                      });
  }

  tcp::socket socket_;
  const size_t buffer_bytes_;
  const std::unique_ptr<char[]> buffer_;
};

class Server {
 public:
  Server(asio::io_context& io, tcp::endpoint endpoint, size_t buffer_bytes)
      : acceptor_(io), buffer_bytes_(buffer_bytes) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.set_option(asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true));
    acceptor_.set_option(tcp::no_delay(true));  // inherited by accepted sockets
    acceptor_.bind(endpoint);
    acceptor_.listen(4096);
    Accept();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Session>(std::move(socket), buffer_bytes_)->Read();
      Accept();
    });
  }

  tcp::acceptor acceptor_;
  const size_t buffer_bytes_;
};

}  // namespace

int main(int argc, char** argv) {
  unsigned short port = 7000;
  size_t buffer_bytes = 4096;
  for (int i = 1; i < argc; i++) {
    if (sscanf(argv[i], "--port=%hu", &port) == 1 || sscanf(argv[i], "--buffer=%zu", &buffer_bytes) == 1) continue;
    fprintf(stderr, "usage: asio_echo [--port=N] [--buffer=BYTES]\n");
    return 2;
  }
  asio::io_context io(ASIO_CONCURRENCY_HINT_UNSAFE);  // one thread: no locks
  Server server(io, {asio::ip::address_v4::loopback(), port}, buffer_bytes);
  io.run();
}
