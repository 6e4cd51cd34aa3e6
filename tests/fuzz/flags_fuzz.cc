// SPDX-License-Identifier: Apache-2.0
// mooringd's command line: any arguments give options within their bounds, or an error of one line.
//
// Input: the arguments, one a line.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "server/options.h"
#include "server/services.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mooring::fuzz::Expect;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> arguments = absl::StrSplit(text, '\n');
  static const mooring::server::Program program = mooring::server::Mooringd();
  const auto options = mooring::server::ParseOptions(arguments, program);
  if (!options.ok()) {
    Expect(!options.status().message().empty(), "an error says what is wrong");
    Expect(options.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return 0;
  }
  if (options->help || options->version) return 0;
  Expect(!options->listen.empty(), "something is listened on");
  for (const auto& listen : options->listen) {
    Expect(listen.service != nullptr, "a listener has a service");
    Expect(!listen.endpoint.empty(), "a listener has an endpoint");
  }
  Expect(options->shards >= 0 && options->shards <= 1023, "ConnectionId has ten bits for the shard");
  // Nothing of a parse is left for the next.
  const auto plain = mooring::server::ParseOptions({}, program);
  Expect(plain.ok() && plain->listen.size() == 3 && plain->shards == 0 && plain->max_connections == 0 && !plain->help,
         "without arguments everything is at its default");
  return 0;
}
