# SPDX-License-Identifier: Apache-2.0
"""Where programs and CPUs are: the options that perf/run and its neighbours have in common."""
import os
import subprocess

from harness import catalogue, children


def AddPlaces(parser):
    for side, cpu in ("server", 0), ("load", 1):
        parser.add_argument(f"--{side}-cpu", type=int, default=cpu)
    parser.add_argument("--bazel-bin", help="default: what `bazel info --config=opt bazel-bin` says")
    parser.add_argument("--go-bin", default=os.path.expanduser("~/.cache/mooring/peers"), help="from perf/peers/build")
    parser.add_argument("--load-binary", help="default: the one in bazel-bin")


def Find(given, load="tools/load/mooring-load"):
    """What was not given: from Bazel. `load`: the load's path in bazel-bin, if there is one of ours."""
    given.bazel_bin = given.bazel_bin or BazelBin()
    if load is None:
        return
    given.load_binary = given.load_binary or os.path.join(given.bazel_bin, load)
    if not os.path.exists(given.load_binary):
        target = "//" + ":".join(os.path.split(load))
        raise children.Failure(f"no {given.load_binary}; run: bazel build --config=opt {target}")


def BazelBin():
    try:
        said = subprocess.run(["bazel", "info", "--config=opt", "bazel-bin"], cwd=catalogue.REPOSITORY,
                              capture_output=True, text=True, check=True)
        return said.stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise children.Failure(f"{error}; give --bazel-bin") from None
