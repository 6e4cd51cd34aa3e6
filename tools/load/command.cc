// SPDX-License-Identifier: Apache-2.0
#include "tools/load/command.h"

#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tools/load/options.h"

namespace mooring::tools::load {
namespace {

using Words = std::vector<absl::string_view>;

template <class... A>
absl::Status Wrong(const A&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

bool ReadCount(absl::string_view text, uint32_t max, uint32_t* out) {
  return absl::SimpleAtoi(text, out) && *out >= 1 && *out <= max;
}

absl::Status ReadOption(absl::string_view word, uint32_t connections, Command* command) {
  absl::string_view value = word;
  const bool run = command->kind == Command::Kind::kRun;
  if (run && absl::ConsumePrefix(&value, "active=")) {
    if (ReadCount(value, connections, &command->active)) return absl::OkStatus();
    return Wrong(word, ": 1 to ", connections, " connections");
  }
  if (run && absl::ConsumePrefix(&value, "rate=")) {
    if (absl::SimpleAtod(value, &command->rate) && command->rate > 0 && command->rate <= kRateMax) {
      return absl::OkStatus();
    }
    return Wrong(word, ": messages a second, above 0, at most ", kRateMax);
  }
  if (!run && absl::ConsumePrefix(&value, "ahead=")) {
    if (ReadCount(value, connections, &command->ahead)) return absl::OkStatus();
    return Wrong(word, ": 1 to ", connections, " connections");
  }
  return Wrong(word, ": run SECONDS [active=K] [rate=R], messages N [ahead=K]");
}

absl::Status ReadOptions(const Words& words, uint32_t connections, Command* command) {
  std::set<absl::string_view> given;
  for (size_t i = 2; i < words.size(); ++i) {
    if (absl::Status read = ReadOption(words[i], connections, command); !read.ok()) return read;
    const absl::string_view name = words[i].substr(0, words[i].find('='));
    if (!given.insert(name).second) return Wrong(name, ": given twice");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Command> ParseCommand(absl::string_view line, uint32_t connections) {
  const Words words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  Command command;
  command.text = std::string(absl::StripAsciiWhitespace(line));
  const absl::string_view what = words.empty() ? "" : words[0];
  const absl::string_view number = words.size() < 2 ? "" : words[1];
  if (what == "wake") {
    command.kind = Command::Kind::kWake;
    if (words.size() > 1) return Wrong("wake: nothing behind it");
    return command;
  }
  if (what == "run") {
    command.kind = Command::Kind::kRun;
    if (!absl::SimpleAtod(number, &command.seconds) || !(command.seconds > 0) || command.seconds > 1e6) {
      return Wrong("run: needs seconds, above 0, at most 1e6: run 2.5");
    }
  } else if (what == "messages") {
    command.kind = Command::Kind::kMessages;
    if (!ReadCount(number, 1'000'000'000, &command.messages)) {
      return Wrong("messages: needs how many on each connection, 1 to 1000000000: messages 10");
    }
  } else {
    return Wrong("'", what, "': no such command; known are run, messages, wake");
  }
  if (absl::Status options = ReadOptions(words, connections, &command); !options.ok()) return options;
  return command;
}

}  // namespace mooring::tools::load
