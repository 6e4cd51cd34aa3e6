# SPDX-License-Identifier: Apache-2.0
"""A server alone, at one number of connections after another: what the guide's table is made of.

  1. The server starts; its resident memory and the kernel's objects are looked at.
  2. The load opens all connections, with a verified exchange on each, and tells how long it took.
  3. `messages` exchanges on every connection, as fast as it goes, a few times over.
  4. Rest. Then user memory again: what has grown belongs to the connections. Then the kernel's, when it changes no
     more, and then how much CPU time nothing takes.
  5. One message on every connection at one instant: when the first, the median and the last had its answer.
  6. One more exchange on each: they are all still there."""
import time

from harness import children, figures, loads, machine, memory, paired, servers

REST_SECONDS = 5
SETTLE_SECONDS = 1  # between listening and the first look at memory


class Calibration:
    """The load's own part of the kernel's memory, measured once."""
    def __init__(self, options):
        self.options, self.measured, self.load_part = options, False, None

    def LoadPart(self):
        if not self.measured:
            self.measured = True
            if not self.options.tiny:
                memory.AwaitTimeWait()
            connections = 100 if self.options.tiny else memory.CALIBRATION_CONNECTIONS
            self.load_part = memory.LoadPart(self.Start, connections, self.options.rest)
        return self.load_part

    def Start(self, port, connections):
        plan = loads.Plan(connections, load_cpus=(self.options.load_cpu,))
        load = loads.Controlled(PlainTarget(port, self.options), plan, self.options)
        try:
            load.WaitUntilReady()
        except BaseException:
            load.Stop()
            raise
        return load


class PlainTarget:
    """What loads.Controlled wants to know of a server, for one that is ourselves."""
    name = "the plain sockets of the calibration"

    def __init__(self, port, options):
        self.port, self.place = port, servers.Place(cpus=(options.server_cpu,))

    def Pids(self):
        return []

    def Check(self):
        pass


def Measure(scenario, entry, connections, shards, options, known, load_part):
    """One row. Raises catalogue.Absent, and loads.Gone or children.Failure when the level is beyond what there is."""
    machine.Room(connections * machine.BYTES_OF_A_CONNECTION)
    place = servers.Place(cpus=(options.server_cpu,), shards=shards, connections=connections)
    server = servers.Server(entry, place, options, known)
    load = None
    try:
        server.WaitUntilListening()
        time.sleep(min(SETTLE_SECONDS, options.rest))
        resident, slabs, purposes = memory.Resident(server.Pids()), memory.Slabs(), server.Purposes()
        load = loads.Controlled(server, paired.PlanOf(scenario, connections, (options.load_cpu,)), options)
        ready = load.WaitUntilReady()
        repeats = [load.Messages(scenario.messages) for _ in range(options.repeats or scenario.repeats)]
        quiet = time.monotonic()
        time.sleep(options.rest)
        each = lambda before, after: (after - before) / connections
        user_bytes = each(resident, memory.Resident(server.Pids()))
        user_parts = memory.UserParts(purposes, server.Purposes(), connections, user_bytes)
        slabs_at_rest = memory.Settled(connections, options.rest)
        rest_seconds = time.monotonic() - quiet
        idle = children.CpuClock(server.Pids())
        time.sleep(options.rest)
        idle_cpu = idle.Seconds() / options.rest
        skew = server.Skew()
        woken = load.Wake()
        last = load.Messages(1)
        counted = slabs and slabs_at_rest and load_part is not None
        parts = memory.KernelParts(slabs, slabs_at_rest, connections, load_part) if counted else None
        errors = (sum(ready["errors"].values()) + sum(r.errors for r in [*repeats, last])
                  + sum(woken["errors"].values()))
        processes = len(server.processes)
        return {"kind": "level", "scenario": scenario.name, "server": entry.name, "processes": processes,
                "shards": shards, "skew": skew, "connections": connections, "setup_seconds": ready["seconds"],
                "rate": figures.Median(r.rate for r in repeats), "cpu_us": figures.Median(r.cpu_us for r in repeats),
                "latency": figures.MedianLatency(repeats), "user_bytes": user_bytes, "user_parts": user_parts,
                "kernel_bytes": sum(parts.values()) if parts else None, "kernel_parts": parts,
                "wake": {name: woken[name] for name in ("first_us", "median_us", "p99_us", "last_us", "sent_us")
                         if name in woken},
                "idle_cpu": idle_cpu, "rest_seconds": rest_seconds, "repeats": [r.Rounded() for r in repeats],
                "gates": {"connections": load.AllThere() and load.connections == connections, "errors": errors,
                          "verified": load.Verified(), "client_bound": figures.ClientBound(repeats)},
                "note": Note(processes, counted, parts)}
    finally:
        server.Stop()  # first: then what waits in TIME_WAIT is on its side, and shares one port
        if load:
            load.Stop()


def Note(processes, counted, parts):
    notes = [f"{processes} processes"] if processes > 1 else []
    if not counted:
        notes.append("no kernel memory: /proc/slabinfo is not to be read")
    elif parts is None:
        notes.append("no kernel memory: other sockets came and went")
    return "; ".join(notes) or None


def Failed(scenario, entry, connections, shards, words):
    """The row of a level that was not reached: what stopped it."""
    return {"kind": "level", "scenario": scenario.name, "server": entry.name, "processes": None, "shards": shards,
            "connections": connections, "rate": None, "gates": {"connections": False, "errors": None, "verified": False,
                                                                "client_bound": False}, "note": words}


def Holds(row, scenario):
    gates = row["gates"]
    sound = gates["connections"] and gates["errors"] == 0 and gates["verified"]
    return sound or (scenario.reach and row["rate"] is None)
