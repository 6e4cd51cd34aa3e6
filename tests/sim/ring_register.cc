// SPDX-License-Identifier: Apache-2.0
// io_uring_register(2) of the simulated ring.
#include <algorithm>
#include <cerrno>

#include "tests/sim/sim_ring.h"

namespace mooring::sim {
namespace {

constexpr unsigned kLastOpcode6_1 = 48;   // SENDMSG_ZC
constexpr unsigned kLastOpcode6_18 = 62;  // PIPE

}  // namespace

int SimRing::Register(unsigned opcode, void* arg, unsigned count) {
  switch (opcode) {
    case IORING_REGISTER_RING_FDS: {
      auto* update = static_cast<io_uring_rsrc_update*>(arg);
      if (count != 1 || static_cast<int>(update->data) != fd_)
        choices_->Fail("a ring registers its own descriptor only");
      registered_ = true;
      update->offset = 0;
      return 1;
    }
    case IORING_UNREGISTER_RING_FDS:
      registered_ = false;
      return 1;
    case IORING_REGISTER_FILES2: {
      const auto* files = static_cast<const io_uring_rsrc_register*>(arg);
      if ((files->flags & IORING_RSRC_REGISTER_SPARSE) == 0) choices_->Fail("only sparse file tables are simulated");
      if (count != sizeof(*files)) return -EINVAL;
      if (table_.size() != 0) return -EBUSY;
      if (const int fault = choices_->Fault(FaultSite::kRegister); fault != 0) return -fault;
      table_.Resize(files->nr);
      return 0;
    }
    case IORING_UNREGISTER_FILES:
      if (table_.size() == 0) return -ENXIO;
      table_.Clear();
      return 0;
    case IORING_REGISTER_PBUF_RING: {
      const auto* group = static_cast<const io_uring_buf_reg*>(arg);
      if (count != 1) return -EINVAL;
      if (group->pad != 0 || group->resv[0] != 0) choices_->Fail("buffer rings with flags are not simulated");
      const bool power_of_two = group->ring_entries != 0 && (group->ring_entries & (group->ring_entries - 1)) == 0;
      if (!power_of_two || group->ring_entries > 32768 || group->ring_addr % 4096 != 0) return -EINVAL;
      if (groups_.count(group->bgid) != 0) return -EEXIST;
      if (const int fault = choices_->Fault(FaultSite::kRegister); fault != 0) return -fault;
      groups_.emplace(group->bgid, BufferGroup(choices_, reinterpret_cast<io_uring_buf_ring*>(group->ring_addr),
                                               group->ring_entries));
      return 0;
    }
    case IORING_UNREGISTER_PBUF_RING:
      return groups_.erase(static_cast<const io_uring_buf_reg*>(arg)->bgid) == 1 ? 0 : -ENOENT;
    case IORING_REGISTER_PROBE: {
      if (count > 256) return -EINVAL;
      auto* probe = static_cast<io_uring_probe*>(arg);
      const auto* bytes = static_cast<const char*>(arg);
      const size_t size = sizeof(*probe) + count * sizeof(io_uring_probe_op);
      if (std::any_of(bytes, bytes + size, [](char byte) { return byte != 0; })) return -EINVAL;
      // All that this kernel's header names are there, also those that are not simulated; 6.1 names URING_CMD, which its
      // sockets refuse.
      const unsigned opcodes = old() ? kLastOpcode6_1 + 1 : kLastOpcode6_18 + 1;
      const unsigned told = std::min(count, opcodes);
      probe->last_op = static_cast<uint8_t>(opcodes - 1);
      probe->ops_len = static_cast<uint8_t>(told);
      for (unsigned i = 0; i < told; ++i) {
        probe->ops[i].op = static_cast<uint8_t>(i);
        probe->ops[i].flags = IO_URING_OP_SUPPORTED;
      }
      return 0;
    }
    case IORING_REGISTER_IOWQ_MAX_WORKERS: return 0;  // its workers are jobs of the network's
    default: choices_->Fail("io_uring_register opcode %u is not simulated", opcode);
  }
}

}  // namespace mooring::sim
