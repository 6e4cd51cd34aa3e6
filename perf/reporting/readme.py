# SPDX-License-Identifier: Apache-2.0
"""README.md's figures, between two comments: the rows of pairs that say most, and memory. While too few of them are
measured, what stands there stays."""
from . import levels as all_levels
from . import charts, performance, targets, words
from .tables import Table
from .words import Bytes, Count, Label, Quartiles, What

BEGIN, END = "<!-- figures: made by perf/report -->", "<!-- end of figures -->"
LEAST_ROWS = 12  # of PAIRS; with fewer, the table says less than the one that was there

# (scenarios that share a row, the other server), in the order of the table. They differ in their connections alone.
PAIRS = [
    (["echo64-50"], "go-echo"), (["echo64-1000"], "go-echo"), (["echo64-10000"], "go-echo"),
    (["echo64-50", "echo64-1000", "echo64-10000"], "bare-ring"),
    (["echo64-50", "echo64-1000", "echo64-10000"], "epoll"),
    (["echo16k-50"], "go-echo"), (["echo16k-50"], "epoll"), (["line16-50"], "go-line"), (["line16-50"], "go-line-lazy"),
    (["churn-50"], "go-echo"), (["churn-50"], "epoll"), (["latency-1000"], "go-echo"), (["latency-10000"], "go-echo"),
    (["active-100000"], "bare-ring"),
    (["http13-64"], "nginx"), (["http13-pipe16-64"], "nginx"), (["http1k-64", "http1k-1000"], "nginx"),
    (["http1m-16"], "nginx"), (["http16m-16"], "nginx"), (["redis-set-16"], "redis"), (["redis-get-16"], "redis"),
    (["proxy64"], "haproxy"), (["proxy16k"], "haproxy"),
]


def Measured(results):
    """The rows of PAIRS that are there, each with its pairs."""
    there = {(pair.scenario["name"], pair.b): pair for pair in results.pairs if not targets.Problems(pair.gates)}
    rows = [[there[name, b] for name in names if (name, b) in there] for names, b in PAIRS]
    return [row for row in rows if row]


def Replace(text, results):
    """(README.md with its figures, why they were left as they are or None)"""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"report: README.md has not its two comments, {BEGIN} and {END}")
    measured = Measured(results)
    if len(measured) < LEAST_ROWS:
        return text, f"{len(measured)} of the {len(PAIRS)} rows of its table have a result, fewer than {LEAST_ROWS}"
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{performance.Wrapped(Figures(results, measured))}\n\n{END}{rest.split(END)[1]}", None


def Figures(results, measured):
    machine, rounds = Machine(results), sorted({a["rounds"] for a in results.about.values() if a.get("rounds")})
    counted = " to ".join(map(str, rounds[:1] + rounds[1:][-1:])) + " rounds"
    said = f"{PAIRED.format(counted=counted)} {machine}{REPORT}\n"
    rows, before = [], None
    for pairs in measured:
        what = WhatOf(pairs)
        rows.append([("the same" if what == before else what) + f": against {pairs[0].against}",
                     *(Short(pairs, metric) for metric in ("rate", "cpu", "p99"))])
        before = what
    said += Table(["what", "rate", "CPU a message", "p99 latency"], rows, keep=3)
    memory = Memory(results)
    return said + ("\n" + Table(["what", "figure"], memory) + "\n" + MEANS if memory else "")


PAIRED = """Ratios of paired rounds: both servers up at once, {counted} of each in turn; median and quartiles. A rate is
better above 1, CPU and latency below."""
REPORT = """Over loopback the kernel's TCP takes most of the time, of every server. The whole report, with the targets
that were missed: [docs/PERFORMANCE.md](docs/PERFORMANCE.md).
"""
MEANS = """User memory is what the server's resident memory grew by with all connections there, each after its exchanges
and a rest, divided by their number. The kernel's comes on top, whoever holds the connection.
"""


def WhatOf(pairs):
    """What a row's pairs have in common, and all their connections: 50 / 1,000 connections."""
    what, counts = What(pairs[0].scenario, pairs[0].connections), [Count(pair.connections or 0) for pair in pairs]
    return what.replace(f"{counts[0]} connections", f"{' / '.join(counts)} connections")


def Short(pairs, metric):
    """The medians; with its quartiles where a rate stands alone."""
    if metric == "rate" and words.IsOpenLoop(pairs[0].scenario):
        return words.NONE  # it was given
    if metric == "cpu" and "both" in pairs[0].target:
        return Short(pairs, "both").replace(words.NONE, "") + " with the load's"
    threes = [pair.ratios.get(metric) for pair in pairs]
    if not all(threes):
        return words.NONE
    if metric == "rate" and len(threes) == 1:
        return Quartiles(threes[0])
    return " / ".join(words.Times(median) for _, median, _ in threes)


def Machine(results):
    abouts = list(results.about.values())
    first = lambda *names: next((about[name] for about in abouts for name in names if about.get(name)), None)
    cpus, cpu, kernel = first("cpus", "cores"), first("cpu_model", "cpu", "model"), first("kernel")
    parts = [f"{cpus} CPUs" if cpus else "", f"({cpu})" if cpu else "", f"under Linux {kernel}" if kernel else ""]
    return "Measured on " + " ".join(filter(None, parts)) + ". " if any(parts) else ""


def Memory(results):
    """Rows of what is no ratio: memory, idle CPU, the most connections."""
    rows = []
    plain = [level for level in all_levels.Plain(results) if not targets.Problems(level.gates)]
    for service, what in targets.SERVICES.items():
        levels = [l for l in plain if words.Service(l.scenario) == service and l.user_bytes is not None]
        if not any(words.Main(l.server) for l in levels):
            continue
        at = max(l.connections for l in levels if words.Main(l.server))
        shown = [s for s in charts.Drawn({l.server for l in levels}) if words.Main(s) or not words.Ours(s)]
        there = sorted((l for l in levels if l.connections == at and l.server in shown),
                       key=lambda l: (not words.Main(l.server), l.user_bytes))
        rows.append([f"user memory of an idle connection at {Count(at)}, {service} ({what})",
                     "; ".join(f"{Label(l.server)} {Bytes(l.user_bytes)}" for l in there)])
        kernel = [l.kernel for l in there if words.Main(l.server) and l.kernel is not None]
        if kernel:
            rows.append(["the kernel's for the same", Bytes(kernel[0])])
    for m in results.http_memory:
        rows.append([f"user memory of an idle HTTP connection at {Count(m['connections'])}, {m['path']}",
                     f"{Label(m['server'])} {Bytes(m['bytes_each'])}"])
    for m in results.broadcasts:
        last, memory = m.get("last_us"), m.get("bytes_a_member")
        if last and last["ratio"] is not None and not m.get("errors"):
            other = Label(m["b"])
            what = f"one message to {Count(m['members'])} members of a chat, until the last has it: against {other}"
            rows.append([what, f"{words.Times(last['ratio'])} of the time"])
            if memory:
                rows.append(["user memory a member of that chat",
                             f"Mooring {Bytes(memory['a'])}; {other} {Bytes(memory['b'])}"])
    most = max((l for l in results.levels if words.Ours(l.server) and not targets.Problems(l.gates)),
               key=lambda l: l.connections, default=None)
    if most is not None:
        rows.append(["connections held on one machine, load included, each answering", Count(most.connections)])
    return rows
