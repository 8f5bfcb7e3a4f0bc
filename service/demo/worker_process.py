"""`mailgap worker` as a child process: started, waited for, watched, and ended by its process id whatever happens."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final, Self

from service.demo.broker_servers import Guard

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
_CODE: Final = Path(__file__).resolve().parents[2]


class WorkerFailed(Exception):  # noqa: N818 - it reads as the sentence that it is
    """The worker ended, or was never ready; the text says so with the last line of its log."""


class WorkerProcess:
    """One worker for as long as the `with` lasts. It leads a session of its own, so that Ctrl-C reaches only us."""

    def __init__(self, arguments: list[str], http_port: int, log: Path) -> None:
        self._command = [sys.executable, "-P", "-m", "service.cli", "worker", *arguments]
        self._port, self._log = http_port, log
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            self._process = _started(self._command, output)
        self._guard = Guard.of_group(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._guard:
            self._guard.dismiss()

    def await_ready(self) -> None:
        """Return once both roles consume. Raises `WorkerFailed`."""
        end = time.monotonic() + READY_SECONDS
        while not self._ready():
            self.see_alive()
            if time.monotonic() > end:
                raise WorkerFailed(f"The worker was not ready within {READY_SECONDS:.0f} s; {self._last_words()}")
            time.sleep(0.1)

    def see_alive(self) -> None:
        """Raises `WorkerFailed` where it has ended."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise WorkerFailed(f"The worker ended by itself (exit {code}); {self._last_words()}")

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        """The last error in its log; without one, its last line."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if " ERROR " in line or " CRITICAL " in line or line.startswith("Error: ")]
        last = (errors or lines)[-1:]
        return f'the last word in {self._log}: "{last[0]}"' if last else f"{self._log} is empty."


def _started(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Without our settings in its environment, since the demo gives all it needs as flags; and this very code, whatever
    the folder is called that the user stands in (`-P`).
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILGAP_")}
    known = [str(_CODE), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(known)
    return subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
