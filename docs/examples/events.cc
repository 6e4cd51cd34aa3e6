// SPDX-License-Identifier: Apache-2.0
// events: what one says, all hear: server-sent events (https://html.spec.whatwg.org/#server-sent-events) to any number
// of clients on all shards. The text exists once; a client's queue holds places in it.
//
//   curl -N http://127.0.0.1:8080/events           curl -d 'hello' http://127.0.0.1:8080/say
#include <string>
#include <unordered_set>

#include "absl/flags/flag.h"
#include "mooring/mooring.h"

using namespace mooring;
ABSL_FLAG(int, beat, 15, "seconds after which all are told nothing, so that it shows who is gone");
using Clients = std::unordered_set<struct Client*>;  // one on each shard, with those that are there
struct Client {
  Client() { Local<Clients>().insert(this); }
  ~Client() { Local<Clients>().erase(this); }
  Channel<SharedBytes> queue{32};  // who lags more behind than that is dropped, and nobody waits for it
};

size_t Tell(const SharedBytes& event) {
  std::erase_if(Local<Clients>(), [&](Client* client) {
    const bool told = client->queue.TrySend(SharedBytes(event));
    if (!told) client->queue.Close();  // its stream ends behind what is queued; a browser comes again then
    return !told;
  });
  return Local<Clients>().size();
}

Task<> Hear(BodyWriter& out) {
  Client client;
  client.queue.TrySend(SharedBytes::Copy(": welcome\n\n"));
  while (auto event = co_await client.queue.Receive()) {
    if (const bool going = co_await out.Write(*event); !going) co_return;
  }
}

Task<Response> Say(Request& request) {
  if (const BodyEnd end = co_await request.ReadAll(); end != BodyEnd::kComplete) co_return Response::Plain(400);
  std::string event = "data: ";
  for (const char c : request.body()) event += c == '\n' || c == '\r' ? "\ndata: " : std::string(1, c);
  const auto tell = [bytes = SharedBytes::Take(event + "\n\n")] { return Tell(bytes); };
  size_t told = 0;
  if (auto counts = co_await OnEveryShard(tell); counts.ok()) {
    for (const size_t count : *counts) told += count;
  }
  co_return Response::Text("told " + std::to_string(told) + "\n");
}

Task<> Beat() {
  Every tick(Seconds(absl::GetFlag(FLAGS_beat)));
  while (co_await tick.Next()) Tell(SharedBytes::Copy(":\n\n"));
}

int main(int argc, char** argv) {
  Router router;
  router.Get("/events", [] { return Response::Stream("text/event-stream", Hear).Endless(); }).Post("/say", Say);
  return Server(argc, argv).PerShard<Clients>().OnShardStart(Beat).Listen("127.0.0.1:8080", Http(router)).Run();
}
