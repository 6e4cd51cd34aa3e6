// SPDX-License-Identifier: Apache-2.0
// Swarm: many clients of an echo server at once, each with a stream of its own that every byte is checked against.
//
// Each sends its stream in chunks of random size and reads in chunks of random size, both as far as they go; what comes
// back must be what it sent. Then it sends its FIN, reads the rest and expects the server's.
//
// Threads:  one.
#ifndef MOORING_TESTS_SCENARIO_SWARM_H_
#define MOORING_TESTS_SCENARIO_SWARM_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mooring::scenario {

// Bytes [at, at + n) of the stream that connection number `stream` of seed `seed` speaks. n <= 64 KB.
std::string_view StreamBytes(uint64_t seed, uint32_t stream, uint64_t at, size_t n);

struct SwarmOptions {
  int connections = 1;
  uint64_t bytes_each = 1 << 20;
  size_t chunk_max = 20000;
  uint64_t seed = 1;
};

struct SwarmResult {
  int finished = 0;    // all bytes came back right, then FIN
  int wrong = 0;       // a byte differed
  int resets = 0;
  int early_ends = 0;  // FIN before the last byte
  int not_connected = 0;
  bool patient = true;  // false: nothing happened for the patience of a test
};

SwarmResult RunSwarm(uint16_t port, const SwarmOptions& options);

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_SWARM_H_
