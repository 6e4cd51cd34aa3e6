// SPDX-License-Identifier: Apache-2.0
// events: what one says, all hear: server-sent events (https://html.spec.whatwg.org/#server-sent-events) to any number
// of clients on all shards. The text exists once; a client's queue holds places in it.
//
//   curl -N http://127.0.0.1:8080/events           curl -d 'hello' http://127.0.0.1:8080/say
#include <string>
#include <unordered_set>

#include "mooring/mooring.h"

using namespace mooring;

struct Client;
struct Clients {  // one on each shard, with those that are there
  std::unordered_set<Client*> all;
  size_t Tell(const SharedBytes& event);
};

struct Client {
  Client() { Local<Clients>().all.insert(this); }
  ~Client() { Local<Clients>().all.erase(this); }
  Channel<SharedBytes> queue{32};  // who lags more behind than that is dropped, and nobody waits for it
};

size_t Clients::Tell(const SharedBytes& event) {
  std::erase_if(all, [&](Client* client) {
    const bool told = client->queue.TrySend(SharedBytes(event));
    if (!told) client->queue.Close();  // its stream ends behind what is queued; a browser comes again then
    return !told;
  });
  return all.size();
}

Task<> Listen(BodyWriter& out) {
  Client client;
  if (const bool going = co_await out.Write(": welcome\n\n"); !going) co_return;
  while (auto event = co_await client.queue.Receive()) {
    if (const bool going = co_await out.Write(*event); !going) co_return;
  }
}

Task<Response> Say(Request& request) {
  if (const BodyEnd end = co_await request.ReadAll(); end != BodyEnd::kComplete) co_return Response::Plain(400);
  std::string event = "data: ";
  for (const char c : request.body()) event += c == '\n' || c == '\r' ? "\ndata: " : std::string(1, c);
  const auto tell = [bytes = SharedBytes::Take(event + "\n\n")] { return Local<Clients>().Tell(bytes); };
  auto counts = co_await OnEveryShard(tell);
  if (!counts.ok()) co_return Response::Plain(503);
  size_t told = 0;
  for (const size_t count : *counts) told += count;
  co_return Response::Text("told " + std::to_string(told) + "\n");
}

int main(int argc, char** argv) {
  Router router;
  router.Get("/events", [] { return Response::Stream("text/event-stream", Listen).Endless(); });
  router.Post("/say", Say, {.body_bytes_max = 64 << 10});
  return Server(argc, argv).PerShard<Clients>().Listen("tcp://127.0.0.1:8080", Http(router)).Run();
}
