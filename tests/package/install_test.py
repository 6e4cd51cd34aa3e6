# SPDX-License-Identifier: Apache-2.0
# tools/install: what it installs, and that programs outside the tree build with it and serve.
import os
import re
import shlex
import shutil
import tempfile
import unittest

import programs

# What a user's own folders may be called, and what the public headers must not pull in: each is an error when included.
POISON = [
    "liburing.h",
    "mimalloc.h",
    "spdlog/spdlog.h",
    "alloc/buffer_pool.h",
    "core/shard.h",
    "core/task.h",
    "net/connection.h",
    "server/server.h",
]


def install(*arguments, **environment):
    programs.run(os.path.join(programs.ROOT, "tools/install"), *arguments, env={**os.environ, **environment})


def files_under(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="mooring-install.")
        cls.addClassCleanup(cls.temporary.cleanup)
        folder = cls.temporary.name
        first = os.path.join(folder, "first")
        install("--prefix", first)
        # Installed files find each other wherever they are: all tests but one use them from another place.
        cls.prefix = os.path.join(folder, "moved")
        os.rename(first, cls.prefix)
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": os.path.join(cls.prefix, "lib/pkgconfig")}

        cls.poison = os.path.join(folder, "poison")
        for name in POISON:
            os.makedirs(os.path.dirname(os.path.join(cls.poison, name)), exist_ok=True)
            with open(os.path.join(cls.poison, name), "w", encoding="utf-8") as file:
                file.write('#error "%s was included"\n' % name)

    def folder(self, name):
        path = os.path.join(self.temporary.name, name)
        os.mkdir(path)
        return path

    def pkg_config(self, *arguments):
        return programs.run("pkg-config", *arguments, env=self.environment).strip()

    def test_installs_what_it_says_and_nothing_else(self):
        files = [name for name in files_under(self.prefix) if not name.startswith("include/")]
        self.assertEqual(
            files,
            [
                "bin/mooringd",
                "lib/cmake/Mooring/MooringConfig.cmake",
                "lib/cmake/Mooring/MooringConfigVersion.cmake",
                "lib/libmooring.a",
                "lib/pkgconfig/mooring.pc",
                "share/doc/mooring/LICENSE",
                "share/mooring/deploy/mooringd.env",
                "share/mooring/deploy/mooringd.logrotate",
                "share/mooring/deploy/mooringd.service",
                "share/mooring/deploy/mooringd.socket",
                "share/mooring/deploy/mooringd.toml",
                "share/mooring/deploy/pod.yaml",
                "share/mooring/deploy/seccomp.json",
                "share/mooring/monitoring/alerts.yml",
                "share/mooring/monitoring/grafana.json",
                "share/mooring/tools/affinity",
                "share/mooring/tools/flame",
                "share/mooring/tools/profile",
                "share/mooring/tools/sysctls",
                "share/mooring/tools/tune-host",
            ],
        )
        self.assertEqual(os.listdir(os.path.join(self.prefix, "include")), ["mooring"])
        self.assertIn("include/mooring/mooring.h", files_under(self.prefix))

    def test_destdir_and_a_second_install(self):
        stage = self.folder("stage")
        there = os.path.join(stage, "opt/mooring-of-a-test")
        stale = os.path.join(there, "include/mooring/core/of_an_older_version.h")
        os.makedirs(os.path.dirname(stale))
        with open(stale, "w", encoding="utf-8"):
            pass
        neighbour = os.path.join(there, "include/neighbour.h")
        with open(neighbour, "w", encoding="utf-8"):
            pass
        install("--prefix=/opt/mooring-of-a-test", DESTDIR=stage)
        install("--prefix=/opt/mooring-of-a-test", DESTDIR=stage)
        self.assertFalse(os.path.exists("/opt/mooring-of-a-test"))
        self.assertEqual(os.listdir(stage), ["opt"])
        self.assertTrue(os.path.exists(neighbour))
        os.remove(neighbour)
        programs.run("diff", "-r", "--exclude=mooringd.service", there, self.prefix)
        with open(os.path.join(there, "share/mooring/deploy/mooringd.service"), encoding="utf-8") as file:
            self.assertEqual(set(re.findall(r"^Exec\w+=(\S*/mooringd) ", file.read(), re.MULTILINE)), {"/opt/mooring-of-a-test/bin/mooringd"})

    def test_refuses_with_a_reason(self):
        tool = os.path.join(programs.ROOT, "tools/install")
        for arguments, reason in [
            (["--prefix", "relative"], "not an absolute path"),
            (["--prefix"], "no value"),
            (["--prefx=/opt"], "'--prefx=/opt' is not an argument"),
            (["--prefix=/proc/mooring"], "cannot make /proc/mooring"),
        ]:
            self.assertIn(reason, programs.run(tool, *arguments, fails=True))
        self.assertIn("--prefix DIR", programs.run(tool, "--help"))

    def test_one_version_everywhere(self):
        with open(os.path.join(programs.ROOT, "server/version.h"), encoding="utf-8") as file:
            version = re.search(r'kVersion\[\] = "(.*)"', file.read()).group(1)
        self.assertEqual(self.pkg_config("--modversion", "mooring"), version)
        mooringd = os.path.join(self.prefix, "bin/mooringd")
        self.assertEqual(programs.run(mooringd, "--version").strip(), "mooringd " + version)

    def test_public_headers_name_no_library_that_is_ours_to_hide(self):
        headers = [name for name in files_under(self.prefix) if name.startswith("include/")]
        self.assertGreater(len(headers), 10)
        included = set()
        for name in headers:
            with open(os.path.join(self.prefix, name), encoding="utf-8") as file:
                text = file.read()
            for library in ["liburing", "mimalloc", "spdlog"]:
                self.assertNotRegex(text, r'#\s*include\s*[<"]%s' % library, name)
            included.update("include/" + path for path in re.findall(r'#include "(mooring/[^"]*)"', text))
            self.assertNotRegex(text, r'#include "(alloc|core|net|server)/', name)
        # Whatever is included is there, and whatever is there is included, but for the one that a program names.
        self.assertEqual(sorted(included | {"include/mooring/mooring.h"}), headers)

    def test_installed_mooringd_serves(self):
        mooringd = os.path.join(self.prefix, "bin/mooringd")
        with programs.Server(["line"], [mooringd, "--shards=1", "--listen=line=127.0.0.1:0"]) as server:
            programs.exchange(server.ports["line"], b"hello\n", b"OK\n")

    # Out of the tree, with folders like ours beside it, and with all warnings.
    def build_with_pkg_config(self, compiler, *options, names=None):
        if programs.missing(compiler, "pkg-config"):
            self.skipTest("%s is not installed" % programs.missing(compiler, "pkg-config"))
        folder = self.folder("pkg-config" + "".join(options) + compiler)
        for name, path in programs.examples().items():
            if names is not None and name not in names:
                continue
            with self.subTest(example=name):
                source = shutil.copy(path, folder)
                binary = os.path.join(folder, name)
                packages = ["mooring"] + programs.PACKAGES.get(name, [])
                flags = shlex.split(self.pkg_config("--cflags", "--libs", *packages))
                programs.run(compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", *options, "-I" + self.poison, source,
                             "-o", binary, *flags)
                programs.try_example(name, binary)

    def test_pkg_config_and_clang(self):
        self.build_with_pkg_config("clang++-16")

    def test_pkg_config_and_gcc(self):
        self.build_with_pkg_config("g++-12", "-O2")

    # A program may be built with them though the archive is not, and has mimalloc.
    def test_pkg_config_and_sanitizers(self):
        for compiler in ["clang++-16", "g++-12"]:
            self.build_with_pkg_config(compiler, "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                                       names=["line"])

    def test_cmake(self):
        if programs.missing("cmake"):
            self.skipTest("cmake is not installed")
        folder = self.folder("cmake")
        lines = [
            "cmake_minimum_required(VERSION 3.16)",
            "project(user CXX)",
            "find_package(Mooring REQUIRED)",
            "find_package(PkgConfig REQUIRED)",
        ]
        for name, path in programs.examples().items():
            shutil.copy(path, folder)
            lines.append("add_executable(%s %s.cc)" % (name, name))
            lines.append("target_link_libraries(%s Mooring::mooring)" % name)
            for package in programs.PACKAGES.get(name, []):
                lines.append("pkg_check_modules(%s REQUIRED IMPORTED_TARGET %s)" % (package, package))
                lines.append("target_link_libraries(%s PkgConfig::%s)" % (name, package))
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        build = os.path.join(folder, "build")
        programs.run("cmake", "-S", folder, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.prefix)
        programs.run("cmake", "--build", build, "--parallel", "2")
        for name in programs.examples():
            with self.subTest(example=name):
                programs.try_example(name, os.path.join(build, name))

    def test_cmake_versions(self):
        if programs.missing("cmake"):
            self.skipTest("cmake is not installed")
        major, minor, patch = self.pkg_config("--modversion", "mooring").split(".")
        for wanted, found in [
            ("%s.%s" % (major, minor), True),
            ("%s.%s.%s EXACT" % (major, minor, patch), True),
            ("%s.%d" % (major, int(minor) + 1), False),
            ("%s.%s.%d" % (major, minor, int(patch) + 1), False),
            ("%d.0" % (int(major) + 1), False),
        ]:
            folder = self.folder("version-" + wanted.replace(" ", "-"))
            with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write("cmake_minimum_required(VERSION 3.16)\nproject(user CXX)\n"
                           "find_package(Mooring %s REQUIRED)\n" % wanted)
            programs.run("cmake", "-S", folder, "-B", folder + "/build", "-DCMAKE_PREFIX_PATH=" + self.prefix,
                         fails=not found)


if __name__ == "__main__":
    unittest.main()
