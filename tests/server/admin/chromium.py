# SPDX-License-Identifier: Apache-2.0
# Chromium without a window, driven by its DevTools protocol over a pair of pipes: it needs no port and no library.
#
#   with Chromium(folder) as browser:
#       page = browser.open(url)
#       page.until("document.title !== ''")
#       self.assertEqual(page.complaints, [])
import base64
import json
import os
import queue
import shutil
import signal
import subprocess
import threading

PATIENCE_S = 60


class Chromium:
    def __init__(self, folder):
        binary = shutil.which("chromium")
        if binary is None:
            raise AssertionError("no chromium: tools/setup --packages=tests/packages installs it")
        self.errors = open(os.path.join(folder, "chromium.err"), "wb")
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()

        def place():  # it reads from 3 and writes to 4
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            spare = [os.dup(first), os.dup(second)]
            while min(spare) < 5:  # neither may be in the way of the other
                spare = [os.dup(each) for each in spare]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        # A process group of its own: its children outlive it when it is killed. And a home, which it writes into.
        self.process = subprocess.Popen(
            [shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--hide-scrollbars", "--user-data-dir=" + folder + "/profile",
             "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors, start_new_session=True, close_fds=False,
            preexec_fn=place, env={**os.environ, "HOME": folder})
        os.close(theirs_in)
        os.close(theirs_out)
        self.number = 0
        self.answers = {}
        self.pages = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.read_on, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(PATIENCE_S)
        os.close(self.to)
        self.errors.close()

    def read_on(self):
        rest = b""
        while True:
            piece = os.read(self.back, 1 << 16)
            if not piece:
                return
            *messages, rest = (rest + piece).split(b"\0")
            for message in messages:
                self.take(json.loads(message))

    def take(self, message):
        if "id" in message:
            with self.lock:
                waiting = self.answers.pop(message["id"])
            waiting.put(message)
        elif message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].take(message["method"], message["params"])

    def call(self, method, session=None, **params):
        waiting = queue.Queue()
        with self.lock:
            self.number += 1
            message = {"id": self.number, "method": method, "params": params}
            if session is not None:
                message["sessionId"] = session
            self.answers[self.number] = waiting
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        answer = waiting.get(timeout=PATIENCE_S)
        if "error" in answer:
            raise AssertionError("%s: %s" % (method, answer["error"]))
        return answer["result"]

    def open(self, url, dark=False, width=1280, height=1500):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log"):
            page.call(domain + ".enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        failed = page.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise AssertionError("%s: %s" % (url, failed))
        return page


class Page:
    def __init__(self, browser, session):
        self.browser = browser
        self.session = session
        self.complaints = []  # of the console: errors and warnings, exceptions, what a policy refused
        self.dialogs = []     # what alert() said

    def call(self, method, **params):
        return self.browser.call(method, session=self.session, **params)

    def take(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(params["message"])

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError("%s: %s" % (expression, result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, expression):
        """Returns when `expression` holds, looking at every change of the page."""
        held = self.value("""new Promise((done) => {
          const holds = () => { try { return %s; } catch (error) { return false; } };  // of what is not there yet
          if (holds()) return done(true);
          const observer = new MutationObserver(() => { if (holds()) { observer.disconnect(); done(true); } });
          observer.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
          setTimeout(() => done(false), %d);
        })""" % (expression, (PATIENCE_S - 10) * 1000))
        if not held:
            raise AssertionError("it never came: %s\n%s\n%s" % (expression, self.complaints, self.value("document.body.innerText")))

    def screenshot(self, path):
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        with open(path, "wb") as file:
            file.write(png)
        return len(png)
