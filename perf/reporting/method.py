# SPDX-License-Identifier: Apache-2.0
"""The report's section on how it was measured: what the figures mean, on which machine, and when."""
from .tables import Table

SAYS = """## How it was measured

**Speeds are ratios.** The speed of a shared or virtual machine drifts by a factor of two within minutes, so a speed
alone says more about the minute than about the server. In a *paired* row both servers are up at once, and the same load
meets them in turn, A B A B; each pair of rounds gives one ratio. *1.20x (1.10 to 1.30)*, say, is the median of these ratios
and, in brackets, their quartiles: half of all ratios lie between them. A ratio of messages a second is better above 1;
one of CPU time or latency is better below 1. Identical servers differ by up to 5 %; a difference below that is none.

**A row counts** only when all its connections were up, no answer was wrong and no error was seen; otherwise it says
*not valid*, and what was wrong. Where the load was the slower side, the rates come out equal and the CPU time tells
more; the row says so.

**Latency** of an open loop is counted from the moment at which a message was due, not from when it was sent: a server
that stops for a while is charged for everybody who waited meanwhile.

**Memory** of a connection is what the server took more with all of them there, after their exchanges and a rest, than
before, divided by their number: *user* is the resident memory of its processes, *kernel* what the kernel keeps for the
server's end of the socket and for what waits on it.
"""
RUNS = """The runs. A load average above the number of CPUs means that the machine had other work beside the
measurement, which widens the quartiles:
"""

LABELS = {"kernel": "Linux", "machine": "architecture", "cpu": "CPU", "cpus": "CPUs", "memory_bytes": "memory",
          "governor": "CPU governor", "huge_pages": "transparent huge pages",
          "descriptors_of_a_process": "descriptors a process may have", "server_cpu": "the server's CPU",
          "load_cpu": "the load's CPU", "kernel_memory": "kernel memory is counted in"}
OF_A_RUN = ("day", "commit", "clean", "rounds", "seconds", "load_average_before")
GIGABYTE = 2**30


def Section(results):
    if not results.about:
        return SAYS + "\nThere are no results yet.\n"
    facts = {}
    for about in results.about.values():
        for name, value in Facts(about):
            if value not in facts.setdefault(name, []):
                facts[name].append(value)
    machine = Table(["what", "it is"], [[name, "; ".join(values)] for name, values in facts.items()], keep=2)
    header = ["result", "day", "commit", "rounds", "seconds each", "load average before"]
    runs = [[f"`{name}`", about.get("day"), Commit(about), about.get("rounds"), about.get("seconds"),
             about.get("load_average_before")] for name, about in results.about.items()]
    return f"{SAYS}\nThe machine:\n\n{machine}\n{RUNS}\n{Table(header, runs)}"


def Facts(about):
    """(name, value) of what is true of the machine, not of a run."""
    for name, value in about.items():
        if name in OF_A_RUN or value in (None, "", {}, []):
            continue
        if name == "versions":
            yield from value.items()
        elif isinstance(value, dict):
            yield Words(name), "; ".join(f"`{key}` = {each}" for key, each in value.items())
        elif name.endswith("_bytes"):
            yield Words(name), f"{value / GIGABYTE:.1f} GB"
        else:
            yield Words(name), str(value)


def Words(name):
    return LABELS.get(name, name.replace("_", " "))


def Commit(about):
    commit = str(about.get("commit") or "")[:12]
    return commit + (", changed" if commit and about.get("clean") is False else "")
