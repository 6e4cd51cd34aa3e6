// SPDX-License-Identifier: Apache-2.0
// The services that several scenarios speak with: echo in both forms, and a line service with its limit.
#ifndef MOORING_TESTS_SCENARIO_SERVICES_H_
#define MOORING_TESTS_SCENARIO_SERVICES_H_

#include <string>
#include <utility>

#include "core/task.h"
#include "net/connection.h"
#include "net/handler.h"
#include "tests/scenario/loopback_server.h"

namespace mooring::scenario {

class EchoCallbacks final : public net::Handler {
 public:
  void OnData(net::Connection& conn, alloc::Lease data) override { conn.Write(std::move(data)); }
};

inline core::Task<> EchoCoroutine(net::Connection& conn) {
  while (auto data = co_await conn.Read({.max_bytes = 16384})) conn.Write(*data);
}

// Waits for room before it reads on.
inline core::Task<> EchoPatiently(net::Connection& conn) {
  while (auto data = co_await conn.Read({.max_bytes = 16384})) {
    conn.Write(*data);
    if (const bool room = co_await conn.Writable(); !room) co_return;
  }
}

inline constexpr uint32_t kLineMax = 100;

inline core::Task<> ShortLines(net::Connection& conn) {
  while (auto line = co_await conn.ReadLine({.max_bytes = kLineMax})) {
    conn.Write(*line);
    conn.Write("\n");
  }
}

struct Form {
  const char* name;
  ServiceFactory service;
};

inline Form EchoForms(int i) {
  switch (i) {
    case 0: return {"Callbacks", Callbacks<EchoCallbacks>()};
    case 1: return {"Coroutine", Coroutine(EchoCoroutine)};
    default: return {"PatientCoroutine", Coroutine(EchoPatiently)};
  }
}
inline constexpr int kEchoForms = 3;

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_SERVICES_H_
