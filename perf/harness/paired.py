# SPDX-License-Identifier: Apache-2.0
"""Two servers up at once, and rounds of the same load in turn: A B A B ...

  1. Both servers start; each load opens its connections, and they stay.
  2. The first round of each warms up and is thrown away. latency: then B's best rate is measured, which says how much
     both are to be asked for.
  3. Rounds in turn; the one without load sleeps. Each pair of neighbours gives one ratio.
  4. The row: medians of the ratios with their quartiles, what each side did, and whether it was worth anything."""
from dataclasses import replace

from harness import figures, loads, machine, scenarios, servers, web


class Side:
    """A server and its load."""
    def __init__(self, scenario, side, entry, options, known, files):
        self.name, self.side, self.scenario, self.options = entry.name, side, scenario, options
        both = tuple(dict.fromkeys((options.server_cpu, options.load_cpu)))
        shared = side.cpus == "shared"
        cpus = both if shared else (options.server_cpu,)
        load_cpus = both if shared else (options.load_cpu,)
        self.plan = PlanOf(scenario, side.connections, load_cpus)
        self.load = None
        self.rounds = []
        self.connections = None  # open at the end of the last round
        self.skew = None
        place = servers.Place(cpus=cpus, shards=side.shards, connections=side.connections,
                              root=files.path if files else "")
        self.server = servers.Server(entry, place, options, known)

    def Start(self, files):
        self.server.WaitUntilListening()
        if files:
            web.Check(self.name, self.server.port, self.plan.tool.split()[-1], files)
        if not self.plan.tool:
            self.load = loads.Controlled(self.server, self.plan, self.options)
            self.load.WaitUntilReady()

    def WarmUp(self, seconds):
        if self.plan.tool.startswith("redis-benchmark"):
            filling = replace(self.plan, tool=loads.RedisBenchmark.WARM_UP)
            return loads.RunOnce(self.server, filling, seconds, self.options)
        got = self.Round(seconds)
        self.skew = self.server.Skew() if self.load else None
        return got

    def Round(self, seconds, rate=0):
        if self.plan.tool:
            return loads.RunOnce(self.server, self.plan, seconds, self.options)
        if self.scenario.wake:
            return self.Woken()
        got = self.load.Run(seconds, active=self.side.active, rate=rate)
        self.connections = self.load.connections
        return got

    def Woken(self):
        answer = self.load.Wake()
        self.connections = answer["connections"]
        latency = {"first_us": answer["first_us"], "p50_us": answer["median_us"], "p99_us": answer["p99_us"],
                   "max_us": answer["last_us"]}
        last_s = (answer["last_us"] or 0) / 1e6
        return loads.Round(rate=answer["messages"] / last_s if last_s else 0.0, seconds=last_s,
                           cpu_us=1e6 * answer["server_cpu_seconds"] / max(1, answer["messages"]),
                           load_us=1e6 * answer["load_cpu_seconds"] / max(1, answer["messages"]), latency=latency,
                           errors=sum(answer["errors"].values()))

    def AllThere(self):
        return self.load is None or (self.load.AllThere() and self.connections == self.plan.connections)

    def Errors(self):
        opening = sum(self.load.ready["errors"].values()) if self.load else 0
        return opening + sum(r.errors for r in self.rounds)

    def Verified(self):
        """A controlled load has made a verified exchange on each; a web server's answers were looked at before."""
        return self.load.Verified() if self.load else True

    def Stop(self):
        self.server.Stop()
        if self.load:
            self.load.Stop()


def PlanOf(scenario, connections, load_cpus):
    return loads.Plan(connections=connections, bytes=scenario.bytes, depth=scenario.depth, protocol=scenario.protocol,
                      slow=scenario.slow, tool=scenario.tool, load_cpus=load_cpus,
                      load_shards=max(len(load_cpus), scenarios.LoadShards(connections)))


def Measure(scenario, a, b, options, known):
    """One row. `a`, `b`: catalogue entries. Raises catalogue.Absent and loads.Gone."""
    b_side, target = scenario.against.get(b.name, (scenario.side, {}))
    files = web.Folder() if scenario.tool.startswith("wrk ") else None
    machine.Room((scenario.side.connections + b_side.connections) * machine.BYTES_OF_A_CONNECTION)
    sides, offered, best = [], 0, None
    try:
        for entry, side in ((a, scenario.side), (b, b_side)):
            sides.append(Side(scenario, side, entry, options, known, files))
        for side in sides:
            side.Start(files)
        for side in sides:
            side.WarmUp(options.seconds)
        if scenario.kind == "latency":
            best = figures.Median(sides[1].Round(options.seconds).rate for _ in range(3))
            offered = scenario.of_best * best
        for _ in range(options.rounds):
            for side in sides:
                side.rounds.append(side.Round(options.seconds, rate=offered))
        return Row(scenario, sides, target, offered, best)
    finally:
        for side in sides:
            side.Stop()
        if files:
            files.Close()


def Row(scenario, sides, target, offered=0, best=None):
    a, b = sides
    pairs = list(zip(a.rounds, b.rounds))
    row = {"kind": scenario.kind, "scenario": scenario.name, "a": a.name, "b": b.name,
           "connections": a.side.connections,
           "rate_a": figures.Median(r.rate for r in a.rounds), "rate_b": figures.Median(r.rate for r in b.rounds),
           "rate": figures.Ratios(pairs, lambda r: r.rate),
           "cpu_us_a": figures.Median(r.cpu_us for r in a.rounds),
           "cpu_us_b": figures.Median(r.cpu_us for r in b.rounds),
           "cpu": figures.Ratios(pairs, lambda r: r.cpu_us),
           "load_us_a": figures.Median(r.load_us for r in a.rounds),
           "load_us_b": figures.Median(r.load_us for r in b.rounds),
           "both": figures.Ratios(pairs, lambda r: r.cpu_us + r.load_us),
           "p50": figures.Ratios(pairs, lambda r: r.latency.get("p50_us")),
           "p99": figures.Ratios(pairs, lambda r: r.latency.get("p99_us")),
           "latency_a": figures.MedianLatency(a.rounds), "latency_b": figures.MedianLatency(b.rounds)}
    if offered:
        row |= {"offered": offered, "best_b": best}
    row["sides"] = {letter: {**side.side.__dict__, "processes": len(side.server.processes), "skew": side.skew}
                    for letter, side in (("a", a), ("b", b))}
    gates = {"connections": all(side.AllThere() for side in sides), "errors": sum(side.Errors() for side in sides),
             "verified": Verified(scenario, sides),
             "client_bound": [letter for letter, side in (("a", a), ("b", b))
                              if not scenario.wake and figures.ClientBound(side.rounds, offered > 0)]}
    row |= {"target": target, "reached": figures.Reached(target, row), "gates": gates, "rounds": len(pairs),
            "each_round": {letter: [r.Rounded() for r in side.rounds] for letter, side in (("a", a), ("b", b))}}
    return row


def Verified(scenario, sides):
    """None: redis-benchmark does not look at what it gets."""
    return None if scenario.tool.startswith("redis-benchmark") else all(side.Verified() for side in sides)


def Holds(row):
    """Whether the gates are passed; how fast anybody was has no say in it."""
    gates = row["gates"]
    return gates["connections"] and gates["errors"] == 0 and gates["verified"] is not False
