// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/machine.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/uapi.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::sim {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class RealClient final : public Client {
 public:
  template <class A>
  explicit RealClient(const A& to) : fd_(socket(reinterpret_cast<const sockaddr&>(to).sa_family, SOCK_STREAM, 0)) {
    const timeval wait = {.tv_sec = 2, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)!connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  }
  ~RealClient() override { Close(); }
  void Send(std::string_view bytes) override { (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void HalfClose() override { shutdown(fd_, SHUT_WR); }
  void Close() override {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Reset() override {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }
  std::string Read(size_t bytes) override {
    std::string all(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
      const ssize_t got = recv(fd_, all.data() + have, bytes - have, 0);
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    all.resize(have);
    return all;
  }
  std::string End() override {
    char rest[4096];
    for (;;) {
      const ssize_t got = recv(fd_, rest, sizeof(rest), MSG_DONTWAIT);
      if (got > 0) continue;
      if (got == 0) return "FIN";
      return errno == EAGAIN ? "open" : errno == ECONNRESET ? "RST" : std::strerror(errno);
    }
  }

 private:
  int fd_;
};

class Real final : public Machine {
 public:
  core::Kernel* kernel() override { return core::RealKernel(); }
  std::unique_ptr<Client> Connect(uint16_t port) override { return std::make_unique<RealClient>(Loopback(port)); }
  std::unique_ptr<Client> ConnectUnix(const std::string& path) override {
    sockaddr_un to = {};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof(to.sun_path) - 1);
    return std::make_unique<RealClient>(to);
  }
  void Unlink(const std::string& path) override { unlink(path.c_str()); }
  void Settle() override {}  // loopback delivers inside the call that sends
  void AllowFullTable(core::Ring*) override {}
  void LimitDescriptors(bool on) override {
    if (!on) {
      setrlimit(RLIMIT_NOFILE, &before_);
      return;
    }
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);  // the lowest that is free
    close(next);
    const rlimit none = {.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }

 private:
  rlimit before_ = {};
};

class SimClient final : public Client {
 public:
  SimClient(SimKernel* kernel, SimPeer* peer) : kernel_(kernel), peer_(peer) { peer_->Stall(); }
  ~SimClient() override { peer_->Close(); }
  void Send(std::string_view bytes) override { peer_->Send(bytes); }
  void HalfClose() override { peer_->HalfClose(); }
  void Close() override { peer_->Close(); }
  void Reset() override { peer_->Reset(); }
  std::string Read(size_t bytes) override {
    Look();
    const std::string all = peer_->TakeReceived();
    kept_ += all;
    const std::string part = kept_.substr(0, bytes);
    kept_.erase(0, bytes);
    return part;
  }
  std::string End() override {
    Look();
    return peer_->saw_reset() ? "RST" : peer_->saw_fin() ? "FIN" : "open";
  }

 private:
  void Look() {
    peer_->Resume();
    kernel_->network().DeliverAll();
    peer_->Stall();
  }
  SimKernel* const kernel_;
  SimPeer* const peer_;
  std::string kept_;
};

class Simulated final : public Machine {
 public:
  Simulated(uint64_t seed, bool calm) : kernel_(seed, &clock_, calm ? Mood::kCalm : Mood::kSeeded) {}
  core::Kernel* kernel() override { return &kernel_; }
  std::unique_ptr<Client> Connect(uint16_t port) override { return NewClient("127.0.0.1:" + std::to_string(port)); }
  std::unique_ptr<Client> ConnectUnix(const std::string& path) override { return NewClient("unix:" + path); }
  void Unlink(const std::string& path) override { kernel_.network().Unlink(path); }
  void Settle() override { kernel_.network().DeliverAll(); }
  void AllowFullTable(core::Ring*) override { kernel_.last_entered()->AllowFullTable(); }
  void LimitDescriptors(bool on) override { kernel_.descriptors().set_limit(on ? 0 : 1 << 20); }

 private:
  std::unique_ptr<SimClient> NewClient(const std::string& to) {
    SimPeer* peer = kernel_.Connect(to);
    kernel_.network().DeliverAll();
    return std::make_unique<SimClient>(&kernel_, peer);
  }
  core::ManualClock clock_{1'000'000'000};
  SimKernel kernel_;
};

}  // namespace

std::unique_ptr<Machine> RealMachine() { return std::make_unique<Real>(); }
std::unique_ptr<Machine> SimMachine(uint64_t seed, bool calm) { return std::make_unique<Simulated>(seed, calm); }

std::string ErrorName(int result) {
  if (result >= 0) return std::to_string(result);
  const char* name = strerrorname_np(-result);
  return name == nullptr ? std::to_string(result) : std::string("-") + name;
}

void Hands::PageAligned::operator()(void* memory) const { std::free(memory); }

Hands::Hands(Machine* machine, core::Ring::Options options, unsigned slots) : machine_(machine) {
  auto ring = core::Ring::Open(machine->kernel(), options);
  if (!ring.ok()) {
    why_not_ = std::string(ring.status().message());
    return;
  }
  ring_ = std::move(*ring);
  io_uring_rsrc_register files = {};
  files.nr = slots;
  files.flags = IORING_RSRC_REGISTER_SPARSE;
  ring_->Register(IORING_REGISTER_FILES2, &files, sizeof(files));
  ring_->Enter(0, 0);
}

Hands::~Hands() {
  ring_.reset();  // before the memory that its requests name
  for (const int fd : listeners_) kernel().Close(fd);
}

int Hands::Listen(uint16_t* port, int backlog) {
  const int fd = kernel().Socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in any = Loopback(0);
  kernel().Bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any));
  kernel().Listen(fd, backlog);
  sockaddr_in bound = {};
  socklen_t size = sizeof(bound);
  kernel().Name(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  *port = ntohs(bound.sin_port);
  listeners_.push_back(fd);
  return fd;
}

void Hands::Group(unsigned entries, unsigned block_bytes) {
  group_.reset(std::aligned_alloc(4096, (entries * sizeof(io_uring_buf) + 4095) / 4096 * 4096));
  auto* ring = static_cast<io_uring_buf_ring*>(group_.get());
  io_uring_buf_ring_init(ring);
  blocks_.assign(size_t{entries} * block_bytes, 0);
  entries_ = entries;
  block_bytes_ = block_bytes;
  published_ = 0;
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(ring);
  registration.ring_entries = entries;
  ring_->Register(IORING_REGISTER_PBUF_RING, &registration, 1);
}

void Hands::Publish(unsigned blocks) {
  auto* ring = static_cast<io_uring_buf_ring*>(group_.get());
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned id = published_++ % entries_;
    io_uring_buf_ring_add(ring, block(id), block_bytes_, static_cast<uint16_t>(id), io_uring_buf_ring_mask(entries_),
                          static_cast<int>(i));
  }
  io_uring_buf_ring_advance(ring, static_cast<int>(blocks));
}

io_uring_sqe* Hands::Sqe(uint8_t opcode, int fd, uint64_t user_data, bool fixed) {
  io_uring_sqe* sqe = ring_->NextSqe();
  sqe->opcode = opcode;
  sqe->fd = fd;
  sqe->user_data = user_data;
  if (fixed) sqe->flags = IOSQE_FIXED_FILE;
  return sqe;
}

void Hands::MultishotAccept(int listener, uint64_t user_data) {
  io_uring_sqe* sqe = Sqe(IORING_OP_ACCEPT, listener, user_data, false);
  sqe->ioprio = IORING_ACCEPT_MULTISHOT;
  sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

void Hands::OneAccept(int listener, uint64_t user_data) {
  io_uring_sqe* sqe = Sqe(IORING_OP_ACCEPT, listener, user_data, false);
  sqe->ioprio = core::uapi::kAcceptDontWait;
  sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

void Hands::MultishotReceive(int slot, uint64_t user_data, bool poll_first) {
  io_uring_sqe* sqe = Sqe(IORING_OP_RECV, slot, user_data);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->ioprio = IORING_RECV_MULTISHOT | (poll_first ? IORING_RECVSEND_POLL_FIRST : 0);
}

void Hands::Send(int slot, uint64_t user_data, std::string_view bytes, bool wait) {
  io_uring_sqe* sqe = Sqe(IORING_OP_SEND, slot, user_data);
  sqe->addr = reinterpret_cast<uint64_t>(bytes.data());
  sqe->len = static_cast<unsigned>(bytes.size());
  sqe->msg_flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
}

void Hands::CloseSlot(int slot, uint64_t user_data) {
  Sqe(IORING_OP_CLOSE, 0, user_data, false)->file_index = static_cast<unsigned>(slot) + 1;
}

void Hands::Cancel(uint64_t target, uint64_t user_data) {
  Sqe(IORING_OP_ASYNC_CANCEL, -1, user_data, false)->addr = target;
}

void Hands::Unconnect(int slot, uint64_t user_data) {
  static const sockaddr kNobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
  io_uring_sqe* sqe = Sqe(IORING_OP_CONNECT, slot, user_data);
  sqe->addr = reinterpret_cast<uint64_t>(&kNobody);
  sqe->off = sizeof(kNobody);
}

std::vector<io_uring_cqe> Hands::Collect(unsigned count, std::string_view title) {
  machine_->Settle();
  std::vector<io_uring_cqe> all;
  const auto take = [&](const io_uring_cqe& cqe) { all.push_back(cqe); };
  // A second a time, and only while something comes: a script that asks for too much ends and shows it.
  size_t before = 0;
  do {
    before = all.size();
    ring_->Enter(all.size() < count ? 1 : 0, all.size() < count ? 1'000'000'000 : 0);
    machine_->Settle();
    ring_->Reap(take);
  } while (all.size() < count && all.size() > before);
  do {
    ring_->Enter(0, 0);
    before = all.size();
    ring_->Reap(take);
  } while (all.size() > before || ring_->WorkPending());
  std::vector<std::string> lines;
  for (const io_uring_cqe& cqe : all) {
    lines.push_back("  " + std::to_string(cqe.user_data) + ": " + ErrorName(cqe.res) +
                    (cqe.flags & IORING_CQE_F_MORE ? " MORE" : "") +
                    (cqe.flags & IORING_CQE_F_BUFFER ? " BUFFER" : ""));
  }
  std::stable_sort(lines.begin(), lines.end());
  log_.emplace_back(title);
  log_.insert(log_.end(), lines.begin(), lines.end());
  return all;
}

unsigned Hands::EnterOnce(unsigned min_complete) {
  ring_->Enter(min_complete, min_complete == 0 ? 0 : 1'000'000'000);
  return ring_->Reap([](const io_uring_cqe&) {});
}

}  // namespace mooring::sim
