// SPDX-License-Identifier: Apache-2.0
// Scale: how much load a scenario makes: all of it, or a part of it where a sanitizer slows everything down.
#ifndef MOORING_TESTS_SCENARIO_SCALE_H_
#define MOORING_TESTS_SCENARIO_SCALE_H_

namespace mooring::scenario {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

inline constexpr int kLoadDivisor = kSanitized ? 5 : 1;
constexpr int Scaled(int n) { return n / kLoadDivisor; }

}  // namespace mooring::scenario

#endif  // MOORING_TESTS_SCENARIO_SCALE_H_
