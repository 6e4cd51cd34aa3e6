#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# wrk and h2load, for some seconds: every request is answered with 2xx, and no connection has an error.
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402


class Load(servers.Case):
    def setUp(self):
        super().setUp()
        self.write("root/1k.txt", servers.pattern(1000))
        self.write("root/100k.txt", servers.noise(100_000))
        self.write("root/2m.bin", servers.noise(2_000_000))
        self.files = self.started(servers.mooringd(self.folder + "/root")).base
        self.routes = self.started(servers.app()).base

    def wrk(self, url, connections=64, seconds=2, script=None):
        more = ["-s", script] if script else []
        done = servers.run([servers.program("wrk"), "-t2", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "20s"] +
                           more + [url])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)
        requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
        self.assertGreaterEqual(requests, 10, done.stdout)
        print(url, requests, "requests")

    def test_wrk_files(self):
        self.wrk(self.files + "/1k.txt")
        self.wrk(self.files + "/1k.txt", connections=500)
        self.wrk(self.files + "/100k.txt")
        self.wrk(self.files + "/2m.bin", connections=16)

    def test_wrk_routes(self):
        for target in ("/plain/13", "/later/1/100", "/chunks/3/700", "/naps/2/50"):
            self.wrk(self.routes + target)

    def test_wrk_uploads(self):
        script = self.write("post.lua", b"""
wrk.method = "POST"
wrk.body = string.rep("x", 3000)
""")
        for target in ("/whole", "/pulled", "/echoed", "/ignored"):
            self.wrk(self.routes + target, script=script)

    def test_wrk_pipelines(self):
        script = self.write("pipeline.lua", b"""
init = function(args)
  local each = {}
  for i = 1, 16 do each[i] = wrk.format("GET") end
  all = table.concat(each)
end
request = function() return all end
""")
        self.wrk(self.routes + "/plain/13", script=script)
        self.wrk(self.files + "/1k.txt", script=script)

    def test_h2load(self):
        h2load = servers.program("h2load")
        for url in [self.files + "/1k.txt"] + [self.routes + each for each in ("/plain/13", "/chunks/2/30", "/later/0/9")]:
            done = servers.run([h2load, "--h1", "-n", "20000", "-c", "50", "-m", "8", "-t", "1", url])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("20000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
            self.assertIn("status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)


if __name__ == "__main__":
    servers.main()
