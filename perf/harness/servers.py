# SPDX-License-Identifier: Apache-2.0
"""A server that runs: started, pinned, waited for, watched and stopped, as one process or as several on one port."""
import json
import http.client
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

from harness import catalogue, children, web

DESCRIPTORS_OF_A_PROCESS = 19_000  # connections: of the 20,000 that we may open some are not connections
LISTENS_WITHIN = 30


@dataclass(frozen=True)
class Place:
    """Where and how large a server is to be."""
    cpus: tuple = (0,)
    shards: int = 1
    connections: int = 0  # at most; says how many processes it takes
    root: str = ""  # of files to serve


def Processes(entry, place):
    """How many it takes. Raises Absent when a process cannot hold the connections and there can be only one."""
    if entry.descriptors:
        wanted = max(1, -(-place.connections // DESCRIPTORS_OF_A_PROCESS))
        if wanted > 1 and not entry.processes:
            raise catalogue.Absent(f"{entry.name} is one process, which cannot hold {place.connections} connections")
        return wanted
    return place.shards if entry.processes else 1


class Server:
    def __init__(self, entry, place, options, known):
        """`known`: every server there is, for the one that stands behind. Raises Absent."""
        self.entry, self.name, self.place = entry, entry.name, place
        self.port, self.admin_port = children.FreePort(), children.FreePort()
        self.behind, self.processes = None, []
        count = Processes(entry, place)
        entry.Program(options)
        self.home = tempfile.TemporaryDirectory(prefix="mooring-peer-")
        self.said = tempfile.TemporaryFile("w+")  # shown only when it does not start
        try:
            if entry.behind:
                self.behind = Server(known[entry.behind], Place(cpus=(options.load_cpu,)), options, known)
                self.behind.WaitUntilListening()
            places = self.Places()
            if entry.configuration:
                web.Configure(entry.configuration, self.home.name, places)
            for _ in range(count):
                self.processes.append(children.Spawn(
                    entry.Command(places, options), place.cpus, env=self.Environment(places),
                    stdout=self.said, stderr=self.said))
        except BaseException:
            self.Stop()
            raise

    def Places(self):
        cpus = self.place.cpus
        return {"port": self.port, "cpu": cpus[0], "cpus": ",".join(map(str, cpus)), "cores": len(cpus),
                "shards": self.place.shards, "root": self.place.root, "home": self.home.name,
                "peers": os.path.join(catalogue.REPOSITORY, "perf/peers"),
                "behind": self.behind.port if self.behind else 0}

    def Environment(self, places):
        # The admin interface of mooringd and its relatives would otherwise all want the same port.
        admin = f"127.0.0.1:{self.admin_port}" if self.entry.admin else "off"
        always = {"GOMAXPROCS": str(places["cores"]), "PORT": str(self.port), "BEHIND": str(places["behind"]),
                  "MOORING_ADMIN_LISTEN": admin}
        return {**os.environ, **always, **self.entry.Environment(places)}

    def Pids(self):
        return [process.pid for process in self.processes]

    def Check(self):
        for process in self.processes:
            if process.poll() is not None:
                self.said.seek(0)
                said = self.said.read()[-2000:]
                raise children.Failure(f"{self.name} ended with status {process.returncode}: {said}")

    def WaitUntilListening(self):
        deadline = time.monotonic() + LISTENS_WITHIN
        while not self.Listening():
            self.Check()
            if time.monotonic() > deadline:
                raise children.Failure(f"{self.name} does not listen on port {self.port}")
            time.sleep(0.02)

    def Listening(self):
        """All of its processes do: of those that share a port the kernel gives one a connection, whichever is there."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return len(self.processes) == 1 or Listeners(self.port) >= len(self.processes)

    def Purposes(self):
        """Bytes by purpose as mooringd counts them; None of the others."""
        return self.Figure("memory_bytes")

    def Skew(self):
        """Connections of the fullest shard, against all shards' mean; None of others than mooringd."""
        by_shard = self.Figure("shard_connections_active")
        total = sum(by_shard.values()) if by_shard else 0
        return max(by_shard.values()) * len(by_shard) / total if total else None

    def Figure(self, name):
        if not self.entry.admin:
            return None
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
            connection.request("GET", "/stats")
            figures = json.loads(connection.getresponse().read())["figures"]
            connection.close()
            return figures[name]
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return None

    def Stop(self):
        for process in self.processes:
            process.kill()  # what a drain would take is not asked for, and a hundred thousand FINs neither
        for process in self.processes:
            try:
                process.wait(timeout=60)  # the kernel closes what it had open
            except subprocess.TimeoutExpired:
                pass
        self.processes = []
        if self.behind:
            self.behind.Stop()
            self.behind = None
        self.said.close()
        self.home.cleanup()


def Listeners(port):
    found = 0
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(file) as f:
            for line in f:
                fields = line.split()
                if len(fields) > 3 and fields[3] == "0A" and fields[1].endswith(f":{port:04X}"):
                    found += 1
    return found
