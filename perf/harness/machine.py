# SPDX-License-Identifier: Apache-2.0
"""What a reader of the figures must know of the machine, and the two things that are changed on it for a run."""
import contextlib
import os
import platform
import re
import resource
import subprocess
import sys
import time

from harness import catalogue, children

SYSCTLS = ("net.core.somaxconn", "net.core.rmem_max", "net.core.wmem_max", "net.core.netdev_max_backlog",
           "net.ipv4.ip_local_port_range", "net.ipv4.tcp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
           "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_tw_buckets", "net.ipv4.tcp_tw_reuse",
           "net.ipv4.tcp_congestion_control", "fs.nr_open", "fs.file-max", "kernel.io_uring_disabled",
           "kernel.sched_autogroup_enabled", "vm.overcommit_memory")
VERSIONS = {"go": ["go", "version"], "nginx": ["nginx", "-v"], "h2o": ["h2o", "-v"], "haproxy": ["haproxy", "-v"],
            "redis-server": ["redis-server", "-v"], "wrk": ["wrk", "-v"], "clang-16": ["clang-16", "--version"],
            "gcc": ["gcc", "--version"], "bazel": ["bazel", "--version"]}
SPARE_BYTES = 1 << 30
ROOM_SECONDS = 60  # a million closed sockets were gone within these
BYTES_OF_A_CONNECTION = 10_500  # both ends in the kernel, and a little in server and load; Go's take more
PORTS = "10240 65535"  # servers listen below them (children.FreePort)


def About(options):
    return {"kernel": re.match(r"[0-9]+(\.[0-9]+)*", platform.release()).group(0), "machine": platform.machine(),
            "cpu": CpuModel(), "cpus": os.cpu_count(),
            "governor": Line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "huge_pages": Line("/sys/kernel/mm/transparent_hugepage/enabled"),
            "descriptors_of_a_process": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "sysctls": {name: value for name in SYSCTLS if (value := Sysctl(name)) is not None}, **Commit(),
            "versions": {name: version for name, command in VERSIONS.items() if (version := Version(command))},
            "peers": Peers(options.go_bin),
            "server_cpu": options.server_cpu, "load_cpu": options.load_cpu, "rounds": options.rounds,
            "seconds": options.seconds, "day": time.strftime("%Y-%m-%d", time.gmtime()),
            "load_average_before": round(os.getloadavg()[0], 2),
            "kernel_memory": "objects of /proc/slabinfo with their share of the page, less the load's (perf/README.md)"}


def Peers(folder):
    """With what perf/peers/build has built each peer."""
    try:
        with open(os.path.join(folder, "versions")) as f:
            return dict(line.strip().split(" ", 1) for line in f if " " in line)
    except OSError:
        return {}


def Line(path):
    try:
        with open(path) as f:
            return " ".join(f.read().split())
    except OSError:
        return None


def Sysctl(name):
    return Line("/proc/sys/" + name.replace(".", "/"))


def CpuModel():
    try:
        with open("/proc/cpuinfo") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), None)
    except OSError:
        return None


def Commit():
    git = lambda *words: subprocess.run(["git", *words], cwd=catalogue.REPOSITORY, capture_output=True, text=True,
                                        timeout=30, check=True).stdout.strip()
    try:
        return {"commit": git("rev-parse", "HEAD"), "clean": not git("status", "--porcelain", "--untracked-files=no",
                                                                     "--", ":!perf/results", ":!docs")}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "clean": None}


def Version(command):
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, cwd="/", stdin=subprocess.DEVNULL,
                              env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin"))
        return re.search(r"[0-9]+(\.[0-9]+)+", said.stdout + said.stderr).group(0)
    except (OSError, AttributeError, subprocess.SubprocessError):
        return None


@contextlib.contextmanager
def Widened(ports=True):
    """More descriptors for all children, as far as they may have them; more local ports, put back at the end."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    path = "/proc/sys/net/ipv4/ip_local_port_range"
    before = Line(path)
    low, high = map(int, before.split())
    wider = ports and low > int(PORTS.split()[0]) and Write(path, PORTS)
    if wider:
        program = os.path.basename(sys.argv[0])
        print(f"{program}: net.ipv4.ip_local_port_range is {PORTS} until the end; it was {before}", file=sys.stderr)
    try:
        yield
    finally:
        if wider and Line(path).split() == PORTS.split():  # somebody else's change is not undone
            Write(path, f"{low} {high}")


def Room(wanted):
    """Fails when so many bytes are not to be had without taking the machine down, nor become free: a million sockets
    take a while to go."""
    deadline = time.monotonic() + (ROOM_SECONDS if wanted + SPARE_BYTES < Memory("MemTotal") else 0)
    while Memory("MemAvailable") < wanted + SPARE_BYTES and time.monotonic() < deadline:
        time.sleep(1)
    free = Memory("MemAvailable")
    if free < wanted + SPARE_BYTES:
        raise children.Failure(f"about {wanted / 1e9:.1f} GB of memory are needed and {SPARE_BYTES / 1e9:.1f} to spare; "
                               f"{free / 1e9:.1f} are to be had")


def Memory(name):
    with open("/proc/meminfo") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith(name + ":"))


def Write(path, text):
    try:
        with open(path, "w") as f:
            f.write(text)
        return True
    except OSError:
        return False
