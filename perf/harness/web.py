# SPDX-License-Identifier: Apache-2.0
"""What the HTTP rows of perf/run need beside a server and a load: files to serve, nginx's configuration, wrk's words,
and a look at the answer before it is measured."""
import http.client
import json
import os
import shlex
import tempfile

from harness import children

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HELLO = b"Hello, world!"
FILES = {"1k.bin": 1 << 10, "1m.bin": 1 << 20, "16m.bin": 16 << 20}
ON_DISK = "/var/tmp"  # /tmp may be a tmpfs, whose files cannot be read without a wait


class Folder:
    """The files that both servers serve. Gone with the object's Close()."""
    def __init__(self):
        self.place = tempfile.TemporaryDirectory(prefix="mooring-web-", dir=ON_DISK)
        self.path = self.place.name
        os.chmod(self.path, 0o755)
        for name, size in FILES.items():
            with open(os.path.join(self.path, name), "wb") as f:
                f.write(os.urandom(size))

    def Close(self):
        self.place.cleanup()

    def Body(self, path):
        if path == "/":
            return HELLO
        with open(os.path.join(self.path, path.lstrip("/")), "rb") as f:
            return f.read()


def Configure(name, home, places):
    """Writes a peer's configuration into its home; the peer's command names it."""
    with open(os.path.join(PERF, "peers", name)) as f:
        text = f.read()
    for place, value in places.items():
        text = text.replace(f"@{place}@", str(value))
    with open(os.path.join(home, name), "w") as f:
        f.write(text)


def Check(name, port, path, folder):
    """A wrong answer is never measured. Asks twice: the second one comes from the cache, if there is any."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(2):
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200 or answer.read() != folder.Body(path) or answer.will_close:
            raise children.Failure(f"{name} answers {path} with something else")
    connection.close()


class Wrk:
    """`wrk -c N [-P DEPTH] PATH`: one thread, whole seconds; -P is ours."""
    counts_all = True  # from the first connection's on, so all CPU time belongs to what it counts

    def __init__(self, server, plan, seconds, options):
        *arguments, self.path = shlex.split(plan.tool)[1:]
        self.depth = "1"
        if "-P" in arguments:
            at = arguments.index("-P")
            self.depth = arguments[at + 1]
            del arguments[at:at + 2]
        self.command = ["wrk", "-t1", *arguments, f"-d{max(1, round(seconds))}s", "--timeout=10s",
                        "-s", os.path.join(PERF, "peers", "wrk.lua"), f"http://127.0.0.1:{server.port}{self.path}",
                        "--", self.depth]

    def Result(self, said):
        result = json.loads(said.splitlines()[-1])
        seconds = result["us"] / 1e6
        # wrk 4.1 corrects its latencies by the mean of an answer alone: with several in flight it invents some below the
        # least it saw, loses count, and says 0.
        latency = {name: result[name] for name in ("p50_us", "p99_us") if self.depth == "1"}
        return result["requests"] / seconds, latency, result["status"] + result["socket"], seconds
