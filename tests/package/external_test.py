# SPDX-License-Identifier: Apache-2.0
# Mooring as an external repository of another Bazel workspace, without a network and without our .bazelrc.
import os
import shutil
import tempfile
import unittest

import programs

WORKSPACE = """
workspace(name = "user")
local_repository(name = "mooring", path = "%s")
load("@mooring//tools/package:repositories.bzl", "debian_bazel_repositories", "mooring_repositories")
mooring_repositories()
debian_bazel_repositories()
"""

BAZELRC = """
build --cxxopt=-std=c++20 --host_cxxopt=-std=c++20
build --dynamic_mode=off
"""

EXAMPLE = """
cc_binary(
    name = "%s",
    srcs = ["%s"],
    copts = ["-Wall", "-Wextra", "-Werror"] + %r,
    linkopts = %r,
    deps = ["@mooring"],
)
"""


# A program's own core/task.h is the one that it gets.
OWN_CORE = """
cc_binary(
    name = "own_core",
    srcs = ["core/task.h", "own_core.cc"],
    deps = ["@mooring"],
)
"""

OWN_CORE_SOURCE = """
#include "core/task.h"
#include "mooring/mooring.h"

int main() { return kOfTheProgram == 1 && sizeof(mooring::Task<>) > 0 ? 0 : 1; }
"""


class ExternalTest(unittest.TestCase):
    def test_examples_build_and_serve(self):
        with tempfile.TemporaryDirectory(prefix="mooring-external.") as temporary:
            folder = os.path.join(temporary, "user")
            write_workspace(folder)
            # Its server and its outputs, which are write-protected, go with the folder.
            bazel = ["bazel", "--output_base=" + os.path.join(temporary, "output")]
            try:
                programs.run(*bazel, "build", "//...", cwd=folder)
                for name in programs.examples():
                    with self.subTest(example=name):
                        programs.try_example(name, os.path.join(folder, "bazel-bin", name))
                programs.run(os.path.join(folder, "bazel-bin/own_core"))
            finally:
                programs.run(*bazel, "shutdown", cwd=folder)
                programs.run("chmod", "-R", "u+w", temporary)


def write_workspace(folder):
    os.makedirs(os.path.join(folder, "core"))
    build = OWN_CORE
    for name, path in programs.examples().items():
        shutil.copy(path, folder)
        flags = {which: [] for which in ["--cflags", "--libs"]}
        for package in programs.PACKAGES.get(name, []):
            for which, words in flags.items():
                words += programs.run("pkg-config", which, package).split()
        build += EXAMPLE % (name, os.path.basename(path), flags["--cflags"], flags["--libs"])
    for name, text in [
        ("WORKSPACE", WORKSPACE % programs.ROOT),
        (".bazelrc", BAZELRC),
        ("BUILD.bazel", build),
        ("core/task.h", "inline constexpr int kOfTheProgram = 1;\n"),
        ("own_core.cc", OWN_CORE_SOURCE),
    ]:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text.lstrip("\n"))


if __name__ == "__main__":
    unittest.main()
