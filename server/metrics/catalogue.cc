// SPDX-License-Identifier: Apache-2.0
#include "server/metrics/catalogue.h"

#include <array>
#include <cstddef>

namespace mooring::server::metrics {
namespace {

constexpr MetricKind kCounter = MetricKind::kCounter;
constexpr MetricKind kGauge = MetricKind::kGauge;
constexpr MetricKind kHistogram = MetricKind::kHistogram;
using M = Metric;

constexpr MetricInfo kCatalogue[] = {
    // The server.
    {M::kBuildInfo, "mooring_build_info", kGauge, "program,version,transport",
     "1; what is running.",
     "Changes with a deployment. `epoll` or `io_uring-base` where `io_uring` is expected: `mooringd doctor` says why."},
    {M::kUptime, "mooring_uptime_seconds", kGauge, "",
     "Seconds since the server started.",
     "Falls to 0 at a restart. Not planned? Look for a core and at the end of the last log."},
    {M::kState, "mooring_state", kGauge, "state",
     "1 for the state that the server is in: serving, delaying (told to drain, still listening) or draining; else 0.",
     "A server that drains for longer than `drain.delay` and `drain.deadline` together hangs in a service."},
    {M::kShards, "mooring_shards", kGauge, "",
     "Threads that serve connections.",
     "Fixed at start. More than the CPU quota has: the kernel throttles all of them at once; lower `shards`."},
    {M::kConnectionsLimit, "mooring_connections_limit", kGauge, "",
     "Connections that the process can hold at a time: the smallest of its limits.",
     "Fixed at start. The start-up plan and `mooringd doctor` name the limit that binds, and how to raise it."},
    {M::kMemoryCeiling, "mooring_memory_ceiling_bytes", kGauge, "",
     "What resident memory is kept below (memory_ceiling).",
     "Fixed at start. Compare with process_resident_memory_bytes.", "a ceiling"},
    {M::kMemoryStep, "mooring_memory_step", kGauge, "",
     "What is done about memory: 0 nothing, 1 new connections are reset, 2 idle ones are closed too.",
     "Above 0: the ceiling is near. See mooring_memory_bytes, mooring_user_bytes_per_connection; raise `memory_ceiling` or add "
     "servers."},

    // Connections.
    {M::kConnectionsActive, "mooring_connections_active", kGauge, "",
     "Connections that are open now, inbound and outbound.",
     "A sudden fall is a network or a load balancer; look at mooring_closes_total by cause. A steady rise without more "
     "traffic is peers that never leave: set `idle`."},
    {M::kConnectionsPeak, "mooring_connections_peak", kGauge, "",
     "The most connections that were open at a time since the start: looked at every second and at each collection.",
     "What to size by. Near mooring_connections_limit: raise it or add servers."},
    {M::kConnections, "mooring_connections_total", kCounter, "",
     "Connections since the start: accepted ones and outbound ones begun.",
     "Its rate is the churn. Much of it at few requests: clients that do not keep their connections."},
    {M::kAccepts, "mooring_accepts_total", kCounter, "",
     "Connections accepted.",
     "A burst is a reconnect storm: spread it with `drain.spread`, `accept_rate` or the clients' back-off."},
    {M::kAcceptsRefused, "mooring_accepts_refused_total", kCounter, "cause",
     "Peers that had connected and were reset before their service started, by cause.",
     "address_limit, listener_address_limit: one source has more than it may; look who it is. memory: the process is at "
     "`memory_ceiling`. no_memory, slab_full: too little memory, or caps that are too high for it."},
    {M::kAcceptErrors, "mooring_accept_errors_total", kCounter, "cause",
     "Accepts that the kernel failed for want of descriptors or memory, by cause; the listener then waits.",
     "Must stay 0. emfile: raise RLIMIT_NOFILE or lower `max_connections`. enfile: fs.file-max. enobufs, enomem: the kernel "
     "has no memory for sockets (net.ipv4.tcp_mem)."},
    {M::kAcceptStops, "mooring_accept_stops_total", kCounter, "cause",
     "Times that a shard's listener stopped accepting at a bound, by cause; peers then wait in its queue.",
     "connections, listener_connections: full; raise the limit or add servers. rate, listener_rate: a storm is being slowed "
     "down, as was asked for."},
    {M::kAcceptStoppedSeconds, "mooring_accept_stopped_seconds_total", kCounter, "cause",
     "How long listeners of shards had stopped, by cause, counted when it is over.",
     "Divided by mooring_accept_stops_total: how long peers wait. Seconds of it: they give up."},
    {M::kCloses, "mooring_closes_total", kCounter, "cause",
     "Connections that have ended, by cause.",
     "peer_closed and service are everyday ends. peer_timed_out: a path has gone. write_stalled, queue_full, too_slow: peers "
     "that do not read. protocol_error, too_long, no_first_byte: peers that are no clients. service_failed: a bug in the "
     "service. shed, no_memory: too little memory."},

    // Listeners.
    {M::kListenerOpen, "mooring_listener_open", kGauge, "listener,service",
     "1 while the listener accepts, 0 when it drains or was retired and still has connections.",
     "0 outside a drain or a reload: somebody has drained it by hand."},
    {M::kListenerConnectionsActive, "mooring_listener_connections_active", kGauge, "listener",
     "Connections of the listener that are open now.",
     "As mooring_connections_active."},
    {M::kListenerConnectionsInState, "mooring_listener_connections_in_state", kGauge, "listener,state",
     "Those by state: connecting, naming, open, closing, lingering, releasing, released.",
     "Many closing: peers that do not take what is left for them. Many lingering: peers that do not answer our FIN. Many "
     "released: a service keeps connections that have ended."},
    {M::kListenerAccepts, "mooring_listener_accepts_total", kCounter, "listener",
     "Connections that the listener has taken in since it was opened.",
     "As mooring_accepts_total."},
    {M::kAcceptQueueDepth, "mooring_accept_queue_depth", kGauge, "listener",
     "Connections that the kernel holds for the listener and that nobody has accepted yet.",
     "Above 0 for long: the shards are busy (mooring_turn_seconds), or the listener is at a limit and peers wait in line.",
     "sock_diag"},
    {M::kAcceptQueueLimit, "mooring_accept_queue_limit", kGauge, "listener",
     "Connections that the kernel holds for the listener at most, over all its sockets.",
     "Small at many connections: raise net.core.somaxconn (tools/tune-host) and restart.", "sock_diag"},
    {M::kAcceptQueueOverflows, "mooring_accept_queue_overflows_total", kCounter, "listener",
     "Handshakes that the kernel dropped at the listener, since its accept queue was full or for another reason.",
     "Clients see a second's delay or a timeout. Raise net.core.somaxconn; more shards if the queue is always full.",
     "sock_diag"},
    {M::kAcceptQueuesUnread, "mooring_accept_queues_unread_total", kCounter, "",
     "Collections that could not ask the kernel about accept queues.",
     "sock_diag is refused, by seccomp or a missing module: depth comes from /proc/net or is left out."},
    {M::kHostListenOverflows, "mooring_host_listen_overflows_total", kCounter, "",
     "Handshakes dropped because an accept queue was full, of all sockets in this network namespace.",
     "As mooring_accept_queue_overflows_total, where that cannot be read.", "/proc/net/netstat"},

    // Traffic.
    {M::kBytesReceived, "mooring_bytes_received_total", kCounter, "",
     "Bytes received from peers.",
     "Falls while connections stay: peers are silent or the shards are late (mooring_turn_seconds)."},
    {M::kBytesSent, "mooring_bytes_sent_total", kCounter, "",
     "Bytes that the kernel has taken for peers.",
     "As mooring_bytes_received_total."},
    {M::kMessages, "mooring_messages_total", kCounter, "",
     "Pieces received for services: a block, or the part of one that came at once.",
     "The rate of work. At a constant rate with rising turn times the work has become dearer."},
    {M::kSends, "mooring_sends_total", kCounter, "",
     "Attempts to send what a connection had queued.",
     "Much more than mooring_messages_total: answers in many small writes."},
    {M::kQueuedBytes, "mooring_queued_bytes", kGauge, "",
     "Bytes that services have written and the kernel has not taken yet.",
     "Peers read slower than services write. Stays high: lower `queue_cap` or set `write_stall`."},
    {M::kBlockBytes, "mooring_block_bytes", kGauge, "",
     "Bytes of blocks that connections hold: received and not taken, carried, queued.",
     "At three quarters of a shard's bound reading stops, at the bound connections end (no_memory): peers or services are "
     "slow, or `memory_ceiling` is too low for the load."},
    {M::kEngineEvents, "mooring_engine_events_total", kCounter, "event",
     "What happens to connections and is neither an end nor a refusal, by event.",
     "pauses, sends_blocked: back-pressure at work. writes_dropped, writes_skipped: slow readers lose messages. pressure_turns: "
     "the shard holds too many received blocks; see mooring_retained_blocks."},

    // Outbound.
    {M::kOutboundActive, "mooring_outbound_connections_active", kGauge, "",
     "Outbound connections that are open or being opened now.",
     "Grows without end: a service keeps connections that it does not need, or an upstream does not answer."},
    {M::kOutboundConnects, "mooring_outbound_connects_total", kCounter, "",
     "Outbound connections begun.",
     "High at a constant load: connections to upstreams are not reused."},
    {M::kOutboundConnected, "mooring_outbound_connected_total", kCounter, "",
     "Outbound connections that came about.",
     "Its rate below that of mooring_outbound_connects_total: an upstream refuses or is away."},
    {M::kEphemeralPorts, "mooring_ephemeral_ports", kGauge, "",
     "Ports that the kernel gives to outbound connections (net.ipv4.ip_local_port_range).",
     "Outbound connections to one address and port cannot be more, from one source address."},
    {M::kEphemeralPortsInUse, "mooring_ephemeral_ports_in_use", kGauge, "",
     "Outbound connections of this process: each takes a port towards its target.",
     "Near mooring_ephemeral_ports with one upstream: widen the range or add source addresses."},
    {M::kHostTcpSockets, "mooring_host_tcp_sockets", kGauge, "state",
     "TCP sockets in this network namespace (/proc/net/sockstat): in_use, orphan, time_wait.",
     "orphan near net.ipv4.tcp_max_orphans: the kernel resets what is still being sent. time_wait takes ports of outbound "
     "connections: reuse them.", "/proc/net/sockstat"},

    // Shards.
    {M::kShardConnectionsActive, "mooring_shard_connections_active", kGauge, "shard",
     "Connections of the shard that are open now.",
     "Much more on one: see mooring_shard_skew_ratio."},
    {M::kShardConnectionsPeak, "mooring_shard_connections_peak", kGauge, "shard",
     "The most connections that the shard had open at a time, exact.",
     "Their sum is at least mooring_connections_peak's true value."},
    {M::kShardAccepts, "mooring_shard_accepts_total", kCounter, "shard",
     "Connections that the shard has accepted.",
     "As mooring_shard_skew_ratio."},
    {M::kShardTurns, "mooring_shard_turns_total", kCounter, "shard",
     "Turns of the shard's loop.",
     "Stands still under load: the shard is stuck; the watchdog says in which service."},
    {M::kShardSkew, "mooring_shard_skew_ratio", kGauge, "of",
     "The busiest shard's share over the mean: 1 is even. Of connections that are open, and of accepts since the start.",
     "Above 2 with many connections: few clients with long-lived connections, or an old listener's share. A reload does not "
     "move connections; max_age does."},
    {M::kShardEvents, "mooring_shard_events_total", kCounter, "event",
     "What the shards' loops did besides turning, by event.",
     "mail_full, mail_waited: shards send each other more than they take; the receiver is late."},
    {M::kTurnSeconds, "mooring_turn_seconds", kHistogram, "",
     "Time that a turn took, from the moment the shard was awake until it waited again.",
     "The latency that each connection of the shard sees on top. High: a service works or blocks in its turn; /debug/stalls "
     "names it."},
    {M::kTurnSecondsMax, "mooring_turn_seconds_max", kGauge, "",
     "The longest turn since the start.",
     "Over watchdog_warn it was reported in the log with the service that ran."},
    {M::kStalledTurns, "mooring_stalled_turns_total", kCounter, "",
     "Turns that took longer than watchdog_warn.",
     "Must stay 0. The log and /debug/stalls name the service that ran: it waits for something, or works too long at a time."},

    // Kernel.
    {M::kKernelEnters, "mooring_kernel_enters_total", kCounter, "",
     "Calls into the kernel that wait for events: io_uring_enter or epoll_wait.",
     "With mooring_kernel_completions_total: completions per enter. Low under load: turns find little to do."},
    {M::kKernelCompletions, "mooring_kernel_completions_total", kCounter, "",
     "Completions or events that those calls brought.",
     "Divided by mooring_kernel_enters_total: how much a call is worth."},
    {M::kCqOverflows, "mooring_cq_overflows_total", kCounter, "",
     "Enters that found completions waiting outside of a full ring.",
     "Correct but slow. Often: turns are too long, or a shard has too many busy connections.", "io_uring"},
    {M::kReceiveStarved, "mooring_receive_starved_total", kCounter, "",
     "Receives that found no block to receive into, and were tried again.",
     "Services hold on to what they received; see mooring_retained_blocks and mooring_queued_bytes."},
    {M::kReceivePoolEmpty, "mooring_receive_pool_empty_total", kCounter, "",
     "Times that the shard had no block left to give to the kernel.",
     "As mooring_receive_starved_total.", "io_uring"},
    {M::kRetainedBlocks, "mooring_retained_blocks", kGauge, "",
     "Receive blocks that services, queues and parked input hold.",
     "Near 2,048 a shard, reading stops (mooring_engine_events_total, pressure_turns): peers or services are slow."},
    {M::kParkedLeases, "mooring_parked_leases", kGauge, "",
     "Pieces received that wait until their connection is read again.",
     "Services that pause, or whose peers do not read."},
    {M::kTransportEvents, "mooring_transport_events_total", kCounter, "event",
     "What the transport counts, by event; they differ between io_uring and epoll.",
     "For those who look into the transport. accept_table_full and cancel_missed must stay 0."},

    // Memory.
    {M::kMemory, "mooring_memory_bytes", kGauge, "purpose",
     "Memory that the shards hold, by purpose.",
     "receive_blocks, blocks: bytes on their way; segments: queues; frames: coroutines that wait."},
    {M::kUserBytesPerConnection, "mooring_user_bytes_per_connection", kGauge, "by",
     "Memory of this process for each open connection: accounting is what shards hold for connections, frames, blocks and "
     "queues; resident is what the process has grown by since the start.",
     "Rises at a constant number of connections: peers are slow, or a service keeps more for each. resident without "
     "accounting: the service's own memory.",
     "a connection"},

    // Log.
    {M::kLogLines, "mooring_log_lines_total", kCounter, "",
     "Lines written to the log.",
     "Should be about one in ten seconds. Many: look at them."},
    {M::kLogLinesDropped, "mooring_log_lines_dropped_total", kCounter, "",
     "Lines that the log did not take: its queue was full, or its file did not take them.",
     "A full or slow disk."},

    // HTTP.
    {M::kHttpRequests, "mooring_http_requests_total", kCounter, "listener",
     "Requests whose head is complete.",
     "The load.", "http"},
    {M::kHttpResponses, "mooring_http_responses_total", kCounter, "listener",
     "Responses whose head was written, errors too.",
     "Behind mooring_http_requests_total by more than what is under way: routes wait, or clients leave before the answer.",
     "http"},
    {M::kHttpRefusals, "mooring_http_refusals_total", kCounter, "listener,cause",
     "Requests that were not served because of how they came, by cause.",
     "Scanners bring some of each. head_deadline, body_deadline, body_too_slow: slow clients or an attack. body_too_large, "
     "fields_too_large: limits that are too small for your clients.", "http"},
    {M::kHttpEvents, "mooring_http_events_total", kCounter, "listener,event",
     "What else HTTP counts, by event.",
     "handler_failed: a route threw. handler_deadline: 504s. streams_cut: an answer's source broke off.", "http"},
    {M::kAccessLogLines, "mooring_access_log_lines_total", kCounter, "listener",
     "Lines written to the access log.",
     "Falls behind mooring_http_responses_total: see the dropped ones.", "an access log"},
    {M::kAccessLogLinesDropped, "mooring_access_log_lines_dropped_total", kCounter, "listener",
     "Lines that the access log did not take.",
     "A slow or full disk.", "an access log"},
    {M::kFileCacheEvents, "mooring_file_cache_events_total", kCounter, "event",
     "What the caches of served files did: hits, misses, evicted, replaced.",
     "Many misses and evicted: http_cache_bytes is too small for what is asked for.", "static files"},
    {M::kFileCacheBytes, "mooring_file_cache_bytes", kGauge, "",
     "Bytes of files that the shards keep.",
     "At most http_cache_bytes a shard.", "static files"},
    {M::kFileEvents, "mooring_file_events_total", kCounter, "event",
     "How files were opened, looked at and read: at once, by a helper thread, or not.",
     "by_helper much more than at_once: files are not in the page cache. refused: a disk that is too slow. failed: EIO, EACCES, "
     "EMFILE.", "static files"},

    // Clients and other services.
    {M::kPoolEvents, "mooring_pool_events_total", kCounter, "target,event",
     "What pools of outbound connections did, by target.",
     "waited, timed_out, refused: connections_max is too small or the target is slow. connect_failed: it is away. "
     "closed_unreturned: exchanges that broke off.", "a pool"},
    {M::kHttpClientEvents, "mooring_http_client_events_total", kCounter, "target,event",
     "What HTTP clients of the program did, by target.",
     "expired: the target is late. no_connection: it is away or the pool is too small. refused: its answers are against the "
     "protocol.", "an HTTP client"},
    {M::kServiceEvents, "mooring_service_events_total", kCounter, "listener,event",
     "What services count themselves (Handler::Count).",
     "The service's own documentation says.", "a service that counts"},

    // What Prometheus's client libraries all have.
    {M::kProcessCpu, "process_cpu_seconds_total", kCounter, "",
     "User and system CPU time spent.",
     "Its rate near mooring_shards: no CPU is left."},
    {M::kProcessOpenFds, "process_open_fds", kGauge, "",
     "Descriptors that are open. Connections over io_uring take none of them.",
     "Near process_max_fds accepts fail."},
    {M::kProcessMaxFds, "process_max_fds", kGauge, "",
     "Descriptors that may be open.",
     "RLIMIT_NOFILE."},
    {M::kProcessResidentMemory, "process_resident_memory_bytes", kGauge, "",
     "Resident memory.",
     "Near the cgroup's limit the kernel kills the process; see mooring_memory_ceiling_bytes. What sockets hold in the kernel "
     "comes on top."},
    {M::kProcessVirtualMemory, "process_virtual_memory_bytes", kGauge, "",
     "Virtual memory, most of it reserved addresses without memory behind them.",
     "Says little."},
    {M::kProcessStartTime, "process_start_time_seconds", kGauge, "",
     "When the process started, in seconds since 1970.",
     "Changes at a restart."},

    // This itself.
    {M::kCollectSeconds, "mooring_collect_seconds", kGauge, "",
     "What the last collection of all figures before this one took.",
     "Over 0.01: many shards and many listeners; scrape less often."},
};

constexpr MetricGroup kGroups[] = {
    {M::kBuildInfo, "The server"},
    {M::kConnectionsActive, "Connections"},
    {M::kListenerOpen, "Listeners"},
    {M::kBytesReceived, "Traffic"},
    {M::kOutboundActive, "Outbound"},
    {M::kShardConnectionsActive, "Shards"},
    {M::kKernelEnters, "Kernel"},
    {M::kMemory, "Memory"},
    {M::kLogLines, "Log"},
    {M::kHttpRequests, "HTTP"},
    {M::kPoolEvents, "Clients and other services"},
    {M::kProcessCpu, "The process"},
    {M::kCollectSeconds, "Monitoring itself"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kCatalogue); ++i) {
    if (static_cast<size_t>(kCatalogue[i].metric) != i) return false;
  }
  return std::size(kCatalogue) == static_cast<size_t>(Metric::kCount);
}
static_assert(InOrder());

}  // namespace

std::span<const MetricInfo> Catalogue() { return kCatalogue; }
const MetricInfo& Info(Metric metric) { return kCatalogue[static_cast<size_t>(metric)]; }
std::span<const MetricGroup> Groups() { return kGroups; }

}  // namespace mooring::server::metrics
