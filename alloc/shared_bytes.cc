// SPDX-License-Identifier: Apache-2.0
#include "alloc/shared_bytes.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace mooring::alloc {
namespace {

// Touched once when a body is made and once when it goes, never by a holder.
alignas(64) std::atomic<uint64_t> live_bodies{0};
std::atomic<uint64_t> live_bytes{0};

}  // namespace

struct SharedBytes::TakenBody : Body {
  explicit TakenBody(std::string&& bytes) : text(std::move(bytes)) {}
  const std::string text;
};

SharedBytes::Body* SharedBytes::Allocate(size_t bytes, char** data) {
  if (bytes > kBytesMax) return nullptr;
  const size_t allocated = sizeof(Body) + bytes;
  void* memory = std::malloc(allocated);
  if (memory == nullptr) return nullptr;
  *data = static_cast<char*>(memory) + sizeof(Body);
  auto* body = ::new (memory) Body();
  body->data = *data;
  body->allocated = allocated;
  Count(*body, true);
  return body;
}

SharedBytes SharedBytes::Copy(std::string_view bytes) {
  return Make(bytes.size(), [bytes](char* to) {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return bytes.size();
  });
}

SharedBytes SharedBytes::Take(std::string bytes) {
  if (bytes.size() > kBytesMax) return SharedBytes();
  auto* body = new (std::nothrow) TakenBody(std::move(bytes));
  if (body == nullptr) return SharedBytes();
  body->data = body->text.data();  // where it stays: a short text is inside the string
  body->size = static_cast<uint32_t>(body->text.size());
  body->allocated = sizeof(TakenBody) + body->text.capacity();
  body->taken = true;
  Count(*body, true);
  return SharedBytes(body);
}

void SharedBytes::Free(Body* body) {
  Count(*body, false);
  if (body->taken) {
    delete static_cast<TakenBody*>(body);
  } else {
    body->~Body();
    std::free(body);
  }
}

void SharedBytes::Count(const Body& body, bool live) {
  live_bodies.fetch_add(live ? 1 : static_cast<uint64_t>(-1), std::memory_order_relaxed);
  live_bytes.fetch_add(live ? body.allocated : -body.allocated, std::memory_order_relaxed);
}

SharedBytes::Total SharedBytes::Live() {
  return {.bodies = live_bodies.load(std::memory_order_relaxed), .bytes = live_bytes.load(std::memory_order_relaxed)};
}

}  // namespace mooring::alloc
