// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace mooring::sim {

SimPeer::SimPeer(SimNetwork* network, std::shared_ptr<SimSocket> socket)
    : network_(network), socket_(std::move(socket)), file_(std::make_shared<OpenFile>(socket_)) {
  socket_->set_send_buffer(SIZE_MAX);
  socket_->AddWaiter(this);
}

SimPeer::~SimPeer() {
  *alive_ = false;
  socket_->RemoveWaiter(this);
}

void SimPeer::Send(std::string_view bytes) {
  const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  if (file_ != nullptr) socket_->Send(&piece, 1);
}

void SimPeer::HalfClose() {
  half_close_due_ = socket_->state() == SimSocket::State::kConnecting;
  if (file_ != nullptr && !half_close_due_) socket_->Shutdown(SHUT_WR);
}

void SimPeer::Close() {
  close_due_ = socket_->state() == SimSocket::State::kConnecting;
  if (!close_due_) file_.reset();
}

void SimPeer::Reset() {
  if (file_ == nullptr) return;
  socket_->Abort();
  file_.reset();
}

void SimPeer::Vanish() { socket_->Vanish(); }

void SimPeer::Stall() {
  ++slow_round_;
  reading_ = Reading::kNot;
}

void SimPeer::Resume() {
  ++slow_round_;
  reading_ = Reading::kAll;
  Look();
}

void SimPeer::ReadSlowly(size_t bytes, int64_t every_ms) {
  reading_ = Reading::kSlowly;
  slow_bytes_ = bytes;
  slow_every_ms_ = every_ms;
  SlowTurn(++slow_round_);
}

void SimPeer::SlowTurn(uint64_t round) {
  if (round != slow_round_ || file_ == nullptr || ended()) return;
  Read(slow_bytes_);
  network_->At(network_->clock().Now() + slow_every_ms_ * core::kNanosPerMs, [this, round, alive = alive_] {
    if (*alive) SlowTurn(round);
  });
}

void SimPeer::Look() {
  if (file_ == nullptr) return;
  if (socket_->state() == SimSocket::State::kConnected && !was_connected_) {
    was_connected_ = true;
    if (half_close_due_) HalfClose();
    if (close_due_) {
      Close();
      return;
    }
  }
  if (reading_ == Reading::kAll) Read(SIZE_MAX);
  // An RST reaches a peer whether it reads or not.
  if (socket_->reset_received()) {
    (was_connected_ ? saw_reset_ : refused_) = true;
  }
}

void SimPeer::Read(size_t bytes_max) {
  if (!was_connected_) return;
  char block[4096];
  while (file_ != nullptr && bytes_max > 0) {
    const int result = socket_->Receive(block, std::min(sizeof(block), bytes_max));
    if (result > 0) {
      received_.append(block, static_cast<size_t>(result));
      bytes_max -= static_cast<size_t>(result);
      continue;
    }
    if (result == 0 && socket_->fin_received()) {
      saw_fin_ = true;
      if (close_on_eof_) Close();
    }
    return;
  }
}

}  // namespace mooring::sim
