#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/profile: on a mooringd that serves, where perf can record; and what it says where it can't.
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

TOOL = os.path.abspath("tools/profile")
MOORINGD = os.path.abspath("server/mooringd")


def perf_records():
    """Why perf can't; empty when it can."""
    if shutil.which("perf") is None:
        return "perf is not installed"
    done = subprocess.run(["perf", "record", "-q", "-o", "/dev/null", "-e", "cpu-clock", "--", "true"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout if done.returncode != 0 else ""


class Load(threading.Thread):
    """One message at a time, back and forth, until stopped."""

    def __init__(self, port):
        super().__init__()
        self.peer = socket.create_connection(("127.0.0.1", port))
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.peer.sendall(b"x" * 64)
            if not self.peer.recv(64):
                return
        self.peer.close()


class Profile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mooring-profile.")
        self.addCleanup(shutil.rmtree, self.folder)

    def serve(self):
        server = subprocess.Popen([MOORINGD, "--listen=echo=127.0.0.1:0", "--shards=1"], stderr=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for line in server.stderr:
            found = re.match(r"listening: echo on 127\.0\.0\.1:(\d+)", line)
            if found:
                load = Load(int(found.group(1)))
                load.start()
                self.addCleanup(load.join)
                self.addCleanup(load.ended.set)
                return server
        self.fail("mooringd has ended")

    def titles(self, picture):
        root = xml.etree.ElementTree.parse(picture).getroot()
        return " ".join(title.text for title in root.iter("{http://www.w3.org/2000/svg}title"))

    @unittest.skipIf(perf_records(), "perf cannot record here: " + perf_records())
    def test_draws_where_a_server_runs(self):
        picture = os.path.join(self.folder, "on.svg")
        said = tree.run(TOOL, str(self.serve().pid), "--seconds=1", "--output=" + picture)
        self.assertIn("where mooringd", said)
        self.assertRegex(self.titles(picture), r"mooring::core::Shard::RunTurn: [0-9,]+ samples")

    @unittest.skipIf(perf_records() or os.geteuid() != 0, "needs perf and root")
    def test_draws_where_a_server_waits(self):
        picture = os.path.join(self.folder, "off.svg")
        done = subprocess.run([TOOL, str(self.serve().pid), "--seconds=1", "--off-cpu", "--output=" + picture],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if "cannot be watched here" in done.stdout:
            self.skipTest(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(self.titles(picture), r"mooring::core::Shard::RunTurn: [0-9,]+ us")
        self.assertNotIn("python", self.titles(picture), "others are not seen")

    def test_says_why_not(self):
        self.assertIn("is not an argument", tree.run(TOOL, "1", "--second=1", status=2))
        self.assertIn("--seconds=0 is not a number", tree.run(TOOL, "1", "--seconds=0", status=2))
        self.assertIn("tools/profile PID", tree.run(TOOL, status=2))
        self.assertIn("--off-cpu", tree.run(TOOL, "--help"))
        if shutil.which("perf"):
            self.assertIn("there is no process 4194305", tree.run(TOOL, "4194305", status=1))
        # Without perf, or with one that may not.
        for name, body, says in [("none", None, "apt-get install linux-perf"),
                                 ("refused", "#!/bin/sh\necho 'Permission error' >&2; exit 255\n", "perf_event_paranoid")]:
            tools = os.path.join(self.folder, name)
            os.mkdir(tools)
            for needed in ["bash", "dirname", "realpath", "mktemp", "rm", "cat", "grep", "sleep", "env"]:
                os.symlink(shutil.which(needed), os.path.join(tools, needed))
            if body:
                with open(os.path.join(tools, "perf"), "w", encoding="utf-8") as file:
                    file.write(body)
                os.chmod(file.name, 0o755)
            done = subprocess.run([TOOL, str(os.getpid()), "--seconds=1"], env={"PATH": tools}, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False, cwd=self.folder)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(says, done.stdout)
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith(".svg")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
