#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# No workload takes 1 % more of the product's instructions than its bar (bars.json); what does is named by its parts.
import sys

import counting

PROGRAM = "tests/instructions/workload"


def main():
    if sys.argv[1:] != ["optimized"]:
        print("SKIPPED: the bars are those of the optimised build, and this is another")
        return 0
    if counting.missing():
        print("not here: %s (tests/packages)" % ", ".join(counting.missing()))
        return 1
    bars, by = counting.read_bars(), counting.compiler(PROGRAM)
    if by != bars["compiler"]:
        print("SKIPPED: the bars are those of %s, and this was built by %s" % (bars["compiler"], by))
        return 0
    too_many, to_lower = counting.compare(counting.count_all(PROGRAM), bars)
    for line in too_many + to_lower:
        print(line)
    if to_lower:
        print("The bar is to be lowered: perf/count_instructions --write-bars")
    if too_many:
        print("If the change is worth it, its commit says so and brings new bars: perf/count_instructions --write-bars")
    return 1 if too_many else 0


if __name__ == "__main__":
    sys.exit(main())
