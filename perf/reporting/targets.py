# SPDX-License-Identifier: Apache-2.0
"""What the project promises, and whether a result keeps it. The verdict is computed here from the figures, also where a
result brings one of its own."""
from dataclasses import dataclass

from . import words

REACHED, MISSED, INVALID, UNMEASURED = "reached", "**missed**", "**not valid**", "not measured"

# Of an idle connection: (service, user bytes at most at 100,000).
USER_BYTES_MOST = {"echo": 160, "line": 200, "http": 320}
SERVICES = {"echo": "callbacks", "line": "a coroutine", "http": "HTTP keep-alive"}
USER_BYTES_AT = 100_000
# User and kernel memory together: gnet's, which was measured outside this project and stands as it was recorded.
TOGETHER_BYTES_MOST = 4_800
IDLE_CPU_MOST = 0.001  # of a core
HELD_LEAST = 1_000_000
# perf/broadcast and perf/slow_clients print no targets of their own.
BROADCAST_LAST_MOST, BROADCAST_MEMORY_MOST = 0.8, 0.1
SLOW_P99_MOST = 2.0


@dataclass
class Row:
    """One promise. `ratio` and `limit` are set where it is of a ratio: what the chart shows."""
    what: str
    of: str
    target: str
    measured: str
    verdict: str
    ratio: tuple = None
    limit: float = None
    metric: str = ""
    note: str = ""
    label: str = ""  # on the chart


NAMES = {"rate": "messages a second", "cpu": "CPU a message", "both": "CPU of server and load", "p50": "median latency",
         "p99": "p99 latency"}


SHORT = {"rate": "", "cpu": "CPU, ", "both": "CPU of both, ", "p50": "p50, ", "p99": "p99, "}


def Problems(gates):
    """What makes a row's figures worthless."""
    said = []
    errors = gates.get("errors") or 0
    if errors:
        said.append(f"{words.Count(errors)} errors")
    if gates.get("connections") is False:
        said.append("not all connections were up")
    if gates.get("verified") is False:
        said.append("what came back was not verified")
    return said


def Notes(row):
    """What a reader of a row must know beside its figures."""
    if not getattr(row, "reached", True):
        return f"not reached: {row.note}" if row.note else "not reached"
    said = [f"**not valid: {problem}**" for problem in Problems(row.gates)]
    if row.scenario.get("tool", "").startswith("redis-benchmark"):
        said.append("redis-benchmark does not look at what comes back")
    bound = row.gates.get("client_bound") or []  # of a pair, its sides
    if bound:
        sides = words.List(side.upper() for side in bound) if isinstance(bound, list) else ""
        said.append("the load was the slower side" + (f" of {sides}" if sides else ""))
    for side, own in getattr(row, "own", {}).items():
        if side == "a" or row.a != row.b:  # else `against` has said it
            said.append(f"{side.upper()}: {own}")
    if row.note:
        said.append(str(row.note))
    return "; ".join(said)


def Reached(metric, three, limit):
    return three[1] >= limit if metric == "rate" else three[1] <= limit


def Verdict(gates, reached):
    return INVALID if Problems(gates) else REACHED if reached else MISSED


def OfPair(pair):
    for metric, limit in pair.target.items():
        three = pair.ratios.get(metric)
        what = words.What(pair.scenario, pair.connections)
        sign = "≥" if metric == "rate" else "≤"
        target = f"{sign} {limit:.2f}x"
        of = f"{NAMES.get(metric, metric)}, against {pair.against}"
        if three is None:
            yield Row(what, of, target, words.NONE, UNMEASURED, metric=metric, note=Notes(pair))
            continue
        short = what.replace(", one in flight", "") + ": " + SHORT.get(metric, metric)
        a = "" if words.Main(pair.a) else f"{words.Label(pair.a)} / "
        yield Row(what, of, target, words.Quartiles(three), Verdict(pair.gates, Reached(metric, three, limit)), three,
                  limit, metric, Notes(pair), f"{short}{a}{pair.against}")


def Largest(levels, *needed):
    """Of our rows the one with the most connections that has these figures; not beyond the level the promise is of."""
    rows = [level for level in levels if words.Main(level.server) and level.connections <= USER_BYTES_AT
            and all(getattr(level, name) is not None for name in needed)]
    return max(rows, key=lambda level: level.connections, default=None)


def OfLevels(results, plain):
    """`plain`: the levels of connections that do nothing special."""
    for service, most in USER_BYTES_MOST.items():
        level = Largest([l for l in plain if words.Service(l.scenario) == service], "user_bytes")
        if level is not None:
            yield Row(f"one of {words.Count(level.connections)} idle connections, {SERVICES[service]}", "user memory",
                      f"≤ {most} B", words.Bytes(level.user_bytes), Verdict(level.gates, level.user_bytes <= most))
    level = Largest(plain, "together")
    if level is not None:
        yield Row(f"the same, {words.Service(level.scenario)}",
                  "user and kernel memory together",
                  f"≤ {words.Bytes(TOGETHER_BYTES_MOST)} (gnet's, measured elsewhere)",
                  words.Bytes(level.together), Verdict(level.gates, level.together <= TOGETHER_BYTES_MOST))
    level = Largest(plain, "idle_cpu")
    if level is not None:
        yield Row(f"{words.Count(level.connections)} silent connections", "share of a core",
                  f"< {words.Percent(IDLE_CPU_MOST, 1)}", words.Percent(level.idle_cpu, 2),
                  Verdict(level.gates, level.idle_cpu < IDLE_CPU_MOST))
    held = [l for l in results.levels if words.Ours(l.server) and l.reached and l.connections > USER_BYTES_AT]
    # What broke is no less of a result for those that did not, unless nothing else is there.
    most = max(held, key=lambda level: (not Problems(level.gates), level.connections), default=None)
    if most is not None:
        yield Row("connections held on one machine, load included, each answering", "connections",
                  f"≥ {words.Count(HELD_LEAST)}", words.Count(most.connections),
                  Verdict(most.gates, most.connections >= HELD_LEAST))


def OfOthers(results):
    for row in results.http_memory:
        if words.Ours(row["server"]) and row.get("most"):
            yield Row(f"one of {words.Count(row['connections'])} idle connections, HTTP keep-alive, {row['path']}",
                      "user memory", f"≤ {words.Bytes(row['most'])}", words.Bytes(row["bytes_each"]),
                      Verdict({}, row["bytes_each"] <= row["most"]))
    for row in results.slow_clients:
        three = (row["ratio_quartiles"][0], row["ratio"], row["ratio_quartiles"][1])
        gates = {"errors": row.get("errors"), "connections": row["held_least"] >= 0.95 * row["slow"]}
        what = f"HTTP, {row['others']} connections beside {words.Count(row['slow'])} slow ones ({row['mode']})"
        yield Row(what, "p99 latency, against the same without them", f"≤ {SLOW_P99_MOST:.2f}x", words.Quartiles(three),
                  Verdict(gates, row["ratio"] <= SLOW_P99_MOST), three, SLOW_P99_MOST, "p99", label=f"{what}: p99")
    for row in results.broadcasts:
        gates = {"errors": row.get("errors")}
        what = f"one message of {row.get('bytes', 256)} B to {words.Count(row['members'])} members of a chat"
        last = row.get("last_us") or {}
        if last.get("quartiles"):
            three = (last["quartiles"][0], last["ratio"], last["quartiles"][1])
            yield Row(what, f"until the last has it, against {words.Label(row['b'] or '')}",
                      f"≤ {BROADCAST_LAST_MOST:.2f}x", words.Quartiles(three),
                      Verdict(gates, three[1] <= BROADCAST_LAST_MOST), three, BROADCAST_LAST_MOST, "p99",
                      label=f"{what}: the last")
        memory = row.get("bytes_a_member") or {}
        if memory.get("ratio") is not None:
            yield Row(what, f"user memory a member, against {words.Label(row['b'] or '')}",
                      f"≤ {BROADCAST_MEMORY_MOST:.2f}x", words.Times(memory["ratio"]),
                      Verdict(gates, memory["ratio"] <= BROADCAST_MEMORY_MOST))


def Rows(results, plain):
    rows = [row for pair in results.pairs for row in OfPair(pair)]
    return rows + list(OfLevels(results, plain)) + list(OfOthers(results))
