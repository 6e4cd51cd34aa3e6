# SPDX-License-Identifier: Apache-2.0
"""README.md's figures, between two comments: the rows of pairs that say most, and memory. While too few of them are
measured, what stands there stays."""
from . import performance, targets, words
from .tables import Table
from .words import Bytes, Count, Label, Quartiles, What

BEGIN, END = "<!-- figures: made by perf/report -->", "<!-- end of figures -->"
LEAST_PAIRS = 12  # of PAIRS; below, the table says less than the one that was there

# (scenario, the other server), in the order of the table.
PAIRS = [
    ("echo64-50", "go-echo"), ("echo64-1000", "go-echo"), ("echo64-10000", "go-echo"),
    ("echo64-50", "bare-ring"), ("echo64-1000", "bare-ring"), ("echo64-10000", "bare-ring"),
    ("echo64-50", "epoll"), ("echo64-1000", "epoll"), ("echo64-10000", "epoll"),
    ("echo16k-50", "go-echo"), ("echo16k-50", "epoll"),
    ("line16-50", "go-line"), ("line16-50", "go-line-lazy"),
    ("churn-50", "go-echo"), ("churn-50", "epoll"),
    ("latency-1000", "go-echo"), ("latency-10000", "go-echo"),
    ("http13-64", "nginx"), ("http13-pipe16-64", "nginx"), ("http1k-64", "nginx"), ("http1k-1000", "nginx"),
    ("http1m-16", "nginx"), ("http16m-16", "nginx"),
    ("redis-set-16", "redis"), ("redis-get-16", "redis"), ("proxy64", "haproxy"), ("proxy16k", "haproxy"),
]


def Measured(results):
    """The pairs of PAIRS that are there, in their order."""
    there = {(pair.scenario["name"], pair.b): pair for pair in results.pairs if not targets.Problems(pair.gates)}
    return [there[key] for key in PAIRS if key in there]


def Replace(text, results):
    """(README.md with its figures, why they were left as they are or None)"""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"report: README.md has not its two comments, {BEGIN} and {END}")
    pairs = Measured(results)
    if len(pairs) < LEAST_PAIRS:
        return text, f"{len(pairs)} of the {len(PAIRS)} pairs of its table have a result, fewer than {LEAST_PAIRS}"
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n\n" + Figures(results, pairs) + "\n" + END + rest.split(END)[1], None


def Figures(results, pairs):
    machine, rounds = Machine(results), sorted({a["rounds"] for a in results.about.values() if a.get("rounds")})
    counted = f"{rounds[0]} to {rounds[-1]} rounds" if len(rounds) > 1 else f"{rounds[0]} rounds" if rounds else "rounds"
    said = (f"Ratios of paired rounds: both servers up at once, {counted} of each in turn; median and quartiles. A rate is better above 1, "
            "CPU and latency below. "
            f"{machine}Over loopback the kernel's TCP takes most of the time, of every server. The whole report, with targets that were "
            "missed: [docs/PERFORMANCE.md](docs/PERFORMANCE.md).\n\n")
    rows, before = [], None
    for pair in pairs:
        what = What(pair.scenario, pair.connections)
        rows.append([("the same" if what == before else what) + f": against {Label(pair.b)}",
                     Quartiles(pair.ratios.get("rate")) if not words.IsOpenLoop(pair.scenario) else words.NONE,
                     Short(pair, "both" if "both" in pair.target else "cpu"), Short(pair, "p99")])
        before = what
    said += Table(["what", "rate", "CPU a message", "p99 latency"], rows, keep=3)
    memory = Memory(results)
    return said + ("\n" + Table(["what", "figure"], memory) + "\n" + MEANS if memory else "")


MEANS = """User memory is what the server's resident memory grew by with all connections there, each after one exchange and a rest, divided
by their number. The kernel's comes on top, whoever holds the connection.
"""


def Short(pair, metric):
    three = pair.ratios.get(metric)
    if three is None:
        return words.NONE
    return words.Times(three[1]) + (", with the load's" if metric == "both" else "")


def Machine(results):
    abouts = list(results.about.values())
    first = lambda *names: next((about[name] for about in abouts for name in names if about.get(name)), None)
    cpus, cpu, kernel = first("cpus", "cores"), first("cpu_model", "cpu", "model"), first("kernel")
    parts = [f"{cpus} CPUs" if cpus else "", f"({cpu})" if cpu else "", f"under Linux {kernel}" if kernel else ""]
    return "Measured on " + " ".join(filter(None, parts)) + ". " if any(parts) else ""


def Memory(results):
    """Rows of what is no ratio: memory, idle CPU, the most connections."""
    rows = []
    plain = [level for level in performance.Plain(results) if not targets.Problems(level.gates)]
    for service, what in targets.SERVICES.items():
        levels = [l for l in plain if l.scenario.get("service") == service and l.user_bytes is not None]
        if not any(words.Ours(l.server) for l in levels):
            continue
        at = max(l.connections for l in levels if words.Ours(l.server))
        there = sorted((l for l in levels if l.connections == at), key=lambda l: (not words.Ours(l.server), l.user_bytes))
        rows.append([f"user memory of an idle connection at {Count(at)}, {service} ({what})",
                     "; ".join(f"{Label(l.server)} {Bytes(l.user_bytes)}" for l in there)])
        kernel = [l.kernel_bytes for l in there if words.Ours(l.server) and l.kernel_bytes is not None]
        if kernel:
            rows.append(["the kernel's for the same", Bytes(kernel[0])])
    for m in results.http_memory:
        rows.append([f"user memory of an idle HTTP connection at {Count(m['connections'])}, {m['path']}",
                     f"{Label(m['server'])} {Bytes(m['bytes_each'])}"])
    for m in results.broadcasts:
        last, memory = m.get("last_us"), m.get("bytes_a_member")
        if last and not m.get("errors"):
            other = Label(m.get("b", "go-chat"))
            rows.append([f"one message to {Count(m['members'])} members of a chat, until the last has it: against {other}",
                         f"{words.Times(last['ratio'])} of the time"])
            if memory:
                rows.append([f"user memory a member of that chat; {other}", f"{Bytes(memory['a'])}; {Bytes(memory['b'])}"])
    most = max((l for l in results.levels if words.Ours(l.server) and not targets.Problems(l.gates)),
               key=lambda l: l.connections, default=None)
    if most is not None:
        rows.append(["connections held on one machine, load included, each answering", Count(most.connections)])
    return rows
