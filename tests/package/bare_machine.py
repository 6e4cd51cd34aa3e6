#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Serves from a release on a machine that has nothing else: a root folder with the files of libc6, libgcc-s1 and
# libstdc++6, /proc, and the unpacked release. Wants echo and line answered and the drain to end with exit code 0.
#
#   unshare --mount --net --pid --fork --kill-child bare_machine.py RELEASE FOLDER      as root
#
# FOLDER is empty and stays so: the root is a tmpfs mounted on it in a mount namespace of this process, which the kernel
# takes down with it on every way out.
import os
import re
import sys

import programs


def copy(path, root):
    """One entry of a package. Its folders are folders, also where here /lib is a link to /usr/lib."""
    to = root + path
    if os.path.isdir(path):
        os.makedirs(to, exist_ok=True)
    elif not os.path.lexists(to):
        programs.run("cp", "--no-dereference", "--preserve=mode", path, to)


def main():
    release, root = sys.argv[1:]
    programs.run("mount", "-t", "tmpfs", "tmpfs", root)
    os.chmod(root, 0o755)
    for package in ["libc6", "libgcc-s1", "libstdc++6"]:
        for path in programs.run("dpkg", "-L", package).split("\n"):
            # A machine may have been told to leave documentation out.
            if path not in ("", "/.") and os.path.lexists(path):
                copy(path, root)
    os.mkdir(root + "/proc")
    programs.run("mount", "-t", "proc", "proc", root + "/proc")
    programs.run("tar", "xzf", release, "-C", root)
    programs.run("ip", "link", "set", "lo", "up")
    (folder,) = [name for name in os.listdir(root) if name.startswith("mooringd-")]

    # The example's file is taken at its word: it is what an operator starts with. As nobody, as the unit has it.
    command = ["chroot", "--userspec=65534:65534", root, "/%s/mooringd" % folder,
               "--config=/%s/examples/mooringd.toml" % folder]
    with programs.Server(["line", "echo"], command) as server:
        with open("%s/proc/%d/maps" % (root, server.process.pid), encoding="utf-8") as file:
            mapped = sorted({line.split()[-1] for line in file if ".so" in line})
        print("mapped:", *mapped)
        programs.exchange(server.ports["line"], b"hello\n", b"OK\n")
        programs.exchange(server.ports["echo"], b"hello\n", b"hello\n")
        print("transport:", re.search(r"^transport: (.*)$", server.said, re.MULTILINE).group(1))


if __name__ == "__main__":
    main()
