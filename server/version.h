// SPDX-License-Identifier: Apache-2.0
// The version that --version prints.
#ifndef MOORING_SERVER_VERSION_H_
#define MOORING_SERVER_VERSION_H_

namespace mooring::server {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace mooring::server

#endif  // MOORING_SERVER_VERSION_H_
