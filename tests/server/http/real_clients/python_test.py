#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Python's http.client and urllib: keep-alive, chunked both ways, large bodies, and many at once.
import concurrent.futures
import http.client
import os
import sys
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402


class Client(servers.Case):
    def setUp(self):
        super().setUp()
        self.app = self.started(servers.app())

    def connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=servers.PATIENCE_S)
        connection.connect()
        connection.auto_open = 0  # it may not connect again behind our back
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, *request, status=200, **more):
        connection.request(*request, **more)
        response = connection.getresponse()
        content = response.read()
        self.assertEqual(response.status, status)
        return content

    def test_one_connection_serves_all(self):
        connection = self.connection()
        seen = set()
        for i in range(300):
            self.assertEqual(self.ask(connection, "GET", "/plain/%d" % i), servers.pattern(i))
            self.assertEqual(self.ask(connection, "HEAD", "/plain/%d" % i), b"")
            body = servers.pattern(i)
            self.assertEqual(self.ask(connection, "POST", "/pulled", body), servers.told(body).encode())
            seen.add(self.ask(connection, "GET", "/connection"))
        self.assertEqual(len(seen), 1)

    def test_chunked_both_ways(self):
        connection = self.connection()
        pieces = [servers.noise(size, size) for size in (1, 2, 3, 1000, 16_384, 16_385, 70_000, 500_000)]
        for target in ("/whole", "/pulled", "/slowly"):
            answer = self.ask(connection, "POST", target, iter(pieces), encode_chunked=True,
                              headers={"Transfer-Encoding": "chunked"})
            self.assertEqual(answer, servers.told(b"".join(pieces)).encode())
        echo = self.ask(connection, "POST", "/echoed", iter(pieces), encode_chunked=True,
                        headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(echo, b"".join(pieces))

    def test_a_stream_is_there_as_it_is_written(self):
        connection = self.connection()
        connection.request("GET", "/naps/50/200")
        response = connection.getresponse()
        for i in range(50):
            self.assertEqual(response.read(200), servers.pattern(200, i))
        self.assertEqual(response.read(), b"")

    def test_it_is_told_when_the_connection_closes(self):
        connection = self.connection()
        self.ask(connection, "GET", "/plain/1", headers={"Connection": "close"})
        with self.assertRaises(http.client.NotConnected):
            connection.request("GET", "/plain/1")

    def test_many_at_once(self):
        def one(i):
            connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=servers.PATIENCE_S)
            for j in range(20):
                body = servers.pattern(i * 100 + j, j)
                self.assertEqual(self.ask(connection, "POST", "/echoed", body), body)
            connection.close()
            return True
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            self.assertTrue(all(pool.map(one, range(60))))

    def test_urllib(self):
        with urllib.request.urlopen(self.app.base + "/later/3/50", timeout=servers.PATIENCE_S) as response:
            self.assertEqual(response.read(), servers.pattern(50))


if __name__ == "__main__":
    servers.main()
