// SPDX-License-Identifier: Apache-2.0
// A request's bytes, cut as the input says: the parser answers as it does to all of them at once, does not work more
// than linearly, and what it accepts keeps the promises of docs/HTTP.md.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/http/fields.h"
#include "server/http/refusal.h"
#include "server/http/request_parser.h"
#include "tests/fuzz/fuzz.h"
#include "tests/server/http/feeding.h"

namespace mooring::server::http {
namespace {

using fuzz::Expect;

constexpr RequestParser::Limits kLimits[] = {
    {},
    // So that an input of 4 KiB reaches each.
    {.request_line_bytes = 60,
     .fields_bytes = 120,
     .fields = 5,
     .chunk_extension_bytes = 8,
     .chunk_extensions_bytes = 20,
     .body_bytes = 50},
};

bool IsToken(std::string_view text) {
  constexpr std::string_view kOther = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kOther) == std::string_view::npos;
}

bool IsValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

// What a head must be, from its lines, in the plainest way there is.
void CheckHead(const Feeding& feeding, const RequestParser::Limits& limits) {
  const RequestParser::Head& head = feeding.parser().head();
  const Fields fields = feeding.fields();
  std::string_view bytes = feeding.head_bytes();
  Expect(bytes.size() >= 4 && bytes.substr(bytes.size() - 4) == "\r\n\r\n", "a head ends with an empty line");
  while (bytes.substr(0, 2) == "\r\n") bytes.remove_prefix(2);
  Expect(feeding.head_bytes().size() - bytes.size() == head.method_at(), "the method begins the request line");
  const size_t line = bytes.find("\r\n");
  Expect(line <= limits.request_line_bytes, "the request line is within its limit");
  const std::string_view request = bytes.substr(0, line);
  const std::string_view target(feeding.head_bytes().data() + head.target, head.target_bytes);
  const std::string_view method(feeding.head_bytes().data() + head.method_at(), head.method_bytes);
  Expect(request == std::string(method) + " " + std::string(target) + " HTTP/1." + std::to_string(head.minor),
         "the request line is method, target and version");
  Expect(IsToken(method), "the method is a token");
  Expect(head.method == Method::kOther || Name(head.method) == method, "the method is the one that is named");
  Expect(!target.empty() && std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f; }),
         "a target is visible ASCII");
  Expect(target.find('#') == std::string_view::npos, "a target has no fragment");
  Expect(head.path >= head.target && head.path + head.path_bytes <= head.target + head.target_bytes,
         "the path is in it");
  Expect(head.query >= head.path + head.path_bytes && head.query + head.query_bytes == head.target + head.target_bytes,
         "the query is the rest of it");
  std::string_view lines = bytes.substr(line + 2);
  Expect(lines.size() - 2 <= limits.fields_bytes, "the fields are within their limit");
  uint32_t count = 0;
  uint32_t hosts = 0;
  uint32_t lengths = 0;
  uint32_t codings = 0;
  while (lines != "\r\n") {
    const size_t end = lines.find("\r\n");
    const std::string_view one = lines.substr(0, end);
    const size_t colon = one.find(':');
    Expect(colon != std::string_view::npos && count < fields.size(), "each line is a field");
    std::string_view value = one.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    Expect(fields.name(count) == one.substr(0, colon), "a field has its line's name");
    Expect(fields.value(count) == value, "a field has its line's value");
    Expect(IsToken(fields.name(count)), "a name is a token");
    Expect(IsValue(value), "a value has no control byte");
    hosts += SameIgnoringCase(fields.name(count), "host") ? 1 : 0;
    lengths += SameIgnoringCase(fields.name(count), "content-length") ? 1 : 0;
    codings += SameIgnoringCase(fields.name(count), "transfer-encoding") ? 1 : 0;
    ++count;
    lines.remove_prefix(end + 2);
  }
  Expect(count == fields.size() && count <= limits.fields, "there are as many fields as lines");
  Expect(hosts == 1 || (hosts == 0 && head.minor == 0), "there is one host");
  Expect(lengths + codings <= 1, "there is one framing");
  Expect(head.chunked == (codings == 1), "chunked is what Transfer-Encoding says");
  Expect(lengths == 1 || head.length == 0, "a length is what Content-Length says");
  Expect(head.has_body == (head.chunked || head.length != 0), "a body has a framing");
  if (lengths == 1) {
    const std::string_view text = *fields.Find("content-length");
    Expect(!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos, "a length is digits");
  }
  Expect(!head.upgrade || (!head.has_body && head.minor == 1 && head.method == Method::kGet), "upgrades have no body");
}

// Cut where the input says; `order` repeats.
std::string FeedAs(std::string_view bytes, std::string_view order, const RequestParser::Limits& limits) {
  Feeding feeding(limits);
  size_t calls = 0;
  for (size_t at = 0; at < bytes.size() && !feeding.over(); ++calls) {
    const size_t size = order.empty() ? 1 : static_cast<uint8_t>(order[calls % order.size()]) % 64;
    feeding.Feed(bytes.substr(at, size));
    at += size;
    if (size != 0) continue;
    feeding.Feed(bytes.substr(at, 1));
    ++at;
  }
  if (bytes.empty()) feeding.Feed(bytes);
  if (feeding.has_head()) CheckHead(feeding, limits);
  return feeding.Summary();
}

}  // namespace
}  // namespace mooring::server::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace http = mooring::server::http;
  using mooring::fuzz::Expect;
  mooring::fuzz::Bytes input(data, size);
  const uint8_t choice = input.Next();
  const http::RequestParser::Limits& limits = http::kLimits[choice & 1];
  const std::string order = input.Take(choice >> 1 & 7);
  const std::string bytes = input.Take(input.left());

  http::Feeding whole(limits);
  whole.Feed(bytes);
  if (whole.has_head()) http::CheckHead(whole, limits);
  const std::string summary = whole.Summary();
  Expect(whole.wrong().empty(), "the interface is kept");
  // A call takes bytes, or is the last one, or says what was already known: the head, or that there is no more.
  Expect(whole.calls() <= bytes.size() + 3, "the work is linear");
  Expect(whole.taken() <= bytes.size(), "no more is taken than was fed");
  if (whole.last() == http::RequestParser::Event::kRefused) {
    Expect(http::StatusOf(whole.refusal()) >= 400, "a refusal has a status");
  } else {
    Expect(whole.refusal() == http::Refusal::kNone, "what is not refused has no refusal");
    Expect(whole.body().size() <= limits.body_bytes, "a body is within its limit");
  }
  Expect(http::FeedAs(bytes, order, limits) == summary, "cut, it is the same");
  Expect(http::FeedAs(bytes, {}, limits) == summary, "byte by byte, it is the same");
  return 0;
}
