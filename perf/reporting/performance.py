# SPDX-License-Identifier: Apache-2.0
"""docs/PERFORMANCE.md and its charts. Sentences are written here; figures come from the results, and verdicts are computed."""
import textwrap

from . import charts, targets, words
from .tables import Table
from .words import Bytes, Count, Label, Micros, Percent, Quartiles, Rate, What

NOT_YET = "Not measured yet.\n"
CHARTS = "performance"  # a folder beside the page
GIGABYTE = 2**30
FITS_IN = 8 * GIGABYTE
WOKEN_FROM = 10_000
TABLE_UP_TO = 100_000  # connections; what is beyond is about the most that one machine holds


def Page(results, tried):
    """(the page, its charts)."""
    plain = Plain(results)
    rows = targets.Rows(results, plain)
    drawn = []
    sections = [Opening(results), Method(results), Targets(rows, drawn), Levels(plain, drawn), *Loads(results),
                Broadcast(results), Million(results), Fits(results), Latency(results), Http(results), AllPairs(results),
                Instructions(results), Servers(results), Missing(results)]
    page = "\n".join(Wrapped(section) + "\n" for section in sections if section)
    return page + "\n" + tried.strip("\n") + "\n", drawn


def Wrapped(section):
    """Prose in lines of 120; tables, lists, images and headings as they are."""
    blocks = section.strip("\n").split("\n\n")
    return "\n\n".join(block if block[0] in "|-#!<" else textwrap.fill(block, 120) for block in blocks)


def Special(scenario):
    """Whether it is more than connections that take turns and then rest."""
    return bool(scenario.get("active") or scenario.get("slow") or words.IsMixed(scenario) or words.IsChurn(scenario))


def Plain(results):
    return [l for l in results.levels if not Special(l.scenario) and l.connections <= TABLE_UP_TO]


def Image(chart, drawn, says):
    if chart is None:
        return ""
    drawn.append(chart)
    return f"![{says}]({CHARTS}/{chart.name}.svg)\n\n"


# --- How it was measured

OPENING = """# Performance

<!-- Made by perf/report from perf/results. Do not edit: the next run writes it anew. -->

What Mooring does, beside other servers on the same machine. Every figure on this page was written by `perf/report` from
what `perf/run` and its neighbours left in `perf/results`; none was typed by hand. [perf/README.md](../perf/README.md)
says how to repeat it.
"""

METHOD = """## How it was measured

**Speeds are ratios.** The speed of a shared or virtual machine drifts by a factor of two within minutes, so a speed alone
says more about the minute than about the server. In a *paired* row both servers are up at once, and the same load meets
them in turn, A B A B; each pair of rounds gives one ratio. *1.34x (1.22 to 1.46)* is the median of these ratios and, in
brackets, their quartiles: half of all pairs lie between them. A ratio of messages a second is better above 1; one of CPU
time or latency is better below 1. Identical servers differ by up to 5 %; a difference below that is none.

**A row counts** only when all its connections were up, no answer was wrong and no error was seen; otherwise it says *not
valid*, and what was wrong. Where the load was the slower side, the rates come out equal and the CPU time tells more; the
row says so.

**Latency** of an open loop is counted from the moment at which a message was due, not from when it was sent: a server
that stops for a while is charged for everybody who waited meanwhile.

**Memory** of a connection is what the server took more with all of them there, after one exchange on each and a rest,
than before, divided by their number: *user* is the process's resident memory, *kernel* what the kernel keeps for the
server's end of the socket and what is armed on it.
"""


def Opening(results):
    if results.about:
        return OPENING
    return OPENING + "\nThere are no results yet.\n"


LABELS = {"kernel": "Linux", "machine": "architecture", "cpu": "CPU", "cpu_model": "CPU", "cpus": "CPUs", "cores": "CPUs",
          "memory_gb": "memory, GB", "memory_bytes": "memory", "governor": "CPU governor", "clang": "compiler",
          "huge_pages": "transparent huge pages", "descriptors_of_a_process": "descriptors a process may have",
          "server_cpu": "the server's CPU", "load_cpu": "the load's CPU", "kernel_memory": "kernel memory is counted in"}
OF_EACH_RUN = ("day", "commit", "clean", "rounds", "seconds", "load_average_before")


def Method(results):
    if not results.about:
        return METHOD
    facts = {}
    for about in results.about.values():
        for name, value in Facts(about):
            if value not in facts.setdefault(name, []):
                facts[name].append(value)
    said = METHOD + "\nThe machine:\n\n"
    said += Table(["what", "it is"], [[name, "; ".join(values)] for name, values in facts.items()], keep=2)
    said += "\nThe runs. A load average above the number of CPUs means that the machine had other work beside the measurement, "
    said += "which widens the quartiles:\n\n"
    said += Table(["result", "day", "commit", "rounds", "seconds each", "load average before"],
                  [[f"`{name}`", about.get("day"), Commit(about), about.get("rounds"),
                    about.get("seconds"), about.get("load_average_before")] for name, about in results.about.items()])
    return said


def Commit(about):
    commit = str(about.get("commit") or "")[:12]
    return commit + (", changed" if commit and about.get("clean") is False else "")


def Facts(about, before=""):
    """(name, value) of what is true of the machine, not of a run."""
    for name, value in about.items():
        if name in OF_EACH_RUN or value in (None, "", {}, []):
            continue
        if name == "sysctls":
            yield name, "; ".join(f"`{key}` = {each}" for key, each in value.items())
            continue
        if isinstance(value, dict):
            yield from Facts(value, "" if name == "versions" else f"{name}: ")
            continue
        if name.endswith("_bytes"):
            value = f"{value / GIGABYTE:.1f} GB"
        yield before + LABELS.get(name, name.replace("_", " ") if not before else name), str(value)


# --- Targets

def Targets(rows, drawn):
    said = "## Targets\n\n"
    if not rows:
        return said + NOT_YET
    counts = [(sum(row.verdict == verdict for row in rows), words_) for verdict, words_ in
              ((targets.REACHED, "reached"), (targets.MISSED, "missed"), (targets.INVALID, "not valid"),
               (targets.UNMEASURED, "not measured"))]
    said += ("What the project promises itself, and what came out. *≥* is a ratio that has to be at least so much, *≤* one "
             f"that may be at most so much; the median decides.\n\nOf "
             f"{len(rows)}: **{words.List(f'{count} {what}' for count, what in counts if count)}**.\n\n")
    table = [[row.what, row.of, row.target, row.measured, row.verdict, targets.Notes(row.pair) if row.pair else ""]
             for row in rows]
    said += Table(["what", "of", "target", "measured (quartiles)", "verdict", "note"], table, keep=5) + "\n"
    for name, title, kind in (("ratios_rate", "Messages a second against other servers (right is better)", "rate"),
                              ("ratios_cost", "CPU time and latency against other servers (left is better)", "cost")):
        shown = [(f"{ChartLabel(row)}", row.ratio, row.limit, row.verdict == targets.REACHED) for row in rows
                 if row.ratio and row.verdict != targets.INVALID and (row.metric == "rate") == (kind == "rate")]
        chart = charts.Ratios(name, title, "Mooring / the other: at 1x they are equal", shown)
        said += Image(chart, drawn, f"{title}: each target's median with its quartiles, and the target")
    return said


def ChartLabel(row):
    if row.pair is None:
        return f"{row.what}: {row.of.split(',')[0]}"
    metric = {"rate": "", "cpu": "CPU", "both": "CPU of both", "p50": "p50", "p99": "p99"}.get(row.metric, row.metric)
    what = What(row.pair.scenario, row.pair.connections).replace(", one in flight", "")
    return f"{what}: {metric + ', ' if metric else ''}{Label(row.pair.b)}"


# --- 1,000 to 100,000 connections

LEVELS = """## 1,000 to 100,000 connections

Each server alone, on one core, the load on the other. All connections are opened; each sends 10 messages, one after the
other; then all rest, and the memory is read. *Efficiency* is the rate against the best level of the same server: how much
of its speed is left when there are more connections. As each row is a run of its own, speeds of different servers here
were not taken in turn: the paired rows above compare speeds, this table memory and how it scales.
"""
LEVEL_HEADER = ["connections", "server", "shards", "messages/s", "efficiency", "CPU a message", "p99", "set up in", "user memory each",
                "kernel memory each", "together", "idle CPU", "note"]


def Levels(plain, drawn):
    said = LEVELS + "\n"
    if not plain:
        return said + NOT_YET
    for name, levels in ByScenario(plain).items():
        scenario = levels[0].scenario
        said += f"### {Title(scenario)}\n\n" + LevelTable(levels) + "\n" + Split(levels) + LevelCharts(name, levels, drawn)
    return said


SERVICES = {"echo": "Echo", "line": "Line: a request that ends with a newline gets an answer of one line",
            "http": "HTTP keep-alive"}


def Title(scenario):
    service = words.Service(scenario)
    return scenario.get("what") or SERVICES.get(service, service)


def ByScenario(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row.scenario["name"], []).append(row)
    return grouped


def InOrder(levels):
    """By connections; ours first, then by name."""
    return sorted(levels, key=lambda l: (l.connections, words.Place(l.server)))


def LevelTable(levels):
    best = {}
    for level in levels:
        if level.rate is not None:
            best[level.server] = max(best.get(level.server, 0), level.rate)
    rows = []
    for level in InOrder(levels):
        efficiency = level.rate / best[level.server] if level.rate is not None and best[level.server] else None
        shards = level.shards if (level.shards or 1) > 1 else ""
        rows.append([Count(level.connections), Label(level.server), shards, Rate(level.rate), Percent(efficiency),
                     Micros(level.cpu_us), Micros((level.latency or {}).get("p99_us")), Micros(None if level.setup_seconds is None else 1e6 * level.setup_seconds),
                     Bytes(level.user_bytes), Bytes(level.kernel_bytes), Bytes(level.bytes_together),
                     Percent(level.idle_cpu, 2), LevelNotes(level)])
    return Table(LEVEL_HEADER, rows, keep=2)


def LevelNotes(level):
    said = targets.Notes(level)
    processes = level.processes or 1
    if processes > 1 and "process" not in said:
        said = "; ".join(filter(None, [said, f"{processes} processes"]))
    return said


SPLIT = """Where a connection's memory goes, at the largest level of each server. *Connection* is its record in the slab, *frame* its
waiting coroutine, *buffers* what it keeps of data; *pages* is the rest of the resident memory: pages that are not full, and what
the allocator keeps. Of the kernel's, *socket* is the TCP socket itself and *receive* the request that waits for data on it.

"""


GIVEN_BACK = """Where *pages* is below 0, pages that were touched before listening have been given back meanwhile.

"""


def Split(levels):
    largest = {}
    for level in levels:
        if level.user_parts or level.kernel_parts:
            if level.connections >= getattr(largest.get(level.server), "connections", 0):
                largest[level.server] = level
    if not largest:
        return ""
    rows = []
    for level in InOrder(largest.values()):
        user, kernel = level.user_parts or {}, level.kernel_parts or {}
        known = [value for value in user.values() if value is not None]
        rest = level.user_bytes - sum(known) if known and level.user_bytes is not None else None
        rows.append([Label(level.server), Count(level.connections), *(Bytes(user.get(p)) for p in ("connection", "frame", "buffers")),
                     Bytes(rest), *(Bytes(kernel.get(p)) for p in ("socket", "receive"))])
    negative = any(row[5].startswith("-") for row in rows)
    return SPLIT + (GIVEN_BACK if negative else "") + Table(["server", "connections", "connection", "frame", "buffers", "pages", "kernel: socket",
                          "kernel: receive"], rows, keep=2) + "\n"


def LevelCharts(name, levels, drawn):
    title = Title(levels[0].scenario).split(":")[0]
    valid = [level for level in levels if not targets.Problems(level.gates)]
    of = lambda get: {server: [(l.connections, get(l)) for l in valid if l.server == server and get(l) is not None]
                      for server in {l.server for l in valid}}
    kinds = [("rate", "messages a second", "messages a second", lambda l: l.rate, {}),
             ("p99", "p99 latency", "p99 latency, ms", lambda l: (l.latency or {}).get("p99_us"), {"log": True, "unit": 1e3}),
             ("user_memory", "user memory of a connection", "user bytes a connection", lambda l: l.user_bytes, {"log": True}),
             ("memory", "user and kernel memory of a connection", "user and kernel bytes a connection",
              lambda l: l.bytes_together, {})]
    said = ""
    for kind, what, axis, get, how in kinds:
        chart = charts.Lines(f"{name}_{kind}", f"{title}: {what}", axis, of(get), **how)
        said += Image(chart, drawn, f"{title}: {what} against the number of connections, one line for each server")
    return said


# --- Other loads

LOADS = [
    ("Idle-heavy: 1 % active", """Most connections of a real server say nothing. Here 99 % are silent, and the others send as fast as they are answered: whether
those who wait cost those who do not.""", lambda s: s.get("active")),
    ("Churn", """Connect, one exchange, close: what accepting and closing cost. The rate is connections a second.""", words.IsChurn),
    ("Mixed sizes", """Each message draws its size at random, with the same seed for all servers: small messages wait behind large ones, and buffers
have to fit both.""", words.IsMixed),
    ("Slow consumers", """Some peers send and take what comes back at about 1 KB a second. The figures are those of the others: a slow peer is to
cost only itself.""", lambda s: s.get("slow")),
]


def Loads(results):
    for title, sentence, of in LOADS:
        pairs = [pair for pair in results.pairs if of(pair.scenario)]
        levels = [level for level in results.levels if of(level.scenario)]
        said = f"## {title}\n\n{sentence}\n\n"
        if pairs:
            said += PairTable(pairs) + "\n"
        for group in ByScenario(levels).values():
            said += f"{What(group[0].scenario)}:\n\n" + LevelTable(group) + "\n"
        if title == "Slow consumers" and results.slow_clients:
            said += SlowClients(results.slow_clients)
            pairs = pairs or results.slow_clients
        yield said if pairs or levels else said + NOT_YET
    yield Woken(results)


def SlowClients(rows):
    said = ("Over HTTP, connections that are asked as fast as they answer, without and with slow ones beside them, in turn. *header*: the "
            "slow ones send a request head byte by byte; *body*: a body; *read*: they take an answer of 1 MB a few bytes at a time. "
            "The p99 of the others may at most double.\n\n")
    table = []
    for m in rows:
        three = (m["ratio_quartiles"][0], m["ratio"], m["ratio_quartiles"][1])
        table.append([m["mode"], Label(m["server"]), Count(m["slow"]), Count(m["others"]), Micros(m["p99_us_without"]),
                      Micros(m["p99_us_with"]), Quartiles(three), words.Times(m["rate_ratio"])])
    return said + Table(["slow at", "server", "slow", "others", "p99 of the others alone", "beside the slow ones",
                         "with/without", "rate with/without"], table) + "\n"


PAIR_HEADER = ["what", "A", "B", "rate A/B", "CPU A/B", "CPU of server and load A/B", "p50 A/B", "p99 A/B", "note"]


def PairTable(pairs):
    rows = [[What(p.scenario, p.connections), Label(p.a), Label(p.b), *(Quartiles(p.ratios.get(m)) for m in
             ("rate", "cpu", "both", "p50", "p99")), targets.Notes(p)] for p in pairs]
    return Table(PAIR_HEADER, rows, keep=4)


def Woken(results):
    said = ("## Woken at once\n\nAll connections rest; then one message is sent on every one of them at the same instant. When the first, the "
            "median and the last have their answers, from that instant on.\n\n")
    rows = []
    for pair in results.pairs:
        for server, latency in ((pair.a, pair.latency_a), (pair.b, pair.latency_b)) if pair.scenario.get("wake") else ():
            rows.append([words.Service(pair.scenario), Count(pair.connections or 0), Label(server),
                         *(Micros(latency.get(k)) for k in ("first_us", "p50_us", "p99_us", "max_us")), targets.Notes(pair)])
    for level in sorted(InOrder(l for l in results.levels if l.wake and l.connections >= WOKEN_FROM), key=lambda l: words.Service(l.scenario)):
        wake = level.wake
        rows.append([words.Service(level.scenario), Count(wake.get("connections") or level.connections), Label(level.server),
                     *(Micros(wake.get(k)) for k in ("first_us", "median_us", "p99_us", "last_us")), LevelNotes(level)])
    if not rows:
        return said + NOT_YET
    said += Table(["service", "connections", "server", "first", "median", "p99", "last", "note"], rows, keep=3)
    pairs = [pair for pair in results.pairs if pair.scenario.get("wake")]
    return said + ("\nIn turn (*p50* and *p99* are of the time until a connection has its answer):\n\n" + PairTable(pairs)
                   if pairs else "")


def Broadcast(results):
    said = ("## Broadcast\n\nOne message to every member of a chat room, on two servers in turn: when the first, the median and the last "
            "member has it, and what a member costs in user memory.\n\n")
    rows = []
    for m in sorted(results.broadcasts, key=lambda m: m["members"]):
        a, b = Label(m.get("a", "mooring-chat")), Label(m.get("b", "go-chat"))
        for who, name in (("first_us", "first"), ("median_us", "median"), ("last_us", "last")):
            part = m.get(who)
            if part:
                low, high = part.get("quartiles", [part["ratio"]] * 2)
                rows.append([Count(m["members"]), f"{name} has it", Micros(part["a"]), Micros(part["b"]),
                             Quartiles((low, part["ratio"], high))])
        memory = m.get("bytes_a_member")
        if memory:
            rows.append([Count(m["members"]), "user memory a member", Bytes(memory["a"]), Bytes(memory["b"]),
                         words.Times(memory["ratio"])])
        if m.get("errors"):
            rows.append([Count(m["members"]), f"**not valid: {Count(m['errors'])} members got something else**", "", "", ""])
    return said + (Table(["members", "what", a, b, "ratio"], rows, keep=5) if rows else NOT_YET)


def Million(results):
    said = ("## A million connections\n\nServer and load share one machine, and so its memory: both ends of every connection are in it. Every "
            "connection has answered.\n\n")
    levels = [level for level in results.levels if level.connections > TABLE_UP_TO]
    if not levels:
        return said + NOT_YET
    for group in ByScenario(levels).values():
        stopped = [level for level in group if not level.reached]
        said += LevelTable([level for level in group if level.reached]) + "\n" if len(stopped) < len(group) else ""
        said += "".join(f"- What stopped {Label(level.server)} at {Count(level.connections)}: {level.note or 'not said'}\n"
                        for level in stopped) + "\n"
    return said


def Fits(results):
    said = ("## What fits into 8 GB\n\nConnections that a machine of 8 GB could hold on the server's side: 8 GB divided by user and kernel memory of "
            "one idle connection together, as measured at the largest level of each server. It is a quotient, not a run; the system itself "
            "and what the server takes without connections have to be subtracted.\n\n")
    largest = {}
    for level in Plain(results):
        key = (words.Service(level.scenario), level.server)
        if level.bytes_together and level.connections >= getattr(largest.get(key), "connections", 0):
            largest[key] = level
    if not largest:
        return said + NOT_YET
    rows = sorted(largest.items(), key=lambda item: (item[0][0], item[1].bytes_together))
    return said + Table(["service", "server", "measured at", "user each", "kernel each", "connections in 8 GB", "note"],
                        [[service, Label(server), Count(l.connections), Bytes(l.user_bytes), Bytes(l.kernel_bytes),
                          f"{FITS_IN / l.bytes_together / 1e6:.2f} million", targets.Notes(l)] for (service, server), l in rows])


PERCENTILES = [("p50", "p50_us"), ("p90", "p90_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("p99.99", "p9999_us"),
               ("most", "max_us")]


def Latency(results):
    said = ("## Latency\n\nMessages are sent at a fixed rate whether or not earlier answers came: 70 % of the best rate of server B, the same for "
            "both. p99 is the time within which 99 of 100 answers were there.\n\n")
    pairs = [pair for pair in results.pairs if pair.scenario.get("kind") == "latency"]
    rows = []
    for pair in pairs:
        for server, latency, rate in ((pair.a, pair.latency_a, pair.rate_a), (pair.b, pair.latency_b, pair.rate_b)):
            rows.append([What(pair.scenario, pair.connections), Label(server), Rate(pair.offered or rate),
                         *(Micros(latency.get(key)) for _, key in PERCENTILES), targets.Notes(pair)])
        rows.append(["", f"{Label(pair.a)} / {Label(pair.b)}", "", Quartiles(pair.ratios.get("p50")), "",
                     Quartiles(pair.ratios.get("p99")), "", "", "", ""])
    header = ["what", "server", "messages/s", *(name for name, _ in PERCENTILES), "note"]
    return said + (Table(header, rows, keep=3) if rows else NOT_YET)


def Http(results):
    if not results.http_memory:
        return ""
    said = ("## Memory of an idle HTTP connection\n\nKeep-alive connections that have asked once and then rest.\n\n")
    return said + Table(["server", "asked for", "connections", "user memory each"],
                        [[Label(m["server"]), f"`{m['path']}`", Count(m["connections"]), Bytes(m["bytes_each"])]
                         for m in results.http_memory])


def AllPairs(results):
    said = ("## Every pair\n\nAll paired rows, those without a target too. *CPU* is the server's user and system time a message; where the load "
            "copies as much as the server does, what both take together tells more.\n\n")
    return said + (PairTable(results.pairs) if results.pairs else NOT_YET)


def Instructions(results):
    if not results.instructions:
        return ""
    said = ("## Instructions\n\nWhat the product itself executes, counted by callgrind over a simulated kernel: the same on every machine, and kept "
            "as a bar in the tests.\n\n")
    return said + Table(["what", "instructions"], [[row.get("what", ""), Count(row["instructions"])] for row in results.instructions])


def Servers(results):
    names = {name for pair in results.pairs for name in (pair.a, pair.b)} | {level.server for level in results.levels}
    if not names:
        return ""
    rows = [[Label(name), f"`{name}`", words.SERVERS.get(name, ("", ""))[1]]
            for name in sorted(names, key=words.Place)]
    return "## The servers\n\n" + Table(["here", "in `perf/servers.toml`", "what it is"], rows, keep=3)


# --- What is missing

def Missing(results):
    said = "## What is missing\n\n"
    there, lines = results.Scenarios(), []
    for name, entry in results.wanted.items():
        if name not in there:
            lines.append(f"- `{name}` ({What(entry)}) has no result.")
            continue
        absent = [server for server in Asked(entry, results.servers) if server not in ServersOf(results, name)]
        if absent:
            lines.append(f"- `{name}` was measured without {words.List(f'`{server}`' for server in absent)}.")
        lines += AbsentLevels(results, name, entry, absent)
    for scenario, server, why in results.skipped:
        lines.append(f"- `{scenario}`{f', `{server}`' if server else ''} was skipped: {why}")
    invalid = [(pair.scenario["name"], Label(pair.b), targets.Problems(pair.gates)) for pair in results.pairs]
    invalid += [(l.scenario["name"], f"{Label(l.server)} at {Count(l.connections)}", targets.Problems(l.gates))
                for l in results.levels if l.reached]
    lines += [f"- `{l.scenario['name']}`, {Label(l.server)} at {Count(l.connections)} connections: {targets.Notes(l)}."
              for l in results.levels if not l.reached]
    lines += [f"- `{name}`, {who}: the result is not valid ({words.List(problems)})." for name, who, problems in invalid if problems]
    if not results.wanted:
        return said + "There is no list of scenarios to compare with.\n"
    return said + ("\n".join(lines) + "\n" if lines else "Nothing: every scenario has a result for every server.\n")


def Asked(entry, known):
    """The servers that an entry of scenarios.toml asks for, of those in servers.toml."""
    names = []
    for key in ("a", "against", "servers"):
        value = entry.get(key)
        names += [value] if isinstance(value, str) else list(value or [])
    names += [name for name, server in known.items() if set(server.get("services", [])) & set(entry.get("speaking", []))]
    return list(dict.fromkeys(names))


def ServersOf(results, name):
    return ({s for pair in results.pairs if pair.scenario["name"] == name for s in (pair.a, pair.b)} |
            {level.server for level in results.levels if level.scenario["name"] == name})


def AbsentLevels(results, name, entry, absent):
    wanted, lines = entry.get("levels") or [], []
    for server in Asked(entry, results.servers):
        if server in absent:
            continue
        there = {l.connections for l in results.levels if l.scenario["name"] == name and l.server == server}
        gone = [Count(n) for n in wanted if n not in there]
        if gone:
            lines.append(f"- `{name}`, `{server}` has no result at {words.List(gone)} connections.")
    return lines
