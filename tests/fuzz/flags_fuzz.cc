// SPDX-License-Identifier: Apache-2.0
// mooringd's command line and environment: any give settings within their bounds, or errors of a line each.
//
// Input: the arguments, one a line; a line that begins with MOORING_ and has a '=' is a variable instead.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/config/config.h"
#include "server/services.h"
#include "tests/fuzz/fuzz.h"

namespace {

using mooring::server::config::Asked;
using mooring::server::config::Sources;
using mooring::server::config::What;

Sources SourcesOf(const std::string& text) {
  Sources sources = {.etc = "/nowhere"};
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    const size_t equals = line.find('=');
    if (absl::StartsWith(line, "MOORING_") && equals != std::string::npos) {
      sources.environment.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    } else {
      sources.arguments.push_back(line);
    }
  }
  return sources;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mooring::fuzz::Expect;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const mooring::server::Program program = mooring::server::Mooringd();
  const Sources sources = SourcesOf(text);
  const absl::StatusOr<Asked> asked = mooring::server::config::Read(program, sources);
  if (!asked.ok()) {
    Expect(!asked.status().message().empty(), "an error says what is wrong");
    for (absl::string_view line : absl::StrSplit(asked.status().message(), '\n')) {
      Expect(!line.empty() && line.size() < 1000, "an error is a line for each thing");
    }
    return 0;
  }
  if (asked->what != What::kServe && asked->what != What::kCheck) return 0;
  const mooring::server::Settings& settings = asked->settings;
  Expect(!settings.listeners.empty(), "something is listened on");
  for (const auto& listen : settings.listeners) {
    Expect(listen.service != nullptr, "a listener has a service");
    Expect(!listen.endpoint.empty(), "a listener has an endpoint");
    for (const auto& setting : listen.service->settings) {
      const uint64_t number = listen.values.Number(setting.name);
      Expect(number == 0 || (number >= setting.min && number <= setting.max), "a service's setting is within its bounds");
    }
  }
  Expect(settings.runtime.shards >= 0 && settings.runtime.shards <= 1023, "ConnectionId has ten bits for the shard");
  Expect(settings.drain.deadline_s <= 24 * 3600, "a drain ends");
  const auto again = mooring::server::config::ReadAgain(program, sources, settings);
  Expect(again.ok() && *again == settings, "the same said again is the same");
  // Nothing of a parse is left for the next.
  const auto plain = mooring::server::config::Read(program, {.etc = "/nowhere"});
  Expect(plain.ok() && plain->settings.listeners.size() == 3 && plain->settings.runtime == mooring::server::RuntimeSettings() &&
             plain->settings.drain == mooring::server::DrainSettings() && plain->what == What::kServe,
         "without arguments everything is at its default");
  return 0;
}
