// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "tests/sim/sim_network.h"
#include "tests/sim/user_memory.h"

namespace mooring::sim {

SimSocket::SimSocket(SimNetwork* network, sa_family_t family)
    : network_(network),
      family_(family),
      send_buffer_(network->choices().SendBuffer()),
      receive_buffer_(network->choices().ReceiveBuffer()) {}

SimSocket::~SimSocket() { network_->Unbind(this); }

int SimSocket::Bind(const SimAddress& address) {
  if (state_ != State::kIdle) return -EINVAL;
  if (address.family != family_) return -EAFNOSUPPORT;
  if (const int result = network_->Bind(this, address); result < 0) return result;
  state_ = State::kBound;
  return 0;
}

int SimSocket::Listen(int backlog) {
  if (state_ == State::kListening) {
    backlog_ = backlog;
    return 0;
  }
  if (state_ == State::kIdle && !is_unix()) {
    if (const int result = Bind(SimAddress::Any(family_)); result < 0) return result;
  }
  if (state_ != State::kBound) return -EINVAL;
  if (const int result = is_unix() ? 0 : network_->CheckListen(this); result < 0) return result;
  state_ = State::kListening;
  backlog_ = backlog;
  return 0;
}

int SimSocket::Accept(std::shared_ptr<SimSocket>* accepted) {
  if (state_ != State::kListening || read_shut_) return -EINVAL;
  if (accepted_.empty()) return -EAGAIN;
  *accepted = std::move(accepted_.front());
  accepted_.pop_front();
  (*accepted)->listener_.reset();
  Unpark();
  return 0;
}

// All of them: the SYN that is sent again may go to another listener of the group, and this one has room.
void SimSocket::Unpark() {
  if (options_.count({SOL_SOCKET, SO_ATTACH_FILTER}) != 0) return;  // nobody new gets in
  for (const std::weak_ptr<SimSocket>& parked : std::exchange(parked_, {})) {
    const std::shared_ptr<SimSocket> next = parked.lock();
    if (next == nullptr) continue;
    next->parked_syn_ = false;
    network_->Touch(next.get());
  }
}

int SimSocket::Connect(const SimAddress& to) {
  if (is_unix()) return UnixConnect(to);
  return ConnectSleeping(to);
}

int SimSocket::ConnectSleeping(const SimAddress& to) {
  if (connect_untold_) return ConnectAgain();
  if (state_ == State::kConnected) return -EISCONN;
  if (state_ == State::kListening) return -EISCONN;
  if (!is_unix() && (state_ == State::kIdle || local_.port == 0)) {
    SimAddress local = SimAddress::Any(family_);
    if (const int result = network_->Bind(this, local); result < 0) return result;
  }
  if (!is_unix() && local_.any()) local_.ip = to.ip;  // loopback: a machine that talks to itself
  remote_ = to;
  state_ = State::kConnecting;
  error_ = 0;
  read_shut_ = write_shut_ = false;
  handshake_ = Handshake::kSyn;
  connect_untold_ = true;
  network_->Touch(this);
  return -EINPROGRESS;
}

// __inet_stream_connect(), SS_CONNECTING.
int SimSocket::ConnectAgain() {
  if (state_ == State::kConnecting) return -EALREADY;
  return ConnectResult();
}

int SimSocket::ConnectResult() {
  if (state_ == State::kConnecting) return -EINPROGRESS;
  connect_untold_ = false;
  if (error_ != 0) return TakeError();
  return state_ == State::kConnected ? 0 : -ECONNABORTED;
}

// tcp_disconnect().
int SimSocket::Disconnect() {
  if (is_unix()) return -EINVAL;
  if (state_ == State::kListening) {
    StopListening();
  } else if (state_ == State::kConnecting) {
    error_ = ECONNREFUSED;
    if (handshake_ == Handshake::kAck) SendReset();
    handshake_ = Handshake::kNone;
  } else if (state_ == State::kConnected && !finished()) {
    SendReset();
    error_ = ECONNRESET;
  }
  state_ = State::kClosed;
  connect_untold_ = false;
  incoming_.clear();
  incoming_read_ = 0;
  read_shut_ = write_shut_ = fin_received_ = false;
  remote_ = {};
  Wake();
  return 0;
}

// tcp_recvmsg_locked(): bytes, then the end, then an error (told once), then what shutdown and state say.
int SimSocket::Receive(void* to, size_t size) {
  if (is_unix()) return UnixReceive(to, size);
  if (state_ == State::kListening || state_ == State::kIdle || state_ == State::kBound) return -ENOTCONN;
  if (readable() > 0) {
    const size_t taken = Copy(to, size);
    if (peer_ != nullptr) network_->Touch(peer_.get());  // the window opened
    return static_cast<int>(taken);
  }
  if (fin_received_) return 0;
  if (error_ != 0) return TakeError();
  if (read_shut_) return 0;
  if (state_ == State::kClosed) return -ENOTCONN;
  return -EAGAIN;
}

size_t SimSocket::Copy(void* to, size_t size) {
  const size_t taken = std::min(size, readable());
  CopyToUser(to, incoming_.data() + incoming_read_, taken);
  incoming_read_ += taken;
  if (incoming_read_ == incoming_.size()) {
    incoming_.clear();
    incoming_read_ = 0;
  } else if (incoming_read_ > (64 << 10)) {
    incoming_.erase(0, incoming_read_);
    incoming_read_ = 0;
  }
  return taken;
}

// tcp_sendmsg_locked() and sk_stream_error().
int SimSocket::Send(const iovec* pieces, size_t count) {
  if (is_unix()) return UnixSend(pieces, count);
  if (error_ != 0) return TakeError();
  if (write_shut_ || state_ == State::kIdle || state_ == State::kBound || state_ == State::kListening ||
      state_ == State::kClosed) {
    return -EPIPE;
  }
  if (state_ == State::kConnecting && send_buffer_ != SIZE_MAX) return -EAGAIN;  // a peer's writer may run ahead
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) total += pieces[i].iov_len;
  if (total == 0) return 0;
  size_t take = std::min({total, Room(), static_cast<size_t>(INT_MAX)});
  if (send_buffer_ != SIZE_MAX && take > 0) take = network_->choices().SendTake(take);
  if (take < total) no_space_ = true;
  if (take == 0) return -EAGAIN;
  size_t left = take;
  for (size_t i = 0; left > 0; ++i) {
    const size_t piece = std::min(left, pieces[i].iov_len);
    outgoing_.append(static_cast<const char*>(pieces[i].iov_base), piece);
    left -= piece;
  }
  network_->Touch(this);
  return static_cast<int>(take);
}

int SimSocket::Shutdown(int how) {
  if (is_unix()) return UnixShutdown(how);
  if (state_ == State::kListening) {
    if (how == SHUT_WR) return 0;
    read_shut_ = true;
    Wake();
    return 0;
  }
  if (state_ != State::kConnected) return -ENOTCONN;
  if (how == SHUT_RD || how == SHUT_RDWR) read_shut_ = true;
  if ((how == SHUT_WR || how == SHUT_RDWR) && !write_shut_) {
    write_shut_ = true;
    fin_queued_ = true;
    network_->Touch(this);
  }
  Wake();
  return 0;
}

int SimSocket::SetOption(int level, int name, int64_t value) {
  options_[{level, name}] = value;
  return 0;
}

bool SimSocket::GetOption(int level, int name, int64_t* value) const {
  const auto found = options_.find({level, name});
  if (found == options_.end()) return false;
  *value = found->second;
  return true;
}

int SimSocket::TakeError() {
  const int error = error_;
  error_ = 0;
  return -error;
}

int SimSocket::Fault(FaultSite site) {
  const int error = network_->choices().Fault(site, this);
  if (error == 0) return 0;
  MarkFaulted();
  if (error != ECONNRESET && error != EPIPE && error != ETIMEDOUT) return -error;
  Break(error);
  return 0;
}

void SimSocket::MarkFaulted() {
  faulted_ = true;
  if (peer_ != nullptr) peer_->faulted_ = true;
}

size_t SimSocket::Room() const {
  size_t capacity = send_buffer_;
  // What is not delivered yet counts as not sent; the other side's receive buffer comes on top.
  if (const auto lowat = options_.find({IPPROTO_TCP, TCP_NOTSENT_LOWAT}); lowat != options_.end()) {
    capacity = std::min<size_t>(capacity, std::max<int64_t>(lowat->second, 1));
  }
  const size_t used = outgoing_.size() - outgoing_sent_;
  return used < capacity ? capacity - used : 0;
}

// sk_stream_is_writeable(): a third must be free before a waiting writer is woken.
bool SimSocket::Writable() const {
  const size_t used = outgoing_.size() - outgoing_sent_;
  return Room() > used / 2;
}

// tcp_poll().
uint32_t SimSocket::Ready() const {
  if (is_unix()) return UnixReady();
  uint32_t events = 0;
  if (state_ == State::kListening) return accepted_.empty() && !read_shut_ ? 0 : POLLIN | POLLRDNORM;
  const bool read_end = read_shut_ || fin_received_;
  if ((read_end && write_shut_) || state_ == State::kClosed || state_ == State::kIdle) events |= POLLHUP;
  if (read_end) events |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (state_ != State::kConnecting) {
    if (readable() > 0) events |= POLLIN | POLLRDNORM;
    if (write_shut_ || Writable()) {
      events |= POLLOUT | POLLWRNORM;
    } else {
      no_space_ = true;
    }
  }
  if (error_ != 0) events |= POLLERR;
  return events;
}

void SimSocket::StopListening() {
  for (const std::shared_ptr<SimSocket>& child : std::exchange(accepted_, {})) child->Abort();
  for (const std::weak_ptr<SimSocket>& parked : std::exchange(parked_, {})) {
    if (const std::shared_ptr<SimSocket> from = parked.lock()) {
      from->parked_syn_ = false;  // its next SYN finds somebody else, or nobody
      network_->Touch(from.get());
    }
  }
}

// A wake-up and the look that it leads to are not one step: who looked between the bytes and their wake-up is told twice,
// and an end is told as a change of state and as bytes or an error (tcp_fin, tcp_reset). So a wait may find an entry on
// its list for something that it has reported already.
void SimSocket::Told(uint32_t key) {
  if (waiters() == 0) return;
  Wake(key);
  if (!network_->choices().WakeTwice()) return;
  network_->Defer([weak = weak_from_this(), key] {
    if (const std::shared_ptr<SimSocket> self = weak.lock()) self->Wake(key);
  });
}

// tcp_close().
void SimSocket::OnLastClose() {
  closed_by_owner_ = true;
  network_->Unbind(this);
  if (state_ == State::kListening) {
    state_ = State::kClosed;
    StopListening();
    return;
  }
  if (is_unix()) {
    if (peer_ == nullptr) {
      state_ = State::kClosed;
      return;
    }
    fin_queued_ = outgoing_.size() > outgoing_sent_;  // its writer writes that first
    if (fin_queued_) network_->Touch(this);
    else UnixRelease(/*never_accepted=*/false);
    return;
  }
  if (state_ == State::kConnecting) {
    if (handshake_ == Handshake::kAck) SendReset();
    state_ = State::kClosed;
    return;
  }
  if (state_ != State::kConnected || finished()) return;
  const auto linger = options_.find({SOL_SOCKET, SO_LINGER});
  if (readable() > 0 || (linger != options_.end() && linger->second == 1)) {
    SendReset();
    return;
  }
  write_shut_ = true;
  fin_queued_ = true;
  network_->Touch(this);
}

void SimSocket::Abort() {
  if (is_unix()) {
    closed_by_owner_ = true;
    outgoing_.clear();
    outgoing_sent_ = 0;
    if (peer_ != nullptr) UnixRelease(/*never_accepted=*/listener_.lock() != nullptr);
    state_ = State::kClosed;
    return;
  }
  if (state_ == State::kConnected && !finished()) SendReset();
  state_ = State::kClosed;
  closed_by_owner_ = true;
}

void SimSocket::Vanish() {
  vanished_ = true;
  // Its half of a handshake takes nobody's place: SYN cookies (tcp_syncookies, on by default) let others in.
  if (handshake_ != Handshake::kAck || peer_ == nullptr) return;
  handshake_ = Handshake::kNone;
  if (const std::shared_ptr<SimSocket> listener = peer_->listener_.lock()) {
    --listener->half_open_;
    listener->Unpark();
  }
}

}  // namespace mooring::sim
