#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The parts of perf/harness that need no server: files of data, figures, gates, memory, tables.
import json
import os
import sys
import tempfile
import types
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.abspath("perf"))
from harness import catalogue, children, figures, levels, loads, machine, memory, paired, results, scenarios, servers, web


def Written(test, text):
    file = tempfile.NamedTemporaryFile("w", suffix=".toml")
    test.addCleanup(file.close)
    file.write(text)
    file.flush()
    return file.name


PEER = '''[peer]
from = "bazel"
program = "perf/peers/peer"
arguments = "--port={port} --name='a b' --shards={shards}"
services = ["echo"]
'''


class Wrk(unittest.TestCase):
    SAYS = "wrk's own words\n" + '{"requests": 50, "us": 500000, "p50_us": 653, "p99_us": 9, "status": 1, "socket": 2}'

    def wrk(self, tool):
        target = types.SimpleNamespace(port=80)
        return web.Wrk(target, types.SimpleNamespace(tool=tool), 1, None)

    def test_its_latency_is_taken_where_one_request_is_in_flight(self):
        wrk = self.wrk("wrk -c 64 /1k.bin")
        self.assertEqual(wrk.Result(self.SAYS), (100, {"p50_us": 653, "p99_us": 9}, 3, 0.5))
        self.assertEqual(wrk.command[-3:], ["http://127.0.0.1:80/1k.bin", "--", "1"])

    def test_it_has_no_latency_where_more_are(self):
        wrk = self.wrk("wrk -c 64 -P 16 /")
        self.assertEqual(wrk.Result(self.SAYS), (100, {}, 3, 0.5))
        self.assertEqual(wrk.command[-3:], ["http://127.0.0.1:80/", "--", "16"])
        self.assertNotIn("-P", wrk.command)


class Catalogue(unittest.TestCase):
    def load(self, text):
        return catalogue.Load(Written(self, text))

    def test_the_tree_s_own_file_is_right(self):
        known = catalogue.Load()
        self.assertIn("mooring-echo", known)
        self.assertEqual(known["go-echo"].origin, "go")
        self.assertTrue(known["epoll"].descriptors)

    def test_arguments_are_split_like_words_and_places_are_filled_in(self):
        with tempfile.TemporaryDirectory() as bin:
            os.makedirs(bin + "/perf/peers")
            open(bin + "/perf/peers/peer", "w").close()
            command = self.load(PEER)["peer"].Command({"port": 7, "shards": 2}, types.SimpleNamespace(bazel_bin=bin))
        self.assertEqual(command[1:], ["--port=7", "--name=a b", "--shards=2"])

    def test_what_is_absent_says_how_to_get_it(self):
        nowhere = types.SimpleNamespace(bazel_bin="/nowhere", go_bin="/nowhere")
        entry = self.load(PEER)["peer"]
        with self.assertRaisesRegex(catalogue.Absent, "bazel build --config=opt //perf/peers:peer"):
            entry.Program(nowhere)
        go = PEER.replace('"bazel"', '"go"\npackage = "golang-go"')
        with self.assertRaisesRegex(catalogue.Absent, "perf/peers/build.*golang-go"):
            self.load(go)["peer"].Program(nowhere)
        debian = PEER.replace('"bazel"', '"debian"\npackage = "peer-light"').replace("perf/peers/peer", "no-such-thing")
        with self.assertRaisesRegex(catalogue.Absent, "apt-get install peer-light"):
            self.load(debian)["peer"].Program(nowhere)

    def test_what_is_wrong_is_named(self):
        for change, says in (
                (("services", "serviecs"), "peer: serviecs = .* is no key"),
                (('["echo"]', '"echo"'), "peer: services = 'echo' has another type"),
                (("bazel", "npm"), "from = 'npm' is none of"),
                (("bazel", "debian"), "package is missing"),
                (("{shards}", "{shard}"), r"there is no place \{shard\}"),
                (('program = "perf/peers/peer"', ""), "program is missing"),
                (("services", 'behind = "nobody"\nservices'), "behind = 'nobody' is no server"),
                (("[peer]", "[peer"), "toml")):
            with self.subTest(says), self.assertRaisesRegex(catalogue.Wrong, says):
                self.load(PEER.replace(*change))

    def test_a_command_with_a_port_is_a_server(self):
        self.assertEqual(catalogue.Find({}, "./other --port={port} -x").arguments, "--port={port} -x")
        with self.assertRaisesRegex(catalogue.Wrong, "there is no server other"):
            catalogue.Find({}, "other")

    def test_processes_a_server_takes(self):
        entry = lambda **more: catalogue.Server(name="x", program="x", arguments="", **more)
        place = lambda connections, shards=1: servers.Place(connections=connections, shards=shards)
        self.assertEqual(servers.Processes(entry(descriptors=True, processes=True), place(19_000)), 1)
        self.assertEqual(servers.Processes(entry(descriptors=True, processes=True), place(19_001)), 2)
        self.assertEqual(servers.Processes(entry(descriptors=True, processes=True), place(100_000, 8)), 6)
        self.assertEqual(servers.Processes(entry(processes=True), place(100_000, 8)), 8)
        self.assertEqual(servers.Processes(entry(), place(100_000, 8)), 1)
        with self.assertRaisesRegex(catalogue.Absent, "cannot hold 19001 connections"):
            servers.Processes(entry(descriptors=True), place(19_001))


SCENARIO = '''[pair]
kind = "paired"
a = "mooring-echo"
connections = 100
shards = 4
bytes = [64, 512]
[pair.against]
epoll = { rate = 0.9, cpu = 1 }
mooring-echo = { shards = 1, cpus = "own", p99 = 0.5 }
'''


class Scenarios(unittest.TestCase):
    def load(self, text):
        return scenarios.Load(catalogue.Load(), Written(self, text))

    def test_the_tree_s_own_file_is_right_and_has_a_tiny_one_of_each_kind(self):
        known = catalogue.Load()
        every = scenarios.Load(known)
        self.assertEqual({s.kind for s in every.values() if s.tiny}, set(scenarios.KINDS))
        for scenario in every.values():
            tiny = scenarios.Tiny(scenario, known)
            self.assertLessEqual(tiny.side.connections, 20)
            names = [tiny.a, *tiny.against] if tiny.a else tiny.servers
            self.assertEqual({known[name].origin for name in names}, {"bazel"}, scenario.name)

    def test_a_side_inherits_what_it_does_not_say_and_targets_are_apart(self):
        pair = self.load(SCENARIO)["pair"]
        self.assertEqual(pair.bytes, "64,512")
        self.assertEqual(pair.against["epoll"], (pair.side, {"rate": 0.9, "cpu": 1.0}))
        side, target = pair.against["mooring-echo"]
        self.assertEqual((side.connections, side.shards, target), (100, 1, {"p99": 0.5}))

    def test_what_is_wrong_is_named(self):
        for change, says in (
                (('"paired"', '"pared"'), "scenario pair: kind = 'pared' is none of"),
                (("connections = 100", "connection = 100"), "connection = 100 is no key"),
                (("connections = 100", 'connections = "100"'), "connections = '100' has another type"),
                (("epoll = { rate", "epol = { rate"), "there is no server epol"),
                (("p99 = 0.5", "p98 = 0.5"), "against mooring-echo: p98 = 0.5"),
                (('a = "mooring-echo"', ""), "a and against are needed"),
                (('"paired"', '"levels"\nservers = ["epoll"]\nlevels = [1, 2]'), "shards")):
            with self.subTest(says), self.assertRaisesRegex(catalogue.Wrong, says):
                self.load(SCENARIO.replace(*change))

    def test_servers_of_levels_are_those_named_and_then_those_that_speak_it(self):
        known = catalogue.Load()
        some = scenarios.Scenario(name="x", kind="levels", servers=("go-line-lazy",), speaking=("line",))
        names = scenarios.Servers(some, known)
        self.assertEqual(names[0], "go-line-lazy")
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(set(names), {name for name, entry in known.items() if "line" in entry.services})


def Rounds(rates, **more):
    return [loads.Round(rate=rate, seconds=1.0, **more) for rate in rates]


class Figures(unittest.TestCase):
    def test_quartiles(self):
        self.assertEqual(figures.Quartiles([5, 1, 3, 2, 4]), [2, 3, 4])
        self.assertEqual(figures.Quartiles([7.0]), [7.0, 7.0, 7.0])
        self.assertIsNone(figures.Quartiles([]))

    def test_the_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians(self):
        # A machine that doubles its speed in mid-run: A is always 1.1 times B.
        pairs = list(zip(Rounds([110, 110, 220, 440, 440]), Rounds([100, 100, 200, 400, 400])))
        for got in figures.Ratios(pairs, lambda r: r.rate):
            self.assertAlmostEqual(got, 1.1)
        uneven = list(zip(Rounds([100, 300, 1000]), Rounds([100, 100, 2000])))
        self.assertEqual(figures.Ratios(uneven, lambda r: r.rate)[1], 1.0)

    def test_rounds_without_the_figure_do_not_count(self):
        pairs = list(zip(Rounds([100, 0]), Rounds([0, 50])))
        self.assertEqual(figures.Ratios(pairs, lambda r: r.rate), [0.0, 0.0, 0.0])
        self.assertIsNone(figures.Ratios(pairs, lambda r: r.latency.get("p50_us")))

    def test_targets(self):
        row = {"rate": [0.9, 1.05, 1.2], "cpu": [0.8, 0.9, 1.0], "p99": None}
        self.assertTrue(figures.Reached({"rate": 1.05, "cpu": 0.9}, row))
        self.assertFalse(figures.Reached({"rate": 1.06}, row))
        self.assertFalse(figures.Reached({"rate": 1.0, "cpu": 0.89}, row))
        self.assertFalse(figures.Reached({"p99": 0.75}, row))
        self.assertIsNone(figures.Reached({}, row))

    def test_a_load_that_is_the_slower_side_is_said(self):
        self.assertTrue(figures.ClientBound(Rounds([9, 9], load_busy=0.99, server_busy=0.5)))
        self.assertFalse(figures.ClientBound(Rounds([9, 9], load_busy=0.99, server_busy=0.95)))
        self.assertFalse(figures.ClientBound(Rounds([9, 9], load_busy=0.5, server_busy=0.5)))
        spinning = {"load_busy": 1.0, "server_busy": 0.5}
        self.assertFalse(figures.ClientBound(Rounds([100, 100], **spinning), open_loop=True))
        self.assertTrue(figures.ClientBound(Rounds([100, 100], late=5, **spinning), open_loop=True))


class Gates(unittest.TestCase):
    def test_a_row_is_worth_nothing_when_a_gate_fails_whatever_its_speed(self):
        sound = {"connections": True, "errors": 0, "verified": True, "client_bound": ["a"]}
        holds = lambda **gates: paired.Holds({"gates": sound | gates, "reached": False})
        self.assertTrue(holds())
        self.assertTrue(holds(verified=None))
        self.assertFalse(holds(errors=1))
        self.assertFalse(holds(connections=False))
        self.assertFalse(holds(verified=False))

    def test_a_level_that_is_beyond_the_machine_is_a_result_only_where_that_is_looked_for(self):
        known = catalogue.Load()
        some = scenarios.Scenario(name="x", kind="levels")
        failed = levels.Failed(some, known["epoll"], 2_000_000, 64, "no ports left")
        self.assertFalse(levels.Holds(failed, some))
        self.assertTrue(levels.Holds(failed, scenarios.Scenario(name="x", kind="levels", reach=True)))
        self.assertEqual(failed["note"], "no ports left")


SLABS = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor>
TCP                 {tcp}   9999   2368   13    8 : tunables    0    0    0 : slabdata     11     11      0
io_kiocb            {ring}   9999    256   16    1 : tunables    0    0    0 : slabdata     13     13      0
proc_inode_cache    {proc}   9999    696   23    4 : tunables    0    0    0 : slabdata     13     13      0
kmalloc-96          {few}   9999     96   42    1 : tunables    0    0    0 : slabdata     13     13      0
"""


class Memory(unittest.TestCase):
    def slabs(self, **counts):
        return memory.ParseSlabs(SLABS.format(**counts))

    def test_an_object_has_its_share_of_its_page(self):
        slabs = self.slabs(tcp=143, ring=1, proc=1, few=1)
        self.assertEqual(slabs["TCP"].count, 143)
        self.assertAlmostEqual(slabs["TCP"].bytes, 8 * memory.PAGE / 13)

    def test_half_of_the_sockets_and_what_is_not_the_load_s_is_the_server_s(self):
        before = self.slabs(tcp=100, ring=50, proc=10, few=10)
        after = self.slabs(tcp=2100, ring=2050, proc=5000, few=300)  # both ends with a ring's receive
        parts = memory.KernelParts(before, after, 1000, load_part=memory.PAGE / 16)
        self.assertAlmostEqual(parts["socket"], 8 * memory.PAGE / 13)
        self.assertAlmostEqual(parts["receive"], memory.PAGE / 16)  # no files of others, no 0.3 objects

    def test_the_kernel_s_part_is_counted_when_it_has_settled(self):
        falling = [self.slabs(tcp=1_000_000 * n, ring=1, proc=1, few=1) for n in (4, 3, 2, 2, 1)]
        real, memory.Slabs = memory.Slabs, lambda: falling.pop(0)
        try:
            self.assertEqual(memory.Settled(100, 0.001)["TCP"].count, 2_000_000)
        finally:
            memory.Slabs = real
        self.assertEqual(len(falling), 1)

    def test_other_people_s_sockets_are_seen(self):
        before = self.slabs(tcp=100, ring=50, proc=10, few=10)
        after = self.slabs(tcp=2400, ring=2050, proc=10, few=10)
        self.assertIsNone(memory.KernelParts(before, after, 1000, load_part=0))

    def test_parts_of_user_memory_are_growth(self):
        before = {"connections": 1000, "frames": 0, "receive_blocks": 500, "blocks": 0, "segments": 0, "timers": 0}
        after = {**before, "connections": 14_000, "frames": 6_000, "receive_blocks": 600}
        self.assertEqual(memory.UserParts(before, after, 100, 200), {"connection": 130, "frame": 60, "buffers": 1})
        after["receive_blocks"] = 1 << 20  # published once, given back since
        self.assertEqual(memory.UserParts(before, after, 100, 200)["buffers"], 10)
        self.assertIsNone(memory.UserParts(None, after, 100, 200))

    def test_resident_memory_of_processes_adds_up(self):
        mine = memory.Resident([os.getpid()])
        self.assertGreater(mine, 1 << 20)
        self.assertGreater(memory.Resident([os.getpid(), os.getpid()]), 1.9 * mine)


class Answers(unittest.TestCase):
    """A load that says what a test wants."""
    class Target:
        name, port, place = "a server", 9, servers.Place()
        Pids = staticmethod(lambda: [])
        Check = staticmethod(lambda: None)

    def load(self, *says):
        script = tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False)
        self.addCleanup(os.unlink, script.name)
        script.write("#!/bin/sh\n" + "".join(f"echo '{line}'\nread command\n" for line in says))
        script.close()
        os.chmod(script.name, 0o755)
        cpus = tuple(os.sched_getaffinity(0))
        given = types.SimpleNamespace(load_binary=script.name)
        load = loads.Controlled(self.Target, loads.Plan(5, load_cpus=cpus), given)
        self.addCleanup(load.Stop)
        return load

    READY = '{"ready": true, "connections": 5, "seconds": 0.1, "errors": {}}'

    def test_a_round_comes_from_its_answer(self):
        load = self.load(self.READY, json.dumps({
            "command": "run 1", "rate": 100.5, "messages": 100, "answered": 110, "seconds": 1, "connections": 5,
            "late": None, "p50_us": 10, "p99_us": None, "errors": {"wrong": 2}}))
        load.WaitUntilReady()
        self.assertTrue(load.AllThere())
        self.assertTrue(load.Verified())
        got = load.Run(1, active=3, rate=7)
        self.assertEqual((got.rate, got.errors, got.latency, got.late), (100.5, 2, {"p50_us": 10}, 0))
        self.assertEqual(load.connections, 5)

    def test_connections_that_are_missing_are_seen(self):
        load = self.load(self.READY.replace("5", "4"))
        load.WaitUntilReady()
        self.assertFalse(load.AllThere())
        self.assertFalse(load.Verified())

    def test_a_wrong_byte_at_the_start_is_seen(self):
        load = self.load(self.READY.replace("{}", '{"wrong_bytes": 1}'))
        load.WaitUntilReady()
        self.assertTrue(load.AllThere())
        self.assertFalse(load.Verified())

    def test_a_load_that_ends_or_refuses_is_gone(self):
        for says, why in ((["nonsense"], "said"), ([], "ended"), (['{"error": "no such command"}'], "no such command")):
            with self.subTest(why), self.assertRaisesRegex(loads.Gone, why):
                self.load(*says).WaitUntilReady()


class Results(unittest.TestCase):
    def rows(self):
        a, b = Rounds([100.0, 120.0], cpu_us=1.0, latency={"p50_us": 5}), Rounds([50.0, 60.0], cpu_us=2.0)
        side = scenarios.Side(connections=9)
        def Of(rounds, name):
            return types.SimpleNamespace(
                rounds=rounds, side=side, name=name, skew=None, server=types.SimpleNamespace(processes=[1, 2]),
                plan=loads.Plan(9), AllThere=lambda: True, Errors=lambda: 3, Verified=lambda: True)
        some = scenarios.Scenario(name="x", kind="paired", side=side, a="a1", against={"b1": (side, {"rate": 3.0})})
        return some, [paired.Row(some, [Of(a, "a1"), Of(b, "b1")], {"rate": 3.0})]

    def test_a_file_is_json_with_a_row_a_line(self):
        some, rows = self.rows()
        with tempfile.TemporaryDirectory() as folder:
            results.Keep(folder, {"day": "today"}, some, rows)
            self.assertEqual(os.listdir(folder), ["x.json"])
            with open(folder + "/x.json") as f:
                text = f.read()
        said = json.loads(text)
        self.assertEqual((said["about"], said["scenario"]["name"], len(said["rows"])), ({"day": "today"}, "x", 1))
        row = said["rows"][0]
        self.assertEqual((row["rate"], row["reached"], row["gates"]["errors"]), ([2.0, 2.0, 2.0], False, 6))
        self.assertEqual(len([line for line in text.splitlines() if line.startswith('{"kind"')]), 1)

    def test_the_table_says_what_is_wrong_with_a_row(self):
        _, rows = self.rows()
        table = results.Markdown(rows)
        self.assertEqual(len({line.count("|") for line in table.splitlines()}), 1)
        for words in ("rate >= 3: missed", "6 ERRORS", "A: 2 processes", "2.000 (2.000 2.000)"):
            self.assertIn(words, table)


class Ports(unittest.TestCase):
    def test_none_is_given_twice(self):
        drawn = [children.FreePort()]
        with unittest.mock.patch.object(children.random, "randrange", side_effect=[*drawn, *drawn, 20001]):
            self.assertEqual(children.FreePort(), 20001)


class Machine(unittest.TestCase):
    def test_memory_that_is_not_there_is_not_asked_for(self):
        machine.Room(1 << 20)
        with self.assertRaisesRegex(children.Failure, "1000000.0 GB of memory are needed"):
            machine.Room(1e15)

    def test_facts(self):
        with tempfile.TemporaryDirectory() as peers:
            with open(peers + "/versions", "w") as f:
                f.write("go_echo go1.19.8\nlibuv_echo libuv 1.44.2\n")
            given = types.SimpleNamespace(server_cpu=0, load_cpu=1, rounds=11, seconds=2.0, go_bin=peers)
            about = machine.About(given)
        self.assertEqual(about["peers"], {"go_echo": "go1.19.8", "libuv_echo": "libuv 1.44.2"})
        self.assertRegex(about["kernel"], r"^[0-9]+\.[0-9]+")
        self.assertIn("net.ipv4.tcp_mem", about["sysctls"])
        self.assertGreater(about["memory_bytes"], 0)
        json.dumps(about)


if __name__ == "__main__":
    unittest.main(verbosity=2)
