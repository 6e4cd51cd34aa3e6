// SPDX-License-Identifier: Apache-2.0
// A program whose jobs sleep as long as they are told: a line "N" is answered when N seconds have been slept on a
// helper thread.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "mooring/mooring.h"

namespace {

using namespace mooring;

Task<> Nap(Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    const int seconds = std::atoi(std::string(*line).c_str());
    auto nap = [seconds] {
      std::fprintf(stderr, "sleeping: %d\n", seconds);
      return sleep(static_cast<unsigned>(seconds));
    };
    auto slept = co_await Blocking(nap);
    if (!slept.ok()) co_return;
    conn.Write("awake\n");
  }
}

}  // namespace

int main(int argc, char** argv) { return Server(argc, argv).Listen("tcp://127.0.0.1:0", Nap).Run(); }
