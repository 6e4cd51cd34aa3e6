// SPDX-License-Identifier: Apache-2.0
// After warm-up neither an echo, a line nor an HTTP request for a hot file makes a heap allocation.
//
// This program has its own malloc and operator new, which count and hand on to the C library's, so that mimalloc, if it
// is linked, serves nobody here.
#include <gtest/gtest.h>
#include <malloc.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "core/blocking_pool.h"
#include "core/shard.h"
#include "net/task_service.h"
#include "server/echo.h"
#include "server/http/http_service.h"
#include "server/http/static_files.h"
#include "server/line.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/server/http/temp_folder.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};

[[maybe_unused]] void Count() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

#ifdef MOORING_OWN_MALLOC
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);

void* malloc(size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  Count();
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  Count();
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) { __libc_free(memory); }
}

namespace {
void* New(size_t bytes) {
  if (void* memory = malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* NewAligned(size_t bytes, std::align_val_t alignment) {
  if (void* memory = memalign(static_cast<size_t>(alignment), bytes)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(size_t bytes) { return New(bytes); }
void* operator new[](size_t bytes) { return New(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes == 0 ? 1 : bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes == 0 ? 1 : bytes); }
void* operator new(size_t bytes, std::align_val_t alignment) { return NewAligned(bytes, alignment); }
void* operator new[](size_t bytes, std::align_val_t alignment) { return NewAligned(bytes, alignment); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { free(memory); }
#endif  // MOORING_OWN_MALLOC

namespace mooring::server {
namespace {

using scenario::Callbacks;
using scenario::Client;
using scenario::Coroutine;
using scenario::LoopbackServer;
using scenario::ServiceFactory;

constexpr int kRequests = 10'000;

class NoAllocation : public testing::Test {
 protected:
  void SetUp() override {
#ifndef MOORING_OWN_MALLOC
    GTEST_SKIP() << "malloc belongs to this build's sanitizer";
#endif
  }
};

// Requests and answers without an allocation of our own. Returns how many were answered in full.
int Ask(const Client& client, const char* request, size_t request_bytes, size_t answer_bytes, int n) {
  static char buffer[65536];
  for (int i = 0; i < n; ++i) {
    if (send(client.fd(), request, request_bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(request_bytes)) return i;
    for (size_t got = 0; got < answer_bytes;) {
      pollfd one = {client.fd(), POLLIN, 0};
      if (poll(&one, 1, scenario::kPatienceSeconds * 1000) != 1) return i;
      const ssize_t more = recv(client.fd(), buffer, sizeof(buffer), 0);
      if (more <= 0) return i;
      got += static_cast<size_t>(more);
    }
  }
  return n;
}

uint64_t AllocationsOf(ServiceFactory service, const char* request, size_t request_bytes, size_t answer_bytes,
                       const net::ServiceOptions& options = {}) {
  LoopbackServer server(std::move(service), {.service = options});
  Client client(server.port());
  EXPECT_EQ(Ask(client, request, request_bytes, answer_bytes, 1000), 1000) << "warm-up";
  allocations = 0;
  counting = true;
  const int answered = Ask(client, request, request_bytes, answer_bytes, kRequests);
  counting = false;
  EXPECT_EQ(answered, kRequests);
  return allocations;
}

TEST_F(NoAllocation, ForAnEcho) { EXPECT_EQ(AllocationsOf(Callbacks<Echo>(), "0123456789abcdef", 16, 16), 0u); }

TEST_F(NoAllocation, ForALine) { EXPECT_EQ(AllocationsOf(Coroutine(Line), "0123456789abcde\n", 16, 3), 0u); }

TEST_F(NoAllocation, ForPipelinedLines) {
  EXPECT_EQ(AllocationsOf(Coroutine(Line), "a\nb\nc\nd\ne\nf\ng\nh\n", 16, 24), 0u);
}

// With what is looked at again left out: that is three names a second.
TEST_F(NoAllocation, ForAHotFile) {
  const http::TempFolder folder;
  folder.Write("a.html", std::string(1000, 'x'));
  const auto files = http::StaticFiles::Open({.root = folder.path(), .recheck_ms = 3'600'000});
  ASSERT_TRUE(files.ok()) << files.status();
  http::Router router;
  router.Fallback(files->action());
  core::BlockingPool pool;
  const ServiceFactory service = [&] {
    core::Shard::Current()->SetJobRunner(&pool);
    return std::make_unique<http::HttpService>(router, http::HttpOptions{.requests_max = 0});
  };
  const std::string request = "GET /a.html HTTP/1.1\r\nHost: x\r\n\r\n";
  const net::ServiceOptions options = http::Http(router).limits();
  std::string answer;
  {
    LoopbackServer server(service, {.service = options});
    Client client(server.port());
    client.Send(request);
    while (!answer.ends_with(std::string(1000, 'x'))) {
      const std::string more = client.ReceiveSome(65536);
      ASSERT_FALSE(more.empty()) << answer;
      answer += more;
    }
  }
  EXPECT_EQ(AllocationsOf(service, request.data(), request.size(), answer.size(), options), 0u);
}

TEST_F(NoAllocation, ForAConnectionThatComesAndGoes) {
  LoopbackServer server(Coroutine(Line));
  for (int i = 0; i < 2000; ++i) {
    if (i == 1000) {
      server.Await([&] { return server.live() == 0; });
      allocations = 0;
      counting = true;
    }
    Client client(server.port());
    if (Ask(client, "hello\n", 6, 3, 1) != 1) break;
  }
  counting = false;
  EXPECT_EQ(server.Count(net::EngineCount::kAccepted), 2000u);
  EXPECT_EQ(allocations, 0u);
}

// The test can fail: a service that allocates is seen.
core::Task<> AllocatingLine(net::Connection& conn) {
  while (auto line = co_await conn.ReadLine()) {
    const std::string answer = std::string(40, 'x') + "\n";
    conn.Write(answer);
  }
}
class NewingEcho final : public net::Handler {
 public:
  void OnData(net::Connection& conn, alloc::Lease data) override {
    last_ = std::make_unique<uint64_t>(data.size());
    conn.Write(std::move(data));
  }

 private:
  std::unique_ptr<uint64_t> last_;
};

TEST_F(NoAllocation, OneInAServiceIsCounted) {
  EXPECT_GE(AllocationsOf(Coroutine(AllocatingLine), "hello\n", 6, 41), static_cast<uint64_t>(kRequests));
  EXPECT_GE(AllocationsOf(Callbacks<NewingEcho>(), "hello\n", 6, 6), static_cast<uint64_t>(kRequests));
}

}  // namespace
}  // namespace mooring::server
