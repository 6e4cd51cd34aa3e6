#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# perf/peers: a peer that loses bytes or dies of a reset would be beaten for the wrong reason.
import os
import re
import select
import socket
import struct
import subprocess
import unittest

PEERS = os.path.abspath("perf/peers")
PATIENCE_S = 60
# 12 MB: more than the sockets between two ends take (about 6), with a period that no buffer's size is a multiple of.
MESSAGE = bytes(range(251)) * 50000


class Peer:
    """A peer as a child process: the event that it listens is a line on its stdout."""

    def __init__(self, test, program, *arguments, port=0):
        self.process = subprocess.Popen([os.path.join(PEERS, program), "--port=%d" % port, *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        listening = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.process.stdout.readline())
        if listening is None:
            test.fail("%s does not listen: %s" % (program, self.process.stderr.read()))
        self.port = int(listening.group(1))

    def connect(self, receive_bytes=0):
        connection = socket.socket()
        connection.settimeout(PATIENCE_S)
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def end(self):
        self.process.kill()
        self.process.communicate()


def exchange(connection, message):
    connection.sendall(message)
    return read(connection, len(message))


def read(connection, size):
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            break
        got += more
    return got


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def modern_io_uring():
    """The bare ring needs the bounded multishot receive of Linux 6.10, and io_uring allowed."""
    release = tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
    try:
        with open("/proc/sys/kernel/io_uring_disabled", encoding="utf-8") as file:
            disabled = file.read().strip() != "0"
    except FileNotFoundError:
        disabled = False
    return release >= (6, 10) and not disabled


class Echo:
    """What every echo peer does."""

    def start(self, *arguments, port=0):
        return Peer(self, self.PROGRAM, *arguments, port=port)

    def test_each_connection_gets_its_own_bytes(self):
        peer = self.start()
        connections = [peer.connect() for _ in range(100)]
        for round_number in range(3):
            for i, connection in enumerate(connections):
                connection.sendall(b"%d of %d;" % (i, round_number))
            for i, connection in enumerate(connections):
                expected = b"%d of %d;" % (i, round_number)
                self.assertEqual(read(connection, len(expected)), expected)
        for connection in connections:
            connection.close()

    def test_what_a_full_socket_does_not_take_comes_later(self):
        peer = self.start()
        with peer.connect(receive_bytes=4096) as connection:
            connection.setblocking(False)
            sent, got = 0, bytearray()
            while len(got) < len(MESSAGE):
                # Takes something back only when no more can be sent: the echo piles up on the peer's side.
                to_send = [connection] if sent < len(MESSAGE) else []
                _, writable, _ = select.select([], to_send, [], 0)
                if writable:
                    sent += connection.send(MESSAGE[sent:sent + 65536])
                    continue
                readable, writable, _ = select.select([connection], to_send, [], PATIENCE_S)
                self.assertTrue(readable or writable, "stands still after %d of %d" % (len(got), sent))
                if readable:
                    more = connection.recv(65536)
                    self.assertTrue(more, "closed after %d of %d" % (len(got), sent))
                    got += more
            self.assertTrue(got == MESSAGE)

    def test_the_end_of_input_is_answered_behind_the_last_byte(self):
        peer = self.start()
        with peer.connect() as connection:
            connection.sendall(MESSAGE[:50000])
            connection.shutdown(socket.SHUT_WR)
            self.assertTrue(read(connection, 50001) == MESSAGE[:50000])

    def test_a_reset_connection_does_not_disturb_others(self):
        peer = self.start()
        with peer.connect() as other:
            for _ in range(50):
                connection = peer.connect()
                connection.sendall(MESSAGE[:200000])  # much of its echo is under way
                reset(connection)
                self.assertEqual(exchange(other, b"still there?"), b"still there?")
        self.assertIsNone(peer.process.poll())

    def test_two_processes_share_a_port(self):
        first = self.start()
        second = self.start(port=first.port)
        self.assertEqual(second.port, first.port)
        accepted = self.connections_of_each(first, second, count=64)
        self.assertTrue(all(accepted), "one of them got no connection: %s" % (accepted,))

    def connections_of_each(self, first, second, count):
        """How many of `count` connections outlive the other process, for each. All have been answered before."""
        connections = [first.connect() for _ in range(count)]
        for connection in connections:
            self.assertEqual(exchange(connection, b"hello"), b"hello")
        first.end()
        alive = 0
        for connection in connections:
            try:
                alive += exchange(connection, b"hello") == b"hello"
            except (ConnectionResetError, BrokenPipeError):
                pass
            connection.close()
        return count - alive, alive


class EpollEcho(Echo, unittest.TestCase):
    PROGRAM = "epoll_echo"


@unittest.skipUnless(modern_io_uring(), "SKIPPED: bare_ring_echo needs io_uring of Linux 6.10")
class BareRingEcho(Echo, unittest.TestCase):
    PROGRAM = "bare_ring_echo"

    def test_rings_together_hold_what_the_table_of_one_cannot(self):
        peer = self.start("--rings=8", "--cpus=0", "--connections=64")
        connections = [peer.connect() for _ in range(256)]
        for connection in connections:
            self.assertEqual(exchange(connection, b"hello"), b"hello")
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
