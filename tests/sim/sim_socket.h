// SPDX-License-Identifier: Apache-2.0
// SimSocket: one stream socket of the simulated machine, TCP or Unix: a server's, a peer's, or a listener.
//
//   idle -> bound -> listening                       incoming: delivered by the network, not read yet
//    └────────└────> connecting -> connected -> closed     outgoing: taken from the writer, not delivered yet
//
// What a sender wrote stays in `outgoing` until the network delivers a piece of it into the other side's `incoming`;
// this is also the acknowledgement. FIN follows the last byte. RST overtakes bytes, as many as the seed says. Results
// and their order follow Linux's net/ipv4/tcp.c; RULES.md names the places. On a Unix socket (net/unix/af_unix.c) what is
// written is with the reader at once, except that a peer's writer, which may be told to write more than there is room for,
// is taken to sleep in its call: what it has not written yet is its `outgoing`.
//
// Threads:  one.
// Owns:     its bytes; two connected sockets share each other until the link is broken.
#ifndef MOORING_TESTS_SIM_SIM_SOCKET_H_
#define MOORING_TESTS_SIM_SIM_SOCKET_H_

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/choices.h"
#include "tests/sim/sim_address.h"
#include "tests/sim/sim_file.h"

namespace mooring::sim {

class SimNetwork;

class SimSocket final : public SimFile, public std::enable_shared_from_this<SimSocket> {
 public:
  enum class State : uint8_t { kIdle, kBound, kListening, kConnecting, kConnected, kClosed };

  SimSocket(SimNetwork* network, sa_family_t family);
  ~SimSocket() override;

  // System calls; 0 or more, or -errno. None waits.
  int Bind(const SimAddress& address);
  int Listen(int backlog);
  int Accept(std::shared_ptr<SimSocket>* accepted);  // -EAGAIN when nobody is there
  int Connect(const SimAddress& to);                 // -EINPROGRESS; Unix: 0, or -errno
  int ConnectSleeping(const SimAddress& to);         // -EINPROGRESS: a peer that sleeps in connect(2) until it is done
  int Disconnect();                                  // connect(2) with AF_UNSPEC
  int ConnectResult();                               // after Connect: 0, -errno, or -EINPROGRESS
  int ConnectAgain();                                // connect(2) once more, on a socket that has begun to
  int Receive(void* to, size_t size);                // -EAGAIN when there is nothing
  int Send(const iovec* pieces, size_t count);       // -EAGAIN when nothing fits
  int Shutdown(int how);
  int SetOption(int level, int name, int64_t value);
  bool GetOption(int level, int name, int64_t* value) const;
  int TakeError();  // SO_ERROR

  uint32_t Ready() const override;
  void OnLastClose() override;

  State state() const { return state_; }
  sa_family_t family() const { return family_; }
  bool is_unix() const { return family_ == AF_UNIX; }
  const SimAddress& local() const { return local_; }
  const SimAddress& remote() const { return remote_; }  // AF_UNSPEC when there is none
  size_t readable() const { return incoming_.size() - incoming_read_; }
  size_t out_queue() const { return outgoing_.size() - outgoing_sent_ + (fin_queued_ && !fin_delivered_ ? 1 : 0); }
  size_t accept_queue() const { return accepted_.size(); }
  size_t under_way() const { return peer_ == nullptr ? 0 : peer_->outgoing_.size() - peer_->outgoing_sent_; }  // to here
  bool fin_received() const { return fin_received_; }
  bool reset_received() const { return reset_received_; }
  bool closed_by_owner() const { return closed_by_owner_; }
  void set_send_buffer(size_t bytes) { send_buffer_ = bytes; }
  void set_receive_buffer(size_t bytes) { receive_buffer_ = bytes; }

  // The machine is gone: nothing goes out or comes in any more, and nobody is told.
  void Vanish();
  // Sends RST, as close(2) with SO_LINGER {1, 0} does.
  void Abort();

  // Asks for a fault of a receive, send or connect. 0: none; or an error that left everything as it was. An end of the
  // connection (ECONNRESET, EPIPE, ETIMEDOUT) is made so, and what the caller does next tells of it: 0 as well.
  int Fault(FaultSite site);
  // A fault happened to this connection: on this side or on the other one.
  bool faulted() const { return faulted_; }
  void MarkFaulted();

  // The requests that read and write this socket now; two at a time have no order (checked by the ring).
  const void* reader = nullptr;
  const void* writer = nullptr;

 private:
  friend class SimNetwork;
  enum class Handshake : uint8_t { kNone, kSyn, kAck };

  // The network's half: whether there is something to deliver, and delivering one piece of it.
  bool Deliverable() const;
  void Deliver();
  void DeliverBytes();
  void DeliverFin();
  void OnReset();
  void SendReset();
  void Break(int error);
  void BreakLink();
  void Told(uint32_t key);  // wakes who waits; the seed may have it told once more, later
  void StopListening();
  void Unpark();  // there is room in the backlog: who waits for it tries again
  // The same of a Unix socket.
  int UnixConnect(const SimAddress& to);
  int UnixReceive(void* to, size_t size);
  int UnixSend(const iovec* pieces, size_t count);
  int UnixShutdown(int how);
  uint32_t UnixReady() const;
  bool UnixWritable() const;
  void UnixQueue(size_t size);  // the last bytes of `incoming` came as one buffer
  void UnixRelease(bool never_accepted);
  size_t Copy(void* to, size_t size);  // out of `incoming`
  bool finished() const { return fin_delivered_ && fin_received_; }
  size_t Room() const;  // for bytes of this side's writer
  bool Writable() const;

  SimNetwork* const network_;
  const sa_family_t family_;
  State state_ = State::kIdle;
  SimAddress local_;
  SimAddress remote_;
  std::map<std::pair<int, int>, int64_t> options_;  // by level and name
  std::shared_ptr<SimSocket> peer_;

  std::string incoming_;
  size_t incoming_read_ = 0;
  std::string outgoing_;
  size_t outgoing_sent_ = 0;
  size_t send_buffer_;
  size_t receive_buffer_;

  std::deque<size_t> unix_buffers_;  // bytes of each buffer in `incoming`; freed when it is read to its end
  size_t unix_partly_read_ = 0;      // of the first
  size_t unix_queued_ = 0;           // all of them, read or not

  Handshake handshake_ = Handshake::kNone;
  int error_ = 0;                 // the kernel's sk_err: told once
  bool read_shut_ = false;        // RCV_SHUTDOWN
  bool write_shut_ = false;       // SEND_SHUTDOWN
  bool fin_queued_ = false;
  bool fin_delivered_ = false;
  bool fin_received_ = false;
  bool reset_queued_ = false;
  bool reset_received_ = false;
  bool closed_by_owner_ = false;
  bool faulted_ = false;
  bool connect_untold_ = false;   // nobody has asked for connect(2)'s result yet (SS_CONNECTING)
  bool vanished_ = false;
  mutable bool no_space_ = false;  // SOCK_NOSPACE: somebody found no room, so the next room is told
  bool active_ = false;           // in the network's list

  // Listening.
  size_t backlog_ = 0;
  size_t half_open_ = 0;          // children whose ACK is under way
  std::deque<std::shared_ptr<SimSocket>> accepted_;
  std::vector<std::weak_ptr<SimSocket>> parked_;  // peers whose SYN found no room, or a filter
  bool parked_syn_ = false;                       // this is one of them
  std::weak_ptr<SimSocket> listener_;             // of a child that was not accepted yet
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_SOCKET_H_
