// SPDX-License-Identifier: Apache-2.0
#include "server/config/keys.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/placement.h"

namespace mooring::server::config {
namespace {

// Between a Value and a member of Settings.
template <class T>
void Put(const Value& value, T* to) {
  if constexpr (std::is_same_v<T, std::string>) {
    *to = value.text;
  } else if constexpr (std::is_same_v<T, std::optional<net::Endpoint>>) {
    *to = value.endpoint.empty() ? T() : T(value.endpoint);
  } else if constexpr (std::is_same_v<T, std::optional<net::TransportKind>>) {
    *to = value.number == 0 ? T() : T(static_cast<net::TransportKind>(value.number - 1));
  } else if constexpr (requires { typename T::value_type; }) {
    *to = static_cast<typename T::value_type>(value.number);
  } else {
    *to = static_cast<T>(value.number);
  }
}

template <class T>
Value Take(const T& from) {
  if constexpr (std::is_same_v<T, std::string>) {
    return {.text = from};
  } else if constexpr (std::is_same_v<T, std::optional<net::Endpoint>>) {
    return {.endpoint = from.value_or(net::Endpoint())};
  } else if constexpr (std::is_same_v<T, std::optional<net::TransportKind>>) {
    return {.number = from.has_value() ? static_cast<uint64_t>(*from) + 1 : 0};
  } else if constexpr (requires { typename T::value_type; }) {
    return {.number = static_cast<uint64_t>(from.value_or(0))};
  } else {
    return {.number = static_cast<uint64_t>(from)};
  }
}

// KeyOf::set and get of a member of a part of Settings or ListenerSettings.
template <auto part, auto member>
struct In;
template <class Of, class Part, class T, Part Of::*part, T Part::*member>
struct In<part, member> {
  static void Set(const Value& value, Of* of) { Put(value, &((of->*part).*member)); }
  static Value Get(const Of& of) { return Take((of.*part).*member); }
};

#define MOORING_IN(part, member) In<part, member>::Set, In<part, member>::Get

void SetMemoryCeiling(const Value& value, Settings* to) {
  to->runtime.memory_ceiling_bytes = value.percent ? 0 : value.number;
  to->runtime.memory_ceiling_percent = value.percent ? static_cast<uint32_t>(value.number) : 90;
}
Value GetMemoryCeiling(const Settings& of) {
  if (of.runtime.memory_ceiling_bytes != 0) return {.number = of.runtime.memory_ceiling_bytes};
  return {.number = of.runtime.memory_ceiling_percent, .percent = true};
}

std::vector<Word> Transports() {
  std::vector<Word> words = {{"auto", 0}};
  for (const net::TransportKind kind : net::kTransportKinds) {
    words.push_back({std::string(net::Name(kind)), static_cast<uint64_t>(kind) + 1});
  }
  return words;
}

Form Seconds(uint64_t min = 0) { return {.kind = Kind::kSeconds, .min = min, .max = kSecondsMax}; }
Form Count32() { return {.kind = Kind::kCount, .max = UINT32_MAX}; }
Form QueueBytes() { return {.kind = Kind::kBytes, .min = 1 << 10, .max = 1 << 30}; }

std::vector<Key> RuntimeKeys() {
  return {
      {"runtime", "cpus", {.kind = Kind::kCpus, .words = {{"all"}}}, "all",
       "the CPUs to run on, one shard (thread) each",
       "all that the process may use, by its affinity mask and cpuset: whoever wants fewer has said so there already", true,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::cpus)},
      {"runtime", "shards", {.kind = Kind::kCount, .words = {{"auto", 0}}, .min = 1, .max = core::kShardsMax}, "auto",
       "the number of shards (threads); more than CPUs is allowed, and holds more connections",
       "one for each CPU: fewer leave CPUs idle, more share them", true,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::shards)},
      {"runtime", "transport", {.kind = Kind::kChoice, .words = Transports()}, "auto",
       "what moves the bytes: io_uring needs Linux 6.14, io_uring-base 6.1, epoll any; auto takes the first of them that "
       "works, and says so when that is epoll",
       "the fastest that the kernel allows", true, MOORING_IN(&Settings::runtime, &RuntimeSettings::transport)},
      {"runtime", "max_connections", {.kind = Kind::kCount, .words = {{"auto", 0}}, .min = 1}, "auto",
       "at most so many connections; further peers wait in the backlog",
       "as many as the descriptor limit allows, which is said at start", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::max_connections)},
      {"runtime", "max_connections_per_address", Count32(), "0",
       "at most so many connections from one IPv4 address or IPv6 /64, all listeners together; further ones are reset; 0: any number",
       "off: behind NAT or a proxy many clients have one address, and no number is right for all", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::max_connections_per_address)},
      {"runtime", "accept_rate", Count32(), "0",
       "at most so many new connections a second, all listeners together; further peers wait in the backlog; 0: any number",
       "off: what a machine can accept depends on its CPUs and on the service", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::accept_rate)},
      {"runtime", "memory_ceiling", {.kind = Kind::kMemory, .words = {{"none", UINT64_MAX}}, .min = 16 << 20}, "90%",
       "resident memory of the process: at 95 % of it new connections are refused, at 98 % idle ones are closed; a part is "
       "of what the cgroup or the machine has",
       "a tenth is left to the kernel's socket buffers and to whatever else runs there, and nobody is killed for want of memory",
       true, SetMemoryCeiling, GetMemoryCeiling},
      {"runtime", "track_peers", {.kind = Kind::kBool}, "false",
       "remembers for each connection its peer, when it was opened, and its bytes in and out",
       "off: it takes memory for each connection, and only /connections shows it", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::track_peers)},
      {"runtime", "watchdog_warn", {.kind = Kind::kMilliseconds, .max = 3600 * 1000}, "100ms",
       "a turn of a shard that takes longer is reported with the service that ran; 0: none is",
       "all connections of a shard wait as long as the turn takes; 100 ms is what people begin to notice", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::watchdog_warn_ms)},
      {"runtime", "watchdog_abort", {.kind = Kind::kSeconds, .max = 3600}, "5s",
       "a turn that takes longer ends the process with a core; 0: never",
       "a shard that is stuck for so long serves nobody; a restart does, and the core says why", false,
       MOORING_IN(&Settings::runtime, &RuntimeSettings::watchdog_abort_s)},
  };
}

std::vector<Key> OtherKeys() {
  const Form address = {.kind = Kind::kEndpoint, .words = {{"off"}}};
  return {
      {"admin", "listen", address, kAdminListen,
       "where the admin interface listens: metrics, health, connections, drain",
       "loopback, so that it is never public by accident; where something else has that port, the server starts without, and "
       "says so",
       false, MOORING_IN(&Settings::admin, &AdminSettings::listen)},
      {"admin", "metrics_listen", address, "off",
       "where the part of it that only reads listens too, for a collector on another machine",
       "off: who may read it is for you to say", false, MOORING_IN(&Settings::admin, &AdminSettings::metrics_listen)},
      {"log", "file", {.kind = Kind::kText}, "-", "the file for the log, - is stdout; SIGUSR1 opens it anew",
       "systemd and containers keep what goes to stdout", false, MOORING_IN(&Settings::log, &LogSettings::file)},
      {"log", "format", {.kind = Kind::kChoice, .words = {{"text", 0}, {"json", 1}}}, "text",
       "text for people, or a JSON object a line for machines", "a person reads it first", false,
       MOORING_IN(&Settings::log, &LogSettings::format)},
      {"log", "level", {.kind = Kind::kChoice, .words = {{"debug", 0}, {"info", 1}, {"warning", 2}, {"error", 3}}}, "info",
       "what is said at least", "nothing is logged for each connection or request, so info stays short", false,
       MOORING_IN(&Settings::log, &LogSettings::level)},
      {"log", "summary", {.kind = Kind::kSeconds, .max = 24 * 3600}, "10s",
       "time between two lines with connections and rates; 0: none",
       "six lines a minute are enough to see by, and few enough to keep", false,
       MOORING_IN(&Settings::log, &LogSettings::summary_s)},
      {"drain", "delay", {.kind = Kind::kSeconds, .max = 3600}, "0",
       "time between the signal, when /readyz begins to fail, and the closing of the listeners",
       "only a load balancer that must notice first needs one, and it knows how long", false,
       MOORING_IN(&Settings::drain, &DrainSettings::delay_s)},
      {"drain", "spread", {.kind = Kind::kSeconds, .max = 3600}, "0",
       "time over which the connections are told, evenly, so that not all come back elsewhere at once",
       "a restart of one server is soonest over when all are told at once", false,
       MOORING_IN(&Settings::drain, &DrainSettings::spread_s)},
      {"drain", "deadline", {.kind = Kind::kSeconds, .max = 24 * 3600}, "30s",
       "after SIGTERM, SIGINT or SIGQUIT and drain.delay, how long connections may take to end; then they are cut",
       "what is under way is done by then, and systemd and Kubernetes wait about as long", false,
       MOORING_IN(&Settings::drain, &DrainSettings::deadline_s)},
      {"drain", "keepalive_grace", {.kind = Kind::kSeconds, .max = 3600}, "5s",
       "in a drain, how long an idle HTTP connection may still bring the request that is on its way",
       "longer than any round trip; a client that has nothing to ask does not hold the drain up", false,
       MOORING_IN(&Settings::drain, &DrainSettings::keepalive_grace_s)},
  };
}

std::vector<Key> AllKeys() {
  std::vector<Key> keys = RuntimeKeys();
  for (Key& key : OtherKeys()) keys.push_back(std::move(key));
  return keys;
}

std::vector<ListenerKey> AllListenerKeys() {
  return {
      {"listener", "first_byte", Seconds(), "", "how long a peer may take, from accept on, until it has sent something; 0: any time",
       "off where the peer may have nothing to say", false, MOORING_IN(&ListenerSettings::options, &OptionOverrides::first_byte_s)},
      {"listener", "idle", Seconds(), "",
       "how long there may be no byte either way; a connection that is being served is not idle; 0: any time",
       "the service knows its protocol: line has 5m, for a peer that says nothing for so long is gone; echo and discard none",
       false, MOORING_IN(&ListenerSettings::options, &OptionOverrides::idle_s)},
      {"listener", "write_stall", Seconds(), "",
       "how long a peer may acknowledge nothing of what is to be sent; 0: any time",
       "off where a peer may take its time; http has 30s", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::write_stall_s)},
      {"listener", "max_age", Seconds(), "",
       "the age at which a connection gets the notice of a drain, less up to a tenth, so that not all come back at once; 0: never",
       "off: a long life is what most connections are for", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::max_age_s)},
      {"listener", "queue_high", QueueBytes(), "", "bytes queued for a peer from which on it is not read",
       "64KiB: what a fast link takes in a round trip; more is only memory", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::queue_high_bytes)},
      {"listener", "queue_low", {.kind = Kind::kBytes, .max = 1 << 30}, "", "bytes queued for a peer to which they must have fallen before it is read again",
       "16KiB: a quarter of queue_high, so that reading does not stop and go with each segment", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::queue_low_bytes)},
      {"listener", "queue_cap", QueueBytes(), "", "bytes queued for a peer at which a write is refused",
       "1MiB: a peer so far behind does not catch up, and holds memory that others want", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::queue_cap_bytes)},
      {"listener", "drop_when_full", {.kind = Kind::kBool}, "",
       "at queue_cap: leave out that write (true), or close the connection (false)",
       "false: a stream with a hole is no stream, unless its service sends whole messages that may be missed", false,
       MOORING_IN(&ListenerSettings::options, &OptionOverrides::drop_when_full)},
      {"listener", "defer_accept", {.kind = Kind::kBool}, "",
       "TCP: a peer is accepted when it has sent something, or has been silent for a second or more (TCP_DEFER_ACCEPT)",
       "false: it saves a wake-up for each connection where the client speaks first, but hides those that are silent for a second",
       true, MOORING_IN(&ListenerSettings::options, &OptionOverrides::defer_accept)},
      {"listener", "max_connections", {.kind = Kind::kCount}, "0",
       "at most so many connections of this listener; further peers wait in its backlog; 0: any number",
       "off: runtime.max_connections bounds them all", false,
       MOORING_IN(&ListenerSettings::limits, &net::ListenerLimits::connections_max)},
      {"listener", "max_connections_per_address", Count32(), "0",
       "at most so many connections of this listener from one IPv4 address or IPv6 /64; further ones are reset; 0: any number",
       "off: behind NAT or a proxy many clients have one address", false,
       MOORING_IN(&ListenerSettings::limits, &net::ListenerLimits::per_address_max)},
      {"listener", "accept_rate", Count32(), "0",
       "at most so many new connections of this listener a second; further peers wait in its backlog; 0: any number",
       "off: runtime.accept_rate bounds them all", false,
       MOORING_IN(&ListenerSettings::limits, &net::ListenerLimits::accepts_per_s)},
  };
}

}  // namespace

const std::vector<Section>& Sections() {
  static const std::vector<Section>* const sections = new std::vector<Section>{
      {"runtime", "the process: its threads, memory and connections"},
      {"admin", "the interface for operators"},
      {"log", "what the server says"},
      {"drain", "the end: after SIGTERM, SIGINT or SIGQUIT"},
  };
  return *sections;
}

const std::vector<Key>& Keys() {
  static const std::vector<Key>* const keys = new std::vector<Key>(AllKeys());
  return *keys;
}

const std::vector<ListenerKey>& ListenerKeys() {
  static const std::vector<ListenerKey>* const keys = new std::vector<ListenerKey>(AllListenerKeys());
  return *keys;
}

Form FormOf(const ServiceSetting& setting) {
  switch (setting.kind) {
    case ServiceSetting::Kind::kText: return {.kind = Kind::kText};
    case ServiceSetting::Kind::kCount: return {.kind = Kind::kCount, .min = setting.min, .max = setting.max};
    case ServiceSetting::Kind::kBytes: return {.kind = Kind::kBytes, .min = setting.min, .max = setting.max};
    case ServiceSetting::Kind::kSeconds:
      return {.kind = Kind::kSeconds, .min = setting.min, .max = std::min(setting.max, kSecondsMax)};
  }
  return {};
}

std::vector<const Service*> ServicesWithSettings(const Program& program) {
  std::vector<const Service*> services;
  const auto add = [&](const Service& service) {
    if (service.settings.empty()) return;
    for (const Service* each : services) {
      if (each->name == service.name) return;
    }
    services.push_back(&service);
  };
  for (const Listener& each : program.listeners) add(each.service);
  for (const Service& each : program.offered) add(each);
  return services;
}

std::string FlagOf(const Key& key) {
  const std::string name = key.section == "runtime" ? key.name : absl::StrCat(key.section, "_", key.name);
  return absl::StrReplaceAll(name, {{"_", "-"}});
}

std::string FlagOf(const Service& service, const ServiceSetting& setting) {
  return absl::StrReplaceAll(absl::StrCat(service.name, "-", setting.name), {{"_", "-"}});
}

std::string EnvironmentOf(const std::string& flag) {
  return absl::StrCat("MOORING_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

std::string NameOf(const Key& key) { return absl::StrCat(key.section, ".", key.name); }

}  // namespace mooring::server::config
