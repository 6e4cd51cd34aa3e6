// SPDX-License-Identifier: Apache-2.0
#include "tools/load/flags.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "net/choose_transport.h"

ABSL_FLAG(std::string, target, "", "");
ABSL_FLAG(std::string, protocol, "echo", "");
ABSL_FLAG(bool, hold, false, "");
ABSL_FLAG(bool, churn, false, "");
ABSL_FLAG(bool, controlled, false, "");
ABSL_FLAG(uint32_t, connections, 100, "");
ABSL_FLAG(std::string, bytes, "", "");
ABSL_FLAG(uint32_t, depth, 1, "");
ABSL_FLAG(double, rate, 0, "");
ABSL_FLAG(uint32_t, slow, 0, "");
ABSL_FLAG(double, seconds, 10, "");
ABSL_FLAG(double, warmup, 1, "");
ABSL_FLAG(std::string, ramp, "0", "");
ABSL_FLAG(uint64_t, total, 0, "");
ABSL_FLAG(bool, verify, false, "");
ABSL_FLAG(uint32_t, sources, 0, "");
ABSL_FLAG(std::string, cpus, "", "");
ABSL_FLAG(int32_t, shards, 0, "");
ABSL_FLAG(std::string, transport, "auto", "");
ABSL_FLAG(bool, json, false, "");
ABSL_FLAG(int32_t, pid, 0, "");

namespace mooring::tools::load {
namespace {

constexpr absl::string_view kNames[] = {
    "target", "protocol", "hold",    "churn", "controlled", "connections", "bytes",
    "depth",  "rate",     "seconds", "warmup", "ramp",      "total",       "verify",
    "slow",   "sources", "cpus",    "shards",  "transport", "json",   "pid"};

template <class... A>
absl::Status Wrong(const A&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Sets one flag, "name=value" or a bare name for a boolean. Adds its name to `given`.
absl::Status SetFlag(absl::string_view text, std::set<std::string>* given) {
  const size_t equals = text.find('=');
  const absl::string_view name = text.substr(0, equals);
  if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) {
    return Wrong("--", name, ": no such flag; --help lists them");
  }
  if (!given->emplace(name).second) return Wrong("--", name, ": given twice");
  absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
  if (equals == absl::string_view::npos && !flag->IsOfType<bool>()) {
    return Wrong("--", name, ": needs a value: --", name, "=VALUE");
  }
  const absl::string_view value = equals == absl::string_view::npos ? "true" : text.substr(equals + 1);
  std::string error;  // Abseil's is several lines
  if (flag->ParseFrom(value, &error)) return absl::OkStatus();
  const char* kind = flag->IsOfType<double>() ? "a number" : "a whole number";
  if (flag->IsOfType<bool>()) kind = "true or false";
  return Wrong("--", name, "=", value, ": must be ", kind);
}

absl::Status ReadRamp(Options* options) {
  const std::string text = absl::GetFlag(FLAGS_ramp);
  absl::string_view number = text;
  const bool rate = absl::ConsumeSuffix(&number, "/s");
  double value = 0;
  if (!absl::SimpleAtod(number, &value) || !(value >= 0) || value > 1e7 || (rate && value < 1)) {
    return Wrong("--ramp=", text, ": seconds, as in --ramp=5, or connections a second, as in --ramp=20000/s");
  }
  (rate ? options->ramp_per_second : options->ramp_seconds) = value;
  return absl::OkStatus();
}

absl::Status ReadBytes(Options* options) {
  const std::string text = absl::GetFlag(FLAGS_bytes);
  options->message_bytes.clear();
  for (const absl::string_view each : absl::StrSplit(text, ',')) {
    uint32_t bytes = 0;
    if (!absl::SimpleAtoi(each, &bytes) || bytes == 0 || bytes > kMessageBytesMax) {
      return Wrong("--bytes=", text, ": 1 to ", kMessageBytesMax, ", or several of them, as in --bytes=64,1024,16384");
    }
    options->message_bytes.push_back(bytes);
  }
  if (options->message_bytes.size() <= kSizesMax) return absl::OkStatus();
  return Wrong("--bytes: at most ", kSizesMax, " sizes");
}

bool Loopback(const net::Address& address) {
  return address.family() == AF_INET && absl::StartsWith(address.ToString(), "127.");
}

absl::Status CheckSources(const Options& options) {
  if (options.sources == 0) return absl::OkStatus();
  if (!Loopback(options.target)) {
    return Wrong("--sources: only for a target in 127.0.0.0/8; elsewhere the kernel chooses");
  }
  const uint64_t room = uint64_t{options.sources} * kPerSourceMax;
  if (options.sources > 0xffff) return Wrong("--sources=", options.sources, ": at most 65535");
  if (room >= options.connections) return absl::OkStatus();
  return Wrong("--sources=", options.sources, ": carries ", room, " connections, ", kPerSourceMax,
               " each; --connections=", options.connections, " needs ",
               (options.connections - 1) / kPerSourceMax + 1);
}

absl::Status CheckMode(const Options& options, const std::set<std::string>& given) {
  if (absl::GetFlag(FLAGS_hold) + absl::GetFlag(FLAGS_churn) + absl::GetFlag(FLAGS_controlled) > 1) {
    return Wrong("--hold, --churn and --controlled: one of them");
  }
  if (given.contains("total") && options.mode != Mode::kChurn) return Wrong("--total: only with --churn");
  const bool one_by_one = options.mode == Mode::kHold || options.mode == Mode::kChurn;
  if (options.depth != 1 && one_by_one) return Wrong("--depth: not with --hold or --churn");
  if (options.slow > 0 && one_by_one) return Wrong("--slow: not with --hold or --churn");
  if (options.slow > 0 && options.slow >= options.connections) {
    return Wrong("--slow=", options.slow, ": fewer than --connections=", options.connections);
  }
  if (options.rate > 0 && one_by_one) return Wrong("--rate: not with --hold or --churn");
  if (options.mode == Mode::kControlled && options.rate > 0) {
    return Wrong("--rate: not with --controlled, whose commands say the rate: run SECONDS rate=R");
  }
  if (options.mode == Mode::kControlled && given.contains("seconds")) {
    return Wrong("--seconds: not with --controlled, whose commands say how long");
  }
  if (options.mode == Mode::kChurn && RampSeconds(options) > 0) return Wrong("--ramp: not with --churn");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<Options>> ParseFlags(const std::vector<std::string>& arguments) {
  std::set<std::string> given;
  for (const std::string& argument : arguments) {
    absl::string_view text = argument;
    if (text == "--help" || text == "-h") return std::nullopt;
    if (!absl::ConsumePrefix(&text, "--") || text.empty()) {
      return Wrong(argument, ": not a flag; flags are --name=value, --help lists them");
    }
    if (absl::Status set = SetFlag(text, &given); !set.ok()) return set;
  }

  Options options;
  if (!given.contains("target")) return Wrong("--target=HOST:PORT: missing");
  absl::StatusOr<net::Address> target = net::Address::Parse(absl::GetFlag(FLAGS_target));
  if (!target.ok()) return Wrong("--target=", absl::GetFlag(FLAGS_target), ": ", target.status().message());
  options.target = *target;
  if (options.target.port() == 0) return Wrong("--target=", options.target.ToString(), ": port 0 is no port");

  const std::string protocol = absl::GetFlag(FLAGS_protocol);
  if (protocol != "echo" && protocol != "line") return Wrong("--protocol=", protocol, ": echo or line");
  options.protocol = protocol == "line" ? Protocol::kLine : Protocol::kEcho;
  if (absl::GetFlag(FLAGS_hold)) options.mode = Mode::kHold;
  if (absl::GetFlag(FLAGS_churn)) options.mode = Mode::kChurn;
  if (absl::GetFlag(FLAGS_controlled)) options.mode = Mode::kControlled;

  options.connections = absl::GetFlag(FLAGS_connections);
  if (options.connections == 0 || options.connections > 4'000'000) {
    return Wrong("--connections=", options.connections, ": 1 to 4000000");
  }
  if (options.protocol == Protocol::kLine) options.message_bytes = {32};
  if (given.contains("bytes")) {
    if (absl::Status bytes = ReadBytes(&options); !bytes.ok()) return bytes;
  }
  options.depth = absl::GetFlag(FLAGS_depth);
  if (options.depth == 0 || options.depth > kDepthMax) return Wrong("--depth=", options.depth, ": 1 to ", kDepthMax);
  const uint32_t largest = *std::max_element(options.message_bytes.begin(), options.message_bytes.end());
  if (uint64_t{options.depth} * largest > kInFlightBytesMax) {
    return Wrong("--depth times --bytes: at most ", kInFlightBytesMax, " bytes in flight on a connection");
  }
  options.rate = absl::GetFlag(FLAGS_rate);
  if (given.contains("rate") && (!(options.rate > 0) || options.rate > kRateMax)) {
    return Wrong("--rate=", options.rate, ": messages a second, above 0, at most ", kRateMax);
  }
  options.seconds = absl::GetFlag(FLAGS_seconds);
  if (!(options.seconds > 0) || options.seconds > 1e6) {
    return Wrong("--seconds=", options.seconds, ": above 0, at most 1e6");
  }
  options.warmup_seconds = absl::GetFlag(FLAGS_warmup);
  if (!(options.warmup_seconds >= 0) || options.warmup_seconds > 1e6) {
    return Wrong("--warmup=", options.warmup_seconds, ": 0 to 1e6 seconds");
  }
  if (absl::Status ramp = ReadRamp(&options); !ramp.ok()) return ramp;
  options.slow = absl::GetFlag(FLAGS_slow);
  options.total = absl::GetFlag(FLAGS_total);
  options.verify = absl::GetFlag(FLAGS_verify);
  options.sources = absl::GetFlag(FLAGS_sources);
  if (given.contains("sources") && options.sources == 0) return Wrong("--sources=0: 1 to 65535");
  options.cpus = absl::GetFlag(FLAGS_cpus);
  options.shards = absl::GetFlag(FLAGS_shards);
  if (options.shards < 0 || (given.contains("shards") && options.shards == 0)) {
    return Wrong("--shards=", options.shards, ": at least 1");
  }
  const auto transport = net::ParseTransport(absl::GetFlag(FLAGS_transport));
  if (!transport.ok()) return Wrong("--transport: ", transport.status().message());
  options.transport = *transport;
  options.json = absl::GetFlag(FLAGS_json);
  options.pid = absl::GetFlag(FLAGS_pid);
  if (given.contains("pid") && options.pid <= 0) return Wrong("--pid=", options.pid, ": a process id");

  // Where there is nothing to warm up, the time is not spent.
  const bool warm = options.total == 0 && options.mode != Mode::kControlled;
  if (options.mode == Mode::kHold || (!warm && !given.contains("warmup"))) options.warmup_seconds = 0;
  if (options.mode == Mode::kHold && options.pid != 0) options.seconds = std::max(options.seconds, kRestSeconds);
  if (absl::Status mode = CheckMode(options, given); !mode.ok()) return mode;
  if (absl::Status sources = CheckSources(options); !sources.ok()) return sources;
  return std::optional<Options>(std::move(options));
}

std::string HelpText() {
  return R"(mooring-load: puts load on an echo or line server over TCP and says how it did.

  mooring-load --target=127.0.0.1:7000                                   closed loop: as many echoes as it can
  mooring-load --target=127.0.0.1:7001 --protocol=line --depth=16        16 lines in flight on each connection
  mooring-load --target=127.0.0.1:7000 --hold --connections=100000 --pid=PID   what 100,000 idle connections cost
  mooring-load --target=127.0.0.1:7000 --churn                           connect, one exchange, close, again

What to do
  --target=HOST:PORT    the server; a numeric address: 127.0.0.1:7000, [::1]:7000
  --protocol=echo|line  echo: what is sent comes back. line: each line is answered with "OK" (default echo)
  --hold                opens all connections, exchanges a message on each, holds them --seconds, exchanges one again
  --churn               --connections at a time: connect, exchange one message, close
  --controlled          opens all connections, exchanges one message on each and checks it, says so with a line of JSON,
                        and obeys lines on standard input, each answered with a line of JSON; at their end it closes
                          run SECONDS [active=K] [rate=R]
                                                 closed loop, or open loop at rate R, on all connections, or on K of
                                                 them spread evenly
                          messages N [ahead=K]   N exchanges on every connection, at most K connections at it at once
                          wake                   one message on every connection at one instant
  --connections=N       how many at once (100)
  --bytes=N[,N...]      of a message, of a line with its newline (64; line: 32). Of several each message draws one,
                        the same ones in every run; one that comes often is said often
  --depth=N             messages in flight on each connection (1)
  --rate=R              open loop: R messages a second over all connections, each at its time, whether or not those
                        before it were answered; one whose connection has --depth in flight waits, and its wait counts
  --slow=K              K of the connections write on and on, but take what comes back at 1 KB a second, so that 256 KB
                        waits for each; the figures are those of the others. They are cut at the end
  --verify              sends pseudo-random bytes and checks every one that comes back (echo; "OK" is always checked)

How long
  --seconds=S           measured time (10); with --hold --pid at least 5
  --warmup=S            before it, not counted (1; with --hold none, with --total and --controlled none unless given)
  --ramp=S | N/s        opens the connections over S seconds, or N a second (0: as fast as it goes)
  --total=N             with --churn: ends after N connections
  The whole run is bounded: ramp, warm-up and seconds together, plus 30 s. What is not finished then is an error.

Where from
  --sources=N           source addresses 127.0.0.1 and up, for a target in 127.0.0.0/8; each carries 14,000
                        connections (as many as needed)
  --cpus=LIST           CPUs to run on, as in 0-3,8 (all allowed)
  --shards=N            threads (one per CPU)
  --transport=auto|io_uring|io_uring-base|epoll
                        what moves the bytes, as mooringd has it (auto: the best that this kernel allows)

What to say
  --pid=PID             the server's process: its memory (VmRSS) before, with all connections held and per connection,
                        and its CPU time over the measured time. Start the server afresh for memory per connection: one
                        that has held connections before has room for them already
  --json                one JSON object on standard output instead of text; what does not apply is null
  --help                this

Latency is from giving a message to the connection until the turn in which its answer came. With --rate it is from the
time at which the message was to go out, and so is free of coordinated omission. A thread that has its CPU for itself
waits for that time by looking at the clock, and takes the whole CPU; threads that share one send in slots of 1 ms.
Exit: 0 without any error; 1 something failed (the report says what); 2 wrong flags, or it could not start.
)";
}

}  // namespace mooring::tools::load
