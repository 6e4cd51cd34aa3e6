// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_kernel.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "core/uapi.h"

namespace mooring::sim {
namespace {

struct RingFile final : SimFile {
  uint32_t Ready() const override { return 0; }
  void OnLastClose() override {}
};

int CopyAddress(const SimAddress& from, sa_family_t as, sockaddr* to, socklen_t* size) {
  sockaddr_storage full;
  const socklen_t need = from.ToSockaddr(as, &full);
  std::memcpy(to, &full, std::min(*size, need));
  *size = need;
  return 0;
}

// The options that sockets here are given. Another one may matter to the model: it has to be thought about first.
bool Known(int level, int name) {
  switch (level) {
    case SOL_SOCKET:
      return name == SO_REUSEADDR || name == SO_REUSEPORT || name == SO_KEEPALIVE || name == SO_LINGER ||
             name == SO_SNDBUF || name == SO_RCVBUF || name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF ||
             name == SO_BUSY_POLL || name == SO_INCOMING_CPU;
    case IPPROTO_TCP:
      return name == TCP_NODELAY || name == TCP_NOTSENT_LOWAT || name == TCP_USER_TIMEOUT || name == TCP_KEEPIDLE ||
             name == TCP_KEEPINTVL || name == TCP_KEEPCNT || name == TCP_DEFER_ACCEPT || name == TCP_FASTOPEN;
    case IPPROTO_IPV6: return name == IPV6_V6ONLY;
    case IPPROTO_IP: return name == IP_BIND_ADDRESS_NO_PORT;
    default: return false;
  }
}

}  // namespace

SimKernel::SimKernel(uint64_t seed, core::ManualClock* clock, Mood mood)
    : choices_(seed, mood == Mood::kCalm), network_(&choices_, clock) {}

SimKernel::~SimKernel() = default;

SimPeer* SimKernel::Connect(std::string_view to) {
  const SimAddress address = SimAddress::Parse(to);
  if (address.family == AF_UNSPEC) choices_.Fail("'%.*s' is not an address", static_cast<int>(to.size()), to.data());
  std::shared_ptr<SimSocket> socket = network_.NewSocket(address.family);
  peers_.push_back(std::make_unique<SimPeer>(&network_, socket));
  socket->Connect(address);
  return peers_.back().get();
}

int SimKernel::ListenAsPeer(std::string_view at) {
  const std::shared_ptr<SimSocket> socket = network_.NewSocket(SimAddress::Parse(at).family);
  if (const int result = socket->Bind(SimAddress::Parse(at)); result < 0) return result;
  if (const int result = socket->Listen(128); result < 0) return result;
  return descriptors_.Install(std::make_shared<OpenFile>(socket));
}

SimPeer* SimKernel::TakeAccepted(int listener) {
  int error = 0;
  SimSocket* socket = FindSocket(listener, &error);
  std::shared_ptr<SimSocket> accepted;
  if (socket == nullptr || socket->Accept(&accepted) != 0) return nullptr;
  peers_.push_back(std::make_unique<SimPeer>(&network_, std::move(accepted)));
  peers_.back()->Resume();  // what came before it was taken
  return peers_.back().get();
}

SimRing* SimKernel::Find(const io_uring* ring) {
  const auto found = rings_.find(ring->ring_fd);
  if (found == rings_.end()) choices_.Fail("no ring has descriptor %d", ring->ring_fd);
  return found->second.get();
}

int SimKernel::RingSetup(unsigned entries, io_uring_params* params, io_uring* ring) {
  if (const int fault = choices_.Fault(FaultSite::kRingSetup); fault != 0) return -fault;
  constexpr unsigned kNeeded =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
  constexpr unsigned kKnown = kNeeded | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  if ((params->flags & kNeeded) != kNeeded || (params->flags & ~kKnown) != 0) {
    choices_.Fail("io_uring_setup flags %#x: simulated are %#x and what goes with them", params->flags, kNeeded);
  }
  params->sq_entries = std::bit_ceil(entries);
  params->cq_entries =
      (params->flags & IORING_SETUP_CQSIZE) != 0 ? std::bit_ceil(params->cq_entries) : 2 * params->sq_entries;
  if (entries == 0 || entries > 32768 || params->cq_entries < params->sq_entries) return -EINVAL;
  params->features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                     IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP |
                     core::uapi::kFeatRecvSendBundle | core::uapi::kFeatNoIowait;
  const int fd = descriptors_.Install(std::make_shared<OpenFile>(std::make_shared<RingFile>()));
  if (fd < 0) return fd;
  rings_.emplace(fd, std::make_unique<SimRing>(&choices_, &network_, &descriptors_, *params, fd, ring));
  return 0;
}

void SimKernel::RingExit(io_uring* ring) {
  SimRing* closing = Find(ring);
  for (std::string& line : closing->DescribeInFlight()) in_flight_at_exit_.push_back(std::move(line));
  if (last_entered_ == closing) last_entered_ = nullptr;
  rings_.erase(ring->ring_fd);
  descriptors_.Close(ring->ring_fd);
}

int SimKernel::RingEnter(io_uring* ring, unsigned to_submit, unsigned min_complete, unsigned flags,
                         __kernel_timespec* timeout) {
  last_entered_ = Find(ring);
  return last_entered_->Enter(to_submit, min_complete, flags, timeout, ring->enter_ring_fd);
}

int SimKernel::RingRegister(io_uring* ring, unsigned opcode, void* arg, unsigned count) {
  return Find(ring)->Register(opcode, arg, count);
}

SimSocket* SimKernel::FindSocket(int fd, int* error) {
  const FileRef file = descriptors_.Get(fd);
  auto* socket = file == nullptr ? nullptr : dynamic_cast<SimSocket*>(file->file.get());
  if (socket == nullptr) *error = file == nullptr ? -EBADF : -ENOTSOCK;
  return socket;
}

int SimKernel::Socket(int family, int type, int protocol) {
  if (const int fault = choices_.Fault(FaultSite::kSocket); fault != 0) return -fault;
  if ((family != AF_INET && family != AF_INET6) || (type & 0xf) != SOCK_STREAM) {
    choices_.Fail("socket(%d, %#x, %d) is not simulated", family, type, protocol);
  }
  return descriptors_.Install(std::make_shared<OpenFile>(network_.NewSocket(static_cast<sa_family_t>(family))));
}

int SimKernel::Bind(int fd, const sockaddr* address, socklen_t size) {
  if (const int fault = choices_.Fault(FaultSite::kBind); fault != 0) return -fault;
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Bind(SimAddress::FromSockaddr(address, size));
}

int SimKernel::Listen(int fd, int backlog) {
  if (const int fault = choices_.Fault(FaultSite::kListen); fault != 0) return -fault;
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Listen(backlog);
}

int SimKernel::SetOption(int fd, int level, int name, const void* value, socklen_t size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (!Known(level, name)) choices_.Fail("setsockopt %d/%d is not simulated", level, name);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    linger how;
    if (size < sizeof(how)) return -EINVAL;
    std::memcpy(&how, value, sizeof(how));
    return socket->SetOption(level, name, how.l_onoff != 0 && how.l_linger == 0 ? 1 : 0);
  }
  if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF)) {
    // The program is not run. On a listener it is taken for the one that drops segments with SYN set.
    if (size < sizeof(sock_fprog) || static_cast<const sock_fprog*>(value)->len == 0) return -EINVAL;
    return socket->SetOption(level, name, 1);
  }
  int number = 0;
  if (size < sizeof(number)) return -EINVAL;
  std::memcpy(&number, value, sizeof(number));
  return socket->SetOption(level, name, number);
}

int SimKernel::GetOption(int fd, int level, int name, void* value, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  int number = 0;
  if (level == SOL_SOCKET && name == SO_ERROR) {
    number = -socket->TakeError();
  } else if (level == SOL_SOCKET && name == SO_DOMAIN) {
    number = socket->family();
  } else if (level == SOL_SOCKET && name == SO_TYPE) {
    number = SOCK_STREAM;
  } else if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    number = socket->state() == SimSocket::State::kListening ? 1 : 0;
  } else {
    if (!Known(level, name)) choices_.Fail("getsockopt %d/%d is not simulated", level, name);
    int64_t set = 0;
    if (socket->GetOption(level, name, &set)) number = static_cast<int>(set);
  }
  if (*size < sizeof(number)) return -EINVAL;
  std::memcpy(value, &number, sizeof(number));
  *size = sizeof(number);
  return 0;
}

int SimKernel::Name(int fd, sockaddr* address, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  const SimAddress& local = socket->local();
  const bool bound = local.family != AF_UNSPEC;
  return CopyAddress(bound ? local : SimAddress::Any(socket->family()), socket->family(), address, size);
}

int SimKernel::Peer(int fd, sockaddr* address, socklen_t* size) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  if (socket->state() != SimSocket::State::kConnected) return -ENOTCONN;
  return CopyAddress(socket->remote(), socket->family(), address, size);
}

int SimKernel::Accept(int fd) {
  if (const int fault = choices_.Fault(FaultSite::kAccept); fault != 0) return -fault;
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  if (socket == nullptr) return error;
  std::shared_ptr<SimSocket> accepted;
  if (const int result = socket->Accept(&accepted); result < 0) return result;
  return descriptors_.Install(std::make_shared<OpenFile>(std::move(accepted)));
}

int SimKernel::Connect(int, const sockaddr*, socklen_t) { choices_.Fail("connect(2) is not simulated"); }
int SimKernel::Receive(int, void*, size_t) { choices_.Fail("recv(2) is not simulated"); }
int SimKernel::Send(int, const iovec*, unsigned) { choices_.Fail("sendmsg(2) is not simulated"); }
int SimKernel::OutQueue(int) { choices_.Fail("SIOCOUTQ is not simulated"); }
int SimKernel::Duplicate(int) { choices_.Fail("F_DUPFD is not simulated"); }
int SimKernel::EpollCreate() { choices_.Fail("epoll is not simulated"); }
int SimKernel::EpollControl(int, int, int, epoll_event*) { choices_.Fail("epoll is not simulated"); }
int SimKernel::EpollWait(int, epoll_event*, int, core::Nanos) { choices_.Fail("epoll is not simulated"); }
int SimKernel::TakeSignals(int) { choices_.Fail("reading an eventfd is not simulated"); }

int SimKernel::Shutdown(int fd, int how) {
  int error = 0;
  SimSocket* socket = FindSocket(fd, &error);
  return socket == nullptr ? error : socket->Shutdown(how);
}

int SimKernel::Close(int fd) {
  if (rings_.count(fd) != 0) choices_.Fail("close of ring descriptor %d instead of RingExit", fd);
  return descriptors_.Close(fd);
}

int SimKernel::EventFd() { return descriptors_.Install(std::make_shared<OpenFile>(std::make_shared<SimEventFd>())); }

int SimKernel::Signal(int event_fd) {
  const FileRef file = descriptors_.Get(event_fd);
  if (file == nullptr) return -EBADF;
  auto* event = dynamic_cast<SimEventFd*>(file->file.get());
  if (event == nullptr) choices_.Fail("Signal on descriptor %d, which is no eventfd", event_fd);
  event->Add(1);
  return 0;
}

}  // namespace mooring::sim
