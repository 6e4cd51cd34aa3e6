# SPDX-License-Identifier: Apache-2.0
"""How figures, servers and scenarios are written. The words are fixed; every figure comes from a result."""

NONE = "–"
NOT_YET = "Not measured yet.\n"

# What a reader who does not know the programs of perf/peers calls them, and what they are; in the order in which lines
# are drawn where there are more of them than a chart can hold.
SERVERS = {
    "mooring-echo": ("Mooring", "this project, io_uring, a service of callbacks"),
    "mooring-line": ("Mooring", "this project, io_uring, one coroutine a connection"),
    "mooring-http": ("Mooring", "this project, HTTP/1.1, a folder"),
    "mooring-hello": ("Mooring", "this project, HTTP/1.1, one route in a program"),
    "mooring-chat": ("Mooring", "this project's chat example"),
    "mooring-kv": ("Mooring", "this project's kv example, which speaks to Redis' clients"),
    "mooring-proxy": ("Mooring", "this project's proxy example"),
    "mooring-deferred": ("Mooring, deferred accept", "this project with `defer_accept`: a peer is accepted with its first bytes"),
    "bare-ring": ("bare io_uring", "io_uring with nothing around it: no timers, limits or drain; the limit"),
    "epoll": ("plain epoll", "level-triggered epoll, one read of 64 KB, one write"),
    "go-echo": ("Go net", "the echo server of a Go guide: a goroutine and 4 KB a connection"),
    "go-line": ("Go net", "the guide's line server: bufio, flushed after every line"),
    "go-chat": ("Go net", "the chat server of the Go books: two goroutines and a channel for each member"),
    "redis": ("redis-server", "Debian's, without persistence"),
    "haproxy": ("HAProxy", "Debian's, in TCP mode on one thread"),
    "nginx": ("nginx", "Debian's, one process, sendfile and open_file_cache on"),
    "go-echo-lazy": ("Go net, lazy buffer", "the echo server without a buffer while it waits (sync.Pool)"),
    "go-line-pooled": ("Go net, pooled", "the line server, its reader and writer from a sync.Pool"),
    "go-line-lazy": ("Go net, lazy flush", "the line server, flushed when its reader is empty"),
    "libuv": ("libuv", "Debian's, used as its guide does"),
    "libevent": ("libevent", "Debian's, used as its guide does"),
    "asio": ("Asio", "Debian's, used as its examples do"),
    "h2o": ("h2o", "Debian's, as it comes"),
    "haproxy-hello": ("HAProxy", "Debian's, an answer of its own"),
    "mooring-epoll": ("Mooring, epoll", "this project where io_uring is refused"),
    "mooring-base": ("Mooring, io_uring-base", "this project on what io_uring of Linux 6.1 has"),
    "libuv-lean": ("libuv, lean", "the least that libuv can: one buffer for all reads, no queue of writes"),
    "go-echo-64k": ("Go net, 64 KB", "the echo server with a buffer of 64 KB a connection"),
    "asio-64k": ("Asio, 64 KB", "the same with a buffer of 64 KB a connection"),
    "go-echo-2": ("Go net, 2 CPUs", "the echo server with GOMAXPROCS=2"),
    "mooring-echo-8": ("Mooring, 8 shards", "this project with 8 shards, however many CPUs"),
    "mooring-echo-64": ("Mooring, 64 shards", "this project with 64 shards, however many CPUs"),
    "bare-ring-8": ("bare io_uring, 8 rings", "the same with 8 rings"),
    "bare-ring-64": ("bare io_uring, 64 rings", "the same with 64 rings"),
}


# What perf/harness puts behind these paths.
HTTP = {"/": "an answer of 13 B", "/1k.bin": "a file of 1 KB", "/1m.bin": "a file of 1 MB, from the cache",
        "/16m.bin": "a file of 16 MB, streamed"}


def Label(server):
    """A server's name for readers."""
    return SERVERS[server][0] if server in SERVERS else server.split()[0].rsplit("/", 1)[-1]


def Ours(server):
    return server.startswith("mooring")


def Main(server):
    """Ours as it is by default."""
    return Label(server) == "Mooring"


def Place(server):
    """Sorts ours before the others, and the best known of both first."""
    names = list(SERVERS)
    return (not Main(server), not Ours(server), names.index(server) if server in SERVERS else len(names), server)


def Count(n):
    return f"{n:,.0f}"


def Significant(value, digits=3):
    """126,128 becomes 126,000: the last digits of a speed say nothing."""
    if value == 0:
        return "0"
    if abs(value) < 100:
        return f"{value:#.{digits}g}"
    return f"{round(value, digits - len(str(int(abs(value))))):,.0f}"


def Rate(value):
    return NONE if value is None else Significant(value)


def Bytes(value):
    return NONE if value is None else f"{value:,.0f} B"


def Micros(value):
    if value is None:
        return NONE
    if value < 1_000:
        return f"{Significant(value)} µs"
    return f"{Significant(value / 1_000)} ms" if value < 1_000_000 else f"{Significant(value / 1_000_000)} s"


def Percent(fraction, digits=0):
    return NONE if fraction is None else f"{100 * fraction:.{digits}f} %"


def Times(ratio):
    if ratio < 0.0995:
        return f"{ratio:#.2g}x"
    return f"{ratio:.1f}x" if ratio >= 9.95 else f"{ratio:.2f}x"


def Quartiles(three):
    """1.34x (1.22 to 1.46)"""
    if three is None:
        return NONE
    low, median, high = three
    return Times(median) if low == high else f"{Times(median)} ({Times(low)[:-1]} to {Times(high)[:-1]})"


def Size(bytes_):
    return f"{bytes_ // 1024} KB" if bytes_ >= 1024 and bytes_ % 1024 == 0 else f"{bytes_} B"


def List(items, last="and"):
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def What(scenario, connections=None):
    """A scenario in a line: its own words, or some that are made of what it does."""
    if scenario.get("what"):
        return scenario["what"]
    tool = Tool(scenario)
    parts = [Asks(scenario)]
    depth = tool.get("depth") if tool else scenario.get("depth")
    if depth is not None and not IsOpenLoop(scenario) and not scenario.get("wake"):
        parts.append("one in flight" if depth == 1 else f"{depth} in flight")
    parts += Special(scenario)
    connections = connections or scenario.get("connections")
    if isinstance(connections, int):
        parts.append(f"{Count(connections)} connections" + (" at a time" if IsChurn(scenario) else ""))
    shards = scenario.get("shards")
    if isinstance(shards, int) and shards > 1:
        parts.append(f"{shards} shards")
    return ", ".join(parts) if len(parts) > 1 else scenario["name"]


def Asks(scenario):
    service, size = Service(scenario), str(scenario.get("bytes", ""))
    if IsChurn(scenario):
        return "connect, one exchange, close"
    tool = Tool(scenario)
    if tool:
        return tool["asks"]
    if scenario.get("a") == "mooring-proxy":
        service = "a proxy before an echo server"
    if IsMixed(scenario):
        return f"{service}, mixed sizes"
    return f"{service}, {Size(int(size))}" if size.isdigit() else service


def Tool(scenario):
    """What another load than mooring-load does; {} for mooring-load."""
    words = scenario.get("tool", "").split()
    if not words:
        return {}
    flags = {flag: words[words.index(flag) + 1] for flag in ("-P", "-t", "-c") if flag in words}
    tool = {"depth": int(flags["-P"])} if "-P" in flags else {}
    tool |= {"connections": int(flags["-c"])} if "-c" in flags else {}
    asks = {"wrk": f"HTTP, {HTTP.get(words[-1], words[-1])}", "redis-benchmark": f"redis-benchmark, {flags.get('-t')}"}
    return tool | {"asks": asks.get(words[0], words[0])}


def Special(scenario):
    said = []
    if IsOpenLoop(scenario):
        said.append("open loop")
    if scenario.get("wake"):
        said.append("all woken at once")
    if scenario.get("cpus") == "shared":
        said.append("server and load share both CPUs")
    if scenario.get("active"):
        said.append(f"{Count(scenario['active'])} of them active")
    if scenario.get("slow"):
        said.append(f"{Count(scenario['slow'])} of them slow")
    return said


def Service(scenario):
    if scenario.get("tool", "").startswith("wrk "):
        return "http"
    return scenario.get("protocol") or ("echo" if scenario.get("kind") else scenario["name"])


def IsChurn(scenario):
    return scenario.get("tool") == "churn"


def IsMixed(scenario):
    sizes = scenario.get("bytes")
    return isinstance(sizes, list) or (isinstance(sizes, str) and "," in sizes)


def IsOpenLoop(scenario):
    return scenario.get("kind") == "latency"
