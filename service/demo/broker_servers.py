"""The three ways to have a Kafka: the user's own, a Java process of ours, a container.

All three serve the one template in `deploy/kafka/`, answer on the loopback interface only, and are ended by the id that
they were started under. Choosing between them, and fetching the jars, is `broker`'s business.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import signal
import socket
import struct
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RECIPE: Final = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
IMAGE: Final = "apache/kafka:4.3.1"
START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 20.0
PULL_SECONDS: Final = 600.0
_HEAP: Final = ("-Xms256m", "-Xmx1g")


class KafkaUnavailable(Exception):  # noqa: N818 - it reads as the sentence that it is
    """There is no way to a Kafka on this machine; the text is one sentence that says what is missing and what to do."""


class KafkaFailed(Exception):  # noqa: N818
    """A Kafka that should have run did not; the text says where its log is."""


class Server(Protocol):
    """What `broker` asks of each of them. Every method may be called in any state."""

    bootstrap_servers: str

    @property
    def pid(self) -> int | None:
        """The process id, where it is a process of ours and runs."""

    def start(self) -> None:
        """Start it, on the data that is there, and return once it answers."""

    def stop(self) -> None:
        """Stop it in good order; its data stays."""

    def kill(self) -> None:
        """End it at once; its data stays as it is."""

    def close(self) -> None:
        """Stop it for good; never fails for a server that is gone."""


class GivenServer:
    """The user's own broker, which is not ours to start or stop."""

    pid = None

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def start(self) -> None:
        """Only see that somebody listens there."""
        seeds = [seed.strip() for seed in self.bootstrap_servers.split(",")]
        if not any(_reachable(seed) for seed in seeds):
            raise KafkaFailed(f"No broker listens at {self.bootstrap_servers}, which MAILGAP_BOOTSTRAP_SERVERS names.")

    def stop(self) -> None:
        """Refused."""
        raise KafkaUnavailable("The broker that MAILGAP_BOOTSTRAP_SERVERS names is not ours to stop or restart.")

    kill = stop

    def close(self) -> None:
        """It runs on."""


class JavaServer:
    """A broker as a child process in a session of its own, so that Ctrl-C on our terminal does not reach it first."""

    def __init__(
        self, java: str, libs: Path, home: Path, port: int, properties: Mapping[str, str], cluster_id: str = ""
    ) -> None:
        logging = f"-Dlog4j2.configurationFile={RECIPE / 'log4j2.properties'}"
        self._java = [java, *_HEAP, logging, "-cp", str(libs / "*")]
        self._home, self._port, self._properties = home, port, properties
        self._cluster_id = cluster_id or new_cluster_id()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self.bootstrap_servers = f"127.0.0.1:{port}"

    @property
    def pid(self) -> int | None:
        """The broker's, which is also its process group's."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Write the configuration, format the data folder where it is new, and run."""
        if self._process:
            return
        config = self._configure()
        log = self._home / "kafka.log"
        with log.open("ab") as output:
            self._process = _detached([*self._java, "kafka.Kafka", str(config)], output.fileno())
        self._guard = Guard.of_group(self._process.pid)
        _await_answer(self._port, alive=self._alive, log=f"its log is {log}")

    def _configure(self) -> Path:
        self._home.mkdir(parents=True, exist_ok=True)
        config = self._home / "server.properties"
        places = {"bind": "127.0.0.1", "port": self._port, "controller_port": free_port(), "data": self._home / "data"}
        lines = _properties(places, self._properties).items()
        config.write_text("".join(f"{name}={value}\n" for name, value in lines))
        if not (self._home / "data" / "meta.properties").exists():
            self._format(config)
        return config

    def _format(self, config: Path) -> None:
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(config)]
        done = run(tool, seconds=START_SECONDS)
        if done.returncode:
            raise KafkaFailed(f"Kafka's data folder could not be formatted: {done.stdout.strip()[-500:]}")

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """`SIGTERM`, and `SIGKILL` after `STOP_SECONDS`."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`SIGKILL`."""
        self._end(signal.SIGKILL)

    close = stop

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process, how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGKILL)
            process.wait()
        if self._guard:
            self._guard.dismiss()
            self._guard = None


class ContainerServer:
    """The same broker from the project's own image; it stays, stopped, until `close`, so that its data does too."""

    pid = None

    def __init__(self, engine: str, port: int, properties: Mapping[str, str]) -> None:
        self._engine, self._port, self._properties = engine, port, properties
        self._name = f"mailgap-kafka-{uuid.uuid4().hex[:12]}"
        self._guard: Guard | None = None
        self.bootstrap_servers = f"127.0.0.1:{port}"

    def start(self) -> None:
        """Fetch the image where it is missing, and run or start the container."""
        if self._guard is None:
            self._guard = Guard('"$0" rm -f "$1"', self._engine, self._name)
            self._do(self._first_run(), seconds=PULL_SECONDS)
        else:
            self._do(["start", self._name])
        _await_answer(self._port, alive=self._alive, log=f"see `{self._engine} logs {self._name}`")

    def _first_run(self) -> list[str]:
        places = {"bind": "0.0.0.0", "port": self._port, "controller_port": self._port + 1, "data": "/tmp/kafka"}  # noqa: S104, S108 - inside the container
        settings = {_as_variable(name): value for name, value in _properties(places, self._properties).items()}
        settings["CLUSTER_ID"] = new_cluster_id()
        settings["KAFKA_HEAP_OPTS"] = " ".join(_HEAP)
        variables = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
        publish = f"127.0.0.1:{self._port}:{self._port}"
        return ["run", "-d", "--name", self._name, "-p", publish, *variables, IMAGE]

    def _alive(self) -> bool:
        return "true" in run([self._engine, "inspect", "-f", "{{.State.Running}}", self._name]).stdout

    def stop(self) -> None:
        """The engine's own `SIGTERM`, then `SIGKILL`."""
        if self._alive():
            self._do(["stop", "-t", str(int(STOP_SECONDS)), self._name])

    def kill(self) -> None:
        """`SIGKILL`."""
        if self._alive():
            self._do(["kill", self._name])

    def close(self) -> None:
        """Remove the container and its data."""
        if self._guard:
            run([self._engine, "rm", "-f", self._name], seconds=START_SECONDS)
            self._guard.dismiss()
            self._guard = None

    def _do(self, arguments: Sequence[str], *, seconds: float = START_SECONDS) -> None:
        done = run([self._engine, *arguments], seconds=seconds)
        if done.returncode:
            raise KafkaFailed(f"`{Path(self._engine).name} {arguments[0]}` of {IMAGE} failed: {done.stdout[-300:]}")


class Guard:
    """Ends a server when this process is gone without having said goodbye (`kill -9`, a closed terminal).

    It waits on a pipe whose other end only we hold: a line means all is well, the pipe's end means that we are dead.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            ["/bin/sh", "-c", f"read -r _ && exit\n{script}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @classmethod
    def of_group(cls, pid: int) -> Self:
        """One that ends the process group of `pid`: `SIGTERM`, and `SIGKILL` after `STOP_SECONDS`."""
        return cls(_END_GROUP, str(pid))

    def dismiss(self) -> None:
        """The server has ended; there is nothing left to guard."""
        self._process.communicate(b"done\n")


_END_GROUP: Final = f"""
kill -s TERM -- "-$0"
for _ in $(seq {STOP_SECONDS:.0f}); do sleep 1; kill -s 0 -- "-$0" || exit; done
kill -s KILL -- "-$0"
"""


# -- small parts -----------------------------------------------------------------------------------------------------


def _properties(places: Mapping[str, object], extra: Mapping[str, str]) -> dict[str, str]:
    """The template's lines with its places filled in, then the extra ones."""
    template = (RECIPE / "server.properties.template").read_text()
    lines = (line for line in template.splitlines() if line and not line.startswith("#"))
    filled = (line.format_map(places).partition("=") for line in lines)
    return {name: value for name, _, value in filled} | dict(extra)


def _as_variable(name: str) -> str:
    """How the image spells a property: `_` doubled, `-` tripled, then dots as underscores."""
    return "KAFKA_" + name.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def new_cluster_id() -> str:
    """An id as Kafka writes it: 16 bytes in URL-safe base64. A leading dash would look like an option."""
    return "m" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def free_port() -> int:
    """A port that is free now, below the range from which the kernel serves outgoing connections, lest one takes it."""
    for port in random.SystemRandom().sample(range(15_000, 32_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise KafkaFailed("No free port was found on 127.0.0.1.")


def _await_answer(port: int, *, alive: Callable[[], bool], log: str) -> None:
    """Return once the broker answers a request; listening is not enough."""
    end = time.monotonic() + START_SECONDS
    while not _answers(port):
        if not alive():
            raise KafkaFailed(f"Kafka ended while it was starting; {log}.")
        if time.monotonic() > end:
            raise KafkaFailed(f"Kafka did not answer on 127.0.0.1:{port} within {START_SECONDS:.0f} s; {log}.")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    """Ask for the versions it speaks (ApiVersions v0), the one request that any broker answers to anybody."""
    request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(request)
        return len(connection.recv(4)) > 0
    return False


def _reachable(seed: str) -> bool:
    host, _, port = seed.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host.strip("[]"), int(port)), timeout=5):
        return True
    return False


def run(command: Sequence[str], *, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run to the end; both streams in `stdout`, and no answer in time counts as a failure that says so."""
    try:
        return subprocess.run(  # noqa: S603 - a tool that shutil.which found, and arguments of ours
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(list(command), 1, stdout=f"no answer within {seconds:.0f} s", stderr="")


def _detached(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - Java, and arguments of ours
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )


def _signal_group(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """To the whole group that the process leads; it may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
