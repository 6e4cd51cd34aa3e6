// SPDX-License-Identifier: Apache-2.0
// A response's bytes, cut as the input says: the verdict is that of all of them at once, and what is accepted has but
// one reading: the head's lines, looked at in the plainest way there is, say the same.
//
// Input: which limits, method and how many cuts (1 byte), the sizes of the pieces, which repeat, the bytes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/http/fields.h"
#include "server/http/response_parser.h"
#include "tests/fuzz/fuzz.h"
#include "tests/server/http/response_reader.h"

namespace mooring::server::http {
namespace {

using fuzz::Expect;

constexpr ResponseParser::Limits kLimits[] = {
    {},
    // So that an input of 4 KiB reaches each.
    {.head_bytes = 150, .fields = 5, .chunk_extension_bytes = 8, .chunk_extensions_bytes = 20},
};

bool IsToken(std::string_view text) {
  constexpr std::string_view kOf = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kOf) == std::string_view::npos;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void CheckHead(const ResponseReader& reader, Method method, const ResponseParser::Limits& limits) {
  const ResponseParser::Head& head = reader.parser().head();
  const Fields fields = reader.fields();
  std::string_view lines = reader.head_bytes();
  Expect(lines.size() <= limits.head_bytes, "the head is within its limit");
  Expect(lines.ends_with("\r\n\r\n"), "the head ends with an empty line");
  Expect(std::none_of(lines.begin(), lines.end(),
                      [](char c) { return c == '\0' || c == 0x7f || c == '\v' || c == '\x1b'; }),
         "no line has a control byte");
  const std::string status = "HTTP/1." + std::to_string(head.minor) + " " + std::to_string(head.status);
  Expect(lines.starts_with(status) && (lines[status.size()] == ' ' || lines[status.size()] == '\r'), "the status line");
  Expect(head.status >= 100 && head.status <= 999 && head.minor <= 1, "the status");
  lines.remove_prefix(lines.find("\r\n") + 2);
  uint32_t count = 0, lengths = 0, codings = 0;
  while (lines != "\r\n") {
    const size_t end = lines.find("\r\n");
    const std::string_view line = lines.substr(0, end);
    Expect(line.find_first_of("\r\n") == std::string_view::npos, "a line has no other end in it");
    const size_t colon = line.find(':');
    Expect(colon != std::string_view::npos && count < fields.size(), "each line is a field");
    Expect(fields.name(count) == line.substr(0, colon) && IsToken(fields.name(count)), "a field has its line's name");
    Expect(fields.value(count) == Trimmed(line.substr(colon + 1)), "a field has its line's value");
    lengths += SameIgnoringCase(fields.name(count), "content-length") ? 1 : 0;
    codings += SameIgnoringCase(fields.name(count), "transfer-encoding") ? 1 : 0;
    ++count;
    lines.remove_prefix(end + 2);
  }
  Expect(count == fields.size() && count <= limits.fields, "there are as many fields as lines");
  Expect(lengths + codings <= 1, "there is one framing");
  Expect(head.chunked == (codings == 1) && head.has_length == (lengths == 1), "the framing is what the fields say");
  if (lengths == 1) {
    const std::string_view text = *fields.Find("content-length");
    Expect(!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos, "a length is digits");
  }
  const bool none = head.status < 200 || head.status == 204 || head.status == 304 || method == Method::kHead;
  Expect(!none || (!head.has_body && !head.until_end), "what has no body has none");
  Expect(head.until_end == (!none && lengths + codings == 0), "without a framing the body ends with the connection");
  Expect(!(head.until_end && head.keep_alive), "and the connection with the body");
}

ResponseReader::Verdict Read(std::string_view bytes, std::string_view sizes, Method method,
                             const ResponseParser::Limits& limits) {
  ResponseReader reader(method, &limits);
  size_t pieces = 0;
  for (size_t at = 0; at < bytes.size(); ++pieces) {
    const size_t size = sizes.empty() ? 1 : 1 + static_cast<uint8_t>(sizes[pieces % sizes.size()]) % 64;
    // A piece of its own size, so that AddressSanitizer sees a read behind it.
    const std::string piece(bytes.substr(at, size));
    reader.Feed(piece);
    at += piece.size();
  }
  Expect(reader.right(), "the interface is kept");
  return reader.End();
}

}  // namespace
}  // namespace mooring::server::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace http = mooring::server::http;
  using mooring::fuzz::Expect;
  mooring::fuzz::Bytes input(data, size);
  const uint8_t choice = input.Next();
  const auto& limits = http::kLimits[choice & 1];
  const http::Method method = (choice & 2) != 0 ? http::Method::kHead : http::Method::kGet;
  const std::string sizes = input.Take(choice >> 2 & 7);
  const std::string bytes = input.Take(input.left());

  http::ResponseReader whole(method, &limits);
  whole.Feed(bytes);
  const auto verdict = whole.End();
  Expect(whole.right(), "the interface is kept");
  Expect(whole.calls() <= bytes.size() + 3, "the work is linear");
  Expect(verdict.body.size() + verdict.left <= bytes.size(), "nothing is counted twice");
  if (whole.has_head() && whole.parser().head().status != 0) {
    if (verdict.refusal == http::Refusal::kNone) http::CheckHead(whole, method, limits);
  }
  Expect(http::Read(bytes, sizes, method, limits) == verdict, "cut, it is the same");
  Expect(http::Read(bytes, {}, method, limits) == verdict, "byte by byte, it is the same");
  return 0;
}
