// SPDX-License-Identifier: Apache-2.0
// docs/examples/line.cc
#include <gtest/gtest.h>

#include <string>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"

namespace mooring::examples {
namespace {

using scenario::Client;

TEST(LineExample, AnswersEachLine) {
  Example line("line");
  Client client(line.port());
  EXPECT_EQ(client.Exchange("a\n\r\nlonger\r\n", 9), "OK\nOK\nOK\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  line.ExpectDrained();
}

TEST(LineExample, DrainsWithAConnectionThatWaits) {
  Example line("line");
  Client client(line.port());
  EXPECT_EQ(client.Exchange("a\n", 3), "OK\n");
  line.daemon().Signal(SIGTERM);
  EXPECT_EQ(client.ReceiveToFin(), "");
  client.Close();
  EXPECT_EQ(line.daemon().AwaitExit(), 0);
}

}  // namespace
}  // namespace mooring::examples
