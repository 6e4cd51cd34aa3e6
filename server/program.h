// SPDX-License-Identifier: Apache-2.0
// Program: what a server is called, what it can speak, and where it listens if nobody says otherwise.
//
// A listener of the program is always there, and --listen=NAME=ADDRESS gives it another address. A service that is only
// offered is served where --listen says, as often as it says.
//
// Threads:  made by one, then constant; what is called on shards is called on several at once.
#ifndef MOORING_SERVER_PROGRAM_H_
#define MOORING_SERVER_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/locals.h"
#include "net/handler.h"
#include "net/listener_limits.h"
#include "net/service_options.h"

namespace mooring::server {

// What the program is going to listen on, as --listen has it.
struct Listening {
  std::string name;
  std::string address;
  std::string summary;  // of its service
};

// Service::try_it: it answers to http://ADDRESS/.
inline constexpr char kTryUrl[] = "http";

// What a service can be told: `root` in a [[listener]] table of the service http, and --http-root, which holds for every
// listener of that service that says nothing itself.
struct ServiceSetting {
  enum class Kind : uint8_t { kText, kCount, kBytes, kSeconds };
  std::string name;           // [a-z_]+
  Kind kind = Kind::kText;
  std::string default_value;  // as one would write it: "15", "64MiB", ""
  std::string help;           // a line: what it is, and what happens at it
  std::string reason = {};    // why the default is what it is
  uint64_t min = 0;           // of numbers
  uint64_t max = UINT64_MAX;
};

// The values of a service's settings for one listener. Asking for one that is not declared ends the process.
class ServiceValues {
 public:
  // `said`: as what it was given, for messages: --http-root, MOORING_HTTP_ROOT, or "mooringd.toml:12: listener.root".
  void Set(const std::string& name, std::string text, uint64_t number, std::string said = {}) {
    values_[name] = {std::move(text), number, std::move(said)};
  }
  const std::string& Text(const std::string& name) const { return values_.at(name).text; }
  uint64_t Number(const std::string& name) const { return values_.at(name).number; }
  const std::string& Said(const std::string& name) const { return values_.at(name).said; }
  friend bool operator==(const ServiceValues&, const ServiceValues&) = default;

 private:
  struct Value {
    std::string text;
    uint64_t number = 0;  // bytes, seconds or a count
    std::string said = {};
    friend bool operator==(const Value& a, const Value& b) { return a.text == b.text && a.number == b.number; }
  };
  std::map<std::string, Value> values_;
};

// A service as its settings make it. What its handlers use may be kept here: it goes after the last of them.
struct Configured {
  net::ServiceOptions options = {};
  std::function<std::unique_ptr<net::Handler>()> make = {};  // once for each shard, on it
  std::function<absl::Status()> reopen = {};  // opens its files anew (SIGUSR1); on the control shard
};

// What a service may know beside its own settings.
struct Surroundings {
  std::vector<Listening> all = {};
  uint32_t drain_keepalive_grace_s = 5;
  bool only_check = false;  // nothing is going to be served: files are looked at, and none is made
};

struct Service {
  std::string name;
  std::string summary = {};               // one line for --help
  std::string try_it = {};                // what to pipe into nc to see it answer; kTryUrl: a URL; empty: nothing is known
  net::ServiceOptions options = {};
  std::function<std::unique_ptr<net::Handler>()> make = {};  // once for each shard, on it
  // Where it has settings: for each of its listeners, at start and at every reload that changes them, instead of the two
  // above. The error is one line: what is wrong with a value, behind ServiceValues::Said of it. Files that it needs are
  // opened here.
  std::vector<ServiceSetting> settings = {};
  std::function<absl::StatusOr<Configured>(const ServiceValues& values, const Surroundings& surroundings)> configure = {};
};

struct Listener {
  Service service;      // its name is the listener's
  std::string address;  // as net::Endpoint reads it
  net::ListenerLimits limits = {};
};

struct Program {
  std::string name;
  std::string version = {};
  std::string summary = {};               // the first line of --help
  std::vector<Listener> listeners = {};
  std::vector<Service> offered = {};
  std::string default_listen = {};        // of what is offered, as --listen has it; where that is not given

  // On every shard. An exception from one of the first two is a failed start.
  std::vector<std::function<void(core::Locals&)>> per_shard = {};  // before its first turn
  std::vector<std::function<void()>> on_start = {};                // in a turn, before it listens
  std::vector<std::function<void()>> on_stop = {};                 // after its last turn
};

}  // namespace mooring::server

#endif  // MOORING_SERVER_PROGRAM_H_
