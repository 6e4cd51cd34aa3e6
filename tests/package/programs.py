# SPDX-License-Identifier: Apache-2.0
# Programs made with the library: which there are, what is said to each, and how one is run.
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATIENCE_S = 60

# By the name of the example: a request, and how the answer to it begins.
SAID = {
    "line": (b"hello\n", b"OK\n"),
    "echo": (b"hello\n", b"hello\n"),
    "chat": (b"ada\n/join lobby\nhello\n", b"* you are in lobby\nada: hello\n"),
    "hello_http": (b"GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    "events": (b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    "kv": (b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n", b"+OK\r\n$5\r\nhello\r\n"),
    "proxy": (b"hello\n", b"OK\n"),  # of the line example behind it
    # Nobody measures there: the example answers for itself.
    "api": (b"GET /weather/oslo HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n"),
    "notes": (b"hello\n", b"ERR "),  # nobody is at home there; with a database: tests/examples
}
FLAGS = {"api": ["--station=127.0.0.1:1"], "notes": ["--database=host=/nonexistent"]}

# What pkg-config knows of and an example needs beside the library.
PACKAGES = {"notes": ["libpq"]}


def examples():
    """docs/examples/*.cc, as {name: path}."""
    found = sorted(glob.glob(os.path.join(ROOT, "docs/examples/*.cc")))
    return {os.path.basename(path)[:-3]: path for path in found}


def run(*command, fails=False, **options):
    """Runs a command, gives its standard output; AssertionError with all it said if it fails (or, `fails`, does not)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if (done.returncode != 0) != fails:
        raise AssertionError("%s: exit code %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stderr if fails else done.stdout


def exchange(port, request, answer):
    """Sends the request to 127.0.0.1:port and wants an answer that begins so."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as peer:
        peer.sendall(request)
        got = b""
        while len(got) < len(answer):
            more = peer.recv(65536)
            if not more:
                raise AssertionError("%r was answered by %r and an end, not by %r" % (request, got, answer))
            got += more
        if not got.startswith(answer):
            raise AssertionError("%r was answered by %r, not by %r" % (request, got, answer))


class Server:
    """A program that serves `names`. Leaving the `with` block drains it by SIGTERM and wants exit code 0."""

    def __init__(self, names, command):
        self.names = set(names)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said = ""
        self.ports = {}  # by the name of the listener
        self._serves = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.said += line
            listening = re.match(r"listening: (\S+) on 127\.0\.0\.1:(\d+)", line)
            if listening:
                self.ports[listening.group(1)] = int(listening.group(2))
                if self.names <= self.ports.keys():
                    self._serves.set()
        self._serves.set()

    def __enter__(self):
        if not self._serves.wait(PATIENCE_S) or not self.names <= self.ports.keys():
            self._end(signal.SIGKILL)
            raise AssertionError("%s does not serve:\n%s" % (self.process.args, self.said))
        return self

    def __exit__(self, kind, error, trace):
        code = self._end(signal.SIGKILL if kind else signal.SIGTERM)
        if kind is None and code != 0:
            raise AssertionError("%s: exit code %d after SIGTERM:\n%s" % (self.process.args, code, self.said))
        return False

    def _end(self, how):
        self.process.send_signal(how)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("%s does not end after SIGTERM:\n%s" % (self.process.args, self.said)) from None
        self._reader.join()
        self.process.stderr.close()
        return code


def try_example(name, binary):
    """Serves with it, says what SAID has for it, and drains it."""
    if name not in SAID:
        raise AssertionError("tests/package/programs.py: SAID has nothing for docs/examples/%s.cc" % name)
    with contextlib.ExitStack() as servers:
        flags = FLAGS.get(name, [])
        if name == "proxy":
            line = os.path.join(os.path.dirname(binary), "line")
            target = servers.enter_context(Server(["line"], [line, "--shards=1", "--listen=line=127.0.0.1:0"]))
            flags = ["--to=127.0.0.1:%d" % target.ports["line"]]
        command = [binary, "--shards=1", "--listen=%s=127.0.0.1:0" % name]
        server = servers.enter_context(Server([name], command + flags))
        exchange(server.ports[name], *SAID[name])


def missing(*commands):
    """The first of these commands that is not installed, or None."""
    return next((command for command in commands if shutil.which(command) is None), None)


def owners_of(path):
    """The Debian packages that have this file."""
    said = subprocess.run(["dpkg", "-S", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return [line.split(":")[0] for line in said.stdout.splitlines()]
