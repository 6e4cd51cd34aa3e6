#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Chromium without a window loads a page of 100 small files: scripts, pictures, and texts that the page itself compares.
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402

SCRIPTS, PICTURES, TEXTS = 30, 30, 40

PAGE = """<!doctype html><title>100 files</title><body><p id="result">not yet</p>
<script>const seen = new Set(), drawn = new Set(), wrong = [];</script>
%s
<script>
async function text(i) {
  const got = await fetch('texts/' + i + '.txt?' + i);
  const content = await got.text();
  return got.ok && content === ('text ' + i + '\\n').repeat(i + 1);
}
addEventListener('load', async () => {
  const texts = await Promise.all([...Array(%d).keys()].map(text));
  for (const image of document.images) if (image.naturalWidth === 7) drawn.add(image.src);
  const loaded = seen.size + drawn.size + texts.filter((each) => each).length;
  document.getElementById('result').textContent = 'loaded ' + loaded + ', wrong ' + wrong.length;
});
</script>
"""


class Browser(servers.Case):
    def test_a_page_of_100_files(self):
        tags = []
        for i in range(SCRIPTS):
            self.write("root/scripts/%d.js" % i, b"seen.add(%d);\n" % i)
            tags.append('<script src="scripts/%d.js" onerror="wrong.push(this.src)"></script>' % i)
        for i in range(PICTURES):
            self.write("root/pictures/%d.svg" % i,
                       b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><!-- %d --></svg>\n' % i)
            tags.append('<img src="pictures/%d.svg" onerror="wrong.push(this.src)">' % i)
        for i in range(TEXTS):
            self.write("root/texts/%d.txt" % i, b"text %d\n" % i * (i + 1))
        self.write("root/index.html", (PAGE % ("\n".join(tags), TEXTS)).encode())
        log = os.path.join(self.folder, "access.log")
        server = servers.mooringd(self.folder + "/root", "--http-access-log=" + log)
        try:
            due = '<p id="result">loaded %d, wrong 0</p>' % (SCRIPTS + PICTURES + TEXTS)
            self.assertIn(due, self.dom(server.base + "/"))
        finally:
            server.end()
        with open(log, encoding="latin-1") as file:
            lines = file.read().splitlines()
        served = [line for line in lines if '" 200 ' in line]
        self.assertGreaterEqual(len(served), 101)
        self.assertEqual([line for line in lines if '" 200 ' not in line and "/favicon.ico" not in line], [])

    def dom(self, url):
        # A process group of its own: its children outlive it when it is killed. And a home, which it writes into.
        with open(os.path.join(self.folder, "chromium.err"), "wb") as errors:
            browser = subprocess.Popen(
                [servers.program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--user-data-dir=" + self.folder + "/profile",
                 "--virtual-time-budget=30000", "--timeout=50000", "--dump-dom", url],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
                env={**os.environ, "HOME": self.folder})
            try:
                return browser.communicate(timeout=servers.PATIENCE_S)[0].decode("utf-8", "replace")
            finally:
                try:
                    os.killpg(browser.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


if __name__ == "__main__":
    servers.main()
