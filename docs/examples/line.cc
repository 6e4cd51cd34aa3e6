// SPDX-License-Identifier: Apache-2.0
// line: "OK" for each line, as one coroutine per connection: what a goroutine would be, without its stack.
//
//   printf 'hello\n' | nc -N 127.0.0.1 7001
#include "mooring/mooring.h"

using namespace mooring;

Task<> Line(Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = 8192})) conn.Write("OK\n");
}

int main(int argc, char** argv) { return Server(argc, argv).Listen("tcp://127.0.0.1:7001", Line).Run(); }
