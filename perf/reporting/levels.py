# SPDX-License-Identifier: Apache-2.0
"""The report's sections on one server after another at so many connections: speed and memory from 1,000 to 100,000, who
is woken at once, the most that one machine holds, and what fits into 8 GB."""
from . import charts, targets, words
from .tables import Table
from .words import Bytes, Count, Label, Micros, Percent, Rate

TABLE_UP_TO = 100_000  # connections; what is beyond is about the most that one machine holds
WOKEN_FROM = 10_000
GIGABYTE = 2**30
FITS_IN = 8 * GIGABYTE

SAYS = """Each server alone, on one CPU, the load on the other. All connections are opened; each sends some messages,
one after the other; then all rest, and the memory is read. *Efficiency* is the rate against the best level of the same
server: how much of its speed is left when there are more connections. Each row is a run of its own, and the servers did
not take turns: paired rows compare speeds; this table compares memory, and shows how each server scales.
"""
SPLIT = """Where a connection's memory goes, at the largest level of each server. *Connection* is its record in the
slab, *frame* its waiting coroutine, *buffers* what it keeps of data; *pages* is the rest of the resident memory: pages
that are not full, and what the allocator keeps. Of the kernel's, *socket* is the TCP socket itself and *receive* what
waits for data on it.
"""
GIVEN_BACK = """Where *pages* is below 0, pages that were touched before listening have been given back meanwhile.
"""
WOKEN = """All connections rest; then one message is sent on every one of them at the same instant. When the first, the
median and the last have their answers, from that instant on.
"""
MILLION = """Server and load share one machine, and so its memory: both ends of every connection are in it. Each
connection has answered before and after the rest.
"""
FITS = """How many connections a machine of 8 GB could hold on the server's side: 8 GB divided by user and kernel memory
of one idle connection together, as measured at the largest level of each server. It is a quotient, not a run; what the
system and the server take without connections has to be subtracted.
"""
SERVICES = {"echo": "Echo", "line": "Line: for each line, an answer of one line", "http": "HTTP keep-alive"}


def Special(scenario):
    """Whether it is more than connections that take turns and then rest."""
    return bool(scenario.get("active") or scenario.get("slow") or words.IsMixed(scenario) or words.IsChurn(scenario))


def Plain(results):
    """The levels of the table."""
    return [l for l in results.levels if not Special(l.scenario) and l.connections <= TABLE_UP_TO]


def ByScenario(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row.scenario["name"], []).append(row)
    return grouped


def InOrder(levels):
    return sorted(levels, key=lambda l: (l.connections, words.Place(l.server)))


# --- 1,000 to 100,000 connections

def Section(plain, drawn):
    said = f"## 1,000 to 100,000 connections\n\n{SAYS}\n"
    if not plain:
        return said + words.NOT_YET
    for name, levels in ByScenario(plain).items():
        title = levels[0].scenario.get("what") or SERVICES.get(words.Service(levels[0].scenario), name)
        said += f"### {title}\n\n{LevelTable(levels)}\n{Split(levels)}{Charts(name, title, levels, drawn)}"
    return said


HEADER = ["connections", "server", "shards", "messages/s", "efficiency", "CPU a message", "p99", "set up in",
          "user memory each", "kernel memory each", "together", "idle CPU", "note"]


def LevelTable(levels):
    best, rows = {}, []
    for level in levels:
        best[level.server] = max(best.get(level.server, 0), level.rate or 0)
    for l in InOrder(levels):
        efficiency = l.rate / best[l.server] if l.rate else None
        setup_us = None if l.setup_seconds is None else 1e6 * l.setup_seconds
        rows.append([Count(l.connections), Label(l.server), l.shards if (l.shards or 1) > 1 else "", Rate(l.rate),
                     Percent(efficiency), Micros(l.cpu_us), Micros((l.latency or {}).get("p99_us")), Micros(setup_us),
                     Bytes(l.user_bytes), Bytes(l.kernel), Bytes(l.together), Percent(l.idle_cpu, 2),
                     Notes(l)])
    return Table(HEADER, rows, keep=2)


def Notes(level):
    said = targets.Notes(level)
    if level.disturbed:
        said = "; ".join(filter(None, [said, "kernel memory was disturbed by others"]))
    if (level.processes or 1) > 1 and "process" not in said:
        said = "; ".join(filter(None, [said, f"{level.processes} processes"]))
    return said


def Split(levels):
    largest = Largest((l for l in levels if l.user_parts or l.kernel_parts), lambda l: l.server)
    if not largest:
        return ""
    rows = []
    for l in InOrder(largest.values()):
        user, kernel = l.user_parts or {}, {} if l.disturbed else l.kernel_parts or {}
        known = [value for value in user.values() if value is not None]
        pages = l.user_bytes - sum(known) if known and l.user_bytes is not None else None
        parts = [*(user.get(part) for part in ("connection", "frame", "buffers")), pages,
                 *(kernel.get(part) for part in ("socket", "receive"))]
        rows.append([Label(l.server), Count(l.connections), *(Bytes(part) for part in parts)])
    given_back = f"{GIVEN_BACK}\n" if any(row[5].startswith("-") for row in rows) else ""
    header = ["server", "connections", "connection", "frame", "buffers", "pages", "kernel: socket", "kernel: receive"]
    return f"{SPLIT}\n{given_back}{Table(header, rows, keep=2)}\n"


def Largest(levels, key):
    """For each key its level with the most connections."""
    largest = {}
    for level in levels:
        if level.connections >= getattr(largest.get(key(level)), "connections", 0):
            largest[key(level)] = level
    return largest


KINDS = [  # name of the file, what it shows, the axis, the figure, how it is drawn
    ("rate", "messages a second", "messages a second", lambda l: l.rate, {}),
    ("p99", "p99 latency", "p99 latency, ms", lambda l: (l.latency or {}).get("p99_us"), {"log": True, "unit": 1e3}),
    ("user_memory", "user memory of a connection", "user bytes a connection", lambda l: l.user_bytes, {"log": True}),
    ("memory", "user and kernel memory of a connection", "user and kernel bytes a connection",
     lambda l: l.together, {}),
]


def Charts(name, title, levels, drawn):
    title = title.split(":")[0]
    valid, servers = [l for l in levels if not targets.Problems(l.gates)], {l.server for l in levels}
    styles, said = charts.Styles(servers), ""
    if len(styles) < len(servers):
        said = f"The charts show {len(styles)} of the {len(servers)} servers; the table has them all.\n\n"
    for kind, what, axis, get, how in KINDS:
        series = {}
        for level in valid:
            if get(level) is not None:
                series.setdefault(level.server, []).append((level.connections, get(level)))
        chart = charts.Lines(f"{name}_{kind}", f"{title}: {what}", axis, series, styles, **how)
        said += charts.Image(chart, drawn, f"{title}: {what} against the number of connections, a line for each server")
    return said


# --- Woken at once

def Woken(results):
    rows = []
    pairs = [pair for pair in results.pairs if pair.scenario.get("wake")]
    for pair in pairs:
        for server, latency in ((pair.a, pair.latency_a), (pair.b, pair.latency_b)):
            times = [latency.get(name) for name in ("first_us", "p50_us", "p99_us", "max_us")]
            rows.append([words.Service(pair.scenario), Count(pair.connections or 0), Label(server), *map(Micros, times),
                         targets.Notes(pair)])
    levels = [l for l in InOrder(results.levels) if l.wake and l.connections >= WOKEN_FROM]
    for level in sorted(levels, key=lambda l: words.Service(l.scenario)):
        times = [level.wake.get(name) for name in ("first_us", "median_us", "p99_us", "last_us")]
        rows.append([words.Service(level.scenario), Count(level.connections), Label(level.server), *map(Micros, times),
                     Notes(level)])
    said = f"## Woken at once\n\n{WOKEN}\n"
    if not rows:
        return said + words.NOT_YET
    return said + Table(["service", "connections", "server", "first", "median", "p99", "last", "note"], rows, keep=3)


# --- A million

def Million(results):
    said = f"## A million connections\n\n{MILLION}\n"
    levels = [level for level in results.levels if level.connections > TABLE_UP_TO]
    if not levels:
        return said + words.NOT_YET
    for group in ByScenario(levels).values():
        held = [level for level in group if level.reached]
        said += LevelTable(held) + "\n" if held else ""
        for l in group:
            if not l.reached:
                who = f"{Label(l.server)} on the way to {Count(l.connections)}"
                said += f"- What stopped {who}: {l.note or 'unknown'}\n"
        said += "\n"
    return said


def Fits(results):
    said = f"## What fits into 8 GB\n\n{FITS}\n"
    largest = Largest((l for l in Plain(results) if l.together), lambda l: (words.Service(l.scenario), l.server))
    if not largest:
        return said + words.NOT_YET
    rows = [[service, Label(server), Count(l.connections), Bytes(l.user_bytes), Bytes(l.kernel),
             f"{FITS_IN / l.together / 1e6:.2f} million", Notes(l)]
            for (service, server), l in sorted(largest.items(), key=lambda item: (item[0][0], item[1].together))]
    header = ["service", "server", "measured at", "user each", "kernel each", "connections in 8 GB", "note"]
    return said + Table(header, rows)
