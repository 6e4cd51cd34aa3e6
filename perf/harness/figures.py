# SPDX-License-Identifier: Apache-2.0
"""Medians and quartiles of rounds, and whether they reach a target."""
import statistics

AT_LEAST = ("rate",)
AT_MOST = ("cpu", "both", "p50", "p99")
LATE_MOST = 0.01  # of the messages of an open loop
CLIENT_BUSY, SERVER_BUSY = 0.95, 0.90  # of their CPUs: a busier load beside a less busy server is what was measured


def Quartiles(values):
    """[lower, median, upper]; of nothing, None."""
    values = list(values)
    if not values:
        return None
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def Ratios(pairs, of):
    """Quartiles of A/B over the pairs of neighbouring rounds; pairs without a figure on either side do not count."""
    both = [(of(a), of(b)) for a, b in pairs]
    return Quartiles(a / b for a, b in both if a is not None and b)


def Median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def MedianLatency(rounds):
    names = [name for r in rounds for name in r.latency]
    return {name: Median(r.latency.get(name) for r in rounds) for name in dict.fromkeys(names)}


def Reached(target, row):
    """None without a target; else whether each median of it is on the right side."""
    if not target:
        return None
    def Holds(name, limit):
        if row.get(name) is None:
            return False
        median = row[name][1]
        return median >= limit if name in AT_LEAST else median <= limit
    return all(Holds(name, limit) for name, limit in target.items())


def ClientBound(rounds, open_loop=False):
    """Whether the load was the slower side, so that its figures say little about the server. In an open loop it is
    never idle, lest it be late: being late is the sign."""
    if open_loop:
        return sum(r.late for r in rounds) > LATE_MOST * sum(r.rate * r.seconds for r in rounds)
    load, server = Median(r.load_busy for r in rounds), Median(r.server_busy for r in rounds)
    return load > CLIENT_BUSY and server < SERVER_BUSY
