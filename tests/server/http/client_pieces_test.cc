// SPDX-License-Identifier: Apache-2.0
// HttpClient over the simulated kernel, each thing under several seeds: answers that are read piece by piece (Open).
#include "server/http/client.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/event.h"
#include "tests/server/http/client_bed.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using core::Task;

constexpr char kChunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

class ClientPieces : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return net::Seed(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, ClientPieces, testing::Range<uint64_t>(1, 7));

AskOptions Within(int64_t ms) { return {.deadline = ms * kNanosPerMs, .body_bytes_max = {}}; }

struct Pieces {
  bool opened = false;
  bool read = true;   // goes on reading
  bool keep = false;  // keeps what it reads instead of copying it
  ClientFailure failure = ClientFailure::kNone;
  BodyEnd end = BodyEnd::kNone;
  std::string body;
  std::vector<alloc::Lease> kept;
  core::Event go;
  uint64_t bytes_max = UINT64_MAX;  // leaves after so many
};

Task<> ReadPieces(HttpClient* client, ClientRequest request, Pieces* out) {
  auto exchange = co_await client->Open(std::move(request));
  out->failure = exchange.failure();
  if (!exchange) co_return;
  out->opened = true;
  for (uint64_t bytes = 0; bytes < out->bytes_max;) {
    if (!out->read) co_await out->go.Wait();
    const BodyPiece piece = co_await exchange.ReadBody(2 * kNanosPerSecond);
    out->end = piece.end;
    if (!piece) break;
    bytes += piece.size;
    if (out->keep) {
      out->kept.push_back(exchange.Keep(piece));
    } else {
      out->body.append(*piece);
    }
  }
  out->failure = exchange.failure();
}

TEST_P(ClientPieces, ABodyThatIsNotReadIsNotReceived) {
  ClientBed bed(seed());
  std::string body(4'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + i / 1000 % 26);
  bed.Say(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  Pieces pieces;
  pieces.read = false;
  net::Running run(&bed.server, [&] { return ReadPieces(bed.client.get(), Get(), &pieces); });
  bed.Run(5000);
  EXPECT_TRUE(pieces.opened);
  EXPECT_GT(bed.upstream.peers[0]->under_way() + bed.upstream.peers[0]->unacknowledged(), body.size() / 2);
  bed.server.OnShard(0, [&](net::Engine&) { pieces.go.Set(); });
  bed.Run(5000);
  EXPECT_TRUE(run.done());
  EXPECT_EQ(pieces.end, BodyEnd::kComplete);
  EXPECT_TRUE(pieces.body == body);
  EXPECT_EQ(bed.client->pool().idle(), 1u);
}

TEST_P(ClientPieces, PiecesMayBeKept) {
  ClientBed bed(seed());
  bed.Say(absl::StrCat(kChunked, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"));
  Pieces pieces;
  pieces.keep = true;
  net::Running run(&bed.server, [&] { return ReadPieces(bed.client.get(), Get(), &pieces); });
  bed.Run();
  ASSERT_TRUE(run.done());
  std::string body;
  for (const alloc::Lease& lease : pieces.kept) body.append(lease.view());
  EXPECT_EQ(body, "hello world");
  EXPECT_EQ(bed.client->pool().idle(), 1u);
  pieces.kept.clear();
}

TEST_P(ClientPieces, WhoLeavesBeforeTheEndAbortsAndAtTheEndGivesBack) {
  ClientBed bed(seed());
  bed.Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  Pieces whole;
  whole.bytes_max = 5;  // and does not ask for the end
  net::Running first(&bed.server, [&] { return ReadPieces(bed.client.get(), Get(), &whole); });
  bed.Run();
  ASSERT_TRUE(first.done());
  EXPECT_EQ(whole.body, "hello");
  EXPECT_EQ(bed.client->pool().idle(), 1u);
  bed.Say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
  Pieces part;
  part.bytes_max = 4;
  net::Running second(&bed.server, [&] { return ReadPieces(bed.client.get(), Get(), &part); });
  bed.Run();
  ASSERT_TRUE(second.done());
  EXPECT_EQ(part.body, "hell");
  EXPECT_EQ(bed.client->pool().open(), 0u);
  EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
}

TEST_P(ClientPieces, PiecesHaveADeadlineEach) {
  ClientBed bed(seed());
  bed.Say(absl::StrCat(kChunked, "1\r\nx\r\n"));
  Pieces pieces;
  net::Running run(&bed.server, [&] { return ReadPieces(bed.client.get(), Get("/", Within(1000)), &pieces); });
  bed.Run();
  // Longer than the head's deadline, and than that of one piece, all together.
  for (int i = 0; i < 4; ++i) {
    bed.Run(1000);
    bed.upstream.peers[0]->Send("1\r\ny\r\n");
  }
  bed.Run();
  EXPECT_FALSE(run.done());
  EXPECT_EQ(pieces.body, "xyyyy");
  // The beginning of a chunk is none.
  bed.upstream.peers[0]->Send("0");
  bed.Run(1000);
  bed.upstream.peers[0]->Send("1");
  bed.Run(1900);
  ASSERT_TRUE(run.done());
  EXPECT_EQ(pieces.end, BodyEnd::kRefused);
  EXPECT_EQ(pieces.failure, ClientFailure::kDeadline);
  EXPECT_TRUE(bed.upstream.peers[0]->saw_reset());
}

TEST_P(ClientPieces, PiecesMayBeCancelledAtEachStep) {
  bool ended_by_itself = false;
  for (int at = 0; !ended_by_itself; ++at) {
    ASSERT_LT(at, 3000);
    SCOPED_TRACE(testing::Message() << "cancelled after step " << at);
    ClientBed bed(seed());
    bed.Say(absl::StrCat(kChunked, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"));
    Pieces pieces;
    net::Running run(&bed.server, [&] { return ReadPieces(bed.client.get(), Get(), &pieces); });
    for (int i = 0; i < at && bed.server.world.Step(); ++i) bed.Answer();
    ended_by_itself = run.done();
    run.Cancel();
    bed.Run();
    ASSERT_TRUE(run.done());
    EXPECT_TRUE(pieces.end == BodyEnd::kComplete || pieces.failure == ClientFailure::kCancelled);
    EXPECT_EQ(bed.client->pool().open(), bed.client->pool().idle());
  }
}

}  // namespace
}  // namespace mooring::server::http
