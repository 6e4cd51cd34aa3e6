// SPDX-License-Identifier: Apache-2.0
// chat: rooms with members on all shards. A member says its name, then "/join ROOM", then what all in that room get;
// "/stat" says how many members took their messages too slowly and were dropped.
//
//   (echo ada; echo /join lobby; cat) | nc 127.0.0.1 7002
#include <string>
#include <unordered_map>

#include "mooring/mooring.h"

using namespace mooring;

struct Rooms {  // one on each shard, with the members that are there
  std::unordered_map<std::string, ConnectionSet> by_name;
  uint64_t dropped = 0;

  void Leave(const std::string& name, Connection& conn) {
    const auto room = by_name.find(name);
    if (room == by_name.end()) return;
    room->second.Leave(conn);
    if (room->second.empty()) by_name.erase(room);
  }
  void Say(const std::string& name, const SharedBytes& message) {
    const auto room = by_name.find(name);
    if (room != by_name.end()) dropped += room->second.WriteAll(message, SlowPolicy::kClose).closed;
  }
};

Task<> Chat(Connection& conn) {
  std::string name, room;
  while (auto line = co_await conn.ReadLine({.max_bytes = 1024})) {
    const std::string text(*line);
    if (name.empty()) {
      name = text;
    } else if (text.starts_with("/join ")) {
      Local<Rooms>().Leave(room, conn);
      room = text.substr(6);
      Local<Rooms>().by_name[room].Join(conn);
      conn.Write("* you are in " + room + "\n");
    } else if (text == "/stat") {
      uint64_t dropped = 0;
      auto counts = co_await OnEveryShard([] { return Local<Rooms>().dropped; });
      if (!counts.ok()) break;
      for (const uint64_t count : *counts) dropped += count;
      conn.Write("* dropped " + std::to_string(dropped) + "\n");
    } else {  // one body for everybody, wherever they are
      const SharedBytes message = SharedBytes::Copy(name + ": " + text + "\n");
      const auto say = [room, message] { Local<Rooms>().Say(room, message); };
      co_await OnEveryShard(say);
    }
  }
  Local<Rooms>().Leave(room, conn);
}

int main(int argc, char** argv) {
  return Server(argc, argv).PerShard<Rooms>().Listen("tcp://127.0.0.1:7002", Chat).Run();
}
