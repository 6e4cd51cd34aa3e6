# SPDX-License-Identifier: Apache-2.0
"""What was measured, as JSON for perf/report, as Markdown for people, and a line of text for who is waiting."""
import json
import os


def Digits(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: Digits(v) for name, v in value.items()}
    return [Digits(v) for v in value] if isinstance(value, (list, tuple)) else value


def Json(about, scenario, rows, skipped=()):
    """One row a line, so that a difference between two results can be read."""
    lines = ",\n".join(json.dumps(Digits(row)) for row in rows)
    return (f'{{"about": {json.dumps(about)},\n"scenario": {json.dumps(Described(scenario))},\n'
            f'"skipped": {json.dumps(skipped)},\n"rows": [\n{lines}\n]}}\n')


def All(about, rows):
    lines = ",\n".join(json.dumps(Digits(row)) for row in rows)
    return f'{{"about": {json.dumps(about)},\n"rows": [\n{lines}\n]}}\n'


def Described(scenario):
    """The entry of scenarios.toml as it was understood."""
    entry = {name: value for name, value in scenario.__dict__.items() if name not in ("side", "against")}
    if scenario.kind == "levels":
        return entry
    return entry | scenario.side.__dict__ | {"against": {b: target for b, (_, target) in scenario.against.items()}}


def Keep(folder, about, scenario, rows, skipped=()):
    """Whole or not at all: perf/report may be reading."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{scenario.name}.json")
    with open(path + ".new", "w") as f:
        f.write(Json(about, scenario, rows, skipped))
    os.replace(path + ".new", path)


PAIRED = ("scenario", "A", "B", "connections", "A msg/s", "B msg/s", "rate A/B", "A CPU us", "B CPU us", "CPU A/B",
          "both A/B", "p50 A/B", "p99 A/B", "target", "remarks")
LEVEL = ("scenario", "server", "connections", "shards", "set up s", "msg/s", "CPU us", "p50 us", "p99 us", "user B",
         "kernel B", "woken, median us", "last us", "idle CPU", "remarks")


def Cells(row):
    return LevelCells(row) if row["kind"] == "level" else PairedCells(row)


def PairedCells(row):
    name = lambda side: os.path.basename(row[side].split()[0])
    return [row["scenario"], name("a"), name("b"), str(row["connections"]),
            Number(row["rate_a"]), Number(row["rate_b"]), Spread(row["rate"]),
            Number(row["cpu_us_a"], 2), Number(row["cpu_us_b"], 2), Spread(row["cpu"]), Spread(row["both"]),
            Spread(row["p50"]), Spread(row["p99"]), TargetWords(row), Remarks(row)]


def LevelCells(row):
    latency, wake = row.get("latency") or {}, row.get("wake") or {}
    idle = row.get("idle_cpu")
    return [row["scenario"], row["server"], str(row["connections"]), str(row["shards"]),
            Number(row.get("setup_seconds"), 2), Number(row["rate"]), Number(row.get("cpu_us"), 2),
            Number(latency.get("p50_us")), Number(latency.get("p99_us")),
            Number(row.get("user_bytes")), Number(row.get("kernel_bytes")),
            Number(wake.get("median_us")), Number(wake.get("last_us")),
            "" if idle is None else f"{100 * idle:.2f} %", Remarks(row)]


def Number(value, digits=0):
    return "" if value is None else f"{value:.{digits}f}"


def Spread(quartiles):
    return "" if quartiles is None else f"{quartiles[1]:.3f} ({quartiles[0]:.3f} {quartiles[2]:.3f})"


def TargetWords(row):
    if not row["target"]:
        return ""
    words = [f"{name} {'>=' if name == 'rate' else '<='} {limit:g}" for name, limit in row["target"].items()]
    return ", ".join(words) + (": reached" if row["reached"] else ": missed")


def Remarks(row):
    gates, remarks = row["gates"], []
    if not gates["connections"]:
        remarks.append("CONNECTIONS MISSING")
    if gates["errors"]:
        remarks.append(f"{gates['errors']} ERRORS")
    if gates["verified"] is False:
        remarks.append("NOT VERIFIED")
    if gates["client_bound"]:
        sides = "" if gates["client_bound"] is True else ": " + " ".join(gates["client_bound"]).upper()
        remarks.append("client bound" + sides)
    if row.get("note"):
        remarks.append(row["note"])
    for side, own in row.get("sides", {}).items():
        if own["processes"] > 1:
            remarks.append(f"{side.upper()}: {own['processes']} processes")
    return "; ".join(remarks)


def Markdown(rows):
    """A table for each kind there is."""
    tables = []
    for header, of_levels in (PAIRED, False), (LEVEL, True):
        if mine := [row for row in rows if (row["kind"] == "level") == of_levels]:
            lines = [header, ["---"] * len(header), *(Cells(row) for row in mine)]
            tables.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(tables) + "\n" if tables else ""


def Line(row):
    """For who is waiting: the cells that say something, with their names."""
    header = LEVEL if row["kind"] == "level" else PAIRED
    return "  ".join(f"{name} {cell}" if i else cell for i, (name, cell) in enumerate(zip(header, Cells(row))) if cell)
