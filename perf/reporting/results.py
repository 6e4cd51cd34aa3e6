# SPDX-License-Identifier: Apache-2.0
"""perf/results/*.json in one form, whichever program wrote it. What a row lacks is None; nothing is made up for it."""
import glob
import json
import os
import re
import tomllib
from dataclasses import dataclass, field

from . import words

METRICS = ("rate", "cpu", "both", "p50", "p99")  # ratios A/B of a pair
LEVEL = {"processes", "shards", "setup_seconds", "rate", "cpu_us", "latency", "user_bytes", "user_parts",
         "kernel_bytes", "kernel_parts", "wake", "idle_cpu", "skew", "note"}
# Bytes of a connection in the kernel: a TCP socket alone takes more than the least, and no peer as much as the most.
# Kernel memory is counted for the whole machine: what is outside is that of others, who came or went meanwhile.
KERNEL_BYTES = range(1_000, 20_000)


@dataclass
class Pair:
    """Two servers in turn: quartiles (low, median, high) of the ratios A/B, and what was promised of them."""
    scenario: dict
    a: str
    b: str
    connections: int | None
    ratios: dict  # metric: (low, median, high)
    target: dict  # metric: the least rate, the most of everything else
    rate_a: float | None = None
    rate_b: float | None = None
    latency_a: dict = field(default_factory=dict)
    latency_b: dict = field(default_factory=dict)
    gates: dict = field(default_factory=dict)
    own: dict = field(default_factory=dict)  # side: in what it differs from the scenario
    note: str | None = None
    offered: float | None = None  # messages a second, in an open loop
    sides: dict = field(default_factory=dict)  # "a" and "b": as they were written

    @property
    def against(self):
        """B for readers; where it is A in other circumstances, these."""
        if self.b == self.a and "b" in self.own:
            return f"itself with {self.own['b']}"
        return words.Label(self.b)


@dataclass
class Level:
    """One server that holds so many connections."""
    scenario: dict
    server: str
    connections: int
    row: dict  # as it was written

    def __getattr__(self, name):
        if name not in LEVEL:
            raise AttributeError(name)
        return self.row.get(name)

    @property
    def gates(self):
        return self.row.get("gates") or {}

    @property
    def reached(self):
        """A level that was not has no figures: its note says what stopped it."""
        return self.row.get("rate") is not None or self.row.get("user_bytes") is not None

    @property
    def disturbed(self):
        return self.kernel_bytes is not None and int(self.kernel_bytes) not in KERNEL_BYTES

    @property
    def kernel(self):
        return None if self.disturbed else self.kernel_bytes

    @property
    def together(self):
        return None if self.user_bytes is None or self.kernel is None else self.user_bytes + self.kernel


@dataclass
class Results:
    about: dict = field(default_factory=dict)  # name of the file: machine facts
    pairs: list = field(default_factory=list)
    levels: list = field(default_factory=list)
    broadcasts: list = field(default_factory=list)
    http_memory: list = field(default_factory=list)
    slow_clients: list = field(default_factory=list)
    instructions: list = field(default_factory=list)
    tried: list = field(default_factory=list)  # one change each, against the server without it
    skipped: list = field(default_factory=list)  # (scenario, server or None, why)
    wanted: dict = field(default_factory=dict)  # perf/scenarios.toml
    servers: dict = field(default_factory=dict)  # perf/servers.toml

    def Scenarios(self):
        return {row.scenario["name"] for row in self.pairs + self.levels}


def Three(value):
    """Quartiles, or one figure that stands for all three; None for what is not there."""
    if isinstance(value, (int, float)):
        return (value, value, value)
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, (int, float)) for v in value):
        return tuple(value)
    return None


def Present(figures):
    return {name: value for name, value in (figures or {}).items() if value is not None}


def PairOf(row, scenario):
    if "ratio" in row:  # the first form of paired rounds
        quartiles = {"rate": ("ratio", "ratio_quartiles"), "cpu": ("cpu_ratio", "cpu_ratio_quartiles"),
                     "both": ("both_ratio", "both_ratio_quartiles")}
        ratios = {name: Three([row[limits][0], row[median], row[limits][1]])
                  for name, (median, limits) in quartiles.items() if row.get(median) and row.get(limits)}
        gates = {"errors": row.get("errors", 0)}
        latency = {side: Present({"p99_us": row.get(f"p99_us_{side}") or None}) for side in "ab"}
        scenario = {"tool": row.get("load", ""), **scenario, "name": row.get("scenario", scenario["name"])}
        scenario.setdefault("connections", words.Tool(scenario).get("connections"))
    else:
        ratios = {name: Three(row.get(name)) for name in METRICS}
        gates, latency = row.get("gates") or {}, {side: Present(row.get(f"latency_{side}")) for side in "ab"}
    own = {side: Own(row, side, scenario) for side in "ab"}
    return Pair(scenario, row["a"], row["b"], row.get("connections", scenario.get("connections")), Present(ratios),
                Present(row.get("target")), row.get("rate_a"), row.get("rate_b"), latency["a"], latency["b"], gates,
                Present(own), row.get("note"), row.get("offered"), row.get("sides") or {})


def Own(row, letter, scenario):
    """In what a side differs from the scenario, and how many processes it had; None for neither."""
    side = (row.get("sides") or {}).get(letter) or {}
    differs = lambda name: side.get(name) is not None and side[name] != scenario.get(name, side[name])
    said = [f"{side['connections']:,} connections"] if differs("connections") else []
    said += [f"{side['active'] or 'all'} active"] if differs("active") else []
    said += [f"{side['shards']} shard{'s' * (side['shards'] > 1)}"] if differs("shards") else []
    said += ["a CPU of its own" if side["cpus"] == "own" else "both CPUs"] if differs("cpus") else []
    said += [f"{side['processes']} processes"] if side.get("processes", 1) > 1 else []
    return words.List(said) or None


def Read(directory, scenarios_toml, servers_toml):
    results = Results(wanted=Toml(scenarios_toml), servers=Toml(servers_toml))
    for name, entry in results.wanted.items():
        results.wanted[name] = {"protocol": "echo", "bytes": 64, "depth": 1, **entry}
    paths = sorted(glob.glob(os.path.join(directory, "*.json")))
    stems = {Stem(path) for path in paths}
    for path in paths:
        with open(path) as f:
            try:
                document = json.load(f)
            except ValueError as error:
                raise SystemExit(f"report: {path}: {error}")
        Add(results, Stem(path), document, stems)
    places = {name: i for i, name in enumerate(results.wanted)}
    natural = lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    order = lambda name: (places.get(name, len(places)), natural(name))
    results.pairs.sort(key=lambda pair: order(pair.scenario["name"]))
    results.levels.sort(key=lambda level: (order(level.scenario["name"]), level.connections))
    results.about = {name: results.about[name] for name in sorted(results.about, key=order)}
    return results


def Stem(path):
    return os.path.basename(path)[:-len(".json")]


def Add(results, name, document, stems):
    """`stems`: of all files. One with many scenarios gives way to one that is named after its only scenario."""
    if document.get("about"):
        results.about[name] = document["about"]
    if "members" in document:
        results.broadcasts.append({"a": "mooring-chat", "b": "go-chat", **document})
        return
    if "bytes_each" in document:
        results.http_memory.append(document)
        return
    scenario = {**results.wanted.get(name, {}), **(document.get("scenario") or {})}
    scenario.setdefault("name", name)
    for row in document.get("rows", []):
        if "tried" in row:
            results.tried.append(row)
        elif "instructions" in row:
            results.instructions.append(row)
        elif "held_least" in row:
            results.slow_clients.append(row)
        elif "a" in row and "b" in row:
            pair = PairOf(row, scenario)
            if pair.scenario["name"] == name or pair.scenario["name"] not in stems:
                results.pairs.append(pair)
        elif "server" in row and row.get("connections"):
            results.levels.append(Level(scenario, row["server"], row["connections"], row))
        elif "skipped" in row:
            results.skipped.append((scenario["name"], row.get("server"), row["skipped"]))
    for skipped in document.get("skipped", []):
        results.skipped.append((scenario["name"], skipped.get("server"), skipped.get("why", "")))


def Toml(path):
    if not os.path.exists(path):
        return {}
    with open(path, "rb") as f:
        return {name: {**entry, "name": name} for name, entry in tomllib.load(f).items() if isinstance(entry, dict)}
