// SPDX-License-Identifier: Apache-2.0
// AcceptError: what a failed accept means for its listener, by accept(2).
//
// Threads:  a function.
#ifndef MOORING_NET_ACCEPT_ERROR_H_
#define MOORING_NET_ACCEPT_ERROR_H_

#include <cerrno>
#include <cstdint>

namespace mooring::net {

enum class AcceptError : uint8_t {
  kTransient,  // the connection was gone before it was accepted, or its network error is reported here: go on
  kResources,  // no descriptors or memory: going on at once would spin
  kOther,
};

constexpr AcceptError Classify(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EINTR:
    case EAGAIN:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM: return AcceptError::kTransient;  // the last: a firewall rule
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return AcceptError::kResources;
    default: return AcceptError::kOther;
  }
}

}  // namespace mooring::net

#endif  // MOORING_NET_ACCEPT_ERROR_H_
