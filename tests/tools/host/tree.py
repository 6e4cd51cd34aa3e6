# SPDX-License-Identifier: Apache-2.0
# A machine that a test makes: files under a folder, in place of /proc, /sys and /etc.
import os
import re
import shutil
import subprocess
import tempfile


class Tree:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="mooring-host.")

    def close(self):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def all(self):
        """What every file holds, by its name."""
        files = {}
        for at, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(at, name)
                if os.path.isfile(path):
                    with open(path, encoding="utf-8") as file:
                        files[os.path.relpath(path, self.root)] = file.read()
        return files


def run(*command, status=0):
    """What it says, on both streams."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != status:
        raise AssertionError("%s: exit status %d, not %d\n%s" % (command, done.returncode, status, done.stdout))
    return done.stdout


def line_of(text, pattern):
    """The one line that the pattern is in."""
    lines = [line for line in text.splitlines() if re.search(pattern, line)]
    if len(lines) != 1:
        raise AssertionError("%d lines with %s, not one:\n%s" % (len(lines), pattern, text))
    return lines[0]
