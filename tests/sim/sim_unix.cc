// SPDX-License-Identifier: Apache-2.0
// SimSocket and SimNetwork where a socket is a Unix stream socket (net/unix/af_unix.c).
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "tests/sim/sim_network.h"
#include "tests/sim/sim_socket.h"

namespace mooring::sim {

// unix_stream_connect(): no handshake. The connection is in the listener's queue when the call returns.
int SimSocket::UnixConnect(const SimAddress& to) {
  if (to.family != AF_UNIX) return -EINVAL;
  if (state_ == State::kConnected) return -EISCONN;
  if (state_ == State::kListening) return -EINVAL;
  int error = 0;
  const std::shared_ptr<SimSocket> listener = network_->FindPath(to.path, &error);
  if (listener == nullptr) return error;
  if (listener->accepted_.size() > listener->backlog_) return -EAGAIN;
  remote_ = to;
  listener->accepted_.push_back(network_->MakeChild(listener.get(), this));
  listener->Told(kWakeReadable);
  return 0;
}

// The same of a peer, which sleeps in the call while the queue is full.
void SimNetwork::RouteUnix(SimSocket* from) {
  int error = 0;
  const std::shared_ptr<SimSocket> listener = FindPath(from->remote_.path, &error);
  if (listener == nullptr) {
    from->OnReset();
    return;
  }
  if (listener->accepted_.size() > listener->backlog_) {
    from->parked_syn_ = true;
    listener->parked_.push_back(from->weak_from_this());
    return;
  }
  listener->accepted_.push_back(MakeChild(listener.get(), from));
  listener->Told(kWakeReadable);
  from->Wake();
}

void SimSocket::UnixQueue(size_t size) {
  unix_buffers_.push_back(size);
  unix_queued_ += size;
}

// unix_stream_read_generic(): bytes, then an error, then the end.
int SimSocket::UnixReceive(void* to, size_t size) {
  if (state_ != State::kConnected) return -EINVAL;
  if (readable() > 0) {
    const size_t taken = Copy(to, size);
    bool freed = false;
    unix_partly_read_ += taken;
    while (!unix_buffers_.empty() && unix_partly_read_ >= unix_buffers_.front()) {
      unix_partly_read_ -= unix_buffers_.front();
      unix_queued_ -= unix_buffers_.front();
      unix_buffers_.pop_front();
      freed = true;
    }
    if (peer_ != nullptr) {
      network_->Touch(peer_.get());
      if (freed && peer_->UnixWritable()) peer_->Wake(kWakeWritable);  // unix_write_space(), of each buffer
    }
    return static_cast<int>(taken);
  }
  if (error_ != 0) return TakeError();
  if (read_shut_ || fin_received_) return 0;
  return -EAGAIN;
}

// unix_stream_sendmsg().
int SimSocket::UnixSend(const iovec* pieces, size_t count) {
  const bool sleeps = send_buffer_ == SIZE_MAX;  // a peer's
  if (state_ != State::kConnected && !(sleeps && state_ == State::kConnecting)) return -ENOTCONN;
  if (write_shut_ || (peer_ == nullptr && state_ == State::kConnected) || (peer_ != nullptr && peer_->read_shut_)) {
    return -EPIPE;
  }
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) total += pieces[i].iov_len;
  if (total == 0) return 0;
  const size_t used = sleeps ? 0 : peer_->unix_queued_;
  size_t take = used < send_buffer_ ? std::min({total, send_buffer_ - used, static_cast<size_t>(INT_MAX)}) : 0;
  if (take == 0) return -EAGAIN;
  if (!sleeps) take = network_->choices().SendTake(take);
  std::string* to = sleeps ? &outgoing_ : &peer_->incoming_;
  size_t left = take;
  for (size_t i = 0; left > 0; ++i) {
    const size_t piece = std::min(left, pieces[i].iov_len);
    to->append(static_cast<const char*>(pieces[i].iov_base), piece);
    left -= piece;
  }
  if (sleeps) {
    network_->Touch(this);
  } else {
    peer_->UnixQueue(take);
    peer_->Told(kWakeReadable);
  }
  return static_cast<int>(take);
}

// unix_shutdown(): the other side learns of both halves.
int SimSocket::UnixShutdown(int how) {
  if (how == SHUT_RD || how == SHUT_RDWR) {
    read_shut_ = true;
    if (peer_ != nullptr) peer_->write_shut_ = true;
  }
  if (how == SHUT_WR || how == SHUT_RDWR) {
    write_shut_ = true;
    fin_queued_ = outgoing_.size() > outgoing_sent_;  // a peer's writer writes that first
    if (fin_queued_) network_->Touch(this);
    else if (peer_ != nullptr) peer_->fin_received_ = true;
  }
  Wake();
  if (peer_ != nullptr) peer_->Told(kWakeAny);
  return 0;
}

bool SimSocket::UnixWritable() const {
  const size_t used = peer_ == nullptr ? 0 : peer_->unix_queued_;
  return state_ != State::kListening && used * 4 <= send_buffer_;
}

// unix_poll().
uint32_t SimSocket::UnixReady() const {
  uint32_t events = 0;
  const bool read_end = read_shut_ || fin_received_;
  if (error_ != 0) events |= POLLERR;
  if (read_end && write_shut_) events |= POLLHUP;
  if (read_end) events |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (readable() > 0 || !accepted_.empty()) events |= POLLIN | POLLRDNORM;
  if (state_ != State::kConnected && state_ != State::kListening) events |= POLLHUP;
  if (UnixWritable()) events |= POLLOUT | POLLWRNORM | POLLWRBAND;
  return events;
}

// unix_release_sock(): the other side is shut both ways, and has an error when bytes were left unread.
void SimSocket::UnixRelease(bool never_accepted) {
  const std::shared_ptr<SimSocket> self = shared_from_this();
  const std::shared_ptr<SimSocket> to = peer_;
  BreakLink();
  to->outgoing_.clear();
  to->outgoing_sent_ = 0;
  to->read_shut_ = to->write_shut_ = to->fin_received_ = true;
  if (readable() > 0 || never_accepted) {
    to->error_ = ECONNRESET;
    to->reset_received_ = true;
  }
  incoming_.clear();
  incoming_read_ = 0;
  to->Told(kWakeAny);
}

}  // namespace mooring::sim
