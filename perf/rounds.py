# SPDX-License-Identifier: Apache-2.0
"""Rounds of a load against a server: what perf/paired and its neighbours are made of. Servers and loads are processes,
pinned to a CPU each; a round gives a rate and what it took in CPU time."""
import csv
import ctypes
import json
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

import web
from harness import catalogue

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SERVERS = catalogue.Load()

DEBIAN = {"redis-benchmark": "redis-tools", "wrk": "wrk"}
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
Round = namedtuple("Round", "rate cpu_us load_us p99_us errors")
CpuSample = namedtuple("CpuSample", "time server load")  # seconds


def Failure(words):
    return SystemExit(f"{os.path.basename(sys.argv[0])}: {words}")


def Spawn(command, cpu, stdin=subprocess.DEVNULL, **more):
    """A child pinned to one CPU: no shell and no taskset stands between, and it dies with us even on SIGKILL."""
    def Prepare():
        os.sched_setaffinity(0, {cpu})
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return subprocess.Popen(command, stdin=stdin, preexec_fn=Prepare, **more)


class Server:
    def __init__(self, name, options, cpu=None, behind=None, root=""):
        self.name = name
        self.port = FreePort()
        self.home = tempfile.TemporaryDirectory(prefix="mooring-peer-")
        self.said = tempfile.TemporaryFile("w+")  # shown only when it does not start
        cpu = options.server_cpu if cpu is None else cpu
        behind = behind.port if behind else 0
        places = {"port": self.port, "cpu": cpu, "cpus": cpu, "cores": 1, "shards": 1, "behind": behind, "root": root, "home": self.home.name,
                  "peers": os.path.join(REPOSITORY, "perf/peers")}
        if name in SERVERS and SERVERS[name].configuration:
            web.Configure(SERVERS[name].configuration, self.home.name, places)
        self.process = Spawn(ServerCommand(name, places, options), cpu,
                             # Of two servers that are up at once only one could have the admin interface's port.
                             env=dict(os.environ, GOMAXPROCS="1", PORT=str(self.port), BEHIND=str(behind),
                                      MOORING_ADMIN_LISTEN="off"),
                             stdout=subprocess.DEVNULL, stderr=self.said)

    def WaitUntilListening(self):
        deadline = time.monotonic() + 20
        while True:
            if self.process.poll() is not None:
                self.said.seek(0)
                raise Failure(f"{self.name} ended with status {self.process.returncode}: {self.said.read()}")
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.name} does not listen on port {self.port}")
                time.sleep(0.02)

    def Stop(self):
        StopChild(self.process)
        self.home.cleanup()


def CpuSeconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime + stime


def StopChild(process):
    process.terminate()  # does nothing if it has ended
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def FreePort():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def Debian(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Failure(f"there is no {program}; Debian has it: apt-get install {DEBIAN[program]}")
    return path


def ServerCommand(name, places, options):
    try:
        return catalogue.Find(SERVERS, name).Command(places, options)
    except (catalogue.Wrong, catalogue.Absent) as error:
        raise Failure(error) from None


class MooringLoad:
    counts_all = False  # its messages, those of the warm-up too

    def __init__(self, load, port, options):
        self.seconds = options.seconds
        self.command = [options.load_binary, f"--target=127.0.0.1:{port}", *shlex.split(load),
                        f"--seconds={options.seconds:g}", f"--cpus={options.load_cpu}", "--json"]

    def Result(self, said):
        result = json.loads(said)
        return result["rate"], result.get("p99_us") or 0.0, sum(result["errors"].values()), self.seconds


class RedisBenchmark:
    """One test a round. It ends at the first error of a connection, and counts no others."""
    counts_all = False

    def __init__(self, load, port, options):
        arguments = shlex.split(load)[1:]
        self.requests = int(arguments[arguments.index("-n") + 1])
        self.command = ["redis-benchmark", "-p", str(port), *arguments, "--csv"]

    def Result(self, said):
        result = list(csv.DictReader(said.splitlines()))[-1]
        rate = float(result["rps"])
        return rate, 1000 * float(result["p99_latency_ms"]), 0, self.requests / rate


LOADS = {"redis-benchmark": RedisBenchmark, "wrk": web.Wrk}


def RunLoad(server, text, options):
    """One round."""
    program = text.split()[0]
    if program in LOADS:
        Debian(program)
    load = LOADS.get(program, MooringLoad)(text, server.port, options)
    loads_before, samples = ChildrenCpuSeconds(), [Sample(server, None)]
    process = Spawn(load.command, options.load_cpu, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + options.seconds + 60
        while process.poll() is None:
            samples.append(Sample(server, process))
            if samples[-1].time > deadline:
                raise Failure(f"the load against {server.name} did not end in time")
            time.sleep(0.02)
        rate, p99_us, errors, seconds = load.Result(process.stdout.read())
    except (ValueError, LookupError):
        raise Failure(f"the load printed no result: {shlex.join(load.command)}")
    finally:
        StopChild(process)
    if load.counts_all:
        window = [samples[0], Sample(server, None)._replace(load=ChildrenCpuSeconds() - loads_before)]
        messages = rate * seconds
    else:  # the middle, so that connecting and closing do not count
        end = samples[-1].time
        window = [s for s in samples[1:] if end - 0.8 * seconds <= s.time <= end - 0.2 * seconds]
        messages = rate * (window[-1].time - window[0].time)
    each_us = lambda before, after: 1e6 * (after - before) / messages if messages else 0.0
    return Round(rate, each_us(window[0].server, window[-1].server), each_us(window[0].load, window[-1].load), p99_us,
                 errors)


def Sample(server, load):
    return CpuSample(time.monotonic(), CpuSeconds(server.process.pid), CpuSeconds(load.pid) if load else 0.0)


def ChildrenCpuSeconds():
    """Of those that have ended: loads, while the servers are up."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def Rounded(r):
    return {field: round(value, 3) for field, value in r._asdict().items()}


def Quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def About(options):
    """What a reader of the figures must know, and nothing that is only true of this machine."""
    def Version(program, flag):
        try:
            said = subprocess.run([program, flag], capture_output=True, text=True, timeout=10,
                                  env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin"))
            return re.search(r"[0-9]+(\.[0-9]+)+", said.stdout + said.stderr).group(0)
        except (OSError, AttributeError):
            return None
    versions = {"nginx": Version("nginx", "-v"), "wrk": Version("wrk", "-v"), "redis-server": Version("redis-server", "-v"),
                "haproxy": Version("haproxy", "-v")}
    return {"kernel": re.match(r"[0-9]+\.[0-9]+", platform.release()).group(0), "machine": platform.machine(),
            "cpus": os.cpu_count(), "rounds": options.rounds, "seconds": options.seconds,
            "day": time.strftime("%Y-%m-%d", time.gmtime()), "load_average_before": round(os.getloadavg()[0], 2),
            "versions": {name: version for name, version in versions.items() if version}}


def Json(about, measured):
    """One row a line, so that a difference between two results can be read."""
    digits = lambda v: round(v, 4) if isinstance(v, float) else [digits(x) for x in v] if isinstance(v, list) else v
    rows = ",\n".join(json.dumps({name: digits(value) for name, value in m.items()}) for m in measured)
    return f'{{"about": {json.dumps(about)},\n"rows": [\n{rows}\n]}}\n'


def BazelBin():
    try:
        command = ["bazel", "info", "--config=opt", "bazel-bin"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{error}; give --bazel-bin") from None
