// SPDX-License-Identifier: Apache-2.0
// The network's half of SimSocket: what one side's queue does to the other side.
#include <algorithm>
#include <cerrno>

#include "tests/sim/sim_network.h"
#include "tests/sim/sim_socket.h"

namespace mooring::sim {

bool SimSocket::Deliverable() const {
  if (vanished_) return false;
  if (handshake_ == Handshake::kSyn) return !parked_syn_ && state_ == State::kConnecting;
  if (peer_ == nullptr || peer_->vanished_) return false;
  if (handshake_ == Handshake::kAck || reset_queued_) return true;
  if (outgoing_.size() > outgoing_sent_) {
    return peer_->closed_by_owner_ || peer_->state_ == State::kClosed || peer_->readable() < peer_->receive_buffer_;
  }
  return fin_queued_ && !fin_delivered_;
}

void SimSocket::Deliver() {
  const std::shared_ptr<SimSocket> self = shared_from_this();  // a broken link may hold the last share
  if (handshake_ == Handshake::kSyn) {
    network_->RouteSyn(this);
    return;
  }
  const std::shared_ptr<SimSocket> to = peer_;
  if (handshake_ == Handshake::kAck && !reset_queued_) {
    handshake_ = Handshake::kNone;
    const std::shared_ptr<SimSocket> listener = to->listener_.lock();
    if (listener == nullptr || listener->state_ != State::kListening) {
      to->Abort();
      return;
    }
    --listener->half_open_;
    listener->accepted_.push_back(to);
    listener->Told(kWakeReadable);
    return;
  }
  if (outgoing_.size() > outgoing_sent_ && (!reset_queued_ || to->readable() < to->receive_buffer_)) {
    DeliverBytes();
  } else if (reset_queued_) {
    if (handshake_ == Handshake::kAck) {
      if (const std::shared_ptr<SimSocket> listener = to->listener_.lock()) {
        --listener->half_open_;
        listener->Unpark();
      }
    }
    reset_queued_ = false;
    BreakLink();
    to->OnReset();
  } else {
    DeliverFin();
  }
}

void SimSocket::DeliverBytes() {
  const std::shared_ptr<SimSocket> to = peer_;
  if (is_unix()) {  // the writer that sleeps in its call goes on
    const size_t room = to->receive_buffer_ - to->readable();
    const size_t bytes = network_->choices().Segment(std::min(outgoing_.size() - outgoing_sent_, room));
    to->incoming_.append(outgoing_, outgoing_sent_, bytes);
    to->UnixQueue(bytes);
    outgoing_sent_ += bytes;
    if (outgoing_sent_ == outgoing_.size()) {
      outgoing_.clear();
      outgoing_sent_ = 0;
    }
    to->Told(kWakeReadable);
    return;
  }
  if (to->closed_by_owner_ || to->state_ == State::kClosed) {
    // Nobody will read this: the other side's kernel answers with RST (tcp_rcv_state_process).
    outgoing_.clear();
    outgoing_sent_ = 0;
    if (reset_queued_) return;
    if (!to->reset_queued_) {
      to->reset_queued_ = true;
      to->outgoing_.clear();
      to->outgoing_sent_ = 0;
    }
    network_->Touch(to.get());
    return;
  }
  const size_t room = to->receive_buffer_ - to->readable();
  const size_t bytes = network_->choices().Segment(std::min(outgoing_.size() - outgoing_sent_, room));
  to->incoming_.append(outgoing_, outgoing_sent_, bytes);
  outgoing_sent_ += bytes;
  if (outgoing_sent_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_sent_ = 0;
  } else if (outgoing_sent_ > (1 << 20)) {
    outgoing_.erase(0, outgoing_sent_);
    outgoing_sent_ = 0;
  }
  if (no_space_ && Writable()) {  // tcp_check_space()
    no_space_ = false;
    Told(kWakeWritable);
  }
  to->Told(kWakeReadable);
}

void SimSocket::DeliverFin() {
  if (is_unix()) {
    fin_delivered_ = true;
    if (closed_by_owner_) {
      UnixRelease(/*never_accepted=*/false);
    } else {
      peer_->fin_received_ = true;
      peer_->Told(kWakeAny);
      Wake();
    }
    return;
  }
  const std::shared_ptr<SimSocket> to = peer_;
  fin_delivered_ = true;
  to->fin_received_ = true;
  if (to->fin_delivered_) BreakLink();
  to->Told(kWakeAny);
  Wake();
}

// tcp_reset(). Bytes that came before stay readable.
void SimSocket::OnReset() {
  if (state_ == State::kClosed || finished()) return;
  error_ = state_ == State::kConnecting ? ECONNREFUSED : fin_received_ ? EPIPE : ECONNRESET;
  state_ = State::kClosed;
  reset_received_ = true;
  read_shut_ = write_shut_ = true;
  fin_queued_ = reset_queued_ = false;
  handshake_ = Handshake::kNone;
  outgoing_.clear();
  outgoing_sent_ = 0;
  Told(kWakeAny);
}

// Something between the two has ended the connection and tells both (a firewall that restarts), or a timer of ours has.
// On a Unix socket nothing is between.
void SimSocket::Break(int error) {
  if (is_unix() || state_ != State::kConnected || finished()) return;
  const Handshake half = handshake_;
  OnReset();
  error_ = error;
  handshake_ = half;  // a half-open connection leaves the backlog when the other side hears of it
  reset_queued_ = true;
  network_->Touch(this);
}

void SimSocket::SendReset() {
  const size_t unsent = outgoing_.size() - outgoing_sent_;
  outgoing_.resize(outgoing_.size() - network_->choices().LostWithReset(unsent));
  reset_queued_ = true;
  fin_queued_ = false;
  state_ = State::kClosed;
  network_->Touch(this);
}

void SimSocket::BreakLink() {
  if (peer_ != nullptr) {
    peer_->peer_.reset();
    peer_.reset();
  }
}

}  // namespace mooring::sim
