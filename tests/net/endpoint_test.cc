// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mooring::net {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  const auto endpoint = Endpoint::Parse(text);
  return endpoint.ok() ? "(no error)" : std::string(endpoint.status().message());
}

TEST(Endpoint, ReadsWhatItSays) {
  for (const char* text : {"127.0.0.1:7000", "[::1]:7000", "[::]:0", "unix:/run/x.sock", "unix:x", "unix:./a b:c,d=e",
                           "unix:unix:x", "unix:127.0.0.1:7000"}) {
    const auto endpoint = Endpoint::Parse(text);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->ToString(), text);
    EXPECT_FALSE(endpoint->empty());
    EXPECT_EQ(*Endpoint::Parse(endpoint->ToString()), *endpoint);
  }
  EXPECT_EQ(Endpoint().ToString(), "none");
  EXPECT_TRUE(Endpoint().empty());
}

TEST(Endpoint, AnAddressMayHaveItsScheme) {
  EXPECT_EQ(*Endpoint::Parse("tcp://127.0.0.1:7000"), *Endpoint::Parse("127.0.0.1:7000"));
  EXPECT_EQ(Endpoint::Parse("tcp://[::1]:7000")->ToString(), "[::1]:7000");
  EXPECT_THAT(ErrorOf("tcp://localhost:1"), HasSubstr("'localhost:1' is not an address"));
  EXPECT_FALSE(Endpoint::Parse("udp://127.0.0.1:7000").ok());
  EXPECT_FALSE(Endpoint::Parse("tcp://tcp://127.0.0.1:7000").ok());
}

TEST(Endpoint, IsAnAddressOrAPath) {
  const Endpoint address = *Endpoint::Parse("127.0.0.1:7000");
  EXPECT_FALSE(address.is_unix());
  EXPECT_EQ(address.address().port(), 7000);
  EXPECT_EQ(address, Endpoint(*Address::Parse("127.0.0.1:7000")));
  const Endpoint path = *Endpoint::Parse("unix:/x");
  EXPECT_TRUE(path.is_unix());
  EXPECT_EQ(path.path(), "/x");
  EXPECT_TRUE(path.address().empty());
  EXPECT_FALSE(path == address);
  EXPECT_FALSE(path == *Endpoint::Parse("unix:/y"));
  EXPECT_FALSE(Endpoint() == path);
}

TEST(Endpoint, PathsThatNoSocketCanHaveAreErrors) {
  EXPECT_THAT(ErrorOf("unix:"), HasSubstr("it has no path"));
  EXPECT_THAT(ErrorOf("unix:/run/"), HasSubstr("is a directory"));
  EXPECT_THAT(ErrorOf(std::string_view("unix:/a\0b", 9)), HasSubstr("zero byte"));
  EXPECT_THAT(ErrorOf("unix:/a/"), HasSubstr("write unix:PATH, e.g. unix:/run/mooring/echo.sock"));
}

TEST(Endpoint, PathsHaveRoomForTheNameThatTheyAreMadeUnder) {
  EXPECT_EQ(Endpoint::kPathBytesMax, 103u);
  EXPECT_EQ(sizeof(sockaddr_un::sun_path), 108u);
  EXPECT_TRUE(Endpoint::Parse("unix:" + std::string(103, 'x')).ok());
  EXPECT_THAT(ErrorOf("unix:" + std::string(104, 'x')), HasSubstr("its path has 104 bytes, and at most 103 are possible"));
}

TEST(Endpoint, WhatIsNoPathIsAnAddressWithAnAddressesErrors) {
  EXPECT_THAT(ErrorOf("localhost:1"), HasSubstr("names are not looked up"));
  EXPECT_THAT(ErrorOf("UNIX:/x"), HasSubstr("is not an address"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("it has no port"));
}

}  // namespace
}  // namespace mooring::net
