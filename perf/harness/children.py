# SPDX-License-Identifier: Apache-2.0
"""Child processes that cannot outlive us, and the CPU time that they take."""
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Failure(SystemExit):
    """Something that ends the run, in words for its user; where it is caught, it ends one row of it."""
    def __init__(self, words):
        super().__init__(f"{os.path.basename(sys.argv[0])}: {words}")
        self.words = str(words)

    def __str__(self):
        return self.words


def EndOnSignals():
    """SIGTERM ends us by an exception, as SIGINT does, so that the children are stopped and settings put back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def Spawn(command, cpus, stdin=subprocess.DEVNULL, **more):
    """A child pinned to these CPUs: no shell and no taskset stands between, and it dies with us even on SIGKILL."""
    def Prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, cpus)
    return subprocess.Popen(command, stdin=stdin, preexec_fn=Prepare, **more)


def Stop(process, seconds=5):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class CpuClock:
    """The CPU time of processes since it was made: of all their threads, in nanoseconds where the kernel keeps them
    (schedstat; the ticks of /proc/PID/stat are 10 ms). A thread that ends takes with it what it did in between."""
    def __init__(self, pids):
        self.pids = pids
        self.began = Threads(pids)

    def Seconds(self):
        return sum(now - self.began.get(thread, 0.0) for thread, now in Threads(self.pids).items())


def Threads(pids):
    seconds = {}
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except FileNotFoundError:
            continue
        for thread in threads:
            try:
                seconds[thread] = ThreadSeconds(f"/proc/{pid}/task/{thread}")
            except (FileNotFoundError, ProcessLookupError):
                pass
    return seconds


def ThreadSeconds(folder):
    try:
        with open(f"{folder}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9
    except FileNotFoundError:
        with open(f"{folder}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime + stime


given_ports = set()


def FreePort():
    """Below the local ports of outgoing connections (machine.PORTS): one of those might take it before its server. None
    twice: the one that was given it may not listen yet."""
    for _ in range(1000):
        port = random.randrange(2048, 10000)
        if port in given_ports:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                given_ports.add(port)
                return port
            except OSError:
                pass
    raise Failure("no free port between 2048 and 9999")
