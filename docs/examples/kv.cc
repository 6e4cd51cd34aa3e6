// SPDX-License-Identifier: Apache-2.0
// kv: the simplest commands of the Redis protocol. A key lives on the shard that its hash names, in that shard's map.
// A command has at most 16 words, of 1 MB together.
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mooring/mooring.h"

using namespace mooring;
using Text = absl::InlinedVector<char, 24>;  // of the size of a std::string, and few keys need the heap
using Words = absl::InlinedVector<Text, 3>;
using Store = absl::flat_hash_map<Text, Text>;
absl::string_view View(const Text& text) { return {text.data(), text.size()}; }
std::string Bulk(const Text& text) { return absl::StrCat("$", text.size(), "\r\n", View(text), "\r\n"); }
std::string Run(const Words& words, Store& store) {
  auto Is = [&](auto name, size_t n) { return words.size() == n && absl::EqualsIgnoreCase(View(words[0]), name); };
  if (words.empty()) return "";
  if (Is("set", 3)) return store[words[1]] = words[2], "+OK\r\n";
  const auto found = store.find(words.back());
  if (Is("get", 2)) return found == store.end() ? "$-1\r\n" : Bulk(found->second);
  if (Is("exists", 2)) return found == store.end() ? ":0\r\n" : ":1\r\n";
  if (Is("del", 2)) return store.erase(words[1]) == 0 ? ":0\r\n" : ":1\r\n";
  if (Is("ping", 1)) return "+PONG\r\n";
  if (Is("config", 3)) return "*2\r\n" + Bulk(words[2]) + "$0\r\n\r\n";  // redis-benchmark asks for some
  return "-ERR unknown command, or wrong number of arguments\r\n";
}

// The number in a line like "*3" or "$5"; false, and the peer is told, when it is none or too large.
bool Number(Connection& to, std::string_view line, char mark, uint32_t most, uint32_t* n) {
  if (line.starts_with(mark) && absl::SimpleAtoi({line.data() + 1, line.size() - 1}, n) && *n <= most) return true;
  return to.Write(absl::StrCat("-ERR Protocol error: invalid ", mark == '*' ? "multi" : "", "bulk length\r\n")), false;
}

Task<> Kv(Connection& conn) {
  while (auto head = co_await conn.ReadLine({.max_bytes = 32})) {
    uint32_t count = 0, size = 0, left = 1 << 20;
    if (!Number(conn, *head, '*', 16, &count)) co_return;
    Words words(count);
    for (Text& word : words) {
      const auto line = co_await conn.ReadLine({.max_bytes = 32});
      if (!line || !Number(conn, *line, '$', left, &size)) co_return;
      const auto bytes = co_await conn.ReadExactly(size + 2);  // with its end of line
      if (!bytes) co_return;
      word.assign(bytes.data, bytes.data + size);
      left -= size;
    }
    const uint32_t home = count < 2 ? 0 : absl::Hash<Text>()(words[1]) % Shard::Current()->shards()->size();
    const auto run = [words = std::move(words)] { return Run(words, Local<Store>()); };
    if (home == Shard::Current()->id()) {
      conn.Write(run());
    } else if (auto answer = co_await SubmitTo(home, run); answer.ok()) {
      conn.Write(*answer);
    }
  }
}

int main(int argc, char** argv) { return Server(argc, argv).PerShard<Store>().Listen("127.0.0.1:6379", Kv).Run(); }
