// SPDX-License-Identifier: Apache-2.0
// SimPeer: the other end of a connection, played by the test.
//
//   auto* peer = kernel.Connect("127.0.0.1:7000");
//   peer->Send("abc\n");
//   world.RunUntilIdle();
//   EXPECT_EQ(peer->received(), "OK\n");
//
// What it is told to do happens at once on its side; what the server sees of it comes when the network delivers it.
// Unless told otherwise it reads all that arrives and never closes by itself.
//
// Threads:  one.
// Owns:     its socket. The SimKernel owns the peer.
#ifndef MOORING_TESTS_SIM_SIM_PEER_H_
#define MOORING_TESTS_SIM_SIM_PEER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tests/sim/sim_file.h"
#include "tests/sim/sim_network.h"

namespace mooring::sim {

class SimPeer final : private Waiter {
 public:
  SimPeer(SimNetwork* network, std::shared_ptr<SimSocket> socket);
  ~SimPeer();
  SimPeer(const SimPeer&) = delete;

  void Send(std::string_view bytes);  // also before it is connected, or after the other side has gone: then lost
  void HalfClose();                   // FIN after what was sent; goes on reading. Before it is connected: then
  void Close();                       // close(2): FIN, or RST when unread bytes are there; reads no more. Likewise
  void Reset();                       // RST
  void Vanish();                      // the machine is gone: no FIN, no RST, no acknowledgement
  void CloseOnEof() { close_on_eof_ = true; }  // as most clients do

  void Stall();                                // reads nothing until Resume
  void Resume();
  void ReadSlowly(size_t bytes, int64_t every_ms);  // that many bytes each time; Resume ends it

  const std::string& received() const { return received_; }
  std::string TakeReceived() { return std::exchange(received_, {}); }
  bool connected() const { return was_connected_; }
  bool refused() const { return refused_; }
  bool saw_fin() const { return saw_fin_; }
  bool saw_reset() const { return saw_reset_; }
  bool ended() const { return saw_fin_ || saw_reset_ || refused_; }
  size_t unacknowledged() const { return socket_->out_queue(); }  // SIOCOUTQ
  size_t under_way() const { return socket_->readable() + socket_->under_way(); }  // sent to it and not read yet
  bool faulted() const { return socket_->faulted(); }             // a fault was put into its connection
  const SimAddress& local() const { return socket_->local(); }
  bool is_unix() const { return socket_->is_unix(); }

 private:
  enum class Reading : uint8_t { kAll, kSlowly, kNot };
  bool OnWake(uint32_t) override {
    Look();
    return false;
  }
  void Look();
  void Read(size_t bytes_max);
  void SlowTurn(uint64_t round);

  SimNetwork* const network_;
  const std::shared_ptr<SimSocket> socket_;
  FileRef file_;  // null once closed
  Reading reading_ = Reading::kAll;
  size_t slow_bytes_ = 0;
  int64_t slow_every_ms_ = 0;
  uint64_t slow_round_ = 0;  // an older turn that still waits is void
  std::string received_;
  bool was_connected_ = false;
  bool refused_ = false;
  bool saw_fin_ = false;
  bool saw_reset_ = false;
  bool close_on_eof_ = false;
  bool half_close_due_ = false;  // asked for before it was connected
  bool close_due_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_PEER_H_
