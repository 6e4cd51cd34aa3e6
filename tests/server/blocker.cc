// SPDX-License-Identifier: Apache-2.0
// A program that does what no service should: a line "N" is answered when its shard has slept for N milliseconds.
#include <time.h>

#include <cstdlib>
#include <string>

#include "mooring/mooring.h"

namespace {

using namespace mooring;

Task<> Block(Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    const long ms = std::atol(std::string(*line).c_str());
    const timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
    nanosleep(&time, nullptr);
    conn.Write("done\n");
  }
}

}  // namespace

int main(int argc, char** argv) { return Server(argc, argv).Listen("tcp://127.0.0.1:0", Block, {.name = "slow"}).Run(); }
