// SPDX-License-Identifier: Apache-2.0
#include "server/watch/faults.h"

namespace mooring::server::watch {
namespace {

using net::AcceptFailure;
using net::CloseCause;
using net::EngineCount;
using net::RefuseCause;
using net::StopCause;

constexpr Log::Level kWarning = Log::Level::kWarning;
constexpr Log::Level kError = Log::Level::kError;

template <auto kWhich>
uint64_t Of(const Totals& totals) {
  return totals.Of(kWhich);
}

constexpr Fault kFaults[] = {
    // Accepting fails; the listener tries again after 10 ms to 1 s.
    {"emfile", kError, "cannot accept: this process may open no more files",
     "raise LimitNOFILE (ulimit -n) or lower max_connections", &Of<AcceptFailure::kProcessFiles>},
    {"enfile", kError, "cannot accept: the system, or the shard's table, has no more files",
     "raise fs.file-max; mooringd doctor shows what binds", &Of<AcceptFailure::kSystemFiles>},
    {"enobufs", kError, "cannot accept: the kernel has no buffers", "look at net.ipv4.tcp_mem and the machine's memory",
     &Of<AcceptFailure::kBuffers>},
    {"enomem", kError, "cannot accept: the kernel has no memory",
     "look at the cgroup's memory.max and the machine's memory, or lower max_connections", &Of<AcceptFailure::kMemory>},
    {"accept_failed", kError, "cannot accept", "look at the kernel's log", &Of<AcceptFailure::kOther>},

    // Nobody is accepted for now; peers wait in the backlog.
    {"connections", kWarning, "at max_connections: new peers wait in the backlog",
     "raise max_connections, or add a server", &Of<StopCause::kConnections>},
    {"listener_connections", kWarning, "a listener is at its max_connections: its new peers wait in the backlog",
     "raise the listener's max_connections", &Of<StopCause::kListenerConnections>},
    {"rate", kWarning, "at accept_rate: new peers wait in the backlog",
     "raise accept_rate, or find out who connects so often", &Of<StopCause::kRate>},
    {"listener_rate", kWarning, "a listener is at its accept_rate: its new peers wait in the backlog",
     "raise the listener's accept_rate, or find out who connects so often", &Of<StopCause::kListenerRate>},

    // Who connects is reset.
    {"address_limit", kWarning, "peers were reset: their address has max_connections_per_address",
     "GET /connections shows who it is; raise the limit if it is a proxy or NAT", &Of<RefuseCause::kAddressLimit>},
    {"listener_address_limit", kWarning, "peers were reset: their address has the listener's max_connections_per_address",
     "GET /connections shows who it is; raise the limit if it is a proxy or NAT",
     &Of<RefuseCause::kListenerAddressLimit>},
    {"memory", kError, "peers were reset: the process is at its memory ceiling",
     "look at mooring_memory_bytes by purpose; raise memory_ceiling or lower max_connections", &Of<RefuseCause::kMemory>},
    {"refused_no_memory", kError, "peers were reset: no memory was found for them",
     "look at the cgroup's memory.max and the machine's memory", &Of<RefuseCause::kNoMemory>},
    {"slab_full", kError, "peers were reset: their shard has no room", "lower max_connections, or use more shards",
     &Of<RefuseCause::kSlabFull>},

    // Connections are lost.
    {"shed", kError, "idle connections were closed: the process is at its memory ceiling",
     "look at mooring_memory_bytes by purpose; raise memory_ceiling or lower max_connections", &Of<CloseCause::kShed>},
    {"no_memory", kError, "connections were closed: no memory was found for what they need",
     "look at mooring_memory_bytes by purpose and at memory_ceiling", &Of<CloseCause::kNoMemory>},
    {"block_bytes", kError, "a shard holds as many bytes for its connections as it may",
     "peers read slower than services write, or services keep what they receive; lower queue_cap, or raise memory_ceiling",
     &Of<EngineCount::kBlocksOverBound>},
    {"service_failed", kError, "connections were closed: their service threw an exception",
     "a bug in the service: look at what it does with what peers send", &Of<CloseCause::kServiceFailed>},
    {"http_handler_failed", kError, "requests were answered 500: their route threw an exception",
     "a bug in the route", [](const Totals& totals) { return totals.SumOfServices("http_handler_failed"); }},
    {"accept_table_full", kError, "connections were lost: the table of descriptors was full",
     "a bug in Mooring: please report it", [](const Totals& totals) { return totals.OfTransports("accept_table_full"); }},
    {"refuse_new_errors", kWarning, "a listener that closes could not refuse new handshakes",
     "who connects in that moment may be reset; is a seccomp profile in the way of SO_ATTACH_FILTER?",
     [](const Totals& totals) { return totals.OfTransports("refuse_new_errors"); }},

    // All is there, but late.
    {"cq_overflow", kWarning, "io_uring's ring was full: completions waited in the kernel",
     "turns are too long, or a shard has too many busy connections: look at mooring_turn_seconds, use more shards",
     [](const Totals& totals) { return totals.OfTransports("cq_overflow"); }},

    // Lines are lost.
    {"access_log_dropped", kWarning, "lines of the access log were dropped", "a full, slow or unreachable disk",
     [](const Totals& totals) { return totals.OfServices("access_log_dropped"); }},
};

}  // namespace

std::span<const Fault> Faults() { return kFaults; }

void FaultLines::Look(const Totals& totals, core::Nanos now) {
  for (size_t i = 0; i < paces_.size(); ++i) {
    const Fault& fault = Faults()[i];
    const uint64_t total = fault.total(totals);
    const uint64_t count = paces_[i].Due(total, now);
    if (count == 0) continue;
    log_->Say(fault.level, fault.message,
              {{"cause", fault.cause}, {"count", count}, {"total", total}, {"do", fault.mend}});
  }
  // This line may be dropped as well, and is then one of those that the next one tells of.
  const uint64_t dropped = log_->dropped();
  if (const uint64_t count = log_pace_.Due(dropped, now); count != 0) {
    log_->Say(kWarning, "lines of this log were dropped",
              {{"cause", std::string_view("log_dropped")},
               {"count", count},
               {"total", dropped},
               {"do", std::string_view("a full, slow or unreachable disk, or a pipe that nobody reads")}});
  }
}

}  // namespace mooring::server::watch
