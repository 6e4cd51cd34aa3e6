# SPDX-License-Identifier: Apache-2.0
"""docs/PERFORMANCE.md and its charts. Sentences are written in the generator; figures come from the results, and
verdicts are computed."""
import textwrap

from . import charts, levels, method, missing, targets, words
from .results import Three
from .tables import Table
from .words import Bytes, Count, Label, Micros, NOT_YET, Quartiles, Rate, What


def Page(results, tried):
    """(the page, its charts)."""
    plain, drawn = levels.Plain(results), []
    sections = [OPENING, method.Section(results), Targets(targets.Rows(results, plain), drawn),
                levels.Section(plain, drawn), *Loads(results), levels.Woken(results), Broadcast(results),
                levels.Million(results), levels.Fits(results), Skew(results), Latency(results), HttpMemory(results),
                AllPairs(results), Instructions(results), Servers(results), missing.Section(results), Tried(results)]
    page = "\n".join(Wrapped(section) + "\n" for section in sections if section)
    return page + "\n" + tried.strip("\n") + "\n", drawn


def Wrapped(section):
    """Prose in lines of 120; tables, lists, images and headings as they are."""
    blocks = section.strip("\n").split("\n\n")
    return "\n\n".join(block if block[0] in "|-#!<" else textwrap.fill(block, 120) for block in blocks)


OPENING = """# Performance

<!-- Made by perf/report from perf/results. Do not edit: the next run writes it anew. -->

What Mooring does, beside other servers on the same machine. Up to *What was tried* every measured figure was written by
`perf/report` from what lies in `perf/results`; none was typed by hand. [perf/README.md](../perf/README.md)
says how to repeat it.
"""


# --- Targets

TARGETS = """What the project promises itself, and what came out. *≥* is a ratio that has to be at least so much, *≤*
one that may be at most so much; the median decides. Targets whose scenario has no result are not in the table; *what is
missing*, further down, names the scenarios.
"""
CHARTS = [  # name, title, whether it is of rates
    ("ratios_rate", "Messages a second against other servers (right is better)", True),
    ("ratios_cost", "CPU time and latency against other servers (left is better)", False),
]


def Targets(rows, drawn):
    said = f"## Targets\n\n{TARGETS}\n"
    if not rows:
        return said + NOT_YET
    counts = [(sum(row.verdict == verdict for row in rows), what) for verdict, what in
              ((targets.REACHED, "reached"), (targets.MISSED, "missed"), (targets.INVALID, "not valid"),
               (targets.UNMEASURED, "not measured"))]
    said += f"Of {len(rows)}: **{words.List(f'{count} {what}' for count, what in counts if count)}**.\n\n"
    header = ["what", "of", "target", "measured (quartiles)", "verdict", "note"]
    cells = [[row.what, row.of, row.target, row.measured, row.verdict, row.note] for row in rows]
    said += Table(header, cells, keep=5) + "\n"
    for name, title, of_rates in CHARTS:
        shown = [(row.label, row.ratio, row.limit, row.verdict == targets.REACHED) for row in rows
                 if row.ratio and row.verdict != targets.INVALID and (row.metric == "rate") == of_rates]
        chart = charts.Ratios(name, title, "Mooring / the other: at 1x they are equal", shown)
        said += charts.Image(chart, drawn, f"{title}: for each target the median, its quartiles, and the target")
    return said


# --- Other loads

LOADS = [
    ("Idle-heavy: 1 % active", """Most connections of a real server say nothing. Here 99 % are silent, and the others
send as fast as they are answered: whether those who wait cost those who do not.
""", lambda scenario: scenario.get("active")),
    ("Churn", """Connect, one exchange, close: what accepting and closing cost. The rate is connections a second.
""", words.IsChurn),
    ("Mixed sizes", """Each message draws its size at random, from the same seed for all servers: small messages wait
behind large ones, and buffers have to fit both.
""", words.IsMixed),
    ("Slow consumers", """Some peers send and take what comes back at about 1 KB a second. The figures are those of the
others: a slow peer is to cost only itself.
""", lambda scenario: scenario.get("slow")),
]


def Loads(results):
    for title, sentence, of in LOADS:
        pairs = [pair for pair in results.pairs if of(pair.scenario)]
        held = levels.ByScenario(level for level in results.levels if of(level.scenario))
        slow = SlowClients(results.slow_clients) if title == "Slow consumers" else ""
        said = f"## {title}\n\n{sentence}\n"
        said += PairTable(pairs) + "\n" if pairs else ""
        said += "".join(f"{What(group[0].scenario)}:\n\n{levels.LevelTable(group)}\n" for group in held.values())
        yield said + (slow or ("" if pairs or held else NOT_YET))


SLOW_CLIENTS = """Over HTTP, connections that are asked as fast as they answer, without and with slow ones beside them,
in turn. *header*: the slow ones send a request head byte by byte; *body*: a body; *read*: they take an answer of 1 MB a
few bytes at a time. The p99 of the others may at most double.
"""


def SlowClients(measured):
    if not measured:
        return ""
    rows = []
    for m in measured:
        three = (m["ratio_quartiles"][0], m["ratio"], m["ratio_quartiles"][1])
        rows.append([m["mode"], Label(m["server"]), Count(m["slow"]), Count(m["others"]), Micros(m["p99_us_without"]),
                     Micros(m["p99_us_with"]), Quartiles(three), words.Times(m["rate_ratio"])])
    header = ["slow at", "server", "slow", "others", "p99 of the others alone", "beside the slow ones", "with/without",
              "rate with/without"]
    return f"{SLOW_CLIENTS}\n{Table(header, rows)}"


def PairTable(pairs):
    rows = [[What(p.scenario, p.connections), Label(p.a), p.against, *(Quartiles(p.ratios.get(metric)) for metric in
             ("rate", "cpu", "both", "p50", "p99")), targets.Notes(p)] for p in pairs]
    header = ["what", "A", "B", "rate A/B", "CPU A/B", "CPU of server and load A/B", "p50 A/B", "p99 A/B", "note"]
    return Table(header, rows, keep=4)


BROADCAST = """One message to every member of a chat room, on two servers in turn: when the first, the median and the
last member has it, and what a member costs in user memory.
"""


BROADCAST_PARTS = [("first_us", "the first has it", Micros), ("median_us", "the median has it", Micros),
                   ("last_us", "the last has it", Micros), ("bytes_a_member", "user memory a member", Bytes)]


def Broadcast(results):
    rows, said = [], f"## Broadcast\n\n{BROADCAST}\n"
    for m in sorted(results.broadcasts, key=lambda m: m["members"]):
        b = Label(m["b"]) if m.get("b") else "nobody"  # a server that cannot hold so many was skipped
        members = [Count(m["members"]), f"{Label(m['a'])} / {b}"]
        for who, what, unit in BROADCAST_PARTS:
            part = m.get(who)
            if part:
                low, high = part.get("quartiles") or [part["ratio"]] * 2
                ratio = None if part["ratio"] is None else (low, part["ratio"], high)
                rows.append([*members, what, unit(part["a"]), unit(part["b"]), Quartiles(ratio)])
        if m.get("errors"):
            rows.append([*members, f"**not valid: {Count(m['errors'])} members got something else**", "", "", ""])
    return said + (Table(["members", "A / B", "what", "A", "B", "A/B"], rows, keep=6) if rows else NOT_YET)


# --- How even the shards are

SKEW = """How many connections the fullest shard has, against the mean of all: 1.00x is even. Nobody deals them out: the
kernel picks a shard by a hash of each connection's addresses.
"""


def Skew(results):
    rows = [[What(pair.scenario, side.get("connections")), Count(side.get("connections") or pair.connections),
             side.get("shards") or 1, side.get("skew")]
            for pair in results.pairs for side in pair.sides.values()]
    rows += [[f"{words.Service(level.scenario)}, held", Count(level.connections), level.shards or 1, level.skew]
             for level in levels.InOrder(results.levels)]
    rows = [[*row, words.Times(skew)] for *row, skew in rows if skew and row[2] > 1]
    header = ["what", "connections", "shards", "the fullest shard against the mean"]
    return f"## How even the shards are\n\n{SKEW}\n{Table(header, rows)}" if rows else ""


# --- Latency

LATENCY = """Messages are sent at a fixed rate, whether or not earlier answers came: 70 % of the best rate of the other
server, the same for both. p99 is the time within which 99 of 100 answers were there.
"""
PERCENTILES = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p99.9": "p999_us", "p99.99": "p9999_us",
               "most": "max_us"}


def Latency(results):
    rows, said = [], f"## Latency\n\n{LATENCY}\n"
    for pair in results.pairs:
        if not words.IsOpenLoop(pair.scenario):
            continue
        for server, latency, rate in ((pair.a, pair.latency_a, pair.rate_a), (pair.b, pair.latency_b, pair.rate_b)):
            rows.append([What(pair.scenario, pair.connections), Label(server), Rate(pair.offered or rate),
                         *(Micros(latency.get(key)) for key in PERCENTILES.values()), targets.Notes(pair)])
        p50, p99 = (Quartiles(pair.ratios.get(metric)) for metric in ("p50", "p99"))
        rows.append(["", f"{Label(pair.a)} / {Label(pair.b)}", "", p50, "", p99, "", "", "", ""])
    return said + (Table(["what", "server", "messages/s", *PERCENTILES, "note"], rows, keep=3) if rows else NOT_YET)


# --- The rest

def HttpMemory(results):
    rows = [[Label(m["server"]), f"`{m['path']}`", Count(m["connections"]), Bytes(m["bytes_each"])]
            for m in results.http_memory]
    said = "## Memory of an idle HTTP connection\n\nKeep-alive connections that have asked once and then rest.\n\n"
    return said + Table(["server", "asked for", "connections", "user memory each"], rows) if rows else ""


ALL_PAIRS = """All paired rows, those without a target too. *CPU* is the server's user and system time a message; where
the load copies as much as the server does, what both take together tells more.
"""


def AllPairs(results):
    return f"## Every pair\n\n{ALL_PAIRS}\n" + (PairTable(results.pairs) if results.pairs else NOT_YET)


INSTRUCTIONS = """What the product itself executes, counted by callgrind over a simulated kernel: the same on every
machine, and kept as a bar in the tests.
"""


def Instructions(results):
    rows = [[row.get("what", ""), Count(row["instructions"])] for row in results.instructions]
    return f"## Instructions\n\n{INSTRUCTIONS}\n{Table(['what', 'instructions'], rows)}" if rows else ""


TRIED = """One change at a time, against the same server without it: both were up at once, and the same load met them in
turn. *Nothing* is the server once more: what differs there is noise, and a change that differs no more has done nothing.
Sleeps are waits of the server's thread. They were trial builds, most of them of earlier commits, measured by a script of
their own; gcc and perf/pgo were measured by `perf/run`. What is behind it, and what was made of it, stands below.
"""


def Tried(results):
    rows = [[row["load"], row["tried"], Quartiles(Three(row.get("rate"))), Quartiles(Three(row.get("cpu"))),
             "" if row.get("sleeps") is None else f"{row['sleeps']:.2f}",
             "" if row.get("cpu_skew") is None else words.Times(row["cpu_skew"])] for row in results.tried]
    header = ["load", "change", "rate, with/without", "CPU a message, with/without", "sleeps a message",
              "CPU time of the busiest shard against the mean"]
    return f"## Single changes\n\n{TRIED}\n{Table(header, rows, keep=4)}" if rows else ""


def Servers(results):
    names = {name for pair in results.pairs for name in (pair.a, pair.b)} | {level.server for level in results.levels}
    rows = [[Label(name), f"`{name}`", words.SERVERS.get(name, ("", ""))[1]] for name in sorted(names, key=words.Place)]
    header = ["here", "in `perf/servers.toml`", "what it is"]
    return f"## The servers\n\n{Table(header, rows, keep=3)}" if rows else ""
