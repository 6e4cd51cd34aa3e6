#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SECURITY.md promises only what a test holds: every test and target that it names is there.
import os
import re
import sys


def main():
    # The test is given a link to WORKSPACE, which lies at the root of the sources.
    root = os.path.dirname(os.path.realpath("WORKSPACE"))
    with open(os.path.join(root, "SECURITY.md"), encoding="utf-8") as file:
        text = file.read()
    cases = set()
    targets = set()
    for folder, folders, files in os.walk(os.path.join(root, "tests")):
        package = os.path.relpath(folder, root)
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                content = file.read() if name.endswith(".cc") or name == "BUILD.bazel" else ""
            if name.endswith(".cc"):
                cases.update("%s.%s" % pair for pair in re.findall(r"\bTEST(?:_[FP])?\((\w+),\s*(\w+)\)", content))
            if name == "BUILD.bazel":
                targets.update("%s:%s" % (package, target) for target in re.findall(r'name = "(\w+)"', content))
    named_cases = set(re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", text))
    named_targets = set(re.findall(r"`(tests/[\w/]+:\w+)`", text))
    wrong = ["no test %s" % case for case in sorted(named_cases - cases)]
    wrong += ["no target %s" % target for target in sorted(named_targets - targets)]
    for line in wrong:
        print("SECURITY.md:", line)
    print("%d tests and %d targets are named" % (len(named_cases), len(named_targets)))
    return 1 if wrong or not named_cases or not named_targets else 0


if __name__ == "__main__":
    sys.exit(main())
