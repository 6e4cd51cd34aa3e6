// SPDX-License-Identifier: Apache-2.0
#include "server/http/authority.h"

#include <gtest/gtest.h>

namespace mooring::server::http {
namespace {

TEST(Authority, HasAHostAndMaybeAPort) {
  const auto plain = Authority::Parse("example.org");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->host, "example.org");
  EXPECT_EQ(plain->port, std::nullopt);
  const auto port = Authority::Parse("[::1]:8080");
  ASSERT_TRUE(port.has_value());
  EXPECT_EQ(port->host, "[::1]");
  EXPECT_EQ(port->port, 8080);
  const auto empty_port = Authority::Parse("a:");
  ASSERT_TRUE(empty_port.has_value());
  EXPECT_EQ(empty_port->port, std::nullopt);
  EXPECT_EQ(Authority::Parse("a:65535")->port, 65535);
  EXPECT_EQ(Authority::Parse("a:0000080")->port, 80);
}

TEST(Authority, IsSameWithTheDefaultPortLeftOut) {
  const Authority plain = *Authority::Parse("Example.org");
  EXPECT_TRUE(plain.Same(*Authority::Parse("example.ORG:80"), 80));
  EXPECT_TRUE(Authority::Parse("example.org:443")->Same(plain, 443));
  EXPECT_FALSE(plain.Same(*Authority::Parse("example.org:80"), 443));
  EXPECT_FALSE(plain.Same(*Authority::Parse("example.org:8080"), 80));
  EXPECT_FALSE(plain.Same(*Authority::Parse("example.or"), 80));
}

// What is none is in the table of requests, as Host fields: request_cases.cc.

}  // namespace
}  // namespace mooring::server::http
