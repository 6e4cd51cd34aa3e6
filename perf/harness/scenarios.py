# SPDX-License-Identifier: Apache-2.0
"""perf/scenarios.toml read and checked: what is measured, between whom, and what must come out."""
import os
import tomllib
from dataclasses import dataclass, field, replace

from harness import catalogue, figures

FILE = os.path.join(catalogue.REPOSITORY, "perf", "scenarios.toml")
KINDS = ("paired", "latency", "levels")
PER_LOAD_SHARD = 14_000  # connections: the descriptors of a ring are bounded as those of a process
TINY_CONNECTIONS, TINY_LEVELS = 20, (20, 40)


@dataclass(frozen=True)
class Side:
    """What a server and its load are to be in one row; B's may differ from A's."""
    connections: int = 0
    shards: int = 1
    cpus: str = "own"  # `shared`: server and load have both the server's and the load's
    active: int = 0  # of the connections; 0: all


@dataclass(frozen=True)
class Scenario:
    name: str
    kind: str
    groups: tuple = ()
    what: str = ""
    protocol: str = "echo"
    bytes: str = "64"
    depth: int = 1
    slow: int = 0
    tool: str = ""  # instead of a controlled load: churn, or a command that begins with wrk or redis-benchmark
    wake: bool = False  # a round is one message on every connection at one instant
    tiny: bool = False  # perf/run --tiny has it
    side: Side = Side()
    # paired and latency
    a: str = ""
    against: dict = field(default_factory=dict)  # B: (its Side, target)
    of_best: float = 0.7  # latency: of B's best rate
    # levels
    servers: tuple = ()
    speaking: tuple = ()  # and every server of the catalogue that speaks one of these
    levels: tuple = ()
    shards_at: tuple = ()  # for each level
    messages: int = 10
    repeats: int = 3
    reach: bool = False  # the last levels may be beyond what the machine can hold: that is a result, no failure


def Load(known, path=FILE):
    """Every scenario of the file, by name. `known`: the servers there are. Raises catalogue.Wrong."""
    with open(path, "rb") as f:
        try:
            entries = tomllib.load(f)
        except tomllib.TOMLDecodeError as error:
            raise catalogue.Wrong(f"{path}: {error}") from None
    return {name: Entry(name, values, known) for name, values in entries.items()}


def Entry(name, values, known):
    values = dict(values)
    def Wrong(words):
        raise catalogue.Wrong(f"scenario {name}: {words}")
    if values.get("kind") not in KINDS:
        Wrong(f"kind = {values.get('kind')!r} is none of {', '.join(KINDS)}")
    plain = {"kind": str, "groups": list, "what": str, "protocol": str, "depth": int, "slow": int, "tool": str,
             "wake": bool, "tiny": bool, "a": str, "of_best": float, "servers": list, "speaking": list, "levels": list,
             "messages": int, "repeats": int, "reach": bool}
    side_keys = {"connections": int, "shards": int, "cpus": str, "active": int}
    against, size, shards_at = values.pop("against", {}), values.pop("bytes", 64), ()
    if values["kind"] == "levels":
        shards_at = values.pop("shards", [])
        if not isinstance(shards_at, list) or len(shards_at) != len(values.get("levels", ())):
            Wrong("shards needs one number for each of levels")
    fields, side = {}, {}
    for key, value in values.items():
        if type(value) is not {**plain, **side_keys}.get(key):
            Wrong(f"{key} = {value!r} " + ("has another type" if key in plain or key in side_keys else "is no key"))
        into = side if key in side_keys else fields
        into[key] = tuple(value) if isinstance(value, list) else value
    side = Side(**side)
    rows = {}
    for b, entry in against.items():
        target = {key: float(value) for key, value in entry.items() if key in figures.AT_LEAST + figures.AT_MOST}
        own = {key: value for key, value in entry.items() if key not in target}
        for key, value in own.items():
            if type(value) is not side_keys.get(key):
                Wrong(f"against {b}: {key} = {value!r} is no target and no key of a side")
        rows[b] = (replace(side, **own), target)
    scenario = Scenario(name=name, bytes=",".join(map(str, size)) if isinstance(size, list) else str(size), side=side,
                        against=rows, shards_at=tuple(shards_at), **fields)
    for server in [*scenario.servers, *rows, *([scenario.a] if scenario.a else [])]:
        if server not in known:
            Wrong(f"there is no server {server} in servers.toml")
    if scenario.kind == "levels":
        if not scenario.levels or not (scenario.servers or scenario.speaking):
            Wrong("levels needs levels, and servers or speaking")
    elif not scenario.a or not rows:
        Wrong("a and against are needed")
    return scenario


def Servers(scenario, known):
    """Those of a levels scenario, in order."""
    speaking = [name for name, entry in known.items() if set(entry.services) & set(scenario.speaking)]
    return list(dict.fromkeys([*scenario.servers, *speaking]))


def Tiny(scenario, known):
    """The same with 20 connections, and only with servers that Bazel builds."""
    ours = lambda name: known[name].origin == "bazel"
    small = lambda side: replace(side, connections=min(side.connections, TINY_CONNECTIONS), shards=min(side.shards, 2),
                                 active=min(side.active, 5))
    rows = {b: (small(side), {}) for b, (side, _) in scenario.against.items() if ours(b)}
    rows = rows or {scenario.a: (small(scenario.side), {})}
    levels, shards_at = (TINY_LEVELS, (1, 2)) if scenario.levels else ((), ())
    return replace(scenario, side=small(scenario.side), against=dict(list(rows.items())[:1]), levels=levels,
                   shards_at=shards_at, slow=min(scenario.slow, 3), speaking=(),
                   servers=tuple(name for name in Servers(scenario, known) if ours(name))[:3])


def LoadShards(connections):
    return max(1, -(-connections // PER_LOAD_SHARD))
