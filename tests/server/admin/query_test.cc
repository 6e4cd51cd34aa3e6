// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/connection_figures.h"
#include "server/admin/connection_names.h"
#include "server/admin/connection_query.h"
#include "server/admin/peer_prefix.h"
#include "server/admin/query_keys.h"

namespace mooring::server::admin {
namespace {

net::Address Addr(const char* text) { return *net::Address::Parse(text); }

template <class T>
std::string Message(const absl::StatusOr<T>& result) {
  return std::string(result.status().message());
}

TEST(QueryKeys, DecodesAndKnowsWhatItMayHave) {
  const auto keys = QueryKeys::Parse("a=1&b=x%20y+z&&c", {"a", "b", "c", "d"});
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->Text("b"), "x y z");
  EXPECT_EQ(keys->Text("c"), "");
  EXPECT_EQ(keys->Text("d"), std::nullopt);
  EXPECT_EQ(**keys->Number("a", 0, 1), 1u);
  EXPECT_EQ(*keys->Number("d", 0, 1), std::nullopt);
}

TEST(QueryKeys, NamesWhatIsWrong) {
  EXPECT_EQ(Message(QueryKeys::Parse("lisener=x", {"listener", "percent"})),
            "'lisener' is not known: the query may have listener, percent");
  EXPECT_EQ(Message(QueryKeys::Parse("x", {})), "'x' is not known: this path takes no query");
  EXPECT_EQ(Message(QueryKeys::Parse("a=1&%61=2", {"a"})), "'a' is there twice");
  EXPECT_EQ(Message(QueryKeys::Parse("a=%4", {"a"})), "'a=%4' has a % that is no %XX");
  for (const char* bad : {"a=", "a=0", "a=101", "a=-1", "a=1x", "a=%201", "a=99999999999999999999"}) {
    const auto keys = QueryKeys::Parse(bad, {"a"});
    ASSERT_TRUE(keys.ok());
    EXPECT_NE(Message(keys->Number("a", 1, 100)).find("it is a whole number from 1 to 100"), std::string::npos) << bad;
  }
}

TEST(PeerPrefix, HasItsBlock) {
  EXPECT_TRUE(PeerPrefix::Parse("192.0.2.7")->Has(Addr("192.0.2.7:5")));
  EXPECT_FALSE(PeerPrefix::Parse("192.0.2.7")->Has(Addr("192.0.2.6:5")));
  EXPECT_TRUE(PeerPrefix::Parse("192.0.2.99/24")->Has(Addr("192.0.2.7:5")));
  EXPECT_FALSE(PeerPrefix::Parse("192.0.2.0/24")->Has(Addr("192.0.3.0:5")));
  EXPECT_TRUE(PeerPrefix::Parse("0.0.0.0/0")->Has(Addr("192.0.3.0:5")));
  EXPECT_FALSE(PeerPrefix::Parse("0.0.0.0/0")->Has(Addr("[2001:db8::1]:5")));
  EXPECT_TRUE(PeerPrefix::Parse("::/0")->Has(Addr("192.0.3.0:5")));
  EXPECT_TRUE(PeerPrefix::Parse("[2001:db8::1]")->Has(Addr("[2001:db8::1]:5")));
  EXPECT_TRUE(PeerPrefix::Parse("2001:db8::/33")->Has(Addr("[2001:db8:7fff::1]:5")));
  EXPECT_FALSE(PeerPrefix::Parse("2001:db8::/33")->Has(Addr("[2001:db8:8000::1]:5")));
  EXPECT_TRUE(PeerPrefix::Parse("192.0.2.7")->Has(Addr("[::ffff:192.0.2.7]:5")))
      << "the same, as a dual-stack listener sees it";
  EXPECT_FALSE(PeerPrefix::Parse("0.0.0.0/0")->Has(net::Address()));
  EXPECT_FALSE(PeerPrefix::Parse("::/0")->Has(net::Address())) << "nobody knows who";
}

TEST(PeerPrefix, RefusesWhatIsNone) {
  for (const char* bad : {"", "/", "x", "192.0.2", "192.0.2.7/", "192.0.2.7/33", "192.0.2.7/-1", "192.0.2.7/8/8",
                          "::/129", "192.0.2.7:80", "example.org", "192.0.2.7/8x"}) {
    EXPECT_FALSE(PeerPrefix::Parse(bad).ok()) << bad;
  }
}

TEST(ConnectionIdText, GoesBothWays) {
  const net::ConnectionId id{uint64_t{1023} << 54 | uint64_t{0x3fffff} << 32 | 0xffffffff};
  EXPECT_EQ(TextOf(id), "1023-4194303-4294967295");
  EXPECT_EQ(ConnectionIdOf(TextOf(id)), id);
  EXPECT_EQ(ConnectionIdOf("1-2-3")->slot(), 2u);
  for (const char* bad : {"", "1", "1-2", "1-2-", "1-2-3-", "1-2-3-4", "-1-2-3", "1024-0-1", "0-4194304-1",
                          "0-0-4294967296", "a-b-c", "1-2-3 ", "1--3"}) {
    EXPECT_EQ(ConnectionIdOf(bad), std::nullopt) << bad;
  }
}

ConnectionQuery::Names SomeNames() {
  return {.listeners = {{"http", "http", 0}, {"http-2", "http", 1}, {"line", "line", 2}, {"line", "echo", 3}},
          .shards = 4,
          .track_peers = true};
}

std::string Error(const std::string& query, const ConnectionQuery::Names& names = SomeNames()) {
  return Message(ConnectionQuery::Parse(query, names));
}

TEST(ConnectionQuery, NamesWhatIsWrongAndWhatIsAllowed) {
  EXPECT_EQ(Error("lisener=x"),
            "'lisener' is not known: the query may have listener, service, shard, state, peer, min_queued, idle_over, "
            "sort, limit");
  EXPECT_EQ(Error("listener=x"), "listener=x: there are http, http-2, line");
  EXPECT_EQ(Error("service=x"), "service=x: there are echo, http, line, outbound");
  EXPECT_EQ(Error("state=x").substr(0, 20), "state=x: there are c");
  EXPECT_NE(Error("state=x").find("draining"), std::string::npos);
  EXPECT_EQ(Error("shard=4"), "shard=4: it is a whole number from 0 to 3");
  EXPECT_EQ(Error("limit=0"), "limit=0: it is a whole number from 1 to 10000");
  EXPECT_EQ(Error("limit=10001"), "limit=10001: it is a whole number from 1 to 10000");
  EXPECT_EQ(Error("min_queued=-1"), "min_queued=-1: it is a whole number from 0 on");
  EXPECT_EQ(Error("idle_over=x"), "idle_over=x: it is a whole number from 0 to 4294967295");
  EXPECT_EQ(Error("sort=age"),
            "sort=age: there are bytes_in, bytes_out, created, id, last_active, peer, queued, each with a - before it "
            "for the largest first");
  EXPECT_NE(Error("peer=x").find("192.0.2.0/24"), std::string::npos);
}

TEST(ConnectionQuery, SaysWhatNeedsTracking) {
  ConnectionQuery::Names names = SomeNames();
  names.track_peers = false;
  for (const char* query : {"peer=192.0.2.7", "sort=peer", "sort=-created", "sort=bytes_in", "sort=bytes_out"}) {
    EXPECT_EQ(Error(query), "") << query;
    EXPECT_NE(Error(query, names).find("needs runtime.track_peers = true"), std::string::npos) << query;
  }
  for (const char* query : {"sort=-queued", "sort=last_active", "sort=id"}) EXPECT_EQ(Error(query, names), "") << query;
}

net::ConnectionFigures Row(uint32_t shard, uint32_t slot, net::ListenerId listener) {
  net::ConnectionFigures row = {};
  row.state = net::ConnectionState::kOpen;
  row.id.value = uint64_t{shard} << 54 | uint64_t{slot} << 32 | 7;
  row.listener = listener;
  row.peer = Addr("192.0.2.7:5");
  row.idle_s = 10;
  row.queued_bytes = 100;
  return row;
}

bool Has(const std::string& query, const net::ConnectionFigures& row) {
  return ConnectionQuery::Parse(query, SomeNames())->Has(row);
}

TEST(ConnectionQuery, FiltersByEachKey) {
  const net::ConnectionFigures row = Row(2, 5, 1);
  for (const char* yes :
       {"", "listener=http-2", "service=http", "listener=http-2&service=http", "shard=2", "state=open",
        "peer=192.0.2.0/24", "min_queued=100", "idle_over=9", "shard=2&state=open&min_queued=1"}) {
    EXPECT_TRUE(Has(yes, row)) << yes;
  }
  for (const char* no :
       {"listener=http", "service=line", "listener=http-2&service=line", "shard=1", "state=closing",
        "peer=192.0.3.0/24", "min_queued=101", "idle_over=10", "shard=2&state=closing", "service=outbound"}) {
    EXPECT_FALSE(Has(no, row)) << no;
  }
  net::ConnectionFigures leaving = row;
  leaving.draining = true;
  EXPECT_TRUE(Has("state=draining", leaving));
  EXPECT_FALSE(Has("state=open", leaving));
  leaving.state = net::ConnectionState::kLingering;
  EXPECT_TRUE(Has("state=lingering", leaving));
  EXPECT_TRUE(Has("listener=line", Row(0, 0, 2)));
  EXPECT_TRUE(Has("listener=line", Row(0, 0, 3))) << "of the past, with the same name";
  EXPECT_FALSE(Has("listener=line&service=line", Row(0, 0, 3)));
  net::ConnectionFigures outbound = Row(0, 0, 0x8000);
  outbound.outbound = true;
  EXPECT_TRUE(Has("", outbound));
  EXPECT_TRUE(Has("service=outbound", outbound));
  EXPECT_FALSE(Has("service=http", outbound));
  EXPECT_FALSE(Has("listener=http", outbound));
}

TEST(ConnectionQuery, SortsByEachFieldBothWaysAndThenById) {
  net::ConnectionFigures a = Row(0, 1, 0), b = Row(0, 2, 0), c = Row(1, 0, 0);
  a.peer = Addr("10.0.0.9:1"), b.peer = Addr("9.9.9.9:1"), c.peer = Addr("10.0.0.10:1");
  a.age_s = 5, b.age_s = 9, c.age_s = 7;
  a.idle_s = 5, b.idle_s = 9, c.idle_s = 7;
  a.bytes_in = 3, b.bytes_in = 1, c.bytes_in = 2;
  a.bytes_out = 2, b.bytes_out = 3, c.bytes_out = 1;
  a.queued_bytes = b.queued_bytes = 4, c.queued_bytes = 5;
  const auto order = [&](const std::string& sort) {
    const ConnectionQuery query = *ConnectionQuery::Parse("sort=" + sort, SomeNames());
    std::vector<net::ConnectionFigures> rows = {c, b, a};
    std::sort(rows.begin(), rows.end(), [&](const auto& x, const auto& y) { return query.Before(x, y); });
    std::string text;
    for (const net::ConnectionFigures& row : rows) text += row.id == a.id ? 'a' : row.id == b.id ? 'b' : 'c';
    return text;
  };
  EXPECT_EQ(order("id"), "abc");
  EXPECT_EQ(order("-id"), "cba");
  EXPECT_EQ(order("peer"), "bac");
  EXPECT_EQ(order("created"), "bca") << "the earliest first";
  EXPECT_EQ(order("-created"), "acb");
  EXPECT_EQ(order("last_active"), "bca");
  EXPECT_EQ(order("bytes_in"), "bca");
  EXPECT_EQ(order("-bytes_out"), "bac");
  EXPECT_EQ(order("queued"), "abc");
  EXPECT_EQ(order("-queued"), "cab") << "equal ones by id";
}

}  // namespace
}  // namespace mooring::server::admin
