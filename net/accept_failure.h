// SPDX-License-Identifier: Apache-2.0
// AcceptFailure: what accepting ran out of, by accept(2). Each has a counter; the listener then waits, see Engine.
#ifndef MOORING_NET_ACCEPT_FAILURE_H_
#define MOORING_NET_ACCEPT_FAILURE_H_

#include <cerrno>
#include <cstdint>

namespace mooring::net {

enum class AcceptFailure : uint8_t {
  kProcessFiles,  // EMFILE: RLIMIT_NOFILE
  kSystemFiles,   // ENFILE: fs.file-max, or the shard's direct descriptors
  kBuffers,       // ENOBUFS
  kMemory,        // ENOMEM
  kOther,
  kCount
};

// The label of its counter.
constexpr const char* Name(AcceptFailure failure) {
  switch (failure) {
    case AcceptFailure::kProcessFiles: return "emfile";
    case AcceptFailure::kSystemFiles: return "enfile";
    case AcceptFailure::kBuffers: return "enobufs";
    case AcceptFailure::kMemory: return "enomem";
    case AcceptFailure::kOther: return "other";
    case AcceptFailure::kCount: break;
  }
  return "?";
}

constexpr AcceptFailure FailureOf(int error) {
  switch (error) {
    case EMFILE: return AcceptFailure::kProcessFiles;
    case ENFILE: return AcceptFailure::kSystemFiles;
    case ENOBUFS: return AcceptFailure::kBuffers;
    case ENOMEM: return AcceptFailure::kMemory;
    default: return AcceptFailure::kOther;
  }
}

}  // namespace mooring::net

#endif  // MOORING_NET_ACCEPT_FAILURE_H_
