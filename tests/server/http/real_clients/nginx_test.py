#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# nginx in front, as most will have it: it keeps its connections to us, and passes large bodies both ways.
import http.client
import os
import socket
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("front", timeout=servers.PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def in_pieces(body, size):
    for at in range(0, len(body), size):
        yield body[at:at + size]


class Proxy(servers.Case):
    def setUp(self):
        super().setUp()
        self.app = self.started(servers.app())

    def front(self, settings="", port=None):
        self.nginx = servers.Nginx(self.folder, port or self.app.port, settings)
        self.addCleanup(self.end_nginx)
        return UnixConnection(self.nginx.socket)

    def end_nginx(self):
        if self.nginx is None:
            return
        nginx, self.nginx = self.nginx, None
        said = nginx.end()
        self.assertEqual([line for line in said.splitlines() if "[error]" in line or "[crit]" in line], [])

    def ask(self, connection, method, target, body=None, status=200, **more):
        connection.request(method, target, body, **more)
        response = connection.getresponse()
        content = response.read()
        self.assertEqual(response.status, status, content[:200])
        return content

    def test_it_keeps_its_connections(self):
        front = self.front()
        seen = {self.ask(front, "GET", "/connection") for _ in range(300)}
        self.assertEqual(len(seen), 1, seen)

    def test_it_keeps_them_over_every_kind_of_answer(self):
        front = self.front()
        first = self.ask(front, "GET", "/connection")
        self.ask(front, "GET", "/missing", status=404)
        self.ask(front, "GET", "/fails", status=500)
        self.ask(front, "DELETE", "/plain/3", status=405)
        self.assertEqual(self.ask(front, "HEAD", "/plain/3000"), b"")
        self.assertEqual(self.ask(front, "GET", "/later/5/20"), servers.pattern(20))
        self.assertEqual(self.ask(front, "GET", "/chunks/3/5"), b"".join(servers.pattern(5, i) for i in range(3)))
        self.assertEqual(self.ask(front, "POST", "/whole", b"0123"), servers.told(b"0123").encode())
        self.assertEqual(self.ask(front, "POST", "/pulled", b""), servers.told(b"").encode())
        self.assertEqual(self.ask(front, "GET", "/connection"), first)

    # One way at a time: nginx sends no more of a request once its answer has begun.
    def test_large_bodies(self):
        body = servers.noise(8_000_000)
        due = servers.told(body).encode()
        for settings in ("", "proxy_request_buffering off; proxy_buffering off;"):
            with self.subTest(settings=settings):
                front = self.front(settings)
                for target in ("/whole", "/pulled"):
                    self.assertEqual(self.ask(front, "POST", target, body), due)
                    self.assertEqual(self.ask(front, "POST", target, in_pieces(body, 50_000), encode_chunked=True), due)
                for target in ("/chunks", "/sized"):
                    down = self.ask(front, "GET", target + "/4000/5000")
                    self.assertEqual(len(down), 20_000_000)
                    self.assertEqual(down[-5000:], servers.pattern(5000, 3999))
                self.assertEqual(self.ask(front, "POST", "/echoed", body[:50_000]), body[:50_000])
                front.close()
                self.end_nginx()

    def test_files(self):
        page = servers.pattern(70_000)
        large = servers.noise(10_000_000)
        self.write("root/page.html", page)
        self.write("root/large.bin", large)
        files = self.started(servers.mooringd(self.folder + "/root"))
        front = self.front(port=files.port)
        for _ in range(20):
            self.assertEqual(self.ask(front, "GET", "/page.html"), page)
        self.assertEqual(self.ask(front, "GET", "/large.bin"), large)
        part = self.ask(front, "GET", "/large.bin", status=206, headers={"Range": "bytes=1000000-1999999"})
        self.assertEqual(part, large[1_000_000:2_000_000])

    # What nginx sends on a kept connection while we drain is answered; none of its clients sees an error.
    def test_a_drain_loses_nothing(self):
        other = servers.app()
        front = self.front(port=other.port)
        self.ask(front, "GET", "/connection")
        ended = []
        thread = threading.Thread(target=lambda: (other.end(), ended.append(True)))
        thread.start()
        while not any(" draining; " in line for line in other.lines) and thread.is_alive():
            threading.Event().wait(0.005)
        self.assertEqual(self.ask(front, "POST", "/whole", b"after"), servers.told(b"after").encode())
        thread.join(servers.PATIENCE_S)
        self.assertTrue(ended)


if __name__ == "__main__":
    servers.main()
