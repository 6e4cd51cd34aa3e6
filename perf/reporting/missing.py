# SPDX-License-Identifier: Apache-2.0
"""The report's section on what it lacks: scenarios, servers and levels without a result; results that do not count."""
from . import targets, words
from .words import Count, Label, List, What

NO_LIST = "There is no list of scenarios to compare with.\n"
NOTHING = "Nothing: every scenario has a result for every server.\n"


def Section(results):
    lines = []
    for name, entry in results.wanted.items():
        lines += OfScenario(results, name, entry)
    for scenario, server, why in results.skipped:
        lines.append(f"- `{scenario}`{f', `{server}`' if server else ''} was skipped: {why}")
    for pair in results.pairs:
        lines += NotValid(pair, f"against {pair.against}")
    for level in results.levels:
        who = f"{Label(level.server)} at {Count(level.connections)} connections"
        if level.reached:
            lines += NotValid(level, who)
        else:
            lines.append(f"- `{level.scenario['name']}`, {who}: {targets.Notes(level)}.")
    if not results.wanted:
        lines.insert(0, NO_LIST)
    return "## What is missing\n\n" + ("\n".join(lines) + "\n" if lines else NOTHING)


def NotValid(row, who):
    problems = targets.Problems(row.gates)
    return [f"- `{row.scenario['name']}`, {who}: the result is not valid, {List(problems)}."] if problems else []


def OfScenario(results, name, entry):
    pairs = [pair for pair in results.pairs if pair.scenario["name"] == name]
    levels = [level for level in results.levels if level.scenario["name"] == name]
    if not pairs and not levels:
        return [f"- `{name}` ({What(entry)}) has no result."]
    there = {server for pair in pairs for server in (pair.a, pair.b)} | {level.server for level in levels}
    asked = Asked(entry, results.servers)
    skipped = {server for scenario, server, _ in results.skipped if scenario == name}
    absent = [server for server in asked if server not in there | skipped]
    lines = [f"- `{name}` was measured without {List(f'`{server}`' for server in absent)}."] if absent else []
    measured = {(level.server, level.connections) for level in levels}
    for server in asked:
        end = min((l.connections for l in levels if l.server == server and not l.reached), default=float("inf"))
        gone = [Count(n) for n in entry.get("levels", []) if (server, n) not in measured and n < end]
        if gone and server in there:
            lines.append(f"- `{name}`: `{server}` has no result at {List(gone)} connections.")
    return lines


def Asked(entry, known):
    """The servers that an entry of scenarios.toml asks for, of those in servers.toml."""
    names = [entry["a"]] if entry.get("a") else []
    names += [*entry.get("against", []), *entry.get("servers", [])]
    speaking = set(entry.get("speaking", []))
    names += [name for name, server in known.items() if speaking & set(server.get("services", []))]
    return list(dict.fromkeys(names))
