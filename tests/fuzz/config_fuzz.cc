// SPDX-License-Identifier: Apache-2.0
// A configuration file: any bytes give settings within their bounds, or errors of a line each, that name the file.
//
// Input: the file.
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/config/config.h"
#include "server/config/configure.h"
#include "server/config/keys.h"
#include "server/services.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mooring::server;
using mooring::fuzz::Expect;

// A file that each input is written to; gone at exit.
class Scratch {
 public:
  Scratch() : fd_(mkstemp(path_)) { Expect(fd_ >= 0, "there is a file to write to"); }
  ~Scratch() {
    close(fd_);
    unlink(path_);
  }
  const char* Write(const uint8_t* data, size_t size) {
    Expect(ftruncate(fd_, 0) == 0 && pwrite(fd_, data, size, 0) == static_cast<ssize_t>(size), "the input is written");
    return path_;
  }

 private:
  char path_[32] = "/tmp/mooring_config.XXXXXX";
  const int fd_;
};

void CheckBounds(const config::Form& form, const config::Value& value) {
  const auto again = config::ParseValue(form, {config::ToText(form, value)});
  Expect(again.ok() && *again == value, "a value is read as it is written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Program program = Mooringd();
  static Scratch scratch;
  const std::string path = scratch.Write(data, size);
  const config::Sources sources = {.arguments = {"--config=" + path}, .etc = "/nowhere"};
  const auto asked = config::Read(program, sources);
  if (!asked.ok()) {
    for (absl::string_view line : absl::StrSplit(asked.status().message(), '\n')) {
      Expect(line.size() > 5 && line.size() < 1000, "an error is a line for each thing");
      Expect(absl::StartsWith(line, path + ":") || absl::StartsWith(line, "and ") || absl::StartsWith(line, "--admin-"),
             "an error names the file");
    }
    return 0;
  }
  const Settings& settings = asked->settings;
  Expect(settings.file == path, "the file was read");
  Expect(!settings.listeners.empty(), "something is listened on");
  for (const config::Key& key : config::Keys()) CheckBounds(key.form, key.get(settings));
  for (const ListenerSettings& listener : settings.listeners) {
    Expect(listener.service != nullptr && !listener.endpoint.empty() && !listener.name.empty(), "a listener is whole");
    const mooring::net::ServiceOptions options = listener.options.Over(listener.service->options);
    Expect(options.queue_low_bytes < options.queue_high_bytes && options.queue_high_bytes <= options.queue_cap_bytes,
           "the marks of a queue are in order");
    for (const ServiceSetting& setting : listener.service->settings) {
      CheckBounds(config::FormOf(setting),
                  {.text = listener.values.Text(setting.name), .number = listener.values.Number(setting.name)});
    }
    for (const ListenerSettings& other : settings.listeners) {
      Expect(&other == &listener || other.name != listener.name, "no two have one name");
    }
  }
  const auto again = config::ReadAgain(program, sources, settings);
  Expect(again.ok() && *again == settings, "the same file again is the same");
  return 0;
}
