# SPDX-License-Identifier: Apache-2.0
"""Charts by gnuplot, which gets its data on standard input and gives an SVG on standard output. The same script gives
the same bytes; a chart carries the checksum of its script, so a machine without gnuplot can tell if it is current."""
import hashlib
import html
import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from . import words

# Okabe and Ito's colours, which colour-blind readers can tell apart; ours is the first. Each server has a shape too.
OURS = "#0072B2"
PALETTE = ["#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#555555", "#E69F00", "#7A3E9D", "#000000"]
SHAPES = [9, 5, 13, 11, 4, 6, 8, 10, 12]
REACHED, MISSED, OTHER = OURS, "#D55E00", "#555555"

# A white ground of its own: what is legible on it stays so on a dark page.
TERMINAL = ('set terminal svg size {width},{height} font "DejaVu Sans,Verdana,sans-serif,13" noenhanced '
            'background "#ffffff"')
COMMON = """set encoding utf8
set border 3 linecolor "#444444"
set tics nomirror textcolor "#222222"
set grid linecolor "#d8d8d8" linetype 1 linewidth 1
set key outside right top Left reverse samplen 2 spacing 1.2 textcolor "#222222"
set title "{title}" textcolor "#111111"
"""


@dataclass
class Chart:
    name: str
    title: str  # also what a screen reader says
    script: str

    def Checksum(self):
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]


def Version():
    """gnuplot's as it writes it into an SVG; None where there is no gnuplot."""
    if shutil.which("gnuplot") is None:
        return None
    said = subprocess.run(["gnuplot", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return " ".join(said[1:])


def VersionOf(svg):
    match = re.search(r"Produced by GNUPLOT ([^<]*?) *<", svg)
    return match.group(1) if match else None


def ChecksumOf(svg):
    match = re.search(r"<!-- perf/report: ([0-9a-f]+) -->", svg)
    return match.group(1) if match else None


def Draw(chart):
    """The SVG."""
    done = subprocess.run(["gnuplot"], input=chart.script, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode or "<svg" not in done.stdout:
        raise SystemExit(f"report: gnuplot on {chart.name}: {done.stderr.strip()}")
    svg = done.stdout.replace("<title>Gnuplot</title>", f"<title>{html.escape(chart.title, quote=False)}</title>")
    svg = re.sub(r"<svg *\n", '<svg role="img"\n', svg, count=1)
    return svg.replace("<desc>", f"<!-- perf/report: {chart.Checksum()} -->\n<desc>", 1)


FOLDER = "performance"  # beside the page


def Image(chart, drawn, says):
    """Markdown for it; it joins `drawn`. `says`: what it shows, for who cannot see it."""
    if chart is None:
        return ""
    drawn.append(chart)
    return f"![{says}]({FOLDER}/{chart.name}.svg)\n\n"


def Quoted(text):
    return text.replace("\\", "\\\\").replace('"', "'").replace("$", "")


LINES_MOST = 9  # a chart with more of them tells nothing


def Drawn(servers):
    """Those that get a line: the first of words.SERVERS, ours as it is by default among them."""
    known = list(words.SERVERS)
    first = sorted(servers, key=lambda s: (known.index(s) if s in known else len(known), s))
    return first[:LINES_MOST]


def Styles(servers):
    """{server: (colour, shape, width)}, for all charts of these servers."""
    styles, peers = {}, 0
    for server in sorted(Drawn(servers), key=words.Place):
        if words.Main(server):
            styles[server] = (OURS, 7, 3)
        else:
            styles[server] = (PALETTE[peers % len(PALETTE)], SHAPES[peers % len(SHAPES)], 2)
            peers += 1
    return styles


def Lines(name, title, y_title, series, styles, *, log=False, unit=1.0):
    """series: {server: [(connections, value)]}, against connections on a logarithmic axis. None without two points."""
    series = {server: series[server] for server in styles if series.get(server)}
    if not any(len(points) > 1 for points in series.values()):
        return None
    at = sorted({x for points in series.values() for x, _ in points})
    longest = max(len(words.Label(server)) for server in series)
    script = [TERMINAL.format(width=720 + 7 * longest, height=400), COMMON.format(title=Quoted(title)),
              f"set rmargin {0.84 * longest + 8:.0f}", "set logscale x 10",
              f"set xrange [{at[0] * 0.8:g}:{at[-1] * 1.25:g}]",
              "set xtics (" + ", ".join(f'"{words.Count(x)}" {x}' for x in at) + ")",
              'set xlabel "connections" textcolor "#222222"', f'set ylabel "{Quoted(y_title)}" textcolor "#222222"']
    values = [value / unit for points in series.values() for _, value in points]
    if log and min(values) > 0:
        script += ["set logscale y 10", f"set yrange [{min(values) * 0.7:.6g}:{max(values) * 1.4:.6g}]",
                   YTics(LogTics(values))]
    else:
        script += [f"set yrange [0:{max(values) * 1.08 or 1:.6g}]",
                   YTics(EvenTics(max(values)))]
    plots = []
    for i, (server, points) in enumerate(series.items()):
        colour, shape, width = styles[server]
        data = "\n".join(f"{x} {value / unit:.6g}" for x, value in sorted(points))
        script.append(f"$d{i} << EOD\n{data}\nEOD")
        plots.append(f'$d{i} using 1:2 with linespoints linecolor rgb "{colour}" linewidth {width} pointtype {shape} '
                     f'pointsize 0.8 title "{Quoted(words.Label(server))}"')
    if words.Main(next(iter(series))):  # again, so that it lies above the others
        plots.append(plots[0][:plots[0].index(" title ")] + " notitle")
    script.append("plot " + ", \\\n  ".join(plots))
    return Chart(name, title, "\n".join(line for line in script if line) + "\n")


def YTics(values):
    """With their words, for gnuplot would write thousands as the locale does."""
    return "set ytics (" + ", ".join(f'"{words.Count(y) if y >= 1 else f"{y:g}"}" {y:g}' for y in values) + ")"


def LogTics(values):
    """1, 2 and 5 of each power of ten, or the powers alone where that would be many."""
    low, high = min(values) * 0.7, max(values) * 1.4
    steps = (1, 2, 5) if high / low < 2_000 else (1,)
    return [step * 10.0**power for power in range(-6, 10) for step in steps if low <= step * 10.0**power <= high]


def EvenTics(most):
    """From 0 in four to eight even steps."""
    if most <= 0:
        return [0]
    power = 10.0**math.floor(math.log10(most))
    step = next(power * part for part in (0.2, 0.5, 1, 2) if most / (power * part) <= 8)
    return [i * step for i in range(int(most * 1.08 / step) + 1)]


def RatioTics(low, high):
    """Round ratios, as many as have room for their words."""
    tics, apart = [1], 0.07 * math.log(high / low)
    for tic in (10, 0.1, 2, 0.5, 5, 0.2, 0.01, 0.02, 0.05, 20, 50, 100, 1.5, 0.7, 3, 7, 0.3, 15, 30, 1.2, 0.8, 0.9):
        if low <= tic <= high and all(abs(math.log(tic / other)) >= apart for other in tics):
            tics.append(tic)
    return sorted(tics)


def Ratios(name, title, x_title, rows):
    """Each row: (label, (low, median, high), limit or None, reached or None). The median is a point between its
    quartiles, the target a bar across them."""
    rows = [row for row in rows if all(value > 0 for value in row[1])]
    if not rows:
        return None
    top = len(rows)
    values = [v for _, three, limit, _ in rows for v in (*three, *([limit] if limit else []), 1.0)]
    low, high = min(values) * 0.88, max(values) * 1.14
    longest = max(len(row[0]) for row in rows)
    height = 170 + 22 * top
    script = [TERMINAL.format(width=max(960, 7 * longest + 440), height=height), COMMON.format(title=""),
              f'set label 1 "{Quoted(title)}" at screen 0.5,screen 1 offset 0,-1.2 center textcolor "#111111"',
              f"set key at screen 0.5,screen {1 - 36 / height:.3f} center top", "set tmargin 6.5",
              "set logscale x 10", f"set xrange [{low:.6g}:{high:.6g}]",
              "set xtics (" + ", ".join(f'"{t:g}x" {t:g}' for t in RatioTics(low, high)) + ")",
              f"set yrange [0.3:{top}.7]", f"set lmargin {longest * 0.74 + 2:.0f}", "set rmargin 3",
              f'set xlabel "{Quoted(x_title)}" textcolor "#222222"',
              "set ytics (" + ", ".join(f'"{Quoted(row[0])}" {top - i}' for i, row in enumerate(rows)) + ")",
              f'set arrow from 1,0.3 to 1,{top}.7 nohead linecolor "#444444" linewidth 1.5 back']
    kinds = {True: ("target reached", REACHED, 7), False: ("target missed", MISSED, 9), None: ("no target", OTHER, 6)}
    plots = []
    for kind, (words_, colour, shape) in kinds.items():
        points = [(three, top - i) for i, (_, three, _, reached) in enumerate(rows) if reached is kind]
        if points:
            block = f"$k{len(plots)}"
            data = "\n".join(f"{m:.6g} {y} {low:.6g} {high:.6g}" for (low, m, high), y in points)
            script.append(f"{block} << EOD\n{data}\nEOD")
            plots.append(f'{block} using 1:2:3:4 with xerrorbars linecolor rgb "{colour}" linewidth 2.5 '
                         f'pointtype {shape} pointsize 0.9 title "{words_}: median, quartiles"')
    limits = [(limit, top - i) for i, (_, _, limit, _) in enumerate(rows) if limit]
    if limits:
        script.append("$limits << EOD\n" + "\n".join(f"{x:.6g} {y - 0.36:.2f} 0 0.72" for x, y in limits) + "\nEOD")
        plots.append('$limits using 1:2:3:4 with vectors nohead linecolor rgb "#000000" linewidth 3 title "target"')
    script.append("plot " + ", \\\n  ".join(plots))
    return Chart(name, title, "\n".join(script) + "\n")
