// SPDX-License-Identifier: Apache-2.0
// The text of an endpoint: any is read or refused with one line, and what was read is written so that it reads the same.
#include <string>
#include <string_view>

#include "net/address.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mooring::fuzz::Expect;
  using mooring::net::Address;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = Address::Parse(text);
  if (!address.ok()) {
    Expect(!address.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  Expect(!address->empty(), "what was read is an address");
  const std::string written = address->ToString();
  const auto again = Address::Parse(written);
  Expect(again.ok(), "what ToString writes, Parse reads");
  Expect(*again == *address, "and it is the same address");
  Expect(again->ToString() == written, "and the same text");
  // As the kernel gives it back.
  Expect(Address(address->get()) == *address, "a sockaddr makes the same address");
  return 0;
}
