# SPDX-License-Identifier: Apache-2.0
# What these tests start: mooringd with a folder, the program app with its routes, nginx in front of them. Each is ended
# as an operator would, and has to end well.
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PATIENCE_S = 60


def of_workspace(path):
    runfiles = os.environ.get("TEST_SRCDIR")
    if runfiles is None:
        return os.path.join("bazel-bin", path)
    return os.path.join(runfiles, os.environ["TEST_WORKSPACE"], path)


def program(name):
    """The path of a program that tests/packages or tools/packages brings."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise AssertionError("no %s: tools/setup --packages=tests/packages installs it" % name)
    return found


def run(arguments, **more):
    """What a client did: its stdout and stderr, as text unless text=False."""
    more.setdefault("text", True)
    more.setdefault("timeout", PATIENCE_S)
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)


class Daemon:
    """A server of the library's as a child process."""

    def __init__(self, binary, service, arguments):
        self.binary = binary
        self.lines = []
        # What the tests themselves are told is not for it; and two servers would want one port.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
        environment["MOORING_ADMIN_LISTEN"] = "off"
        # Its log, on stdout, among what it says at start.
        self.process = subprocess.Popen([of_workspace(binary)] + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=environment)
        self.port = 0
        prefix = "listening: %s on 127.0.0.1:" % service
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith(prefix):
                self.port = int(line[len(prefix):].split()[0])
                break
        else:
            raise AssertionError("%s does not listen:\n%s" % (binary, "".join(self.lines)))
        self.reader = threading.Thread(target=self.read_on, daemon=True)
        self.reader.start()
        self.base = "http://127.0.0.1:%d" % self.port

    def read_on(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(PATIENCE_S)
        if status != 0:
            raise AssertionError("%s ended with %d:\n%s" % (self.binary, status, "".join(self.lines)))


def app():
    return Daemon("tests/server/http/real_clients/app", "app", ["--drain-deadline=20", "--grace=1"])


def mooringd(root, *more):
    return Daemon("server/mooringd", "http",
                  ["--listen=http=127.0.0.1:0", "--http-root=" + root, "--drain-keepalive-grace=1"] + list(more))


class Nginx:
    """nginx in front of a server. It asks for a port of its own: `listen` knows no port 0."""

    def __init__(self, folder, upstream_port, settings=""):
        self.socket = os.path.join(folder, "nginx.sock")  # a path is nobody else's
        conf = os.path.join(folder, "nginx.conf")
        # As root it would give its folders to somebody else, whom a sandbox does not know.
        user = "user root root;" if os.geteuid() == 0 else ""
        with open(conf, "w", encoding="utf-8") as file:
            file.write("""
%(user)s daemon off; master_process off; pid %(folder)s/nginx.pid; error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  upstream behind { server 127.0.0.1:%(port)d; keepalive 32; }
  server {
    listen unix:%(socket)s;
    location / {
      proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream off;
      %(settings)s
    }
  }
}
""" % {"folder": folder, "port": upstream_port, "socket": self.socket, "settings": settings, "user": user})
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program("nginx"), "-p", folder, "-c", conf], stderr=self.errors)
        for _ in range(PATIENCE_S * 100):  # nothing says that it listens
            if self.listens() or self.process.poll() is not None:
                break
            threading.Event().wait(0.01)
        else:
            self.process.kill()
        if self.process.poll() is not None:
            raise AssertionError("nginx does not start:\n" + self.said())

    def listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def end(self):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        said = self.said()
        self.errors.close()
        return said


class Case(unittest.TestCase):
    """A test case with a folder, and servers that end after it, the last one first."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="http", dir="/tmp")  # a socket's path has at most 107 bytes
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def started(self, server):
        self.addCleanup(server.end)
        return server

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path


def pattern(size, start=0):
    """As Pattern in sample_routes.cc."""
    return bytes(97 + (start + i * 7 + i // 23 * 5) % 26 for i in range(size))


def told(body):
    """As Told in sample_routes.cc."""
    value = 14695981039346656037
    for byte in body:
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return "%d bytes, %016x\n" % (len(body), value)


def noise(size, seed=1):
    import random
    print("noise of seed %d" % seed)
    return random.Random(seed).randbytes(size)


def main():
    unittest.main(module="__main__", verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
