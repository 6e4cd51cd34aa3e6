#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# perf/run with real servers and loads, a tiny version of every kind of scenario: the shape of what comes out, the
# gates, and what is left behind. No speed is looked at.
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.abspath("perf"))
from harness import catalogue, scenarios
from reporting import words

HERE = os.getcwd()
CPUS = sorted(os.sched_getaffinity(0))
PLACES = ["--bazel-bin", HERE, "--go-bin", "/nowhere",
          "--server-cpu", str(CPUS[0]), "--load-cpu", str(CPUS[-1])]
STRANGE = f"{sys.executable} {HERE}/tests/perf/strange_server.py {{port}} "


def Run(*arguments):
    return subprocess.run([f"{HERE}/perf/run", *arguments, *PLACES], capture_output=True, text=True, timeout=100)


class Tiny(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.done = Run("--tiny", "--table", "--out", cls.folder.name)
        cls.wanted = [s.name for s in scenarios.Load(catalogue.Load()).values() if s.tiny]
        cls.files = {}
        for name in os.listdir(cls.folder.name):
            with open(os.path.join(cls.folder.name, name)) as f:
                cls.files[name] = json.load(f)

    def rows(self, kind):
        return [row for file in self.files.values() for row in file["rows"] if row["kind"] == kind]

    def test_every_row_is_worth_something(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr + self.done.stdout)
        self.assertEqual(sorted(self.files), sorted(name + ".json" for name in self.wanted))
        for kind in scenarios.KINDS:
            rows = self.rows(kind.removesuffix("s"))
            self.assertTrue(rows, kind)
            for row in rows:
                gates = row["gates"]
                self.assertEqual((gates["connections"], gates["errors"], gates["verified"]), (True, 0, True), row)

    def test_a_pair_has_ratios_with_quartiles_and_every_round(self):
        for row in self.rows("paired") + self.rows("latency"):
            for ratio in "rate", "cpu", "both", "p50", "p99":
                low, median, high = row[ratio]
                self.assertTrue(0 < low <= median <= high, (row["scenario"], ratio, row[ratio]))
            self.assertEqual([len(row["each_round"][side]) for side in "ab"], [2, 2])
            self.assertGreater(row["cpu_us_a"], 0)
            self.assertGreater(row["latency_a"]["p99_us"], 0)
            self.assertEqual(row["sides"]["a"]["connections"], row["connections"])

    def test_latency_is_asked_for_at_a_part_of_the_best_rate(self):
        for row in self.rows("latency"):
            self.assertAlmostEqual(row["offered"], 0.7 * row["best_b"], delta=1)
            self.assertLess(row["rate_a"], row["best_b"] * 1.5)

    def test_a_level_has_memory_and_who_was_woken(self):
        rows = self.rows("level")
        self.assertEqual({row["connections"] for row in rows}, {20, 40})
        for row in rows:
            self.assertGreater(row["rate"], 0)
            self.assertEqual(len(row["repeats"]), 1)
            self.assertIsNotNone(row["user_bytes"])
            self.assertGreater(row["setup_seconds"], 0)
            wake = row["wake"]
            self.assertTrue(0 < wake["first_us"] <= wake["median_us"] <= wake["last_us"], wake)
            self.assertIn("kernel_parts", row)  # of so few connections nothing can be said
            parts = {"connection", "frame", "buffers"} if row["server"].startswith("mooring-") else set()
            self.assertEqual(set(row["user_parts"] or {}), parts, row["server"])

    def test_the_table_has_a_line_for_each_row(self):
        lines = [line for line in self.done.stdout.splitlines() if line.startswith("|")]
        heads = 4  # lines, of two tables
        self.assertEqual(len(lines) - heads, sum(len(file["rows"]) for file in self.files.values()))

    def test_the_report_has_a_figure_of_each_row(self):
        with tempfile.TemporaryDirectory() as tree:
            os.makedirs(os.path.join(tree, "perf"))
            for name in "scenarios.toml", "servers.toml":
                shutil.copy(os.path.join("perf", name), os.path.join(tree, "perf", name))
            os.symlink(self.folder.name, os.path.join(tree, "perf", "results"))
            with open(os.path.join(tree, "README.md"), "w") as f:
                f.write("<!-- figures: made by perf/report -->\n<!-- end of figures -->\n")
            done = subprocess.run(["perf/report", "--tree", tree], capture_output=True, text=True)
            self.assertNotIn("Traceback", done.stderr)  # the status says whether there is a gnuplot
            with open(os.path.join(tree, "docs", "PERFORMANCE.md"), encoding="utf-8") as f:
                page = f.read()
        pairs = page.split("## Every pair")[1].split("\n## ")[0]
        for row in self.rows("paired") + self.rows("latency"):
            self.assertIn(words.Quartiles(row["rate"]), pairs, row["scenario"])
        held = page.split("## 1,000 to 100,000 connections")[1].split("\n## ")[0]
        for row in self.rows("level"):
            self.assertIn(f"| {row['connections']} | {words.Label(row['server'])} |", held)
            self.assertIn(words.Rate(row["rate"]), held)

    def test_the_machine_is_described(self):
        for file in self.files.values():
            self.assertLessEqual({"kernel", "cpu", "cpus", "governor", "memory_bytes", "sysctls", "commit", "clean",
                                  "versions", "load_average_before", "day"}, set(file["about"]))


class Gates(unittest.TestCase):
    def run_against(self, how, *more):
        return Run("echo64-50", "--tiny", "--a", STRANGE + how, "--b", "epoll", "--json", *more)

    def test_a_wrong_byte_is_never_a_speed(self):
        done = self.run_against("wrong")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertGreater(json.loads(done.stdout)["rows"][0]["gates"]["errors"], 0)

    def test_connections_that_went_away_are_missed(self):
        done = self.run_against("leaves 30")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertFalse(json.loads(done.stdout)["rows"][0]["gates"]["connections"])

    def test_a_right_server_of_the_same_make_passes(self):
        done = self.run_against("right")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_server_that_does_not_start_is_said(self):
        done = Run("echo64-50", "--tiny", "--a", "false {port}", "--b", "epoll")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ended with status 1", done.stderr)


class Absent(unittest.TestCase):
    def test_a_peer_that_is_not_there_is_skipped_aloud_and_has_no_row(self):
        with tempfile.TemporaryDirectory() as folder:
            done = Run("echo64-50", "--tiny", "--b", "go-echo", "--out", folder)
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual(done.returncode, 1)  # nothing was measured
        self.assertRegex(done.stderr, "echo64-50 against go-echo: skipped: .*perf/peers/build .*golang-go")

    def test_the_other_rows_are_measured_all_the_same(self):
        done = Run("echo16k-50", "--tiny", "--a", "mooring-echo", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([row["b"] for row in json.loads(done.stdout)["rows"]], ["epoll"])

    def test_a_name_that_is_no_scenario_is_refused(self):
        done = Run("echo64-5O")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no scenario echo64-5O", done.stderr)


class Ended(unittest.TestCase):
    def ended_by(self, number):
        """The run is ended in mid-round; nothing of it may be left."""
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, "told")
            os.mkfifo(fifo)
            run = subprocess.Popen([f"{HERE}/perf/run", "echo64-50", "--tiny", "--seconds", "60", "--a",
                                    STRANGE + "tells " + fifo, "--b", "epoll", *PLACES],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(run.wait)
            self.addCleanup(run.kill)
            with open(fifo) as f:
                server = int(f.readline())
            with open(f"/proc/{run.pid}/task/{run.pid}/children") as f:
                children = [server, *map(int, f.read().split())]
            run.send_signal(number)
            status = run.wait(timeout=60)
        return status, [pid for pid in children if os.path.exists(f"/proc/{pid}")]

    def test_sigterm_stops_servers_and_loads(self):
        self.assertEqual(self.ended_by(signal.SIGTERM), (143, []))

    def test_sigint_stops_servers_and_loads(self):
        self.assertEqual(self.ended_by(signal.SIGINT), (130, []))


if __name__ == "__main__":
    unittest.main(verbosity=2)
