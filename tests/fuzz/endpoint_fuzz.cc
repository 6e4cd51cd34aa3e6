// SPDX-License-Identifier: Apache-2.0
// The text of an endpoint: any is read or refused with one line, and what was read is written so that it reads the same.
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/endpoint.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mooring::fuzz::Expect;
  using mooring::net::Address;
  using mooring::net::Endpoint;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto endpoint = Endpoint::Parse(text);
  const bool scheme = text.substr(0, 6) == "tcp://";
  const auto address = Address::Parse(scheme ? text.substr(6) : text);
  if (!endpoint.ok()) {
    Expect(!endpoint.status().message().empty(), "an error says what is wrong");
    Expect(!address.ok(), "an address is an endpoint");
    return 0;
  }
  Expect(!endpoint->empty(), "what was read is an endpoint");
  const std::string written = endpoint->ToString();
  const auto again = Endpoint::Parse(written);
  Expect(again.ok(), "what ToString writes, Parse reads");
  Expect(*again == *endpoint, "and it is the same endpoint");
  Expect(again->ToString() == written, "and the same text");
  if (endpoint->is_unix()) {
    Expect(written == text, "a path is kept as it is given");
    Expect(endpoint->path().size() <= Endpoint::kPathBytesMax, "a path fits into a sockaddr_un");
    return 0;
  }
  Expect(text.find('\0') == std::string_view::npos, "a zero byte is no part of an address");
  Expect(address.ok() && *address == endpoint->address(), "what is no path is an address");
  // As the kernel gives it back.
  Expect(Address(address->get()) == *address, "a sockaddr makes the same address");
  return 0;
}
