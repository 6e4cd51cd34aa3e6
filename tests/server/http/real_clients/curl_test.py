#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# curl: keep-alive, uploads in chunks and after a 100, HEAD, ranges, conditions, HTTP/1.0.
import gzip
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402


def curl(*arguments, text=True):
    done = servers.run([servers.program("curl"), "-sS", "--max-time", "50"] + list(arguments), text=text)
    if done.returncode != 0:
        raise AssertionError("curl %s: status %d, %s" % (" ".join(arguments), done.returncode, done.stderr))
    return done


class Files(servers.Case):
    def setUp(self):
        super().setUp()
        self.page = servers.pattern(5000)
        self.large = servers.noise(3_000_000)
        self.write("root/page.txt", self.page)
        self.write("root/large.bin", self.large)
        self.write("root/index.html", b"<p>index\n")
        self.write("root/.secret", b"secret\n")
        self.write("secret", b"secret\n")
        self.log = os.path.join(self.folder, "access.log")
        self.base = self.started(servers.mooringd(self.folder + "/root", "--http-access-log=" + self.log)).base

    def test_one_connection_serves_all(self):
        urls = [self.base + "/page.txt"] * 5 + [self.base + "/missing", self.base + "/"]
        done = curl(*[word for url in urls for word in ("-o", "/dev/null", url)],
                    "-w", "%{num_connects} %{http_code} %{size_download}\n")
        self.assertEqual(done.stdout.splitlines()[:5], ["1 200 5000"] + ["0 200 5000"] * 4)
        self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()[5:]], [["0", "404"], ["0", "200"]])

    def test_bodies(self):
        self.assertEqual(curl(self.base + "/large.bin", text=False).stdout, self.large)
        self.assertEqual(curl(self.base + "/", text=False).stdout, b"<p>index\n")
        self.assertEqual(curl("--http1.0", self.base + "/large.bin", text=False).stdout, self.large)
        self.assertEqual(curl("--limit-rate", "3M", self.base + "/large.bin", text=False).stdout, self.large)

    def test_head(self):
        head = curl("-I", self.base + "/page.txt", self.base + "/page.txt", "-w", "%{num_connects}\n").stdout
        self.assertEqual(head.count("HTTP/1.1 200 OK"), 2)
        self.assertEqual(head.lower().count("content-length: 5000\n"), 2)
        self.assertEqual(head.splitlines()[-1], "0")

    def test_ranges(self):
        def part(of):
            done = curl("-r", of, "-w", "\n%{http_code}", self.base + "/page.txt")
            body, _, status = done.stdout.rpartition("\n")
            return int(status), body.encode()
        self.assertEqual(part("10-19"), (206, self.page[10:20]))
        self.assertEqual(part("4990-"), (206, self.page[4990:]))
        self.assertEqual(part("-7"), (206, self.page[-7:]))
        self.assertEqual(part("4990-9999"), (206, self.page[4990:]))
        self.assertEqual(part("5000-")[0], 416)
        self.assertEqual(part("0-1,4-5"), (200, self.page))
        # A download that was broken off goes on where it was.
        path = self.write("half", self.large[:1_000_000])
        curl("-C", "-", "-o", path, self.base + "/large.bin")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), self.large)

    def test_conditions(self):
        tag = os.path.join(self.folder, "tag")
        first = curl("--etag-save", tag, "-w", "%{http_code}", "-o", "/dev/null", self.base + "/page.txt").stdout
        again = curl("--etag-compare", tag, "-w", "%{http_code} %{size_download}", self.base + "/page.txt").stdout
        self.assertEqual((first, again), ("200", "304 0"))
        since = curl("-z", self.folder + "/root/page.txt", "-w", "%{http_code}", self.base + "/page.txt").stdout
        self.assertEqual(since, "304")

    def test_precompressed(self):
        self.write("root/page.txt.gz", gzip.compress(self.page))
        done = curl("--compressed", "-D", self.folder + "/head", self.base + "/page.txt")
        self.assertEqual(done.stdout.encode(), self.page)
        with open(self.folder + "/head", encoding="latin-1") as file:
            head = file.read().lower()
        self.assertIn("content-encoding: gzip", head)
        self.assertIn("vary: accept-encoding", head)

    def test_nothing_beside_the_root(self):
        for path in ("/../secret", "/%2e%2e/secret", "/.secret", "/x/../../secret", "/%2e%2e%2fsecret"):
            done = curl("--path-as-is", "-w", "\n%{http_code}", self.base + path)
            self.assertNotIn("secret\n", done.stdout)
            self.assertIn(done.stdout.rpartition("\n")[2], ("400", "403", "404"))

    def test_other_methods(self):
        done = curl("-X", "DELETE", "-D", "-", "-o", "/dev/null", self.base + "/page.txt")
        self.assertTrue(done.stdout.startswith("HTTP/1.1 405 "), done.stdout)
        self.assertIn("GET", [line for line in done.stdout.splitlines() if line.lower().startswith("allow:")][0])


class AccessLog(servers.Case):
    def test_a_line_for_each_request(self):
        self.write("root/a.txt", b"abc")
        log = os.path.join(self.folder, "access.log")
        server = servers.mooringd(self.folder + "/root", "--http-access-log=" + log)
        try:
            curl("-A", 'browser "quoted"', "-e", "http://from/", server.base + "/a.txt?x=1", server.base + "/missing")
        finally:
            server.end()
        with open(log, encoding="latin-1") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r'^127\.0\.0\.1 - - \[[^]]+\] "GET /a\.txt\?x=1 HTTP/1\.1" 200 3 '
                                   r'"http://from/" "browser \\x22quoted\\x22"$')
        self.assertIn('"GET /missing HTTP/1.1" 404 ', lines[1])


class Routes(servers.Case):
    def setUp(self):
        super().setUp()
        self.base = self.started(servers.app()).base
        self.body = servers.noise(4_000_000)
        self.path = self.write("body", self.body)

    def test_uploads(self):
        due = servers.told(self.body)
        for route in ("/whole", "/pulled"):
            for fields in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
                done = curl("--data-binary", "@" + self.path, *fields, self.base + route)
                self.assertEqual(done.stdout, due, (route, fields))
        done = curl("--data-binary", "@" + self.path, "-H", "Transfer-Encoding: chunked", self.base + "/echoed",
                    text=False)
        self.assertEqual(done.stdout, self.body)

    def test_it_is_told_to_go_on(self):
        done = curl("-v", "--expect100-timeout", "40", "-H", "Expect: 100-continue", "--data-binary", "@" + self.path,
                    self.base + "/pulled", "-w", "%{time_total}")
        self.assertIn("< HTTP/1.1 100 Continue", done.stderr)
        self.assertTrue(done.stdout.startswith(servers.told(self.body)))
        self.assertLess(float(done.stdout.split("\n")[-1]), 20)  # it did not wait for its timeout

    def test_it_is_refused_before_it_sends_the_body(self):
        done = curl("--expect100-timeout", "40", "-H", "Expect: 100-continue", "--data-binary", "@" + self.path,
                    self.base + "/missing", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}")
        self.assertEqual(done.stdout, "404 0")

    def test_streams(self):
        body = b"".join(servers.pattern(3000, i) for i in range(400))
        self.assertEqual(curl(self.base + "/chunks/400/3000", text=False).stdout, body)
        self.assertEqual(curl(self.base + "/sized/400/3000", text=False).stdout, body)
        self.assertEqual(curl("--http1.0", self.base + "/chunks/400/3000", text=False).stdout, body)

    def test_what_went_wrong(self):
        def status(*arguments):
            return curl("-o", "/dev/null", "-w", "%{http_code}", *arguments).stdout
        self.assertEqual(status(self.base + "/fails"), "500")
        self.assertEqual(status(self.base + "/slow/30"), "504")
        self.assertEqual(status("-H", "Expect: a miracle", self.base + "/plain/1"), "417")
        self.assertEqual(status("-H", "X: " + "x" * 20_000, self.base + "/plain/1"), "431")
        self.assertEqual(status(self.base + "/" + "x" * 10_000), "414")
        self.assertEqual(status("-H", "Host:", self.base + "/plain/1"), "400")


if __name__ == "__main__":
    servers.main()
