#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# docs/METRICS.md is what the catalogue says now; the dashboard and the alert rules use its names and labels alone; the
# rules are valid, and each fires in its case (promtool).
import json
import os
import re
import shutil
import subprocess
import sys

FAILED = []
CASES = 0


def check(name, wrong):
    global CASES
    CASES += 1
    if wrong:
        FAILED.append(name)
        print("FAILED: %s" % name)
        for line in wrong:
            print("  " + line)
    else:
        print("ok: %s" % name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def catalogue(text):
    """Labels by name, from docs/METRICS.md; a histogram has its three series."""
    labels = {}
    for name, kind, of in re.findall(r"^\*\*`(\w+)`\*\* \((\w+)(?:, by `([^)]*)`)?\):", text, re.M):
        of = set(of.split("`, `")) if of else set()
        if kind == "histogram":
            labels.update({name + "_bucket": of | {"le"}, name + "_sum": of, name + "_count": of})
        else:
            labels[name] = of
    return labels


def wrong_names(expression, known):
    wrong = []
    for name, matchers in re.findall(r"\b((?:mooring|process)_\w+)(?:\{([^}]*)\})?", expression):
        if name not in known:
            wrong.append("%s is no metric: %s" % (name, expression))
            continue
        for label in re.findall(r"(\w+)\s*=~?", matchers):
            if label not in known[name] | {"job", "instance"}:
                wrong.append("%s has no label %s: %s" % (name, label, expression))
    return wrong


def expressions(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for each in node:
            yield from expressions(each)


def promtool(*arguments):
    run = subprocess.run(["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [] if run.returncode == 0 else run.stdout.splitlines()


def main():
    document, committed, alerts, cases, dashboard = sys.argv[1:6]
    text = read(committed)
    now = subprocess.run([document], stdout=subprocess.PIPE, check=True, text=True).stdout
    check("docs/METRICS.md is up to date",
          [] if text == now else ["bazel run //server/metrics:document > docs/METRICS.md"])

    known = catalogue(now)
    check("the catalogue is read", [] if len(known) > 60 else ["only %d names" % len(known)])

    rules = read(alerts)
    used = re.findall(r"expr: >-\n\s+(.*)", rules)
    check("alert rules use the catalogue's names", [w for each in used for w in wrong_names(each, known)] or
          ([] if len(used) > 20 else ["only %d rules were found" % len(used)]))
    names = re.findall(r"- alert: (\w+)", rules)
    fired = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", read(cases)))
    check("each alert has a case in which it fires", ["%s has none" % name for name in names if name not in fired])

    used = list(expressions(json.loads(read(dashboard))))
    check("the dashboard uses the catalogue's names", [w for each in used for w in wrong_names(each, known)] or
          ([] if len(used) > 40 else ["only %d expressions were found" % len(used)]))

    if shutil.which("promtool") is None:
        print("NO promtool HERE, the rules are not tested: apt-get install prometheus")
    else:
        check("promtool check rules", promtool("check", "rules", alerts))
        shutil.copy(alerts, os.environ["TEST_TMPDIR"])  # beside the cases, which name it
        shutil.copy(cases, os.environ["TEST_TMPDIR"])
        os.chdir(os.environ["TEST_TMPDIR"])
        check("promtool test rules", promtool("test", "rules", os.path.basename(cases)))
    print("%d checked, %d failed" % (CASES, len(FAILED)))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
