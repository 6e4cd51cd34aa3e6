// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace mooring::net {
namespace {

TEST(Address, ReadsWhatItPrints) {
  for (const char* text : {"127.0.0.1:7000", "0.0.0.0:0", "[::1]:65535", "[::]:80", "[2001:db8::5]:443"}) {
    auto parsed = Address::Parse(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ(parsed->ToString(), text);
    EXPECT_EQ(Address(parsed->get()), *parsed);
  }
  EXPECT_EQ(Address::Parse("1.2.3.4:5")->port(), 5);
  EXPECT_EQ(Address::Parse("1.2.3.4:5")->size(), sizeof(sockaddr_in));
  EXPECT_EQ(Address::Parse("[::1]:5")->size(), sizeof(sockaddr_in6));
}

TEST(Address, ErrorsNameTheTextAndTheCause) {
  const struct {
    const char* text;
    const char* cause;
  } cases[] = {
      {"localhost:7000", "is a name"}, {"127.0.0.1", "no port"},         {"127.0.0.1:", "port is not a number"},
      {"1.2.3.4:65536", "from 0 to"},  {"1.2.3.4:-1", "not a number"},   {"::1:7000", "needs brackets"},
      {":7000", "no host"},            {"256.0.0.1:1", "not an IPv4"},   {"[1.2.3.4]:1", "not an IPv6"},
      {"1.2.3.4:+5", "not a number"},  {"1.2.3.4:99999999999", "from 0"}, {"", "no port"},
  };
  for (const auto& c : cases) {
    const auto parsed = Address::Parse(c.text);
    ASSERT_FALSE(parsed.ok()) << c.text;
    const std::string message(parsed.status().message());
    EXPECT_NE(message.find(c.cause), std::string::npos) << message;
    EXPECT_EQ(message.find("'" + std::string(c.text) + "'"), 0u) << message;
    EXPECT_NE(message.find("127.0.0.1:7000"), std::string::npos);
  }
}

TEST(Address, AZeroByteIsNotItsEnd) {
  for (const std::string_view text : {std::string_view("127.0.0.1\0x:1", 13), std::string_view("[::1\0x]:1", 10)}) {
    const auto parsed = Address::Parse(text);
    ASSERT_FALSE(parsed.ok());
    EXPECT_NE(std::string(parsed.status().message()).find("it has a zero byte"), std::string::npos);
  }
}

TEST(Address, EmptyIsNone) {
  EXPECT_TRUE(Address().empty());
  EXPECT_EQ(Address().ToString(), "none");
  sockaddr unix_address = {};
  unix_address.sa_family = AF_UNIX;
  EXPECT_TRUE(Address(&unix_address).empty());
}

TEST(Address, EqualMeansHostAndPort) {
  EXPECT_EQ(*Address::Parse("1.2.3.4:5"), *Address::Parse("1.2.3.4:5"));
  EXPECT_FALSE(*Address::Parse("1.2.3.4:5") == *Address::Parse("1.2.3.4:6"));
  EXPECT_FALSE(*Address::Parse("1.2.3.4:5") == *Address::Parse("1.2.3.5:5"));
  EXPECT_FALSE(*Address::Parse("0.0.0.0:5") == *Address::Parse("[::]:5"));
}

}  // namespace
}  // namespace mooring::net
