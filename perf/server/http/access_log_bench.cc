// SPDX-License-Identifier: Apache-2.0
// What a shard pays for a line: the line itself, and Note, alone and with others at it, while the file takes lines and
// while it hangs.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "server/http/access_line.h"
#include "server/http/access_log.h"

namespace mooring::server::http {
namespace {

const net::Address kPeer = *net::Address::Parse("192.0.2.7:50000");
const AccessRecord kRecord = {.peer = &kPeer,
                              .request_line = "GET /index.html HTTP/1.1",
                              .status = 200,
                              .body_bytes = 1024,
                              .referer = "http://localhost:8080/",
                              .user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"};

void BM_AccessLineFormat(benchmark::State& state) {
  int64_t now = 1795964645;
  for (auto _ : state) {
    const AccessLine line(kRecord, ++now);
    benchmark::DoNotOptimize(line.view().data());
  }
}
BENCHMARK(BM_AccessLineFormat);

std::unique_ptr<AccessLog> log_of_all;

// How long a call takes, its slow ones too.
void Note(benchmark::State& state, std::chrono::microseconds between) {
  std::vector<uint32_t> took;
  took.reserve(1 << 20);
  const uint64_t dropped = log_of_all->dropped();
  for (auto _ : state) {
    const auto begun = std::chrono::steady_clock::now();
    log_of_all->Note(kRecord);
    const auto ended = std::chrono::steady_clock::now();
    state.SetIterationTime(std::chrono::duration<double>(ended - begun).count());
    if (took.size() < took.capacity()) took.push_back(static_cast<uint32_t>((ended - begun).count()));
    while (between.count() != 0 && std::chrono::steady_clock::now() - ended < between) {
    }
  }
  std::sort(took.begin(), took.end());
  const auto at = [&](double share) { return took[static_cast<size_t>(share * static_cast<double>(took.size() - 1))]; };
  state.counters["p50_ns"] = benchmark::Counter(at(0.5), benchmark::Counter::kAvgThreads);
  state.counters["p99_ns"] = benchmark::Counter(at(0.99), benchmark::Counter::kAvgThreads);
  state.counters["p999_ns"] = benchmark::Counter(at(0.999), benchmark::Counter::kAvgThreads);
  state.counters["max_us"] = benchmark::Counter(at(1) / 1e3, benchmark::Counter::kAvgThreads);
  if (state.thread_index() == 0) state.counters["dropped"] = static_cast<double>(log_of_all->dropped() - dropped);
}

void OpenNull(const benchmark::State&) { log_of_all = *AccessLog::Open("/dev/null"); }
void Close(const benchmark::State&) { log_of_all.reset(); }

// At the rate of a busy shard, /n lines a millisecond; 0: as fast as it goes, which is faster than lines are written.
void BM_AccessLogNote(benchmark::State& state) {
  Note(state, std::chrono::microseconds(state.range(0) == 0 ? 0 : 1000 / state.range(0)));
}
BENCHMARK(BM_AccessLogNote)->Setup(OpenNull)->Teardown(Close)->UseManualTime()->Arg(100)->Arg(0)->Threads(1)->Threads(2);

// The thread sleeps in write(2) all the time.
int reader = -1;
std::string pipe_path;
void OpenHanging(const benchmark::State&) {
  pipe_path = "/tmp/access_log_bench." + std::to_string(getpid());
  if (mkfifo(pipe_path.c_str(), 0600) != 0) std::abort();
  reader = open(pipe_path.c_str(), O_RDONLY | O_NONBLOCK);
  log_of_all = *AccessLog::Open(pipe_path);
}
void CloseHanging(const benchmark::State&) {
  close(reader);  // the write ends with EPIPE, and so does all that is queued
  unlink(pipe_path.c_str());
  log_of_all.reset();
}
void BM_AccessLogNoteWhileTheFileHangs(benchmark::State& state) { Note(state, std::chrono::microseconds(0)); }
BENCHMARK(BM_AccessLogNoteWhileTheFileHangs)
    ->Setup(OpenHanging)
    ->Teardown(CloseHanging)
    ->UseManualTime()
    ->Threads(1)
    ->Threads(2);

}  // namespace
}  // namespace mooring::server::http
