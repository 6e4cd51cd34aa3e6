#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""perf/report on small trees of made-up results: verdicts are computed, what is not there is named and not made up, and
--check finds what is not current."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

# The test is given a link to WORKSPACE, which lies at the root of the sources.
REPORT = os.path.join(os.path.dirname(os.path.realpath("WORKSPACE")), "perf", "report")
BEGIN, END = "<!-- figures: made by perf/report -->", "<!-- end of figures -->"
SOUND = {"connections": True, "errors": 0, "verified": True, "client_bound": []}
SCENARIO = {"kind": "paired", "protocol": "echo", "bytes": "64", "depth": 1, "connections": 50}
needs_gnuplot = unittest.skipUnless(shutil.which("gnuplot"), "SKIPPED: there is no gnuplot; Debian has it: gnuplot-nox")


def Pair(b, rate, target=None, **more):
    return {"kind": "paired", "a": "mooring-echo", "b": b, "connections": 50, "rate": [rate * 0.9, rate, rate * 1.1],
            "target": target or {}, "gates": SOUND, **more}


def Level(server, connections, rate, **more):
    return {"kind": "level", "server": server, "connections": connections, "rate": rate, "gates": SOUND, **more}


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = folder.name
        os.makedirs(self.Path("perf/results"))
        self.Write("README.md", f"before\n\n{BEGIN}\n\nby hand\n\n{END}\n\nbehind\n")

    def Path(self, name):
        return os.path.join(self.tree, name)

    def Read(self, name):
        with open(self.Path(name), encoding="utf-8") as f:
            return f.read()

    def Write(self, name, text):
        os.makedirs(os.path.dirname(self.Path(name)), exist_ok=True)
        with open(self.Path(name), "w", encoding="utf-8") as f:
            f.write(text)
        self.page = None

    def Result(self, name, rows, scenario=None, about=None):
        self.Write(f"perf/results/{name}.json", json.dumps({
            "about": about or {"kernel": "6.18", "cpus": 2, "rounds": 11, "day": "2026-01-02"},
            "scenario": {**(scenario or SCENARIO), "name": name}, "rows": rows}))

    def Levels(self, rows, name="levels-echo", **more):
        self.Result(name, rows, {"kind": "levels", "protocol": "echo", **more})

    def Report(self, *flags, gnuplot=True):
        env = dict(os.environ) if gnuplot else {**os.environ, "PATH": "/nowhere"}
        command = [sys.executable, REPORT, "--tree", self.tree, *flags]
        return subprocess.run(command, capture_output=True, text=True, env=env)

    def Run(self, *flags, status=0, gnuplot=True):
        done = self.Report(*flags, gnuplot=gnuplot)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr

    def Page(self):
        """Without charts: it is written all the same, and sooner."""
        if self.page is None:
            self.Report(gnuplot=False)
            self.page = self.Read("docs/PERFORMANCE.md")
        return self.page

    def Section(self, title):
        return self.Page().split(f"\n## {title}\n")[1].split("\n## ")[0]

    def Line(self, section, *words):
        lines = [line for line in self.Section(section).splitlines() if all(word in line for word in words)]
        self.assertEqual(len(lines), 1, f"{words} in: {self.Section(section)}")
        return lines[0]


class Verdicts(Report):
    def test_a_median_below_its_target_is_missed_whatever_the_result_says(self):
        self.Result("echo64-50", [Pair("go-echo", 1.04, {"rate": 1.05}, reached=True)])
        self.assertIn("1.04x (0.94 to 1.14) | **missed**", self.Line("Targets", "Go net"))

    def test_a_rate_has_to_be_more_and_a_cost_less_than_its_target(self):
        self.Result("echo64-50", [Pair("go-echo", 1.05, {"rate": 1.05, "cpu": 0.9, "p99": 0.75}, cpu=[0.8, 0.91, 1.0],
                                       p99=[0.5, 0.75, 0.9])])
        self.assertIn("reached", self.Line("Targets", "messages a second, against Go net"))
        self.assertIn("**missed**", self.Line("Targets", "CPU a message, against Go net"))
        self.assertIn("reached", self.Line("Targets", "p99 latency, against Go net"))
        self.assertIn("Of 3: **2 reached and 1 missed**.", self.Section("Targets"))

    def test_a_row_with_errors_or_without_connections_is_not_valid(self):
        for gates in ({"errors": 3}, {"connections": False}, {"verified": False}):
            self.Result("echo64-50", [Pair("go-echo", 2.0, {"rate": 1.05}, gates={**SOUND, **gates})])
            line = self.Line("Targets", "Go net")
            self.assertIn("**not valid**", line)
            self.assertNotIn("| reached |", line)
            self.assertIn("the result is not valid", self.Section("What is missing"))

    def test_a_load_that_was_the_slower_side_is_named(self):
        self.Result("echo64-50", [Pair("go-echo", 1.0, {"rate": 0.95}, gates={**SOUND, "client_bound": ["b"]})])
        self.assertIn("the load was the slower side of B", self.Line("Targets", "Go net"))

    def test_a_server_against_itself_says_in_what_they_differ(self):
        side = {"connections": 50, "shards": 8, "active": 0, "processes": 1}
        sides = {"a": side, "b": {**side, "connections": 9}}
        self.Result("active", [Pair("mooring-echo", 0.93, {"rate": 0.9}, sides=sides)])
        self.assertIn("against itself with 9 connections", self.Line("Targets", "reached |"))

    def test_the_first_form_of_paired_rounds_is_read(self):
        row = {"scenario": "http13-pipe16-64", "a": "mooring-hello", "b": "nginx", "load": "wrk -c 64 -P 16 /",
               "ratio": 7.9, "ratio_quartiles": [7.0, 8.4], "cpu_ratio": 0.2, "cpu_ratio_quartiles": [0.1, 0.3],
               "errors": 0,
               "target": {"rate": 5.5, "cpu": 0.13, "both": None}, "reached": True}
        self.Write("perf/results/http.json", json.dumps({"rows": [row]}))
        what = "HTTP, an answer of 13 B, 16 in flight, 64 connections"
        self.assertIn("7.90x (7.00 to 8.40) | reached", self.Line("Targets", what, "messages a second"))
        self.assertIn("| **missed**", self.Line("Targets", what, "CPU a message"))
        again = Pair("nginx", 8.5, {"rate": 5.5}, a="mooring-hello", connections=64)
        self.Result("http13-pipe16-64", [again], {"kind": "paired", "tool": "wrk -c 64 -P 16 /"})
        self.assertIn("8.50x", self.Line("Targets", what))

    def test_memory_of_the_default_transport_is_judged(self):
        self.Levels([Level("mooring-epoll", 100_000, 1000, user_bytes=120),
                     Level("mooring-echo", 100_000, 1000, user_bytes=161)])
        self.assertIn("≤ 160 B | 161 B | **missed**", self.Line("Targets", "callbacks"))


class Levels(Report):
    def test_efficiency_is_against_the_best_level_of_the_same_server(self):
        self.Levels([Level("epoll", 1000, 900), Level("epoll", 10_000, 1000), Level("epoll", 50_000, 250),
                     Level("go-echo", 1000, 100)])
        self.assertIn("| 90 % |", self.Line("1,000 to 100,000 connections", "| 1,000 | plain epoll"))
        self.assertIn("| 25 % |", self.Line("1,000 to 100,000 connections", "| 50,000 | plain epoll"))
        self.assertIn("| 100 % |", self.Line("1,000 to 100,000 connections", "| 1,000 | Go net"))

    def test_processes_are_noted(self):
        self.Levels([Level("go-echo", 50_000, 100, processes=3)])
        self.assertIn("3 processes", self.Line("1,000 to 100,000 connections", "Go net"))

    def test_eight_gigabytes_are_divided_by_user_and_kernel_memory_of_the_largest_level(self):
        self.Levels([Level("epoll", 1000, 9, user_bytes=1, kernel_bytes=1),
                     Level("epoll", 100_000, 9, user_bytes=96, kernel_bytes=4000)])
        self.assertIn("| 2.10 million |", self.Line("What fits into 8 GB", "epoll"))  # 2^33 / 2^12

    def test_without_kernel_memory_nothing_is_said_to_fit(self):
        self.Levels([Level("epoll", 1000, 9, user_bytes=96)])
        self.assertIn("Not measured yet.", self.Section("What fits into 8 GB"))

    def test_kernel_memory_that_cannot_be_the_connections_is_none(self):
        self.Levels([Level("mooring-echo", 100_000, 9, user_bytes=120, kernel_bytes=0.0),
                     Level("epoll", 1000, 9, user_bytes=96, kernel_bytes=583_103)])
        self.assertIn("kernel memory was disturbed by others", self.Line("1,000 to 100,000 connections", "| Mooring"))
        self.assertNotIn("together", self.Section("Targets"))
        self.assertIn("Not measured yet.", self.Section("What fits into 8 GB"))

    def test_what_the_parts_leave_of_the_user_memory_are_pages(self):
        parts = {"connection": 128, "frame": 0, "buffers": None}
        self.Levels([Level("mooring-echo", 1000, 9, user_bytes=140, user_parts=parts)])
        self.assertIn("| 1,000 | 128 B | 0 B | 12 B |", self.Line("1,000 to 100,000 connections", "Mooring", "128 B"))

    def test_a_level_that_was_not_reached_says_what_stopped_it_and_holds_nothing(self):
        gates = {"connections": False, "errors": None, "verified": False}
        self.Levels([Level("mooring-echo", 1_000_000, 9),
                     Level("mooring-echo", 2_000_000, None, note="no memory", gates=gates)], name="million")
        self.assertIn("What stopped Mooring on the way to 2,000,000: no memory", self.Section("A million connections"))
        self.assertIn("| 1,000,000 | reached", self.Line("Targets", "connections held"))

    def test_the_most_that_was_held_is_the_most_that_was_held_without_a_loss(self):
        self.Levels([Level("mooring-echo", 1_000_000, 9),
                     Level("mooring-echo", 1_500_000, 9, gates={**SOUND, "errors": 7})], name="million")
        self.assertIn("| 1,000,000 | reached", self.Line("Targets", "connections held"))
        self.assertIn("**not valid: 7 errors**", self.Line("A million connections", "| 1,500,000 |"))

    def test_other_loads_are_no_part_of_the_table(self):
        self.Levels([Level("epoll", 1000, 9)], name="idle-heavy", active=10)
        self.assertIn("Not measured yet.", self.Section("1,000 to 100,000 connections"))
        self.assertIn("plain epoll", self.Section("Idle-heavy: 1 % active"))


class Missing(Report):
    def test_an_empty_tree_has_a_page(self):
        self.assertIn("There are no results yet.", self.Page())

    def test_fields_that_are_not_there_are_neither_an_error_nor_a_figure(self):
        self.Result("echo64-50", [{"a": "mooring-echo", "b": "go-echo"},
                                  {"a": "mooring-echo", "b": "epoll", "cpu": None, "target": {"rate": 1.0}}])
        self.Levels([{"server": "epoll", "connections": 1000, "rate": 5, "gates": {}},
                     {"server": "x", "connections": 5}])
        self.Write("perf/results/broadcast_10.json", json.dumps({"members": 10}))
        self.assertIn("not measured", self.Line("Targets", "plain epoll"))
        for word in ("None", "nan", "Traceback"):
            self.assertNotIn(word, self.Page())

    def test_scenarios_servers_and_levels_without_a_result_are_named(self):
        self.Write("perf/servers.toml", '[go-echo]\nservices = ["echo"]\n[epoll]\nservices = ["echo"]\n')
        self.Write("perf/scenarios.toml", """
[echo64-50]
kind = "paired"
a = "mooring-echo"
connections = 50
[echo64-50.against]
epoll = {}
go-echo = {}
[churn-50]
kind = "paired"
tool = "churn"
a = "mooring-echo"
connections = 50
[levels-echo]
kind = "levels"
speaking = ["echo"]
levels = [1000, 10000]
""")
        self.Result("echo64-50", [Pair("go-echo", 1.0)])
        self.Levels([Level("epoll", 1000, 9)])
        said = self.Section("What is missing")
        self.assertIn("`echo64-50` was measured without `epoll`.", said)
        self.assertIn("`churn-50` (connect, one exchange, close, 50 connections at a time) has no result.", said)
        self.assertIn("`levels-echo` was measured without `go-echo`.", said)
        self.assertIn("`levels-echo`: `epoll` has no result at 10,000 connections.", said)

    def test_a_server_that_was_skipped_is_named_once_with_the_reason(self):
        self.Write("perf/scenarios.toml", '[echo64-50]\nkind = "paired"\nagainst = {epoll = {}, libuv = {}}\n')
        self.Write("perf/results/echo64-50.json", json.dumps({
            "scenario": {**SCENARIO, "name": "echo64-50"}, "skipped": [{"server": "libuv", "why": "not installed"}],
            "rows": [Pair("epoll", 1.0)]}))
        self.assertEqual(self.Section("What is missing").count("libuv"), 1)
        self.assertIn("`libuv` was skipped: not installed", self.Section("What is missing"))

    def test_a_broadcast_that_only_one_server_could_hold_has_no_ratio(self):
        part = {"a": 700, "b": None, "ratio": None, "quartiles": None}
        self.Write("perf/results/broadcast_100000.json", json.dumps({
            "a": "mooring-chat", "b": None, "members": 100_000, "last_us": part, "bytes_a_member": part}))
        self.assertIn("Mooring / nobody | the last has it | 700 µs | – | – |", self.Line("Broadcast", "last has it"))

    def test_shards_that_are_not_even_are_said(self):
        side = {"connections": 50, "shards": 2, "active": 0, "processes": 1}
        sides = {"a": {**side, "skew": 1.25}, "b": {**side, "shards": 1, "skew": 1.0}}
        self.Result("echo64-50", [Pair("epoll", 0.93, sides=sides)])
        self.Levels([Level("mooring-echo", 1000, 9, shards=8, skew=1.5), Level("epoll", 1000, 9, shards=8, skew=None)])
        section = self.Section("How even the shards are")
        self.assertIn("| 50 | 2 | 1.25x |", section)
        self.assertIn("| 1,000 | 8 | 1.50x |", section)
        self.assertEqual(section.count("x |"), 2)

    def test_a_change_that_was_tried_has_its_ratios(self):
        self.Write("perf/results/tried.json", json.dumps({"rows": [
            {"load": "churn", "tried": "deferred accept", "rate": [1.08, 1.09, 1.11], "cpu": [0.86, 0.89, 0.93],
             "sleeps": 0.14},
            {"load": "churn", "tried": "nothing", "rate": [1.0, 1.0, 1.0], "cpu": [1.0, 1.0, 1.0], "sleeps": 0.7}]}))
        self.assertIn("| churn | deferred accept | 1.09x (1.08 to 1.11) | 0.89x (0.86 to 0.93) | 0.14 |",
                      self.Section("Single changes"))
        self.assertNotIn("busiest", self.Section("Single changes"))

    def test_a_file_that_is_no_json_is_named(self):
        self.Write("perf/results/broken.json", "{")
        self.assertIn("broken.json", self.Run(status=1))

    def test_what_was_tried_stands_in_it_word_for_word(self):
        tried = "## What was tried and did not help\n\n| what | verdict |\n|---|---|\n| huge pages  twice | 1.00x |\n"
        self.Write("docs/performance/tried.md", tried)
        self.assertTrue(self.Page().endswith("\n" + tried))


class Readme(Report):
    def Enough(self):
        for name in ("echo64-50", "echo64-1000", "echo64-10000", "echo16k-50", "churn-50", "line16-50"):
            scenario = {**SCENARIO, "connections": int(name.split("-")[-1])}
            self.Result(name, [Pair(b, 1.5, connections=scenario["connections"])
                               for b in ("go-echo", "epoll", "bare-ring", "go-line", "go-line-lazy")], scenario)
        for name in ("latency-1000", "latency-10000"):
            self.Result(name, [Pair("go-echo", 1.0, p99=[0.5, 0.6, 0.7])], {**SCENARIO, "kind": "latency"})

    def test_with_few_rows_it_stays_as_it_is(self):
        self.Result("echo64-50", [Pair("go-echo", 1.5)])
        before = self.Read("README.md")
        self.Page()
        self.assertEqual(self.Read("README.md"), before)

    def test_with_enough_rows_only_what_is_between_the_comments_is_replaced(self):
        self.Enough()
        self.Page()
        text = self.Read("README.md")
        self.assertTrue(text.startswith(f"before\n\n{BEGIN}\n"), text)
        self.assertTrue(text.endswith(f"\n{END}\n\nbehind\n"), text)
        self.assertNotIn("by hand", text)
        self.assertIn("| echo, 64 B, one in flight, 50 connections: against Go net | 1.50x (1.35 to 1.65) |", text)
        self.assertIn("50 / 1,000 / 10,000 connections: against bare io_uring | 1.50x / 1.50x / 1.50x |", text)

    def test_a_row_that_is_not_valid_is_not_in_it(self):
        self.Enough()
        self.Result("echo64-50", [Pair("go-echo", 7.77, gates={**SOUND, "errors": 1})])
        self.Page()
        self.assertNotIn("by hand", self.Read("README.md"))
        self.assertNotIn("7.77x", self.Read("README.md"))

    def test_without_its_comments_it_is_an_error(self):
        self.Write("README.md", f"{END} {BEGIN}\n")
        self.assertIn("README.md", self.Run(status=1))


class Check(Report):
    def setUp(self):
        super().setUp()
        self.Result("echo64-50", [Pair("go-echo", 1.2, {"rate": 1.05}), Pair("epoll", 0.9, {"rate": 0.95})])
        self.Levels([Level(s, n, 1e5 * 1000 / n, user_bytes=100, kernel_bytes=4000, latency={"p99_us": n})
                     for s in ("mooring-echo", "epoll") for n in (1000, 10_000)])

    @needs_gnuplot
    def test_it_is_content_with_what_was_just_written(self):
        self.Run()
        self.Run("--check")

    @needs_gnuplot
    def test_an_edited_page_a_removed_chart_and_one_too_many_are_found(self):
        self.Run()
        for name in ("docs/PERFORMANCE.md", "docs/performance/ratios_rate.svg"):
            text = self.Read(name)
            self.Write(name, text.replace("1.20", "1.30") if name.endswith(".md") else text + "<!-- by hand -->\n")
            self.assertIn(f"{name} is not what", self.Run("--check", status=1))
            self.Write(name, text)
        os.rename(self.Path("docs/performance/levels-echo_p99.svg"), self.Path("docs/performance/other.svg"))
        said = self.Run("--check", status=1)
        self.assertIn("levels-echo_p99.svg is not what", said)
        self.assertIn("other.svg belongs to no result", said)
        self.Run()
        self.assertFalse(os.path.exists(self.Path("docs/performance/other.svg")))
        self.Run("--check")
        shutil.copy(self.Path("docs/performance/ratios_rate.svg"), self.Path("docs/performance/other.svg"))
        self.Run("--check", status=1)

    @needs_gnuplot
    def test_new_results_are_found_and_nothing_is_written(self):
        self.Run()
        before = self.Read("docs/PERFORMANCE.md")
        self.Result("echo64-50", [Pair("go-echo", 1.3, {"rate": 1.05})])
        self.assertIn("ratios_rate.svg is not what", self.Run("--check", status=1))
        self.assertEqual(self.Read("docs/PERFORMANCE.md"), before)

    @needs_gnuplot
    def test_without_gnuplot_charts_are_compared_by_their_data(self):
        self.Run()
        self.assertIn("there is no gnuplot", self.Run("--check", gnuplot=False))
        self.Result("echo64-50", [Pair("go-echo", 1.3, {"rate": 1.05})])
        self.assertIn("ratios_rate.svg is not what", self.Run("--check", status=1, gnuplot=False))

    @needs_gnuplot
    def test_a_chart_of_another_gnuplot_is_compared_by_its_data(self):
        self.Run()
        chart = self.Read("docs/performance/ratios_rate.svg")
        self.assertIn("Produced by GNUPLOT ", chart)
        other = chart.replace("Produced by GNUPLOT ", "Produced by GNUPLOT 9").replace("stroke-width", "stroke-width ")
        self.Write("docs/performance/ratios_rate.svg", other)
        self.Run("--check")

    @needs_gnuplot
    def test_the_same_results_give_the_same_bytes(self):
        self.Run()
        names = sorted(os.listdir(self.Path("docs/performance")))
        self.assertEqual(names, ["levels-echo_memory.svg", "levels-echo_p99.svg", "levels-echo_rate.svg",
                                 "levels-echo_user_memory.svg", "ratios_rate.svg"])
        before = {name: self.Read(f"docs/performance/{name}") for name in names}
        shutil.rmtree(self.Path("docs"))
        self.Run()
        self.assertEqual(before, {name: self.Read(f"docs/performance/{name}") for name in names})

    @needs_gnuplot
    def test_a_chart_says_what_it_is_and_is_in_the_page(self):
        self.Run()
        page, chart = self.Read("docs/PERFORMANCE.md"), self.Read("docs/performance/levels-echo_rate.svg")
        self.assertIn("<title>Echo: messages a second</title>", chart)
        self.assertIn("](performance/levels-echo_rate.svg)", page)
        for words in ("Mooring", "plain epoll", "1,000", "10,000"):
            self.assertIn(f">{words}<", chart)

    def test_without_gnuplot_there_is_a_page_and_a_word_of_what_to_install(self):
        self.assertIn("apt-get install gnuplot-nox", self.Run(status=1, gnuplot=False))
        self.assertIn("1.20x (1.08 to 1.32)", self.Read("docs/PERFORMANCE.md"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
