# SPDX-License-Identifier: Apache-2.0
# tools/release: what is in it, that the same commit gives the same bytes, and that it serves where nothing else is.
import glob
import os
import re
import shutil
import tarfile
import tempfile
import unittest

import programs

TOOL = os.path.join(programs.ROOT, "tools/release")


class ReleaseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="mooring-release.")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.release = cls.pack("first")

    @classmethod
    def pack(cls, name, umask=0o022, **environment):
        folder = os.path.join(cls.temporary.name, name)
        programs.run(TOOL, "--output", folder, umask=umask, env={**os.environ, **environment})
        (release,) = glob.glob(folder + "/mooring-*-linux-*.tar.gz")
        return release

    def folder(self, name):
        path = os.path.join(self.temporary.name, name)
        os.mkdir(path)
        return path

    def unpacked(self, name):
        folder = self.folder(name)
        programs.run("tar", "xzf", self.release, "-C", folder)
        (top,) = os.listdir(folder)
        return os.path.join(folder, top)

    def test_same_commit_gives_the_same_bytes(self):
        again = self.pack("again", umask=0o077, TZ="Pacific/Chatham", LC_ALL="C.UTF-8", GZIP="-1")
        programs.run("cmp", self.release, again)

    def test_contents(self):
        top = self.unpacked("contents")
        mooringd = os.path.join(top, "mooringd")
        version = programs.run(mooringd, "--version").split()[1]
        self.assertEqual(os.path.basename(self.release), "mooring-%s-linux-%s.tar.gz" % (version, os.uname().machine))
        self.assertEqual(os.path.basename(top), "mooringd-" + version)
        self.assertEqual(
            sorted(os.listdir(top)), ["README.md", "examples", "lib", "licences", "mooringd", "tools"])
        with open(os.path.join(top, "examples/mooringd.service"), encoding="utf-8") as file:
            self.assertEqual(set(re.findall(r"^Exec\w+=(\S*/mooringd) ", file.read(), re.MULTILINE)), {"/opt/mooringd/mooringd"})
        for tool in ["affinity", "profile", "tune-host"]:
            self.assertIn("usage: tools/" + tool, programs.run(os.path.join(top, "tools", tool), "--help"))
        self.assertEqual(programs.run(mooringd, "check", "--config", os.path.join(top, "examples/mooringd.toml"))[:3], "OK:")
        with tarfile.open(self.release) as archive:
            entries = archive.getmembers()
        self.assertEqual({(entry.uid, entry.gid) for entry in entries}, {(0, 0)})
        self.assertEqual(len({entry.mtime for entry in entries}), 1)
        self.assertEqual([entry.name for entry in entries], sorted(entry.name for entry in entries))

        # Each library is libc6's, libgcc-s1's or libstdc++6's, or came along.
        for line in programs.run("ldd", mooringd).splitlines():
            if "=>" not in line:
                continue
            name, path = line.split()[0], line.split()[2]
            if not re.match(r"lib(c|m|gcc_s|stdc\+\+)\.so", name):
                self.assertEqual(path, os.path.join(top, "lib", name))

    def test_hardened_and_stripped(self):
        mooringd = os.path.join(self.unpacked("hardened"), "mooringd")
        said = programs.run("readelf", "--wide", "-hdlS", mooringd)
        self.assertRegex(said, r"Type: *DYN")
        self.assertRegex(said, r"FLAGS_1\).*NOW.*PIE")
        self.assertIn("GNU_RELRO", said)
        self.assertRegex(said, r"GNU_STACK .* RW ")
        self.assertRegex(said, r"RPATH\).*\[\$ORIGIN/lib\]")
        self.assertNotIn(".symtab", said)
        self.assertNotIn(".debug_", said)
        self.assertIn("__stack_chk_fail", programs.run("readelf", "--wide", "--dyn-syms", mooringd))

    # Of what is linked: each library that the link names by file, and each that came along.
    def test_licences(self):
        top = self.unpacked("licences-of")
        texts = os.path.join(top, "licences")
        programs.run("cmp", os.path.join(programs.ROOT, "LICENSE"), os.path.join(texts, "mooring"))
        with open(self.built("libmooring.link"), encoding="utf-8") as file:
            names = re.findall(r"-l:(\S+)", file.read()) + os.listdir(os.path.join(top, "lib"))
        self.assertGreater(len(names), 10)
        for name in names:
            path = programs.run("clang-16", "-print-file-name=" + name).strip()
            found = [path, os.path.realpath(path)]
            owners = [owner for each in found for owner in programs.owners_of(each)]
            self.assertTrue(any(os.path.exists(os.path.join(texts, owner)) for owner in owners), "%s: %s" % (name, owners))
        for name in os.listdir(texts):
            path = os.path.join(texts, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    for text in re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", file.read()):
                        self.assertTrue(os.path.exists(os.path.join(texts, "common-licenses", text)), text)

    def built(self, name):
        bin_folder = programs.run("bazel", "info", "--config=opt", "bazel-bin", cwd=programs.ROOT).strip()
        return os.path.join(bin_folder, "tools/package", name)

    def test_refuses_with_a_reason(self):
        for arguments, reason in [(["--outptu=x"], "is not an argument"), (["--output"], "no value"),
                                  (["--output=/proc/mooring"], "cannot make /proc/mooring")]:
            self.assertIn(reason, programs.run(TOOL, *arguments, fails=True))
        self.assertIn("--output DIR", programs.run(TOOL, "--help"))

    def test_serves_beside_the_c_and_cpp_libraries_alone(self):
        unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            self.skipTest("needs root and unshare(1)")
        try:
            programs.run(*unshare, "true")
        except AssertionError as refused:
            self.skipTest("needs namespaces of its own: %s" % refused)
        bare_machine = os.path.join(programs.HERE, "bare_machine.py")
        root = self.folder("bare")
        print(programs.run(*unshare, bare_machine, self.release, root))
        self.assertEqual(os.listdir(root), [])
        os.rmdir(root)  # EBUSY if something were mounted there


if __name__ == "__main__":
    unittest.main()
