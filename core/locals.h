// SPDX-License-Identifier: Apache-2.0
// Locals: one object of a type for each shard: caches, sets, pools, counts, which a service shares between its
// connections without a lock.
//
//   struct Greeted { uint64_t peers = 0; };
//   Server(argc, argv).PerShard<Greeted>().Listen(...)     // made on every shard, before its first turn
//   ++Local<Greeted>().peers;                              // in a turn of that shard
//
// Finding one is a load and an index: types are numbered when they are first asked for.
//
// Threads:  the shard's; TypeNumber from any.
// Owns:     the objects; destroyed last made first, after the shard's last turn.
#ifndef MOORING_CORE_LOCALS_H_
#define MOORING_CORE_LOCALS_H_

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace mooring::core {

class Locals {
 public:
  Locals() = default;
  ~Locals() { Clear(); }
  Locals(const Locals&) = delete;

  // The object of type T, made from `arguments`. REQUIRES: there is none yet.
  template <class T, class... A>
  T& Emplace(A&&... arguments) {
    const uint32_t number = TypeNumber<T>();
    if (objects_.size() <= number) objects_.resize(number + 1);
    auto* object = new T(std::forward<A>(arguments)...);
    objects_[number] = object;
    made_.push_back({number, object, [](void* old) { delete static_cast<T*>(old); }});
    return *object;
  }

  // Null when there is none.
  template <class T>
  T* Find() const {
    const uint32_t number = TypeNumber<T>();
    return number < objects_.size() ? static_cast<T*>(objects_[number]) : nullptr;
  }

  // A destructor still finds what was made before its object.
  void Clear() {
    while (!made_.empty()) {
      const Made last = made_.back();
      made_.pop_back();
      objects_[last.number] = nullptr;
      last.destroy(last.object);
    }
  }

 private:
  struct Made {
    uint32_t number;
    void* object;
    void (*destroy)(void* object);
  };

  template <class T>
  static uint32_t TypeNumber() {
    static const uint32_t number = next_number_.fetch_add(1, std::memory_order_relaxed);
    return number;
  }
  static inline std::atomic<uint32_t> next_number_{0};

  std::vector<void*> objects_;  // by type
  std::vector<Made> made_;
};

}  // namespace mooring::core

#endif  // MOORING_CORE_LOCALS_H_
