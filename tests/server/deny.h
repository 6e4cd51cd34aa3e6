// SPDX-License-Identifier: Apache-2.0
// Deny: a seccomp filter under which some system calls fail with an error, as container runtimes install it.
//
// Threads:  the calling one and what it starts later. Async-signal-safe.
// Kernel:   3.17 (seccomp(2)); x86-64 and arm64.
#ifndef MOORING_TESTS_SERVER_DENY_H_
#define MOORING_TESTS_SERVER_DENY_H_

namespace mooring::server {

// `numbers` is SYS_..., at most kDenyMax of them, ended by -1. For good: nothing takes it back. False: it is not in place.
inline constexpr int kDenyMax = 8;
bool Deny(const int* numbers, int error);

}  // namespace mooring::server

#endif  // MOORING_TESTS_SERVER_DENY_H_
