// SPDX-License-Identifier: Apache-2.0
// docs/examples/echo.cc
#include <gtest/gtest.h>

#include <string>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"

namespace mooring::examples {
namespace {

using scenario::Client;

TEST(EchoExample, GivesBackWhatItGets) {
  Example echo("echo");
  Client client(echo.port());
  EXPECT_EQ(client.Exchange("hello", 5), "hello");
  std::string plenty;
  for (int i = 0; plenty.size() < 60'000; ++i) plenty += std::to_string(i);
  EXPECT_EQ(client.Exchange(plenty, plenty.size()), plenty);
  client.ShutdownWrite();
  EXPECT_EQ(client.ReceiveToFin(), "");
  echo.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
