// SPDX-License-Identifier: Apache-2.0
// bare_ring_echo: the least an io_uring echo server can do for a message, in one file: "the limit".
//
// Multishot accept into direct slots, multishot receive from one provided buffer ring, SEND straight from the received
// block, which goes back to the ring when it is sent. One send in flight per connection; further blocks queue behind
// it. No virtual call, no allocation after start, everything in arrays indexed by slot or block. It has no timers, no
// limits and no drain: what a runtime adds is measured against this. `--rings=N` is N such servers, which share
// nothing but the port: a thread, a listener (SO_REUSEPORT), a direct table and blocks each. RLIMIT_NOFILE bounds each
// table by itself, so the process may hold N times as many connections.
//
//   bare_ring_echo --port=7000 --rings=8 --cpus=0-1
//
// Kernel:   6.10 or newer (bounded multishot receive); tried on 6.18.
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace {

// Newer than liburing 2.3 (include/uapi/linux/io_uring.h).
constexpr unsigned kFeatNoIowait = 1u << 17;
constexpr unsigned kEnterNoIowait = 1u << 7;

constexpr unsigned kSqEntries = 4096;
constexpr unsigned kCqEntries = 16384;
constexpr uint32_t kNone = ~0u;

// Neighbouring blocks start one cache line further in their set: at a power-of-two stride the first line of every
// block, all that a small message touches, competes for the same few sets of the L1 and L2 caches.
constexpr size_t kColourBytes = 64;

enum Op : uint32_t { kAccept, kReceive, kSend, kClose };

struct Options {
  int port = 7000;
  unsigned rings = 1;
  std::vector<int> cpus;         // ring i runs on cpus[i % size]; empty: wherever the process may
  unsigned connections = 19500;  // a ring's direct slots; RLIMIT_NOFILE bounds them
  unsigned blocks = 512;         // a ring's; a power of two, at most 32768
  unsigned block_bytes = 16384;
};

struct Block {
  uint32_t bytes;
  uint32_t next;  // in its connection's queue
};

struct Connection {
  uint32_t first = kNone;  // the block being sent, then those behind it
  uint32_t last = kNone;
  uint32_t sent = 0;  // bytes of `first` that are gone
  bool receiving = false;
  bool broken = false;  // a send failed; what still arrives is dropped
};

[[noreturn]] void Die(const char* what, int error) {
  fprintf(stderr, "bare_ring_echo: %s: %s\n", what, strerror(error));
  exit(1);
}

[[noreturn]] void Usage() {
  fprintf(stderr, "usage: bare_ring_echo [--port=N] [--rings=N] [--cpus=0,2-3] [--connections=N] [--blocks=N] "
                  "[--block-bytes=N]\n");
  exit(2);
}

std::vector<int> ParseCpus(const char* list) {
  std::vector<int> cpus;
  for (;;) {
    int first, last, length = 0;
    if (sscanf(list, "%d%n", &first, &length) != 1) Usage();
    list += length;
    last = first;
    if (sscanf(list, "-%d%n", &last, &length) == 1) list += length;
    for (int cpu = first; cpu <= last; cpu++) cpus.push_back(cpu);
    if (*list == '\0') return cpus;
    if (*list++ != ',') Usage();
  }
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    if (sscanf(argv[i], "--port=%d", &options.port) == 1) continue;
    if (sscanf(argv[i], "--rings=%u", &options.rings) == 1 && options.rings > 0) continue;
    if (sscanf(argv[i], "--connections=%u", &options.connections) == 1) continue;
    if (sscanf(argv[i], "--blocks=%u", &options.blocks) == 1) continue;
    if (sscanf(argv[i], "--block-bytes=%u", &options.block_bytes) == 1) continue;
    if (strncmp(argv[i], "--cpus=", 7) != 0) Usage();
    options.cpus = ParseCpus(argv[i] + 7);
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Die("getrlimit", errno);
  options.connections = static_cast<unsigned>(std::min<rlim_t>(options.connections, limit.rlim_cur));
  return options;
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) Die("sched_setaffinity", errno);
}

int Listen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // inherited by accepted sockets
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("bind", errno);
  if (listen(fd, 4096) != 0) Die("listen", errno);
  return fd;
}

int PortOf(int listener) {
  sockaddr_in address = {};
  socklen_t bytes = sizeof(address);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) Die("getsockname", errno);
  return ntohs(address.sin_port);
}

char* MapPages(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die("mmap", errno);
  return static_cast<char*>(memory);
}

class EchoServer {
 public:
  // On the thread that runs it: the kernel holds the ring to one.
  EchoServer(const Options& options, int listener)
      : options_(options),
        listener_(listener),
        block_stride_(options.block_bytes + kColourBytes),
        connections_(options.connections),
        blocks_(options.blocks) {
    SetUpRing();
    PublishAllBlocks();
    ArmAccept();
  }

  void Run() {
    for (;;) {
      // Asking for as many completions as there are first-attempt sends never sleeps for them (they complete inside
      // the enter), and lets the kernel run as many receives (since 6.13 it runs max(20, this) a call).
      Enter(std::max(1u, first_sends_));
      unsigned head;
      unsigned seen = 0;
      io_uring_cqe* cqe;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        Complete(*cqe);
        seen++;
      }
      io_uring_cq_advance(&ring_, seen);
      if (returned_ != 0) {
        io_uring_buf_ring_advance(block_ring_, returned_);
        held_ -= returned_;
        returned_ = 0;
      }
      if (!starved_.empty()) ArmStarved();
    }
  }

 private:
  void SetUpRing() {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = kCqEntries;
    if (int rc = io_uring_queue_init_params(kSqEntries, &ring_, &params); rc < 0) Die("io_uring_setup", -rc);
    if (int rc = io_uring_register_ring_fd(&ring_); rc < 0) Die("register ring fd", -rc);
    if (int rc = io_uring_register_files_sparse(&ring_, options_.connections); rc < 0) Die("direct table", -rc);
    enter_flags_ = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    if (params.features & kFeatNoIowait) enter_flags_ |= kEnterNoIowait;
  }

  void PublishAllBlocks() {
    block_ring_ = reinterpret_cast<io_uring_buf_ring*>(MapPages(options_.blocks * sizeof(io_uring_buf)));
    block_memory_ = MapPages(options_.blocks * block_stride_);
    io_uring_buf_reg reg = {};
    reg.ring_addr = reinterpret_cast<uint64_t>(block_ring_);
    reg.ring_entries = options_.blocks;
    if (int rc = io_uring_register_buf_ring(&ring_, &reg, 0); rc < 0) Die("buffer ring", -rc);
    io_uring_buf_ring_init(block_ring_);
    held_ = options_.blocks;
    for (unsigned id = 0; id < options_.blocks; id++) ReturnBlock(id);
    io_uring_buf_ring_advance(block_ring_, returned_);
    held_ = returned_ = 0;
  }

  char* Memory(uint32_t id) { return block_memory_ + id * block_stride_; }

  void ReturnBlock(uint32_t id) {
    io_uring_buf_ring_add(block_ring_, Memory(id), options_.block_bytes, static_cast<uint16_t>(id),
                          io_uring_buf_ring_mask(options_.blocks), static_cast<int>(returned_++));
  }

  void Enter(unsigned min_complete) {
    *ring_.sq.ktail = ring_.sq.sqe_tail;  // no kernel thread polls it, so the system call orders it
    const unsigned to_submit = ring_.sq.sqe_tail - ring_.sq.sqe_head;
    const int rc = io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), to_submit, min_complete, enter_flags_,
                                   nullptr, 0);
    if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY) Die("io_uring_enter", -rc);
    if (rc > 0) ring_.sq.sqe_head += static_cast<unsigned>(rc);
    first_sends_ = 0;
  }

  io_uring_sqe* Submission() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      Enter(0);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  static void Tag(io_uring_sqe* sqe, Op op, uint32_t slot) { sqe->user_data = uint64_t{op} << 32 | slot; }

  void ArmAccept() {
    io_uring_sqe* sqe = Submission();
    io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
    Tag(sqe, kAccept, 0);
    accepting_ = true;
  }

  void ArmReceive(uint32_t slot, uint16_t poll_first) {
    io_uring_sqe* sqe = Submission();
    io_uring_prep_recv_multishot(sqe, static_cast<int>(slot), nullptr, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->ioprio |= poll_first;
    sqe->buf_group = 0;
    Tag(sqe, kReceive, slot);
    connections_[slot].receiving = true;
  }

  // `flags` is MSG_DONTWAIT on the first attempt, so that it completes at once, and 0 when the socket was full.
  void Send(uint32_t slot, int flags) {
    const Connection& connection = connections_[slot];
    io_uring_sqe* sqe = Submission();
    io_uring_prep_send(sqe, static_cast<int>(slot), Memory(connection.first) + connection.sent,
                       blocks_[connection.first].bytes - connection.sent, flags);
    sqe->flags |= IOSQE_FIXED_FILE;
    Tag(sqe, kSend, slot);
    if (flags & MSG_DONTWAIT) first_sends_++;
  }

  void Complete(const io_uring_cqe& cqe) {
    const uint32_t slot = static_cast<uint32_t>(cqe.user_data);
    switch (static_cast<Op>(cqe.user_data >> 32)) {
      case kReceive:
        return OnReceive(slot, cqe.res, cqe.flags);
      case kSend:
        return OnSend(slot, cqe.res);
      case kAccept:
        return OnAccept(cqe.res, cqe.flags);
      case kClose:  // only failures are reported
        Die("close", -cqe.res);
    }
  }

  void OnAccept(int slot, uint32_t flags) {
    if (slot >= 0) {
      connections_[slot] = Connection();
      live_++;
      ArmReceive(static_cast<uint32_t>(slot), IORING_RECVSEND_POLL_FIRST);
    }
    if (flags & IORING_CQE_F_MORE) return;
    accepting_ = false;
    if (live_ < options_.connections) ArmAccept();  // else when a slot is free
  }

  void OnReceive(uint32_t slot, int bytes, uint32_t flags) {
    Connection& connection = connections_[slot];
    if (flags & IORING_CQE_F_BUFFER) {
      const uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
      held_++;
      if (bytes <= 0 || connection.broken) {
        ReturnBlock(id);
      } else {
        blocks_[id] = {static_cast<uint32_t>(bytes), kNone};
        if (connection.first == kNone) {
          connection.first = connection.last = id;
          connection.sent = 0;
          Send(slot, MSG_DONTWAIT);
        } else {
          blocks_[connection.last].next = id;
          connection.last = id;
        }
      }
    }
    if (flags & IORING_CQE_F_MORE) return;
    if (bytes > 0) return ArmReceive(slot, 0);
    if (bytes == -ENOBUFS) return starved_.push_back(slot);
    connection.receiving = false;  // FIN or an error
    if (connection.first == kNone) Close(slot);
  }

  void OnSend(uint32_t slot, int bytes) {
    Connection& connection = connections_[slot];
    if (bytes < 0 && bytes != -EAGAIN && bytes != -EINTR) {
      connection.broken = true;  // the receive ends by itself
      while (connection.first != kNone) PopBlock(connection);
    } else {
      connection.sent += static_cast<uint32_t>(std::max(bytes, 0));
      if (connection.sent < blocks_[connection.first].bytes) return Send(slot, 0);
      PopBlock(connection);
      if (connection.first != kNone) return Send(slot, MSG_DONTWAIT);
    }
    if (!connection.receiving) Close(slot);
  }

  void PopBlock(Connection& connection) {
    const uint32_t id = connection.first;
    connection.first = blocks_[id].next;
    connection.sent = 0;
    ReturnBlock(id);
  }

  // REQUIRES: neither a receive nor a send of this slot is in flight, so no late completion can meet its next owner.
  void Close(uint32_t slot) {
    io_uring_sqe* sqe = Submission();
    io_uring_prep_close_direct(sqe, slot);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    Tag(sqe, kClose, slot);
    live_--;
    if (!accepting_) ArmAccept();
  }

  void ArmStarved() {
    size_t n = std::min<size_t>(starved_.size(), options_.blocks - held_);
    for (size_t i = 0; i < n; i++) ArmReceive(starved_[i], 0);  // its bytes wait in the socket
    starved_.erase(starved_.begin(), starved_.begin() + static_cast<ptrdiff_t>(n));
  }

  // Fixed after start.
  const Options options_;
  const int listener_;
  const size_t block_stride_;
  io_uring ring_;
  unsigned enter_flags_ = 0;
  io_uring_buf_ring* block_ring_ = nullptr;
  char* block_memory_ = nullptr;

  // Touched per completion.
  std::vector<Connection> connections_;  // by direct slot
  std::vector<Block> blocks_;            // by buffer id
  unsigned first_sends_ = 0;             // sends with MSG_DONTWAIT among the unsubmitted
  unsigned returned_ = 0;                // blocks written to the ring but not yet published
  unsigned held_ = 0;                    // blocks that are not in the ring

  std::vector<uint32_t> starved_;  // slots whose receive found no block
  unsigned live_ = 0;
  bool accepting_ = false;
};

void RunRing(const Options& options, unsigned ring, int listener) {
  if (!options.cpus.empty()) PinTo(options.cpus[ring % options.cpus.size()]);
  EchoServer(options, listener).Run();
}

}  // namespace

int main(int argc, char** argv) {
  Options options = ParseOptions(argc, argv);
  // All listen before the first accepts, so that the kernel spreads even the first connections over all.
  std::vector<int> listeners;
  for (unsigned ring = 0; ring < options.rings; ring++) {
    listeners.push_back(Listen(options.port));
    options.port = PortOf(listeners.front());
  }
  std::vector<std::thread> threads;
  for (unsigned ring = 1; ring < options.rings; ring++) {
    threads.emplace_back([&options, ring, listener = listeners[ring]] { RunRing(options, ring, listener); });
  }
  printf("listening on 127.0.0.1:%d\n", options.port);
  fflush(stdout);
  RunRing(options, 0, listeners[0]);
}
