// SPDX-License-Identifier: Apache-2.0
#include "net/reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace mooring::net {
namespace {

// A terminator of 1 to 4 bytes in one word, the first byte highest; the read's mode tells its length.
uint32_t Pack(std::string_view terminator) {
  uint32_t packed = 0;
  for (char c : terminator) packed = packed << 8 | static_cast<unsigned char>(c);
  return packed;
}

}  // namespace

ReadReason Reader::ReasonOf(const Connection& conn) {
  switch (conn.cause_) {
    case CloseCause::kPeerReset:
    case CloseCause::kPeerTimedOut:
    case CloseCause::kTransport: return ReadReason::kReset;
    default: return ReadReason::kClosed;
  }
}

bool Reader::Begin(Connection& conn, ReadMode mode, uint32_t parameter, const ReadOptions& options) {
  Input* input = conn.input_;
  if (input != nullptr) {
    if (input->current.empty()) input->current.Reset();  // the last view ends here
    input->scanned = 0;
    input->deadline_ms = 0;
  }
  conn.read_mode_ = mode;
  conn.read_reason_ = ReadReason::kNone;
  if (conn.state_ != Connection::State::kOpen) return false;
  conn.read_max_ = options.max_bytes;
  conn.read_parameter_ = parameter;
  // Over the high watermark a message that is already here waits too; and a failure always goes through the run queue.
  const bool ready = !Engine::Current()->ReadsHeld(conn) && Look(conn) == Found::kYes;
  if (!ready && options.deadline > 0) {
    Engine* engine = Engine::Current();
    input = engine->EnsureInput(conn);
    if (input != nullptr) {
      input->deadline_ms = engine->shard_->now_ms() + (options.deadline + 999'999) / 1'000'000;
      engine->ArmAt(conn, static_cast<uint32_t>((input->deadline_ms - engine->epoch_ms_ + 999) / 1000));
    }
  }
  return ready;
}

ReadResult Reader::Take(Connection& conn) {
  if (conn.read_reason_ != ReadReason::kNone) return {nullptr, 0, conn.read_reason_};
  if (conn.input_ == nullptr) return {nullptr, 0, ReadReason::kNone};  // ReadExactly(0) before the first byte
  alloc::Lease& current = conn.input_->current;
  const ReadResult result = {current.data(), conn.read_parameter_, ReadReason::kNone};
  current.RemovePrefix(conn.read_max_);
  return result;
}

void Reader::Suspend(Connection& conn, std::coroutine_handle<> task, core::CancelScope* scope) {
  assert(conn.waiter_or_handler_ == nullptr && "one read at a time, and not where New has made a handler");
  conn.waiter_or_handler_ = task.address();
  scope->WaitAtConnection(&conn);
  conn.Unset(Connection::kNoReader);
  if (scope->cancelled()) return Fail(conn, ReadReason::kCancelled);
  if (conn.state_ != Connection::State::kOpen) return Fail(conn, ReasonOf(conn));
  if (conn.read_reason_ != ReadReason::kNone) return Fail(conn, conn.read_reason_);

  Engine* engine = Engine::Current();
  Input* input = conn.input_;
  const bool parked = input != nullptr && !input->parked.empty();
  const bool held = engine->ReadsHeld(conn);
  if (parked || (held && !conn.ReadsHeld())) {
    engine->MarkDirty(conn);  // over the high watermark, or blocks run short: goes on when the queue has fallen
  } else if (conn.Has(Connection::kEofDue) && !held) {
    conn.Unset(Connection::kEofDue);
    return Fail(conn, ReadReason::kEof);
  } else if (conn.Has(Connection::kEofSeen) && !conn.Has(Connection::kEofDue)) {
    return Fail(conn, ReadReason::kEof);  // said before; asked again
  }
  if (conn.Has(Connection::kDrainDue) && !parked && !Begun(conn)) {
    conn.Unset(Connection::kDrainDue);
    conn.Set(Connection::kDrainNoticed);
    return Fail(conn, ReadReason::kDraining);
  }
  if (input == nullptr) return;
  if (input->current.empty()) {
    input->current.Reset();
    if (input->parked.empty() && input->deadline_ms == 0) engine->DropInput(conn);
    return;
  }
  if (input->current.block()->receive && !held) {
    alloc::Lease part = std::move(input->current);
    if (!Carry(conn, std::move(part))) engine->End(conn, CloseCause::kNoMemory, /*abort=*/true);
  }
}

void Reader::Deliver(Connection& conn, alloc::Lease data) {
  Engine* engine = Engine::Current();
  Input* input = engine->EnsureInput(conn);
  if (input == nullptr) return engine->End(conn, CloseCause::kNoMemory, /*abort=*/true);
  if (input->current.empty()) {
    input->current = std::move(data);
    input->scanned = 0;
  } else if (!Carry(conn, std::move(data))) {
    return engine->End(conn, CloseCause::kNoMemory, /*abort=*/true);
  }
  Poke(conn);
}

void Reader::Poke(Connection& conn) {
  if (conn.Has(Connection::kNoReader)) return;
  switch (Look(conn)) {
    case Found::kYes: return Resume(conn);
    case Found::kFailed: return Fail(conn, conn.read_reason_);
    case Found::kNotYet: break;
  }
  Input* input = conn.input_;
  if (input != nullptr && input->current && input->current.block()->receive) {
    alloc::Lease part = std::move(input->current);
    if (!part.empty() && !Carry(conn, std::move(part))) {
      Engine::Current()->End(conn, CloseCause::kNoMemory, /*abort=*/true);
    }
  }
}

// Appends `data` to what is unfinished, in a block of its own.
bool Reader::Carry(Connection& conn, alloc::Lease data) {
  alloc::Lease& current = conn.input_->current;
  const uint32_t have = current.size();
  alloc::Block* block = current.block();
  const bool fits = block != nullptr && !block->receive && block->refs == 1 &&
                    block->capacity - current.offset() - have >= data.size();
  if (!fits) {
    alloc::Block* larger = Engine::Current()->shard_->buffers().Acquire(have + data.size());
    if (larger == nullptr) return false;
    if (have != 0) std::memcpy(larger->data, current.data(), have);
    current = alloc::Lease(larger, 0, have);
  }
  std::memcpy(current.data() + have, data.data(), data.size());
  current.Extend(data.size());
  return true;
}

Reader::Found Reader::Done(Connection& conn, uint32_t size, uint32_t drop) {
  conn.read_mode_ = ReadMode::kDone;
  conn.read_parameter_ = size;
  conn.read_max_ = drop;
  return Found::kYes;
}

Reader::Found Reader::Failed(Connection& conn, ReadReason reason) {
  conn.read_reason_ = reason;
  return Found::kFailed;
}

Reader::Found Reader::Look(Connection& conn) {
  for (;;) {
    Input* input = conn.input_;
    if (input == nullptr) {
      // A body of no bytes is there already.
      const bool nothing_asked = conn.read_mode_ == ReadMode::kExactly && conn.read_parameter_ == 0;
      return nothing_asked ? Done(conn, 0, 0) : Found::kNotYet;
    }
    const uint32_t have = input->current.size();
    switch (conn.read_mode_) {
      case ReadMode::kAny:
        if (have > 0) {
          const uint32_t size = std::min(have, conn.read_max_);
          return Done(conn, size, size);
        }
        break;
      case ReadMode::kExactly:
        if (have >= conn.read_parameter_) return Done(conn, conn.read_parameter_, conn.read_parameter_);
        break;
      case ReadMode::kLine:
      case ReadMode::kUntil1:
      case ReadMode::kUntil2:
      case ReadMode::kUntil3:
      case ReadMode::kUntil4:
        if (const Found found = LookForTerminator(conn); found != Found::kNotYet) return found;
        break;
      case ReadMode::kNone:
      case ReadMode::kDone:
      case ReadMode::kDeadline: return Found::kNotYet;
    }
    if (input->parked.empty()) return Found::kNotYet;
    Engine* engine = Engine::Current();
    alloc::Lease next = input->parked.Pop(&engine->shard_->frames());
    --engine->gauges_.parked_leases;
    // Reading was off until here; and the block may be kept, so that it does not say so when it goes back.
    if (input->parked.empty() && conn.Has(Connection::kReadingOff)) engine->MarkDirty(conn);
    if (input->current.empty()) {
      input->current = std::move(next);
      input->scanned = 0;
    } else if (!Carry(conn, std::move(next))) {
      engine->End(conn, CloseCause::kNoMemory, /*abort=*/true);
      return Failed(conn, ReadReason::kClosed);
    }
  }
}

Reader::Found Reader::LookForTerminator(Connection& conn) {
  Input* input = conn.input_;
  const std::string_view bytes = input->current.view();
  const bool line = conn.read_mode_ == ReadMode::kLine;
  char word[4];
  const uint32_t packed = line ? '\n' : conn.read_parameter_;
  const uint32_t length =
      line ? 1 : static_cast<uint32_t>(conn.read_mode_) - static_cast<uint32_t>(ReadMode::kUntil1) + 1;
  for (uint32_t i = 0; i < length; ++i) word[i] = static_cast<char>(packed >> (8 * (length - 1 - i)));

  const size_t at = bytes.find(std::string_view(word, length), input->scanned);
  if (at != std::string_view::npos) {
    size_t size = at;
    if (line && size > 0 && bytes[size - 1] == '\r') --size;
    if (size > conn.read_max_) return Failed(conn, ReadReason::kTooLong);
    return Done(conn, static_cast<uint32_t>(size), static_cast<uint32_t>(at) + length);
  }
  // What may still be the beginning of a terminator (CR of a CRLF too) does not count against the limit.
  if (bytes.size() >= uint64_t{conn.read_max_} + (line ? 2 : length)) return Failed(conn, ReadReason::kTooLong);
  input->scanned = bytes.size() < length ? 0 : static_cast<uint32_t>(bytes.size()) - (length - 1);
  return Found::kNotYet;
}

void Reader::Resume(Connection& conn) {
  auto task = std::coroutine_handle<>::from_address(std::exchange(conn.waiter_or_handler_, nullptr));
  conn.Set(Connection::kNoReader);
  task.resume();
}

void Reader::Fail(Connection& conn, ReadReason reason) {
  if (conn.Has(Connection::kNoReader) || !conn.Has(Connection::kTask) || conn.waiter_or_handler_ == nullptr) return;
  conn.read_reason_ = reason;
  conn.read_mode_ = ReadMode::kDone;
  conn.Set(Connection::kNoReader | Connection::kResuming);
  Engine::Current()->shard_->MakeRunnable(
      [](void* argument) {
        auto& due = *static_cast<Connection*>(argument);
        due.Unset(Connection::kResuming);
        Engine::Current()->MarkDirty(due);  // it may be gone after this
        Engine::Current()->Doing(due);
        std::coroutine_handle<>::from_address(std::exchange(due.waiter_or_handler_, nullptr)).resume();
      },
      &conn);
}

void Reader::ResumeWriter(Connection& conn) {
  if (conn.writer_ && !conn.Has(Connection::kWriterResuming)) std::exchange(conn.writer_, nullptr).resume();
}

void Reader::FailWriter(Connection& conn) {
  if (!conn.writer_ || conn.Has(Connection::kWriterResuming)) return;
  conn.Set(Connection::kWriterResuming);
  Engine::Current()->shard_->MakeRunnable(
      [](void* argument) {
        auto& due = *static_cast<Connection*>(argument);
        due.Unset(Connection::kWriterResuming);
        Engine::Current()->MarkDirty(due);  // it may be gone after this
        Engine::Current()->Doing(due);
        std::exchange(due.writer_, nullptr).resume();
      },
      &conn);
}

void Reader::CancelWaits(Connection& conn, const core::CancelScope* scope) {
  const bool task = conn.Has(Connection::kTask);
  if (task && !conn.Has(Connection::kNoReader) && conn.waiter_or_handler_ != nullptr &&
      core::ScopeOf(std::coroutine_handle<>::from_address(conn.waiter_or_handler_)) == scope) {
    Fail(conn, ReadReason::kCancelled);
  }
  if (conn.writer_ && core::ScopeOf(conn.writer_) == scope) FailWriter(conn);
}

// The awaiters.

void ReadAwaiter::Suspend(std::coroutine_handle<> task, core::CancelScope* scope) {
  Reader::Suspend(*conn(), task, scope);
}
ReadResult ReadAwaiter::await_resume() { return Reader::Take(*conn()); }

void WritableAwaiter::Suspend(std::coroutine_handle<> task, core::CancelScope* scope) {
  scope->WaitAtConnection(conn_);
  conn_->writer_ = task;
  if (scope->cancelled() || !conn_->open()) Reader::FailWriter(*conn_);
}

ReadAwaiter Connection::Read(ReadOptions options) {
  return ReadAwaiter(this, Reader::Begin(*this, ReadMode::kAny, 0, options));
}
ReadAwaiter Connection::ReadExactly(uint32_t n, ReadOptions options) {
  return ReadAwaiter(this, Reader::Begin(*this, ReadMode::kExactly, n, options));
}
ReadAwaiter Connection::ReadLine(ReadOptions options) {
  return ReadAwaiter(this, Reader::Begin(*this, ReadMode::kLine, 0, options));
}
ReadAwaiter Connection::ReadUntil(std::string_view terminator, ReadOptions options) {
  assert(!terminator.empty() && terminator.size() <= 4);
  const auto mode = static_cast<ReadMode>(static_cast<size_t>(ReadMode::kUntil1) + terminator.size() - 1);
  return ReadAwaiter(this, Reader::Begin(*this, mode, Pack(terminator), options));
}

alloc::Lease Connection::Keep(const ReadResult& result) {
  if (result.size == 0) return {};
  const alloc::Lease& current = input_->current;
  alloc::Block* block = current.block();
  assert(block != nullptr && result.data >= block->data && "of the last read");
  const auto offset = static_cast<uint32_t>(result.data - block->data);
  assert(offset + result.size <= current.offset() && "of the last read");
  ++block->refs;
  return alloc::Lease(block, offset, result.size);
}

std::string_view Connection::Partial() const {
  return input_ == nullptr ? std::string_view() : input_->current.view();
}

}  // namespace mooring::net
