# SPDX-License-Identifier: Apache-2.0
"""perf/servers.toml read and checked: which servers there are, how each starts, what to install when one is absent."""
import os
import shlex
import shutil
import string
import tomllib
from dataclasses import dataclass, field

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE = os.path.join(REPOSITORY, "perf", "servers.toml")
PLACES = {"port", "cpu", "cpus", "cores", "shards", "root", "home", "peers", "behind"}


class Wrong(Exception):
    """The file says something that cannot be."""


class Absent(Exception):
    """A program is not there. Its text says what to do about it."""


@dataclass(frozen=True)
class Server:
    name: str
    program: str
    arguments: str
    origin: str = "command"  # `from` in the file, a word that Python keeps for itself
    package: str = ""
    services: tuple = ()
    processes: bool = False
    descriptors: bool = False
    configuration: str = ""
    behind: str = ""
    admin: bool = False
    environment: dict = field(default_factory=dict)

    def Command(self, places, options):
        """The words to start it with. Raises Absent."""
        return [self.Program(options), *shlex.split(self.arguments.format(**places))]

    def Environment(self, places):
        return {name: value.format(**places) for name, value in self.environment.items()}

    def Program(self, options):
        if self.origin in ("debian", "command"):
            return Installed(self.program, self.package)
        path = os.path.join(options.bazel_bin if self.origin == "bazel" else options.go_bin, self.program)
        if os.path.exists(path):
            return path
        if self.origin == "bazel":
            how = "bazel build --config=opt //" + ":".join(os.path.split(self.program))
        else:
            how = f"perf/peers/build (it needs Debian's {self.package or 'golang-go'})"
        raise Absent(f"{self.name} is not built; run: {how}")


def Installed(program, package):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        how = f"Debian has it: apt-get install {package}" if package else "install it"
        raise Absent(f"there is no {program}; {how}")
    return path


def Load(path=FILE):
    """Every server of the file, by name. Raises Wrong."""
    with open(path, "rb") as f:
        try:
            entries = tomllib.load(f)
        except tomllib.TOMLDecodeError as error:
            raise Wrong(f"{path}: {error}") from None
    servers = {name: Entry(name, values) for name, values in entries.items()}
    for server in servers.values():
        if server.behind and server.behind not in servers:
            raise Wrong(f"{server.name}: behind = {server.behind!r} is no server")
    return servers


def Entry(name, values):
    kinds = {"from": str, "program": str, "arguments": str, "package": str, "services": list, "processes": bool,
             "descriptors": bool, "configuration": str, "behind": str, "admin": bool, "environment": dict}
    for key, value in values.items():
        if type(value) is not kinds.get(key):
            raise Wrong(f"{name}: {key} = {value!r} " + ("has another type" if key in kinds else "is no key"))
    for key in ("from", "program", "arguments", "services"):
        if key not in values:
            raise Wrong(f"{name}: {key} is missing")
    if values["from"] not in ("bazel", "go", "debian"):
        raise Wrong(f"{name}: from = {values['from']!r} is none of bazel, go, debian")
    if values["from"] != "bazel" and not values.get("package"):
        raise Wrong(f"{name}: package is missing: what to install when it is absent")
    for text in (values["arguments"], *values.get("environment", {}).values()):
        for _, place, _, _ in string.Formatter().parse(text):
            if place is not None and place not in PLACES:
                raise Wrong(f"{name}: there is no place {{{place}}}")
    values = dict(values, origin=values["from"], services=tuple(values["services"]))
    del values["from"]
    return Server(name=name, **values)


def Find(servers, name):
    """One of the file's, or a command with {port} in it."""
    if name in servers:
        return servers[name]
    if "{port}" not in name:
        raise Wrong(f"there is no server {name}; perf/servers.toml has them all")
    program, _, arguments = name.partition(" ")
    return Server(name=name, program=program, arguments=arguments)
