# SPDX-License-Identifier: Apache-2.0
"""Loads: mooring-load that is told what to do and keeps its connections in between; commands that are a round each."""
import csv
import json
import os
import resource
import select
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from harness import catalogue, children, web

GRACE_SECONDS = 60  # beyond what a command takes by itself
OPENS_A_SECOND = 2_000  # at least, else it has failed


@dataclass(frozen=True)
class Plan:
    """What a load is to be."""
    connections: int
    bytes: str = "64"
    depth: int = 1
    protocol: str = "echo"
    slow: int = 0
    tool: str = ""
    load_cpus: tuple = (1,)
    load_shards: int = 1


@dataclass
class Round:
    """What one round of a load against a server came to. CPU times are of a message."""
    rate: float = 0.0
    seconds: float = 0.0
    cpu_us: float = 0.0
    load_us: float = 0.0
    server_busy: float = 0.0  # of all the CPUs it has
    load_busy: float = 0.0
    latency: dict = field(default_factory=dict)
    errors: int = 0
    late: int = 0  # open loop: sent late because the load was behind
    unsent: int = 0  # open loop: not sent at all, because the server was

    def Rounded(self):
        short = lambda value: round(value, 4) if isinstance(value, float) else value
        return {name: short(value) for name, value in self.__dict__.items() if value != {}}


class Gone(Exception):
    """A load that ended or said nothing in time; its text says which."""


class Controlled:
    """mooring-load --controlled: opens its connections, with an exchange on each whose bytes are checked, and then does
    as it is told, line by line. In a round only the number of bytes is checked: looking at each would make the load the
    slower side where messages are large."""
    def __init__(self, server, plan, options):
        self.server, self.plan = server, plan
        self.cpus = plan.load_cpus
        self.command = [options.load_binary, f"--target=127.0.0.1:{server.port}", f"--protocol={plan.protocol}",
                        f"--connections={plan.connections}", f"--bytes={plan.bytes}", f"--depth={plan.depth}",
                        f"--cpus={','.join(map(str, plan.load_cpus))}", f"--shards={plan.load_shards}",
                        "--controlled", "--json"]
        if plan.slow:
            self.command.append(f"--slow={plan.slow}")
        self.ready, self.rest = None, b""
        self.connections = 0  # that were there at the end of the last command
        self.said = tempfile.TemporaryFile("w+")
        self.process = children.Spawn(self.command, plan.load_cpus, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=self.said)

    def WaitUntilReady(self):
        self.ready = self.Answer(GRACE_SECONDS + self.plan.connections / OPENS_A_SECOND)
        return self.ready

    def AllThere(self):
        return bool(self.ready and self.ready.get("ready") and self.ready["connections"] == self.plan.connections)

    def Verified(self):
        """Each connection had its exchange, and every byte of it was right."""
        return self.AllThere() and not any(self.ready["errors"].values())

    def Tell(self, words, seconds):
        """One command: what it says to it, with the CPU time that server and load took meanwhile."""
        server, load = children.CpuClock(self.server.Pids()), children.CpuClock([self.process.pid])
        began = time.monotonic()
        try:
            self.process.stdin.write((words + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # Answer() says how it ended
        answer = self.Answer(seconds + GRACE_SECONDS)
        self.connections = answer.get("connections")
        answer["server_cpu_seconds"], answer["load_cpu_seconds"] = server.Seconds(), load.Seconds()
        answer["window_seconds"] = time.monotonic() - began
        return answer

    def Run(self, seconds, active=0, rate=0):
        words = f"run {seconds:g}" + (f" active={active}" if active else "") + (f" rate={rate:.0f}" if rate else "")
        return self.RoundOf(self.Tell(words, seconds))

    def Messages(self, each):
        return self.RoundOf(self.Tell(f"messages {each}", 30 + self.plan.connections * each / 1_000))

    def Wake(self):
        return self.Tell("wake", 30 + self.plan.connections / 1_000)

    def RoundOf(self, answer):
        messages, window = answer.get("answered") or answer["messages"] or 1, answer["window_seconds"] or 1e-9
        each_us = lambda seconds: 1e6 * seconds / messages
        return Round(rate=answer["rate"] or 0.0, seconds=answer["seconds"] or 0.0,
                     cpu_us=each_us(answer["server_cpu_seconds"]),
                     load_us=each_us(answer["load_cpu_seconds"]),
                     server_busy=answer["server_cpu_seconds"] / window / len(self.server.place.cpus),
                     load_busy=answer["load_cpu_seconds"] / window / len(self.cpus), latency=Latency(answer),
                     errors=sum(answer["errors"].values()), late=answer.get("late") or 0,
                     unsent=answer.get("unsent") or 0)

    def Answer(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            wait = deadline - time.monotonic()
            if wait <= 0:
                raise Gone(f"the load against {self.server.name} said nothing for {seconds:.0f} s")
            if not select.select([self.process.stdout], [], [], min(wait, 1.0))[0]:
                self.server.Check()
                continue
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                self.said.seek(0)
                raise Gone(f"the load against {self.server.name} ended: {self.said.read()[-1000:]}")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            raise Gone(f"the load against {self.server.name} said {line[:200]!r}") from None
        if not isinstance(answer, dict) or "errors" not in answer:
            raise Gone(f"the load against {self.server.name} said {line[:300]!r}")
        return answer

    def Stop(self):
        """Its connections go at once; asked politely it would close them one by one."""
        self.process.kill()
        children.Stop(self.process, 60)
        self.said.close()


def Latency(answer):
    return {name: answer[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us")
            if answer.get(name) is not None}


class Churn:
    """mooring-load --churn: connect, one exchange, close."""
    counts_all = False

    def __init__(self, server, plan, seconds, options):
        self.seconds = seconds
        self.command = [options.load_binary, f"--target=127.0.0.1:{server.port}", f"--protocol={plan.protocol}",
                        f"--connections={plan.connections}", f"--bytes={plan.bytes}", f"--depth={plan.depth}",
                        "--churn", "--verify", f"--seconds={seconds:g}", "--warmup=0.2", "--json",
                        f"--cpus={','.join(map(str, plan.load_cpus))}"]

    def Result(self, said):
        result = json.loads(said)
        return result["rate"], Latency(result), sum(result["errors"].values()), self.seconds


class RedisBenchmark:
    """One test a round. It ends at the first error of a connection, and counts no others."""
    counts_all = False
    WARM_UP = "redis-benchmark -c 50 -r 100000 -t set -P 16 -n 1000000"  # fills the store before it is asked

    def __init__(self, server, plan, seconds, options):
        arguments = shlex.split(plan.tool)[1:]
        self.requests = int(arguments[arguments.index("-n") + 1])
        self.command = ["redis-benchmark", "-p", str(server.port), *arguments, "--csv"]

    def Result(self, said):
        result = list(csv.DictReader(said.splitlines()))[-1]
        rate = float(result["rps"])
        return rate, {"p99_us": 1000 * float(result["p99_latency_ms"])}, 0, self.requests / rate


TOOLS = {"churn": Churn, "redis-benchmark": RedisBenchmark, "wrk": web.Wrk}
PACKAGES = {"redis-benchmark": "redis-tools", "wrk": "wrk"}


def RunOnce(server, plan, seconds, options):
    """A round that is a process of its own."""
    program = plan.tool.split()[0]
    load = TOOLS[program](server, plan, seconds, options)
    ended_before, server_clock = EndedChildrenSeconds(), children.CpuClock(server.Pids())
    samples = []
    with tempfile.TemporaryFile("w+") as said:
        process = children.Spawn(load.command, plan.load_cpus, stdout=said)
        began = time.monotonic()
        try:
            load_clock = children.CpuClock([process.pid])
            while process.poll() is None:
                samples.append((time.monotonic(), server_clock.Seconds(), load_clock.Seconds()))
                if samples[-1][0] > began + seconds + GRACE_SECONDS:
                    raise Gone(f"the load against {server.name} did not end in time")
                time.sleep(0.02)
        finally:
            children.Stop(process)
        said.seek(0)
        try:
            rate, latency, errors, took = load.Result(said.read())
        except (ValueError, LookupError):
            raise Gone(f"the load printed no result: {shlex.join(load.command)}") from None
    if load.counts_all:
        window = took
        server_seconds, load_seconds = server_clock.Seconds(), EndedChildrenSeconds() - ended_before
    else:  # the middle, so that connecting and closing do not count
        end = samples[-1][0]
        middle = [s for s in samples if end - 0.8 * took <= s[0] <= end - 0.2 * took]
        window = middle[-1][0] - middle[0][0] if middle else 0.0
        server_seconds = middle[-1][1] - middle[0][1] if middle else 0.0
        load_seconds = middle[-1][2] - middle[0][2] if middle else 0.0
    messages = rate * window
    each_us = lambda spent: 1e6 * spent / messages if messages else 0.0
    busy = lambda spent: spent / window if window else 0.0
    return Round(rate=rate, seconds=took, cpu_us=each_us(server_seconds), load_us=each_us(load_seconds),
                 server_busy=busy(server_seconds) / len(server.place.cpus),
                 load_busy=busy(load_seconds) / len(plan.load_cpus), latency=latency, errors=errors)


def EndedChildrenSeconds():
    """Of those that have ended: loads, while the servers are up."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def Tool(program):
    """Raises Absent."""
    if program in PACKAGES:
        catalogue.Installed(program, PACKAGES[program])
