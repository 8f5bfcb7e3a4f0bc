"""The services of the compose file as processes: their own words, their own variables, their files where we have them.

What a container would have is put in its place: volumes are folders of the test's own, mounted files are copies, and
the names of services are ports of 127.0.0.1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from service.demo.broker_servers import free_port
from tests.compose.compose import FOLDER, binds, command, read
from tests.integration.prometheus import Server
from tests.rules.prometheus import ROOT, UNPACKED, program

SERVE = ("worker", "notify", "trace", "prometheus", "alertmanager")
BINARIES = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}


class Laptop:
    """A context manager: whatever it started is ended, by its process id."""

    def __init__(self, home: Path, bootstrap_servers: str, given: dict[str, str]) -> None:
        """`given`: the variables that a user may set."""
        self.services: dict[str, dict[str, Any]] = read(given)["services"]
        self.home, self.data = home, home / "volumes" / "mailgap"
        self.ports = {name: free_port() for name in SERVE}
        self._addresses = {"kafka:9092": bootstrap_servers, "alertmanager:9093": self.at("alertmanager")}
        self._addresses |= {f"{name}:9750": self.at(name) for name in ("worker", "notify", "trace")}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def at(self, name: str) -> str:
        """Where a service listens."""
        return f"127.0.0.1:{self.ports[name]}"

    def prepare(self) -> None:
        """As the service of that name does; who runs this is root, and so may read what it gave away."""
        subprocess.run([sys.executable, FOLDER / "prepare.py", self.data], check=True)

    def run(self, name: str) -> None:
        """A service that ends by itself, and well."""
        env = self._environment(name)
        done = subprocess.run(self._words(name), env=env, capture_output=True, text=True, check=False, cwd=self.home)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def start(self, name: str) -> Server:
        """A service of ours that stays, once it is ready."""
        environment = self._environment(name)
        server = Server(self._folder(name), self._words(name), "/readyz", self.ports[name], env=environment)
        return self._stack.enter_context(server)

    def monitor(self, name: str) -> Server:
        """Prometheus or Alertmanager, with the configuration that is mounted."""
        folder, listen = self._folder(name), f"--web.listen-address={self.at(name)}"
        words = [program(BINARIES[name]), *self._given(name), listen]
        cwd = UNPACKED if UNPACKED.exists() else None
        return self._stack.enter_context(Server(folder, words, "/-/ready", self.ports[name], cwd))

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    def _words(self, name: str) -> list[str]:
        return [sys.executable, "-P", "-m", "service.cli", *self._given(name)]

    def _given(self, name: str) -> list[str]:
        parts = [word.rpartition("=") for word in command(self.services[name])]
        return [f"{option}{equals}{self._here(name, value)}" for option, equals, value in parts]

    def _environment(self, name: str) -> dict[str, str]:
        given = {key: self._here(name, value) for key, value in self.services[name]["environment"].items()}
        if name in self.ports:
            given["MAILGAP_HTTP_BIND"] = self.at(name)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MAILGAP_")}
        return kept | given | {"PYTHONPATH": str(ROOT)}

    def _here(self, name: str, value: str) -> str:
        """What the container calls so."""
        mounted = binds(self.services[name])
        if value in mounted:
            return str(self._copy(name, value))
        for volume in self.services[name].get("volumes", []):
            target = Path(volume["target"])
            if volume["type"] == "volume" and Path(value).is_relative_to(target):
                return str(self.home / "volumes" / volume["source"] / Path(value).relative_to(target))
        return self._renamed(value)

    def _copy(self, name: str, target: str) -> Path:
        """A mounted file, of which the other mounted files and services are found here."""
        mounted = binds(self.services[name])
        text = self._renamed(mounted[target].read_text())
        for path, source in mounted.items():
            text = text.replace(path, str(source))
        copy = self._folder(name) / Path(target).name
        copy.write_text(text)
        return copy

    def _renamed(self, text: str) -> str:
        for name, address in self._addresses.items():
            text = text.replace(name, address)
        return text
