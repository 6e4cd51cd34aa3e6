// SPDX-License-Identifier: Apache-2.0
// What a file costs that is in memory, what a helper's costs, and why its buffer becomes the lease.
#include "core/files.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "alloc/shared_bytes.h"
#include "core/blocking_pool.h"
#include "perf/core/real_shard.h"
#include "tests/core/forwarding_kernel.h"

namespace mooring::core {
namespace {

// Nothing is in memory: every path and every byte is a helper's, and no disk is measured.
class ColdKernel final : public ForwardingKernel {
 public:
  int OpenAt2(int folder, const char* path, const open_how& how) override {
    return (how.resolve & RESOLVE_CACHED) != 0 ? -EAGAIN : ForwardingKernel::OpenAt2(folder, path, how);
  }
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override {
    return flags != 0 ? -EAGAIN : ForwardingKernel::ReadAt(fd, to, size, offset, flags);
  }
};

// A folder with "a/b.html" of so many bytes.
class Folder {
 public:
  explicit Folder(int64_t bytes) {
    const char* tmp = std::getenv("TEST_TMPDIR");
    name_ = std::string(tmp == nullptr ? "/tmp" : tmp) + "/files_bench.XXXXXX";
    if (mkdtemp(name_.data()) == nullptr) std::abort();
    fd_ = open(name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    mkdirat(fd_, "a", 0700);
    const int file = openat(fd_, "a/b.html", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::string text(static_cast<size_t>(bytes), 'x');
    if (write(file, text.data(), text.size()) != bytes) std::abort();
    close(file);
  }
  ~Folder() {
    unlinkat(fd_, "a/b.html", 0);
    unlinkat(fd_, "a", AT_REMOVEDIR);
    close(fd_);
    rmdir(name_.c_str());
  }
  int fd() const { return fd_; }

 private:
  std::string name_;
  int fd_ = -1;
};

struct Warm {
  explicit Warm(int64_t bytes) : folder(bytes), files(folder.fd(), RealKernel()) {}
  Folder folder;
  Files files;
};

// A rename anywhere on the machine can make a walk give up (rename_lock), so a few are no mistake.
void Report(benchmark::State& state, uint64_t would_wait) {
  state.counters["would_wait"] = static_cast<double>(would_wait);
  if (would_wait * 100 > static_cast<uint64_t>(state.iterations()) + 100) state.SkipWithError("it is not in memory");
}

void BM_FilesTryStat(benchmark::State& state) {
  Warm warm(1024);
  uint64_t would_wait = 0;
  for (auto _ : state) would_wait += warm.files.TryStat("a/b.html").error != 0;
  Report(state, would_wait);
}
BENCHMARK(BM_FilesTryStat);

void BM_FilesTryOpen(benchmark::State& state) {
  Warm warm(1024);
  uint64_t would_wait = 0;
  for (auto _ : state) would_wait += warm.files.TryOpen("a/b.html").error != 0;
  Report(state, would_wait);
}
BENCHMARK(BM_FilesTryOpen);

void ReadsWarm(benchmark::State& state, bool and_opens) {
  const auto bytes = static_cast<uint32_t>(state.range(0));
  Warm warm(bytes);
  ManualClock clock;
  Shard shard({.clock = &clock});
  Shard::Enter enter(&shard);
  OpenedFile opened;
  while (opened.error != 0 || !opened.file) opened = warm.files.TryOpen("a/b.html");
  uint64_t would_wait = 0;
  for (auto _ : state) {
    if (and_opens) opened = warm.files.TryOpen("a/b.html");
    const FileRead read = warm.files.TryRead(opened.file, 0, bytes);
    would_wait += read.bytes.size() != bytes;
  }
  Report(state, would_wait);
  state.SetBytesProcessed(state.iterations() * bytes);
}
void BM_FilesTryRead(benchmark::State& state) { ReadsWarm(state, false); }
void BM_FilesTryOpenTryRead(benchmark::State& state) { ReadsWarm(state, true); }
BENCHMARK(BM_FilesTryRead)->Arg(1 << 10)->Arg(64 << 10)->Arg(256 << 10);
BENCHMARK(BM_FilesTryOpenTryRead)->Arg(1 << 10)->Arg(64 << 10)->Arg(256 << 10);

// The same by a helper, one after the other: the shard sleeps, the helper sleeps, and each wakes the other.
Task<> OpensAndReads(Files* files, uint32_t bytes, int times, bool and_opens, uint64_t* sum) {
  OpenedFile opened = co_await files->Open("a/b.html");
  for (int i = 0; i < times; ++i) {
    if (and_opens) opened = co_await files->Open("a/b.html");
    const FileRead read = co_await files->Read(opened.file, 0, bytes);
    *sum += read.bytes.size();
  }
}
void ReadsCold(benchmark::State& state, bool and_opens) {
  const auto bytes = static_cast<uint32_t>(state.range(1));
  const auto shard = ShardOf(state);
  BlockingPool pool;
  shard->shard().SetJobRunner(&pool);
  Folder folder(bytes);
  ColdKernel cold;
  Files files(folder.fd(), &cold);
  uint64_t sum = 0;
  while (state.KeepRunningBatch(100)) {
    shard->Run([&] { return OpensAndReads(&files, bytes, 100, and_opens, &sum); });
  }
  if (sum != static_cast<uint64_t>(state.iterations()) * bytes) state.SkipWithError("not all was read");
  state.SetBytesProcessed(static_cast<int64_t>(sum));
}
void BM_FilesHelperRead(benchmark::State& state) { ReadsCold(state, false); }
void BM_FilesHelperOpenRead(benchmark::State& state) { ReadsCold(state, true); }
BENCHMARK(BM_FilesHelperRead)
    ->ArgsProduct({{0, 2}, {1 << 10, 64 << 10, 256 << 10}})
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK(BM_FilesHelperOpenRead)->ArgsProduct({{0, 2}, {1 << 10, 64 << 10}})->MeasureProcessCPUTime()->UseRealTime();

// Ways of a helper's bytes to a lease, on one thread: what each costs in all.
class HandOver {
 public:
  explicit HandOver(uint32_t bytes) : bytes_(bytes), folder_(bytes) {
    fd_ = openat(folder_.fd(), "a/b.html", O_RDONLY | O_CLOEXEC);
  }
  ~HandOver() { close(fd_); }
  // As Files does it.
  alloc::Lease Shared() {
    auto body = alloc::SharedBytes::Make(bytes_, [&](char* to) { return pread(fd_, to, bytes_, 0); });
    return shard_.buffers().Share(body);
  }
  // Into a string, whose bytes are cleared first.
  alloc::Lease Taken() {
    std::string text(bytes_, '\0');
    if (pread(fd_, text.data(), bytes_, 0) < 0) std::abort();
    return shard_.buffers().Share(alloc::SharedBytes::Take(std::move(text)));
  }
  // Copied by the shard into a block of its own.
  alloc::Lease Copied() {
    const std::unique_ptr<char[]> text(new char[bytes_]);
    if (pread(fd_, text.get(), bytes_, 0) < 0) std::abort();
    alloc::Block* block = shard_.buffers().Acquire(bytes_);
    std::memcpy(block->data, text.get(), bytes_);
    return alloc::Lease(block, 0, bytes_);
  }

 private:
  const uint32_t bytes_;
  Folder folder_;
  int fd_ = -1;
  ManualClock clock_;
  Shard shard_{{.clock = &clock_}};
};
void HandsOver(benchmark::State& state, alloc::Lease (HandOver::*way)()) {
  HandOver hand(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize((hand.*way)());
}
void BM_FilesHandOverShared(benchmark::State& state) { HandsOver(state, &HandOver::Shared); }
void BM_FilesHandOverTaken(benchmark::State& state) { HandsOver(state, &HandOver::Taken); }
void BM_FilesHandOverCopied(benchmark::State& state) { HandsOver(state, &HandOver::Copied); }
BENCHMARK(BM_FilesHandOverShared)->Arg(1 << 10)->Arg(64 << 10)->Arg(256 << 10);
BENCHMARK(BM_FilesHandOverTaken)->Arg(1 << 10)->Arg(64 << 10)->Arg(256 << 10);
BENCHMARK(BM_FilesHandOverCopied)->Arg(1 << 10)->Arg(64 << 10)->Arg(256 << 10);

}  // namespace
}  // namespace mooring::core
