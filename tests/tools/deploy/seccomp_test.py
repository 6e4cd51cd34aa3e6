#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/deploy/seccomp.json: under it mooringd serves by every transport, reads its file and opens its
# logs anew, and drains.
#
# The filter is made here of the profile's names, as container runtimes do, and given to the kernel just before exec.
import ctypes
import glob
import json
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

PROFILE = os.path.abspath("tools/deploy/seccomp.json")
MOORINGD = os.path.abspath("server/mooringd")

ARCHITECTURES = {"x86_64": (0xC000003E, "SCMP_ARCH_X86_64"), "aarch64": (0xC00000B7, "SCMP_ARCH_AARCH64")}
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2


def numbers():
    """{name: number} of this machine's system calls, by its headers."""
    machine = platform.machine()
    names = ["/usr/include/%s-linux-gnu/asm/unistd_64.h" % machine, "/usr/include/asm-generic/unistd.h"]
    for name in names + glob.glob("/usr/include/asm/unistd_64.h"):
        if os.path.exists(name) and (machine == "x86_64" or "generic" in name):
            with open(name, encoding="utf-8") as file:
                return {call: int(number) for call, number in
                        re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", file.read(), re.MULTILINE)}
    raise unittest.SkipTest("no header with the numbers of system calls")


def program(profile, without=()):
    """The filter as struct sock_filter[]: an architecture, and a number that is on the list, or the default's errno."""
    arch, name = ARCHITECTURES[platform.machine()]
    assert name in profile["architectures"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    number_of = numbers()
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    for group in profile["syscalls"]:
        assert group["action"] == "SCMP_ACT_ALLOW"
        for call in group["names"]:
            if call in number_of and call not in without:
                code += [(EQUAL, 0, 1, number_of[call]), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ERRNO | profile["defaultErrnoRet"]))
    return b"".join(struct.pack("HBBI", *step) for step in code)


def confine(code):
    """In the child, before exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    filter_program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        os._exit(97)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filter_program), 0, 0) != 0:
        os._exit(98)


def available():
    """The transports that this machine has without a filter."""
    found = []
    for transport in ["io_uring", "io_uring-base", "epoll"]:
        server = Server(["--transport=" + transport, "--listen=echo=127.0.0.1:0", "--admin-listen=off"], None)
        if server.ports:
            found.append(transport)
            server.process.kill()
        server.end()
    return found


class Server:
    def __init__(self, arguments, code):
        # LeakSanitizer stops the threads by ptrace(2), which the profile refuses.
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        self.process = subprocess.Popen([MOORINGD, "--shards=2"] + arguments, env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=code and (lambda: confine(code)))
        self.said, self.ports = "", {}
        for line in self.process.stderr:
            self.said += line
            found = re.match(r"listening: (\S+) on (?:127\.0\.0\.1:(\d+)|unix:(\S+))", line)
            if found:
                self.ports[found.group(1)] = found.group(2) or found.group(3)
            if found := re.match(r"admin: http://127\.0\.0\.1:(\d+)/", line):
                self.ports["admin"] = found.group(1)
            if line.startswith("try: "):
                break

    def end(self):
        self.said += self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait()


def connected(to):
    if to.startswith("/"):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(to)
        return peer
    return socket.create_connection(("127.0.0.1", int(to)))


def exchange(to, request):
    """Everything that comes back until the server closes."""
    with connected(to) as peer:
        peer.settimeout(60)
        peer.sendall(request)
        if not request.startswith(b"GET"):
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
        return answer


FILE = """
[runtime]
transport = "{transport}"
track_peers = true

[[listener]]
service = "echo"
address = "127.0.0.1:0"

[[listener]]
service = "line"
address = "unix:{folder}/line"

[[listener]]
service = "http"
address = "127.0.0.1:0"
root = "{folder}"
access_log = "{folder}/access"

[admin]
listen = "127.0.0.1:0"

[log]
file = "{folder}/log"
"""


class Seccomp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(PROFILE, encoding="utf-8") as file:
            cls.profile = json.load(file)
        cls.transports = available()
        assert "epoll" in cls.transports

    def serve(self, transport, code):
        folder = tempfile.TemporaryDirectory(prefix="mooring-seccomp.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(self.folder + "/page.txt", "w", encoding="utf-8") as file:
            file.write("x" * 100000)
        with open(self.folder + "/mooringd.toml", "w", encoding="utf-8") as file:
            file.write(FILE.format(folder=self.folder, transport=transport))
        server = Server(["--config=%s/mooringd.toml" % self.folder], code)
        self.addCleanup(server.process.kill)
        return server

    def await_text(self, name, text):
        """In a file that another process writes."""
        # tail is told by inotify; --retry: the file may be made later.
        with subprocess.Popen(["timeout", "60", "tail", "--lines=+1", "--follow=name", "--retry", self.folder + name],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tail:
            said = []
            for line in tail.stdout:
                said.append(line)
                if text in line:
                    break
            tail.terminate()
        self.assertIn(text, "".join(said))

    def test_each_transport_serves_reloads_opens_anew_and_drains(self):
        code = program(self.profile)
        for transport in self.transports:
            with self.subTest(transport=transport):
                server = self.serve(transport, code)
                self.assertRegex(server.said, r"(?m)^transport: %s\b" % transport)
                self.assertNotIn("not permitted", server.said)
                self.assertEqual(exchange(server.ports["echo"], b"hello"), b"hello")
                self.assertEqual(exchange(server.ports["line"], b"a\nb\n"), b"OK\nOK\n")
                request = b"GET /page.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                self.assertTrue(exchange(server.ports["http"], request).endswith(b"x" * 100000))
                for page in [b"/metrics", b"/connections", b"/stats", b"/readyz"]:
                    answer = exchange(server.ports["admin"], request.replace(b"/page.txt", page).replace(b"Host: x", b"Host: localhost"))
                    self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:200])
                # Signals are taken in order, the one that ends it last.
                os.rename(self.folder + "/log", self.folder + "/log.1")
                with open(self.folder + "/mooringd.toml", "a", encoding="utf-8") as file:
                    file.write('[[listener]]\nservice = "discard"\naddress = "127.0.0.1:0"\n')
                server.process.send_signal(signal.SIGUSR1)
                self.await_text("/log", "files reopened")
                server.process.send_signal(signal.SIGHUP)
                self.await_text("/log", "listeners_added=1")
                with connected(server.ports["echo"]) as last:
                    last.sendall(b"x")
                    self.assertEqual(last.recv(1), b"x")
                    server.process.send_signal(signal.SIGTERM)
                    self.assertEqual(last.recv(1), b"")
                self.assertEqual(server.end(), 0, server.said)

    def test_without_the_three_calls_it_falls_back_and_says_so(self):
        if self.transports == ["epoll"]:
            self.skipTest("this kernel has no io_uring")
        server = self.serve("auto", program(self.profile, ["io_uring_setup", "io_uring_enter", "io_uring_register"]))
        self.assertRegex(server.said, r"(?m)^transport: epoll\b")
        self.assertRegex(server.said, r"(?m)^note: .*io_uring")
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.end(), 0, server.said)

    def test_other_calls_are_refused(self):
        code = program(self.profile)
        child = subprocess.run([sys.executable, "-c", "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
                                "print(c.unshare(0x40000000), ctypes.get_errno(), c.mount(b'a', b'/', b'c', 0, None))"],
                               stdout=subprocess.PIPE, text=True, check=True, preexec_fn=lambda: confine(code))
        self.assertEqual(child.stdout.split(), ["-1", "1", "-1"])

    def test_the_list_is_of_system_calls_and_each_is_there_once(self):
        names = [name for group in self.profile["syscalls"] for name in group["names"]]
        self.assertEqual(len(names), len(set(names)))
        for group in self.profile["syscalls"]:
            self.assertEqual(group["names"], sorted(group["names"]))
        if platform.machine() == "x86_64":
            self.assertEqual([name for name in names if name not in numbers()], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
