# SPDX-License-Identifier: Apache-2.0
# counting: instructions of the product in a workload, counted by callgrind, and the bars that they are held against.
#
# Counted are the own instructions of functions in alloc/, core/, net/ and server/; the simulated kernel and the peer
# are none of them. The same program takes the same number in every run and on every machine, which no time is.
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile

FOLDER = os.path.dirname(os.path.realpath(__file__))
BARS = os.path.join(FOLDER, "bars.json")
BUILD = "--config=opt"  # what the bars are of

ROUNDS = 500
PIPELINED = 16
# What a round is of; one of requests in a row is of so many.
WHAT = {"echo-callbacks": "echo", "echo-coroutine": "echo", "line": "line", "http": "request",
        "http-pipelined": "request", "churn": "connection"}
KINDS = [(transport, what) for transport in ("io_uring", "epoll") for what in WHAT]

ABOVE = 0.01  # of a bar: from here on it is too many
BELOW = 0.02  # and from here on the bar is to be lowered


def compiler(program):
    """As the program says itself."""
    text = subprocess.run(["readelf", "-p", ".comment", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"clang version [\d.]+", text) or re.search(r"GCC: .*", text)
    return found.group(0) if found is not None else "unknown"


def part(function):
    """mooring::net::Engine of a function in it; None: no part of the product."""
    while True:
        plain = re.sub(r"<[^<>]*>", "", function)
        if plain == function:
            break
        function = plain
    name = function.split("(")[0].split(" ")[-1]
    match = re.match(r"mooring::(?:alloc|core|net|server)::(?:\w+::)*", name)
    if match is None or "::Sim" in name:
        return None
    return match.group(0).rstrip(":")


def own_instructions(lines):
    """By part of the product, of what callgrind has written."""
    names, sums, current, skip = {}, {}, None, False
    for line in lines:
        head = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?$", line)
        if head is not None:
            if head.group(3) is not None:
                names[head.group(2)] = part(head.group(3))
            if head.group(1) == "fn":
                current = names.get(head.group(2))
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee took
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not skip and current is not None:
                sums[current] = sums.get(current, 0) + int(line.split()[1])
            skip = False
    return sums


def count(program, kind, folder):
    """By part, for one of what a round is of."""
    out = os.path.join(folder, "callgrind." + "-".join(kind))
    options = ["--tool=callgrind", "--callgrind-out-file=" + out, "--toggle-collect=MeasuredRounds"]
    run = subprocess.run(["valgrind", *options, program, *kind, str(ROUNDS)],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        raise RuntimeError("%s %s: %s" % (*kind, run.stdout))
    with open(out, encoding="utf-8", errors="replace") as lines:
        sums = own_instructions(lines)
    each = ROUNDS * (PIPELINED if kind[1] == "http-pipelined" else 1)
    return {name: taken / each for name, taken in sums.items()}


def count_all(program, kinds=KINDS):
    """{kind: {part: instructions}}"""
    with tempfile.TemporaryDirectory() as folder:
        # Debian 12's valgrind does not read all that clang says about lines; the names of functions are enough.
        stripped = os.path.join(folder, "stripped")
        subprocess.run(["strip", "--strip-debug", "-o", stripped, program], check=True)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as several:
            return dict(zip(kinds, several.map(lambda kind: count(stripped, kind, folder), kinds)))


def missing():
    """What this needs and is not here."""
    return [tool for tool in ("valgrind", "readelf", "strip") if shutil.which(tool) is None]


def read_bars():
    with open(BARS, encoding="utf-8") as file:
        return json.load(file)


def write_bars(table, by):
    rows = [{"transport": kind[0], "what": kind[1], "instructions": round(sum(parts.values()), 1),
             "parts": {name: round(parts[name], 1) for name in sorted(parts) if parts[name] >= 0.1}}
            for kind, parts in table.items()]
    with open(BARS, "w", encoding="utf-8") as file:
        json.dump({"compiler": by, "build": BUILD, "rows": rows}, file, indent=1)
        file.write("\n")


def changed_parts(parts, before):
    """The parts that differ by an instruction or more, the most first: (name, now, before)."""
    both = [(name, parts.get(name, 0), before.get(name, 0)) for name in {*parts, *before}]
    changed = [each for each in both if abs(each[1] - each[2]) >= 1]
    return sorted(changed, key=lambda each: (-abs(each[1] - each[2]), each[0]))


def compare(table, bars):
    """(too_many, to_lower): lines about what is above its bar, and about what is far below: there the bar says little."""
    too_many, to_lower, rows = [], [], {(row["transport"], row["what"]): row for row in bars["rows"]}
    for kind, parts in table.items():
        row = rows.get(kind)
        if row is None:
            too_many.append("%s %s has no bar" % kind)
            continue
        now, bar = sum(parts.values()), row["instructions"]
        line = "%s %s: %.1f instructions per %s: %+.2f %% against its bar, %.1f" % (
            *kind, now, WHAT[kind[1]], 100 * (now / bar - 1), bar)
        if now > bar * (1 + ABOVE):
            too_many.append(line)
            too_many += ["    %-50s %9.1f   bar %9.1f" % each for each in changed_parts(parts, row["parts"])]
        elif now < bar * (1 - BELOW):
            to_lower.append(line)
    return too_many, to_lower
