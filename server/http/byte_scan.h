// SPDX-License-Identifier: Apache-2.0
// ByteScan: where a run of bytes that a line may have ends: tokens, targets, field values.
//
// 16 bytes at a time where SSE2 is there, which is every x86-64. Nothing is read at or behind `end`.
#ifndef MOORING_SERVER_HTTP_BYTE_SCAN_H_
#define MOORING_SERVER_HTTP_BYTE_SCAN_H_

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__) && !defined(MOORING_NO_SSE2)
#include <emmintrin.h>
#define MOORING_HTTP_SSE2 1
#endif

namespace mooring::server::http {

inline constexpr uint8_t kTokenByte = 1;   // RFC 9110, section 5.6.2
inline constexpr uint8_t kTargetByte = 2;  // visible ASCII but '#': RFC 3986 has fewer, browsers send more than it has
inline constexpr uint8_t kValueByte = 4;   // HTAB, SP, visible ASCII, obs-text (RFC 9110, section 5.5)
inline constexpr uint8_t kHostByte = 8;    // of a reg-name, without '%' and ',' (RFC 3986, section 3.2.2)
inline constexpr uint8_t kDigitByte = 16;
inline constexpr uint8_t kHexByte = 32;

inline constexpr std::array<uint8_t, 256> kByteClasses = [] {
  std::array<uint8_t, 256> classes{};
  constexpr std::string_view alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const auto add = [&classes](std::string_view bytes, uint8_t to) {
    for (const char c : bytes) classes[static_cast<uint8_t>(c)] |= to;
  };
  add(alphanumeric, kTokenByte | kHostByte);
  add("!#$%&'*+-.^_`|~", kTokenByte);
  add("-._~!$&'()*+;=", kHostByte);
  add("0123456789", kDigitByte | kHexByte);
  add("ABCDEFabcdef", kHexByte);
  for (unsigned c = 0x20; c < 256; ++c) {
    if (c != 0x7f) classes[c] |= kValueByte;
    if (c > 0x20 && c < 0x7f && c != '#') classes[c] |= kTargetByte;
  }
  classes['\t'] |= kValueByte;
  return classes;
}();

constexpr bool Is(char c, uint8_t classes) { return (kByteClasses[static_cast<uint8_t>(c)] & classes) != 0; }
constexpr bool IsControl(char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }

// The first byte that is not of the class, or `end`.
template <uint8_t byte_class>
inline const char* Skip(const char* p, const char* end) {
  while (p != end && Is(*p, byte_class)) ++p;
  return p;
}

#ifdef MOORING_HTTP_SSE2
template <>
inline const char* Skip<kTargetByte>(const char* p, const char* end) {
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // As signed numbers: bytes from 0x80 on are below zero.
    const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));
    const __m128i other = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
                                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
    const auto not_in = static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(low, other)));
    if (not_in != 0) return p + std::countr_zero(not_in);
  }
  while (p != end && Is(*p, kTargetByte)) ++p;
  return p;
}

template <>
inline const char* Skip<kValueByte>(const char* p, const char* end) {
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    const auto not_in = static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del)));
    if (not_in != 0) return p + std::countr_zero(not_in);
  }
  while (p != end && Is(*p, kValueByte)) ++p;
  return p;
}
#endif

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_BYTE_SCAN_H_
