// SPDX-License-Identifier: Apache-2.0
// ChunkTransport: a transport of one connection, whose peer says a stream that is cut as an input asks, then its FIN,
// and reads all that it is told.
//
// Threads:  one: the shard's, which a target turns.
// Owns:     the stream, and what was answered.
#ifndef MOORING_TESTS_FUZZ_CHUNK_TRANSPORT_H_
#define MOORING_TESTS_FUZZ_CHUNK_TRANSPORT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/shard.h"
#include "net/transport.h"
#include "tests/fuzz/fuzz.h"

namespace mooring::fuzz {

class ChunkTransport final : public net::Transport {
 public:
  static constexpr size_t kChunksMax = 1000;  // what is left then comes in whole blocks

  // `chunks`: numbers of sizes, over and over; none: whole blocks.
  ChunkTransport(core::Shard* shard, std::string stream, std::vector<uint8_t> chunks)
      : shard_(shard), stream_(std::move(stream)), chunks_(std::move(chunks)) {}

  void Poll(core::Nanos, Sleeper* sleeper) override {
    sleeper->OnAwake();
    for (auto [id, bytes] : std::exchange(sent_, {})) events->OnSend(id, static_cast<int>(bytes));
    for (const net::ConnId id : std::exchange(half_closed_, {})) events->OnShutdown(id);
    if (!open_) {
      open_ = true;
      id_ = events->OnAccept(0, false);
      Expect(id_ != net::kNoConn, "an accept finds a slot");
      events->OnOpen(id_);
    }
    if (leaving_) {
      if (!released_) events->OnReleased(id_);
      released_ = true;
    } else if (reading_ && !ended_) {
      DeliverNext();
    }
  }
  bool released() const { return released_; }
  bool aborted() const { return aborted_; }
  const std::string& stream() const { return stream_; }
  size_t delivered() const { return delivered_; }
  std::string answered;
  net::TransportEvents* events = nullptr;

  void SetReading(net::ConnId, bool on) override { reading_ = on; }
  void Send(net::ConnId id, const iovec* pieces, unsigned count, net::SendMode) override {
    size_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
      answered.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      bytes += pieces[i].iov_len;
    }
    sent_.emplace_back(id, bytes);
  }
  void ShutdownSend(net::ConnId id) override { half_closed_.push_back(id); }
  void Close(net::ConnId) override { leaving_ = true; }
  void Abort(net::ConnId) override { leaving_ = aborted_ = true; }
  bool ReadToEnd() const override { return true; }

  std::string Describe() const override { return "chunks"; }
  int Watch(int, uint32_t, Watcher*) override { return -1; }
  void Unwatch(int) override {}
  void Wake() override {}
  void Listen(net::ListenerId, int, int, bool) override {}
  void SetAcceptMode(net::ListenerId, net::AcceptMode) override {}
  void RefuseNew(net::ListenerId) override {}
  void StopAccept(net::ListenerId, bool) override {}
  void Connect(net::ConnId, const net::Address&, const net::Address&) override {}
  void Consumed(net::ConnId, uint32_t) override {}
  void AskPeer(net::ConnId) override {}
  void AskOutQueue(net::ConnId) override {}
  void Count(absl::FunctionRef<void(std::string_view, uint64_t)>) const override {}

 private:
  void DeliverNext() {
    static constexpr uint32_t kSizes[] = {1, 1, 2, 3, 4, 5, 8, 13, 64, 100, 255, 256, 1000, 4096, 8192, 16384};
    uint32_t size = 16384;
    if (!chunks_.empty() && next_chunk_ < kChunksMax) {
      size = kSizes[chunks_[next_chunk_++ % chunks_.size()] % std::size(kSizes)];
    }
    size = static_cast<uint32_t>(std::min<size_t>(size, stream_.size() - delivered_));
    if (size == 0) {
      ended_ = true;
      return events->OnReceiveEnd(id_, 0);
    }
    alloc::Block* block = shard_->buffers().AcquireReceive();
    Expect(block != nullptr, "there are receive blocks");
    stream_.copy(block->data, size, delivered_);
    delivered_ += size;
    events->OnReceive(id_, alloc::Lease(block, 0, size));
  }

  core::Shard* const shard_;
  const std::string stream_;
  const std::vector<uint8_t> chunks_;
  size_t next_chunk_ = 0;
  size_t delivered_ = 0;
  net::ConnId id_ = net::kNoConn;
  bool open_ = false;
  bool reading_ = true;
  bool ended_ = false;
  bool leaving_ = false;
  bool aborted_ = false;
  bool released_ = false;
  std::vector<std::pair<net::ConnId, size_t>> sent_;
  std::vector<net::ConnId> half_closed_;
};

}  // namespace mooring::fuzz

#endif  // MOORING_TESTS_FUZZ_CHUNK_TRANSPORT_H_
