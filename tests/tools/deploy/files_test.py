#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/deploy: units, container and pod, as far as they can be checked where neither systemd, Docker nor Kubernetes runs.
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import yaml

DEPLOY = os.path.abspath("tools/deploy")
MOORINGD = os.path.abspath("server/mooringd")


def text_of(name):
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
        return file.read()


def unit(name):
    """{key: [values]} of a unit."""
    found = {}
    for line in text_of(name).splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


class Units(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mooring-units.")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ["mooringd.service", "mooringd.socket"]:
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text_of(name).replace("/usr/local/bin/mooringd", MOORINGD))

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_systemd_has_nothing_to_say(self):
        verified = run("systemd-analyze", "verify", "./mooringd.service", "./mooringd.socket", cwd=self.folder)
        self.assertEqual((verified.returncode, verified.stdout), (0, ""))

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_little_is_exposed(self):
        judged = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "./mooringd.service", cwd=self.folder)
        self.assertEqual(judged.returncode, 0, judged.stdout)

    def test_what_the_shards_need_is_allowed(self):
        service = unit("mooringd.service")
        allowed, *denied = service["SystemCallFilter"]
        for call in ["io_uring_setup", "io_uring_enter", "io_uring_register", "@system-service"]:
            self.assertIn(call, allowed.split())
        for groups in denied:
            self.assertTrue(groups.startswith("~"))
            self.assertNotIn("@resources", groups, "shards pin themselves")
        self.assertEqual(service["CapabilityBoundingSet"], ["CAP_NET_BIND_SERVICE"])
        self.assertEqual(service["AmbientCapabilities"], ["CAP_NET_BIND_SERVICE"])
        self.assertNotIn("PrivateUsers", service, "in a user namespace the capability is worth nothing")
        self.assertNotIn("pid", service.get("ProcSubset", []), "mooringd reads /proc/sys and /proc/meminfo")
        for family in ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"]:
            self.assertIn(family, service["RestrictAddressFamilies"][0].split())

    def test_how_it_is_told_and_ended(self):
        service = unit("mooringd.service")
        self.assertEqual(service["Type"], ["notify"])
        self.assertEqual(service["KillSignal"], ["SIGTERM"])
        self.assertEqual([shlex.split(line)[-2:] for line in service["ExecReload"]],
                         [["check", "$MOORINGD_FLAGS"], ["-HUP", "$MAINPID"]])
        self.assertEqual(service["SuccessExitStatus"], ["3"])
        self.assertEqual(service["RestartPreventExitStatus"], ["2"])
        # More than the drain's deadline by default, and than the watchdog of the file.
        self.assertGreater(int(service["TimeoutStopSec"][0]), 30)
        self.assertGreater(int(service["WatchdogSec"][0]), 5)

    def test_the_socket_is_the_services(self):
        socket = unit("mooringd.socket")
        self.assertEqual(socket["Service"], ["mooringd.service"])
        self.assertNotIn("Accept", socket)
        self.assertNotIn("ReusePort", socket, "one socket, which the shards share")
        self.assertTrue(socket["ListenStream"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_a_mistake_in_a_unit_is_found(self):
        path = os.path.join(self.folder, "mooringd.service")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("WatchdogSec", "WatchdogSecs"))
        self.assertIn("WatchdogSecs", run("systemd-analyze", "verify", "./mooringd.service", cwd=self.folder).stdout)


class Logrotate(unittest.TestCase):
    @unittest.skipUnless(shutil.which("logrotate"), "needs logrotate")
    def test_rotates_and_signals(self):
        # For real, on a folder of the test, with a systemctl of its own.
        folder = tempfile.mkdtemp(prefix="mooring-logrotate.")
        self.addCleanup(shutil.rmtree, folder)
        log = os.path.join(folder, "log")
        tools = os.path.join(folder, "bin")
        os.mkdir(log)
        os.mkdir(tools)
        with open(os.path.join(log, "mooringd.log"), "w", encoding="utf-8") as file:
            file.write("a line\n")
        with open(os.path.join(tools, "systemctl"), "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "$@" >>"%s/called"\n' % folder)
        os.chmod(file.name, 0o755)
        snippet = os.path.join(folder, "mooringd")
        with open(snippet, "w", encoding="utf-8") as file:
            file.write(text_of("mooringd.logrotate").replace("/var/log/mooringd", log))
        os.chmod(snippet, 0o644)
        done = run("logrotate", "--force", "--state", os.path.join(folder, "state"), snippet,
                   env={**os.environ, "PATH": tools + ":" + os.environ["PATH"]})
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertEqual(os.listdir(log), ["mooringd.log.1"], "whose name mooringd has open until it is told")
        with open(os.path.join(folder, "called"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "kill --signal=USR1 --kill-whom=main mooringd.service\n")


class Container(unittest.TestCase):
    INSTRUCTIONS = "FROM RUN COPY USER EXPOSE STOPSIGNAL ENTRYPOINT WORKDIR CMD ENV ARG LABEL VOLUME".split()

    def instructions(self):
        text = "\n".join(line for line in text_of("Dockerfile").splitlines() if not line.startswith("#"))
        return [line.split(None, 1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]

    def test_the_dockerfile_is_made_of_instructions_whose_files_are_there(self):
        stages = []
        for name, rest in self.instructions():
            self.assertIn(name, self.INSTRUCTIONS)
            if name == "FROM":
                found = re.fullmatch(r"(\S+)(?: AS (\w+))?", rest)
                self.assertEqual(found.group(1), "debian:bookworm-slim")
                stages.append(found.group(2))
            if name == "COPY" and rest.startswith("--from="):
                self.assertIn(rest.split()[0][len("--from="):], stages[:-1])
            if name == "RUN":
                checked = run("bash", "-n", "-c", rest)
                self.assertEqual(checked.returncode, 0, checked.stdout)
            if name in ("ENTRYPOINT", "CMD"):
                self.assertIsInstance(json.loads(rest), list, "no shell between the signal and mooringd")
        self.assertEqual(len(stages), 2)
        said = dict(self.instructions())
        self.assertNotIn(said["USER"], ("root", "0"))
        self.assertEqual(said["STOPSIGNAL"], "SIGTERM")

    def test_the_pod_fits_its_own_file(self):
        file, pod, service = yaml.safe_load_all(text_of("pod.yaml"))
        self.assertEqual([part["kind"] for part in (file, pod, service)], ["ConfigMap", "Pod", "Service"])
        settings = tomllib.loads(file["data"]["mooringd.toml"])
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as toml:
            toml.write(file["data"]["mooringd.toml"])
            toml.flush()
            checked = run(MOORINGD, "check", "--config", toml.name)
            self.assertEqual(checked.returncode, 0, checked.stdout)
        spec = pod["spec"]
        seconds = {key: int(value.rstrip("s")) for key, value in settings["drain"].items()}
        self.assertGreater(spec["terminationGracePeriodSeconds"], sum(seconds.values()))
        (container,) = spec["containers"]
        self.assertNotIn("lifecycle", container, "drain.delay is what a preStop hook sleeps for elsewhere")
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, path in [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]:
            self.assertEqual(container[probe]["httpGet"], {"path": path, "port": "admin"})
        self.assertTrue(settings["admin"]["metrics_listen"].endswith(":%d" % ports["admin"]))
        self.assertTrue(settings["listener"][0]["address"].endswith(":%d" % ports["http"]))
        ready = container["readinessProbe"]
        self.assertGreater(seconds["delay"], ready["periodSeconds"] * ready["failureThreshold"])
        # The kubelet takes these without being told to.
        safe = {"net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ip_unprivileged_port_start"}
        self.assertLessEqual({each["name"] for each in spec["securityContext"]["sysctls"]}, safe)
        self.assertEqual(spec["securityContext"]["seccompProfile"]["type"], "Localhost")
        self.assertEqual(service["spec"]["selector"], pod["metadata"]["labels"])
        self.assertEqual(settings["runtime"]["shards"], int(container["resources"]["limits"]["cpu"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
