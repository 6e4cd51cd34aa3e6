#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/flame: what `perf script` printed becomes stacks, and those a picture.
import os
import subprocess
import sys
import unittest
import xml.etree.ElementTree

TOOL = os.path.abspath("tools/flame")

RUNS = """shard-0  201  1000.000000:     250000 cpu-clock:
\tffffffff8158c1ec tcp_sendmsg+0x8c ([kernel.kallsyms])
\t    55d0c1 mooring::net::Engine::Settle<int>(char const*)+0x2ec (/opt/mooringd/mooringd)
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)

shard 1  202 [001]  1000.001000:     250000 cpu-clock:
\t    7f0001 [unknown] (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)

shard-0  201  1000.002000:     250000 cpu-clock:
\tffffffff8158c1ec tcp_sendmsg+0x9f ([kernel.kallsyms])
\t    55d0c1 mooring::net::Engine::Settle<int>(char const*)+0x2ff (/opt/mooringd/mooringd)
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)

shard-0  201  1000.003000:     250000 cpu-clock:
\tffffffffc0000001 nft_do_chain+0x1 (/lib/modules/6.1/nf_tables.ko)
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)
"""

# 201 sleeps for 3 ms, is pushed off its CPU for 500 us, and goes to sleep once more. The others are not asked for.
WAITS = """shard-0  201  10.999000: sched:sched_switch: prev_comm=shard-0 prev_pid=201 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
\tffffffff81000001 schedule+0x1 ([kernel.kallsyms])
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)

swapper  0  11.002000: sched:sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=shard-0 next_pid=201 next_prio=120
\tffffffff81000002 cpu_idle+0x1 ([kernel.kallsyms])

shard-0  201  11.003000: sched:sched_switch: prev_comm=shard-0 prev_pid=201 prev_prio=120 prev_state=R+ ==> next_comm=cc1 next_pid=999 next_prio=120
\t    55d0c3 turn+0x1 (/opt/mooringd/mooringd)

cc1  999  11.003500: sched:sched_switch: prev_comm=cc1 prev_pid=999 prev_prio=120 prev_state=R ==> next_comm=shard-0 next_pid=201 next_prio=120
\t    55d0c4 compile+0x1 (/usr/bin/cc1)

shard-0  201  11.004000: sched:sched_switch: prev_comm=shard-0 prev_pid=201 prev_prio=120 prev_state=S ==> next_comm=cc1 next_pid=999 next_prio=120
\t    55d0c2 main+0x10 (/opt/mooringd/mooringd)
"""


def flame(text, *arguments, status=0):
    done = subprocess.run([sys.executable, TOOL, *arguments], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    assert done.returncode == status, done
    return done.stdout


def boxes(picture):
    """{what a box's title says: (left, top, width)}"""
    name = "{http://www.w3.org/2000/svg}"
    found = {}
    for group in xml.etree.ElementTree.fromstring(picture.encode()).iter(name + "g"):
        rect = group.find(name + "rect")
        found[group.find(name + "title").text] = tuple(float(rect.get(side)) for side in ["x", "y", "width"])
    return found


class Flame(unittest.TestCase):
    def test_equal_stacks_are_one_from_the_root_on(self):
        self.assertEqual(flame(RUNS, "--folded").splitlines(), [
            "shard 1;main;[libc.so.6] 1",
            "shard-0;main;mooring::net::Engine::Settle<int>(char const*);tcp_sendmsg_[k] 2",
            "shard-0;main;nft_do_chain_[k] 1",
        ])

    def test_widths_are_shares_and_callees_stand_on_their_callers(self):
        found = boxes(flame(RUNS, "--title=a < b & c"))
        everything = found["all: 4 samples, 100.00 %"]
        self.assertAlmostEqual(everything[2], 1200, delta=1)
        first = found["shard 1: 1 samples, 25.00 %"]
        second = found["shard-0: 3 samples, 75.00 %"]
        self.assertAlmostEqual(first[2], 300, delta=1)
        self.assertAlmostEqual(second[2], 900, delta=1)
        self.assertAlmostEqual(second[0], first[0] + 300, delta=1, msg="beside each other")
        self.assertLess(second[1], everything[1], "above")
        leaf = found["tcp_sendmsg_[k]: 2 samples, 50.00 %"]
        caller = found["mooring::net::Engine::Settle<int>(char const*): 2 samples, 50.00 %"]
        self.assertEqual((leaf[0], leaf[2]), (caller[0], caller[2]))
        self.assertLess(leaf[1], caller[1])
        self.assertEqual(flame(RUNS), flame(RUNS), "the same text gives the same picture")

    def test_off_cpu_counts_how_long_the_threads_asked_for_waited(self):
        self.assertEqual(flame(WAITS, "--off-cpu=201", "--folded").splitlines(), [
            "shard-0;main;schedule_[k] 3000",
            "shard-0;turn;[waits for its CPU] 500",
        ])
        self.assertIn("all: 3,500 us, 100.00 %", boxes(flame(WAITS, "--off-cpu=201")))

    def test_what_is_too_narrow_to_be_seen_is_left_out(self):
        many = RUNS + "\n" + 10000 * "shard-0  201  1000.1:  1 cpu-clock:\n\t 1 busy+0x1 (/x)\n\n"
        found = boxes(flame(many))
        self.assertFalse([title for title in found if title.startswith("shard 1:")])
        self.assertTrue([title for title in found if title.startswith("busy: 10,000 samples")])

    def test_nothing_recorded_is_an_error(self):
        for text in ["", "\n\n", "# a comment\n"]:
            self.assertEqual(flame(text, status=1), "")
        self.assertEqual(flame(RUNS, "--off-cpu=201", status=1), "", "there is no switch in it")


if __name__ == "__main__":
    unittest.main(verbosity=2)
