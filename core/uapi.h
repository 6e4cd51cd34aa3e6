// SPDX-License-Identifier: Apache-2.0
// Io_uring constants newer than liburing 2.3, which Debian 12 ships. Values: include/uapi/linux/io_uring.h.
#ifndef MOORING_CORE_UAPI_H_
#define MOORING_CORE_UAPI_H_

#include <cstdint>

namespace mooring::core::uapi {

// Features (io_uring_params.features).
inline constexpr uint32_t kFeatRecvSendBundle = 1u << 14;  // 6.10: our sign for "multishot receive is bounded"
inline constexpr uint32_t kFeatRwAttr = 1u << 16;  // 6.14: our sign for "a direct descriptor closes when it is closed"
inline constexpr uint32_t kFeatNoIowait = 1u << 17;        // 6.15

// io_uring_enter flags.
inline constexpr uint32_t kEnterNoIowait = 1u << 7;  // 6.15: a sleeping ring is idle time, not iowait

// IORING_OP_ACCEPT, in sqe->ioprio.
inline constexpr uint16_t kAcceptDontWait = 1u << 1;  // 6.10

// Opcodes.
inline constexpr uint8_t kOpFixedFdInstall = 54;  // 6.8

// IORING_OP_URING_CMD on a socket, in sqe->cmd_op.
inline constexpr uint32_t kSocketOutQueue = 1;    // 6.5: SIOCOUTQ
inline constexpr uint32_t kSocketGetOption = 2;   // 6.7

}  // namespace mooring::core::uapi

#endif  // MOORING_CORE_UAPI_H_
