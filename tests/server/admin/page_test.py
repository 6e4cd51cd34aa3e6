#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The page of mooringd's admin interface in Chromium: it loads without a complaint, shows who is there as they come and go,
# closes one by its button, and drains after a question. With ADMIN_PICTURE=PATH it leaves a picture, docs/admin.png.
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from chromium import PATIENCE_S, Chromium  # noqa: E402


def of_workspace(path):
    runfiles = os.environ.get("TEST_SRCDIR")
    if runfiles is None:
        return os.path.join("bazel-bin", path)
    return os.path.join(runfiles, os.environ["TEST_WORKSPACE"], path)


class Daemon:
    def __init__(self, *more):
        self.stdout = tempfile.TemporaryFile()  # the log
        self.process = subprocess.Popen(
            [of_workspace("server/mooringd"), "--listen=echo=127.0.0.1:0,line=127.0.0.1:0,http=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
             "--track-peers", "--drain-deadline=20"] + list(more),
            stdout=self.stdout, stderr=subprocess.PIPE, text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("MOORING_")})
        self.lines = []
        self.ports = {}
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.match(r"(?:listening: )?(\w+)(?: on |: http://)127\.0\.0\.1:(\d+)", line)
            if found:
                self.ports[found[1]] = int(found[2])
            if len(self.ports) == 4:
                break
        else:
            raise AssertionError("mooringd does not listen:\n" + "".join(self.lines))
        self.admin = "http://127.0.0.1:%d/" % self.ports["admin"]
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def connect(self, listener):
        client = socket.create_connection(("127.0.0.1", self.ports[listener]), PATIENCE_S)
        client.settimeout(PATIENCE_S)
        return client

    def wait(self):
        status = self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        return status

    def said(self):
        self.stdout.seek(0)
        return self.stdout.read().decode().splitlines()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.wait()
        self.process.stderr.close()
        if status != 0:
            raise AssertionError("mooringd ended with %d:\n%s" % (status, "".join(self.lines)))


def echo(client, text):
    client.sendall(text)
    got = b""
    while len(got) < len(text):
        piece = client.recv(len(text) - len(got))
        if not piece:
            raise AssertionError("the echo ended early")
        got += piece


TILE = "document.querySelector('#tiles .tile b')?.textContent"


class AdminPage(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"), ignore_cleanup_errors=True))
        self.server = Daemon()
        self.addCleanup(lambda: self.server.process.poll() is None and self.server.process.kill())
        self.browser = self.enterContext(Chromium(self.folder))

    def test_shows_who_is_there_and_closes_one(self):
        page = self.browser.open(self.server.admin)
        page.until(TILE + " === '0'")
        self.assertEqual(page.value("document.getElementById('state').textContent"), "serving")
        page.until("document.querySelectorAll('#listeners tbody tr').length === 3")

        clients = [self.server.connect("echo") for _ in range(7)]
        for client in clients:
            echo(client, b"x" * 1000)
        page.until(TILE + " === '7'")
        page.until("document.querySelectorAll('#connections tbody tr').length === 7")
        mine = "%s:%d" % clients[0].getsockname()
        row = "[...document.querySelectorAll('#connections tbody tr')].find((row) => row.cells[1].textContent === '%s')" % mine
        self.assertEqual(page.value(row + ".cells[7].textContent"), "1,000 B")

        page.value(row + ".querySelector('button').click()")
        self.assertEqual(clients[0].recv(1), b"", "it was closed, not reset")
        clients[0].close()
        page.until(TILE + " === '6'")
        page.until("!" + row)
        page.until("[...document.querySelectorAll('#closes .bar')].some((bar) => bar.firstChild.textContent === 'operator')")
        for client in clients[1:]:
            echo(client, b"still here")
            client.close()
        page.until(TILE + " === '0'")

        # A filter, and one that is wrong.
        with self.server.connect("line") as client:
            page.until("document.querySelectorAll('#connections tbody tr').length === 1")
            set_peer = "{ const f = document.getElementById('filters'); f.elements.peer.value = '%s'; f.dispatchEvent(new Event('input')); }"
            page.value(set_peer % "10.0.0.0/8")
            page.until("document.querySelectorAll('#connections tbody tr').length === 0")
            page.value(set_peer % "127.0.0.0/8")
            page.until("document.querySelectorAll('#connections tbody tr').length === 1")
            self.assertEqual(page.complaints, [])
            page.value(set_peer % "nobody")
            page.until("document.getElementById('list-trouble').textContent.includes('192.0.2.0/24')")
            client.close()
        # The browser notes the 400 that this was; nothing else.
        self.assertTrue(all("400" in each and "/connections?" in each for each in page.complaints), page.complaints)
        self.server.end()

    def test_drains_after_a_question(self):
        page = self.browser.open(self.server.admin, dark=True)
        page.until(TILE + " === '0'")
        client = self.server.connect("line")
        page.until(TILE + " === '1'")
        page.value("document.getElementById('drain').click()")
        self.assertTrue(page.value("document.getElementById('drain-dialog').open"))
        page.value("document.querySelector('#drain-dialog button[value=cancel]').click()")
        self.assertFalse(page.value("document.getElementById('drain-dialog').open"))
        client.sendall(b"a line\n")
        self.assertEqual(client.recv(100), b"OK\n", "nothing was drained")
        self.assertEqual(page.complaints, [])

        page.value("document.getElementById('drain').click()")
        page.value("document.querySelector('#drain-dialog button[value=drain]').click()")
        self.assertEqual(client.recv(1), b"")
        client.close()
        self.assertEqual(self.server.wait(), 0)

    def test_another_page_can_do_nothing(self):
        other = Daemon()  # another port is another origin
        try:
            page = self.browser.open("about:blank")
            page.call("Page.setBypassCSP", enabled=True)  # its own policy would not let it even ask
            page.call("Page.navigate", url=other.admin + "stats")
            page.until("document.readyState === 'complete' && location.pathname === '/stats'")
            for url, how in (("stats", "GET"), ("drain", "POST"), ("drain?listener=echo", "POST")):
                answer = page.value("fetch('%s', {method: '%s', mode: 'no-cors'}).then((a) => a.type, (e) => 'refused')" %
                                    (self.server.admin + url, how))
                self.assertIn(answer, ("opaque", "refused"))
            with self.server.connect("echo") as client:
                echo(client, b"as before")
        finally:
            other.end()
        self.server.end()
        refused = [line for line in self.server.said() if "admin request" in line]
        self.assertEqual(len(refused), 2, refused)
        self.assertTrue(all("status=403" in line for line in refused), refused)

    @unittest.skipUnless("ADMIN_PICTURE" in os.environ, "a picture is made where ADMIN_PICTURE says")
    def test_picture(self):
        path = os.environ["ADMIN_PICTURE"]
        page = self.browser.open(self.server.admin, height=1250)
        clients = []
        for second in range(28):
            for n in range(3 + 2 * (second % 4)):
                clients.append(self.server.connect(("echo", "line", "http")[(second + n) % 3]))
            for client in clients[::3]:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for client in clients[:second % 3]:
                client.close()
            del clients[:second % 3]
            page.until("!document.hidden")
            page.value("new Promise((done) => setTimeout(done, 1100))")  # a chart is of time
        size = page.screenshot(path)
        for client in clients:
            client.close()
        self.assertEqual(page.complaints, [])
        self.assertLess(size, 300_000)
        self.server.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
