#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Node's fetch: node_client.mjs has what it does.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402


class Fetch(servers.Case):
    def test_all(self):
        app = self.started(servers.app())
        client = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_client.mjs")
        done = servers.run([servers.program("node"), client, app.base])
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)


if __name__ == "__main__":
    servers.main()
