#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# mooringd under a service manager, whose part the test plays: it hands over sockets that it keeps, and hears how the
# server is.
import os
import re
import select
import signal
import socket
import tempfile
import unittest

MOORINGD = os.path.abspath("server/mooringd")
PATIENCE_S = 60


class Manager:
    """Where sd_notify's datagrams arrive."""

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = os.path.join(folder, "notify")
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE_S)

    def next(self):
        """{field: value} of the next one."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def await_field(self, field):
        while field not in (message := self.next()):
            pass
        return message


class Server:
    """A child with `sockets` as its descriptors from 3 on."""

    def __init__(self, arguments, sockets=(), names="", environment=None):
        self.err, writer = os.pipe()
        self.said = ""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(writer, 2)
                os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
                # Out of the way of those that come first.
                kept = [os.dup2(each.fileno(), 100 + i) for i, each in enumerate(sockets)]
                for i, each in enumerate(kept):
                    os.dup2(each, 3 + i, inheritable=True)
                os.closerange(3 + len(kept), 200)
                variables = {**os.environ, **(environment or {})}
                if sockets:
                    variables.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names)
                os.execve(MOORINGD, [MOORINGD] + arguments, variables)
            finally:
                os._exit(99)
        os.close(writer)

    def await_line(self, pattern):
        while not (found := re.search(pattern, self.said, re.MULTILINE)):
            ready, _, _ = select.select([self.err], [], [], PATIENCE_S)
            piece = os.read(self.err, 65536) if ready else b""
            if not piece:
                raise AssertionError("no line with %s:\n%s" % (pattern, self.said))
            self.said += piece.decode()
        return found

    def end(self):
        while piece := os.read(self.err, 65536):
            self.said += piece.decode()
        os.close(self.err)
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.err)


def listening():
    kept = socket.socket()
    kept.bind(("127.0.0.1", 0))
    kept.listen(16)
    return kept


def connected(kept):
    peer = socket.create_connection(kept.getsockname())
    peer.settimeout(PATIENCE_S)
    return peer


def transports():
    found = []
    for transport in ["io_uring", "io_uring-base", "epoll"]:
        server = Server(["--transport=" + transport, "--listen=echo=127.0.0.1:0", "--admin-listen=off"])
        try:
            server.await_line("^listening: ")
            found.append(transport)
        except AssertionError:
            pass
        server.kill()
    return found


class UnderAManager(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mooring-systemd.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.manager = Manager(self.folder)
        self.addCleanup(self.manager.socket.close)

    def serve(self, *arguments, sockets=(), names="", **environment):
        server = Server(["--shards=2", "--admin-listen=off"] + list(arguments), sockets, names,
                        {"NOTIFY_SOCKET": self.manager.path, **environment})
        self.addCleanup(server.kill)
        return server

    def test_hears_when_it_is_ready_and_when_it_ends(self):
        server = self.serve("--listen=echo=127.0.0.1:0", "--drain-delay=1s", "--drain-deadline=20s")
        ready = self.manager.next()
        self.assertEqual(ready["READY"], "1")
        self.assertTrue(ready["STATUS"])
        port = int(server.await_line(r"^listening: echo on 127\.0\.0\.1:(\d+)").group(1))
        socket.create_connection(("127.0.0.1", port)).close()  # ready is ready
        os.kill(server.pid, signal.SIGTERM)
        stopping = self.manager.await_field("STOPPING")
        self.assertGreaterEqual(int(stopping["EXTEND_TIMEOUT_USEC"]), 21_000_000, "its delay and its deadline")
        self.assertEqual(server.end(), 0, server.said)

    def test_hears_of_a_reload_that_is_taken_and_of_one_that_is_not(self):
        file = os.path.join(self.folder, "mooringd.toml")
        good = '[[listener]]\nservice = "echo"\naddress = "127.0.0.1:0"\n'
        with open(file, "w", encoding="utf-8") as out:
            out.write(good)
        server = self.serve("--config=" + file)
        self.manager.await_field("READY")
        for text in [good + "max_connections = 7\n", good + "max_conections = 7\n"]:
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            os.kill(server.pid, signal.SIGHUP)
            reloading = self.manager.await_field("RELOADING")
            self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
            self.assertEqual(self.manager.await_field("READY")["READY"], "1", "it serves on in either case")
        os.kill(server.pid, signal.SIGTERM)
        self.assertEqual(server.end(), 0, server.said)

    def test_says_that_it_is_alive_as_often_as_it_is_asked_to(self):
        server = self.serve("--listen=echo=127.0.0.1:0", WATCHDOG_USEC="200000")
        for _ in range(3):
            self.manager.await_field("WATCHDOG")
        os.kill(server.pid, signal.SIGTERM)
        self.assertEqual(server.end(), 0, server.said)

    def test_what_connects_between_two_servers_is_served_by_the_second(self):
        for transport in transports():
            with self.subTest(transport=transport), listening() as by_name, listening() as by_address:
                where = "%s:%d" % by_address.getsockname()
                arguments = ["--transport=" + transport, "--listen=echo=127.0.0.1:1,line=" + where]
                for _ in range(2):
                    early, line = connected(by_name), connected(by_address)  # there is no server
                    early.sendall(b"early")
                    server = self.serve(*arguments, sockets=[by_name, by_address], names="echo:unknown")
                    self.assertEqual(early.recv(5), b"early")
                    line.sendall(b"a line\n")
                    self.assertEqual(line.recv(3), b"OK\n")
                    self.assertIn("listening: echo on %s:%d" % by_name.getsockname(), server.await_line("(?s).*^try: .*").group(0))
                    os.kill(server.pid, signal.SIGTERM)
                    self.assertEqual((early.recv(1), line.recv(1)), (b"", b""))
                    early.close()
                    line.close()
                    self.assertEqual(server.end(), 0, server.said)

    def test_a_socket_for_nobody_is_a_failed_start_that_says_so(self):
        with listening() as kept:
            server = self.serve("--listen=echo=127.0.0.1:0", sockets=[kept], names="ecco")
            self.assertEqual(server.end(), 1)
            self.assertRegex(server.said, "ecco")
            self.assertRegex(server.said, "FileDescriptorName")


if __name__ == "__main__":
    unittest.main(verbosity=2)
