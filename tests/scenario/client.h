// SPDX-License-Identifier: Apache-2.0
// Client: one peer of a server under test, a plain TCP socket that waits with poll(2).
//
// Every wait has the patience of a test: when it runs out, the test fails.
//
// Threads:  one.
// Owns:     the socket.
#ifndef MOORING_TESTS_SCENARIO_CLIENT_H_
#define MOORING_TESTS_SCENARIO_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mooring::scenario {

class LoopbackServer;

struct ClientOptions {
  uint32_t source = 0;     // 127.x.y.z in host order; 0: whatever the kernel takes
  int receive_buffer = 0;  // SO_RCVBUF; 0: the kernel's
  int send_buffer = 0;     // SO_SNDBUF
};

enum class Ending { kFin, kReset, kStillOpen };

class Client {
 public:
  Client() = default;
  explicit Client(uint16_t port, const ClientOptions& options = {});  // connected, or the test has failed
  static Client AtPath(const std::string& path);  // of a Unix-domain socket; not connected: the test has failed
  static Client Of(int fd);                       // what Dial has connected
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Client& operator=(Client&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Client() { Close(); }

  bool Send(std::string_view bytes);         // all of them; false: the test has failed
  size_t SendWhatFits(std::string_view bytes);  // without waiting
  std::string Receive(size_t n);             // exactly n bytes; fewer: the test has failed
  std::string ReceiveSome(size_t max);       // at least one; empty at the end
  std::string ReceiveToEnd(Ending* ending);  // until FIN or RST
  std::string ReceiveToFin();                // ... and a RST fails the test
  std::string Exchange(std::string_view request, size_t n);

  // What the peer has done so far, without waiting; data that waits counts as kStillOpen.
  Ending Now();
  bool HasData();            // or an end, without waiting
  int Unacknowledged() const;  // SIOCOUTQ
  void AwaitAcknowledged();  // until everything sent has been

  void ShutdownWrite();
  void Reset();  // RST
  void Close();  // FIN; RST when something received was not read
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  bool Wait(short events, const char* what);

  int fd_ = -1;
};

// To an echo service, whose only connection this is: sends until an answer is stuck and the server reads no further.
void Clog(LoopbackServer* server, Client* client);

// A connected, nonblocking socket, or -errno.
int Dial(uint16_t port, const ClientOptions& options);
int DialPath(const std::string& path);

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_CLIENT_H_
