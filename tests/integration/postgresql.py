"""A real PostgreSQL of the test's own on a free port of 127.0.0.1, from `.ci/unpack-postgres` or the system's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2] / ".local" / "postgres" / "root"
SYSTEM = Path("/")
_NOBODY = "nobody"


class PostgresUnavailableError(Exception):
    """There is no PostgreSQL here; the text says how to get one."""


def programs() -> Path:
    """The folder of `initdb` and `postgres`."""
    for root in (ROOT, SYSTEM):
        found = sorted(root.glob("usr/lib/postgresql/*/bin/initdb"))
        if found:
            return found[-1].parent
    raise PostgresUnavailableError("no PostgreSQL: `make postgres` unpacks one (Debian or Ubuntu)")


class Postgres:
    """Its data lie in a folder below /tmp: the server runs as nobody where we are root, and must get there."""

    def __init__(self) -> None:
        self._bin = programs()
        self._home = Path(tempfile.mkdtemp(prefix="mailgap-postgres-", dir="/tmp"))
        self._user = _NOBODY if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._home, self._user)
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", "LD_LIBRARY_PATH": _libraries()}
        self.port = _free_port()

    @property
    def url(self) -> str:
        """Where its database is."""
        return f"postgresql://mailgap@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Makes the cluster the first time; returns once it answers."""
        if not self._data.exists():
            self._run("initdb", "-D", self._data, "-U", "mailgap", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {self.port} -h 127.0.0.1 -k ''"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._home / "log", "-o", options)

    def stop(self) -> None:
        """As a crash would; what was committed is there again after `start`."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def close(self) -> None:
        """Stops it and removes its data."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            [self._bin / program, *map(str, words)],
            env=self._environment, user=self._user, cwd=self._home, check=False, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {words}: {done.returncode}; see {self._home / 'log'}"


def _libraries() -> str:
    return ":".join(str(folder) for folder in (ROOT / "usr" / "lib").glob("*-linux-gnu"))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
