// SPDX-License-Identifier: Apache-2.0
// docs/examples/chat.cc: rooms over two shards; who reads too slowly is dropped, and nobody else notices.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"

namespace mooring::examples {
namespace {

using scenario::Client;
using scenario::Ending;

constexpr int kRooms = 3;
constexpr int kMembersOfARoom = 8;
constexpr int kMessages = 150;

void Join(Client* client, const std::string& name, const std::string& room) {
  const std::string answer = "* you are in " + room + "\n";
  ASSERT_EQ(client->Exchange(name + "\n/join " + room + "\n", answer.size()), answer);
}

TEST(ChatExample, EachMemberGetsItsRoomInOrder) {
  Example chat("chat", {"--shards=2"});
  std::vector<Client> members;  // i is in room i % kRooms
  for (int i = 0; i < kRooms * kMembersOfARoom; ++i) {
    members.emplace_back(chat.port());
    Join(&members.back(), "m" + std::to_string(i), "room" + std::to_string(i % kRooms));
  }
  std::vector<std::string> said(members.size());  // by whom, as everybody gets it
  std::vector<size_t> bytes_of_room(kRooms);
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string name = "m" + std::to_string(i);
    std::string lines;
    for (int n = 0; n < kMessages; ++n) {
      const std::string text = "message " + std::to_string(n) + " of " + name;
      lines += text + "\n";
      said[i] += name + ": " + text + "\n";
    }
    bytes_of_room[i % kRooms] += said[i].size();
    ASSERT_TRUE(members[i].Send(lines));
  }
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string got = members[i].Receive(bytes_of_room[i % kRooms]);
    std::map<std::string, std::string> by_sender;
    for (size_t at = 0; at < got.size();) {
      const size_t end = got.find('\n', at) + 1;
      by_sender[got.substr(at, got.find(':', at) - at)] += got.substr(at, end - at);
      at = end;
    }
    ASSERT_EQ(by_sender.size(), size_t{kMembersOfARoom});
    for (size_t from = i % kRooms; from < members.size(); from += kRooms) {
      ASSERT_EQ(by_sender["m" + std::to_string(from)], said[from]) << "as member " << i << " got it";
    }
  }
  for (Client& member : members) EXPECT_FALSE(member.HasData());  // nothing of the other rooms
  members.clear();
  chat.ExpectDrained();
}

TEST(ChatExample, WhoJoinsAnotherRoomLeavesTheFirst) {
  Example chat("chat", {"--shards=2"});
  Client ada(chat.port()), bob(chat.port());
  Join(&ada, "ada", "first");
  Join(&bob, "bob", "first");
  EXPECT_EQ(ada.Exchange("hello\n", 11), "ada: hello\n");
  EXPECT_EQ(bob.Receive(11), "ada: hello\n");
  EXPECT_EQ(bob.Exchange("/join second\n", 20), "* you are in second\n");
  EXPECT_EQ(ada.Exchange("gone?\n", 11), "ada: gone?\n");
  EXPECT_EQ(bob.Exchange("alone\n", 11), "bob: alone\n");  // and nothing of the first room before it
  EXPECT_FALSE(ada.HasData());
}

TEST(ChatExample, SlowMemberIsDroppedAndCountedAndTheRestGetEverything) {
  Example chat("chat", {"--shards=2"});
  std::vector<Client> members(6);
  for (size_t i = 0; i < members.size(); ++i) {
    members[i] = Client(chat.port());
    Join(&members[i], "m" + std::to_string(i), "room");
  }
  scenario::ClientOptions narrow;
  narrow.receive_buffer = 4096;
  Client slow(chat.port(), narrow);
  Join(&slow, "slow", "room");
  EXPECT_EQ(members[0].Exchange("/stat\n", 12), "* dropped 0\n");

  // Everybody but one reads each message before the next is said.
  const std::string text(1000, 'x');
  const std::string message = "m0: " + text + "\n";
  std::string dropped = "* dropped 0\n";
  int messages = 0;
  for (; dropped == "* dropped 0\n" && messages < 20'000; ++messages) {
    ASSERT_TRUE(members[0].Send(text + "\n"));
    for (Client& member : members) ASSERT_EQ(member.Receive(message.size()), message) << messages;
    if (messages % 50 == 49) dropped = members[0].Exchange("/stat\n", 12);
  }
  EXPECT_EQ(dropped, "* dropped 1\n") << messages;
  Ending ending;
  const std::string got = slow.ReceiveToEnd(&ending);
  EXPECT_EQ(ending, Ending::kReset);
  EXPECT_LT(got.size(), message.size() * static_cast<size_t>(messages));
  members.clear();
  chat.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
