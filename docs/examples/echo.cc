// SPDX-License-Identifier: Apache-2.0
// echo: gives back what it gets, as callbacks. One object serves all connections of a shard, so that a connection costs
// nothing more, and the bytes are sent from where the kernel put them.
//
//   printf 'hello\n' | nc -N 127.0.0.1 7000
#include <utility>

#include "mooring/mooring.h"

using namespace mooring;

struct Echo final : Handler {
  void OnData(Connection& conn, Lease data) override { conn.Write(std::move(data)); }
};

int main(int argc, char** argv) { return Server(argc, argv).Listen("tcp://127.0.0.1:7000", Echo()).Run(); }
