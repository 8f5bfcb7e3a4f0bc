"""A real Apache Kafka on 127.0.0.1 for the demo and the tests, and its end by process id.

It decides which Kafka that is: the user's own where `MAILGAP_BOOTSTRAP_SERVERS` names one, else Java with the jars that
Maven fetched, else a container. It must never leave a server behind (the `Guard` in `broker_servers` sees to that even
after a `kill -9` of ours) and never end a process that it did not start.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from service.demo.broker_servers import (
    RECIPE,
    ContainerServer,
    GivenServer,
    JavaServer,
    KafkaFailed,
    KafkaUnavailable,
    Server,
    free_port,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

__all__ = ["KafkaFailed", "KafkaUnavailable", "LocalKafka", "install", "kafka_home", "main"]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
INSTALL_SECONDS: Final = 600.0
_JAVA_VERSION: Final = 17


# -- finding one -----------------------------------------------------------------------------------------------------


def kafka_home() -> Path:
    """The folder whose `libs/` holds the jars: `MAILGAP_KAFKA_HOME` (an unpacked Kafka will do) or `.local/kafka`."""
    return Path(os.environ.get("MAILGAP_KAFKA_HOME") or REPOSITORY / ".local" / "kafka").resolve()


def install(home: Path | None = None) -> Path:
    """Fetch the jars with Maven unless they are there for this very recipe; returns the folder that holds them.

    Raises `KafkaUnavailable` where Maven is needed and missing, or could not fetch them.
    """
    home = home or kafka_home()
    libs = home / "libs"
    if _installed(libs):
        return libs
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / ".lock"):
        if not _installed(libs):
            _fetch(libs)
    return libs


def _installed(libs: Path) -> bool:
    if not any(libs.glob("kafka_2.13-*.jar")):
        return False
    stamp = libs / ".recipe"
    return not stamp.exists() or stamp.read_text() == _recipe()  # without a stamp it is the user's own, taken as it is


def _recipe() -> str:
    return hashlib.sha256((RECIPE / "pom.xml").read_bytes()).hexdigest()


def _fetch(libs: Path) -> None:
    maven, pom = shutil.which("mvn"), RECIPE / "pom.xml"
    if maven is None or not pom.exists():
        raise KafkaUnavailable(
            f"Kafka's jars are not in {libs} and cannot be fetched without Maven and {pom}: "
            "install Maven, or let MAILGAP_KAFKA_HOME point to an unpacked Apache Kafka."
        )
    with tempfile.TemporaryDirectory(dir=libs.parent) as scratch:
        fresh = Path(scratch) / "libs"
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
        done = run(command, seconds=INSTALL_SECONDS)
        if done.returncode:
            raise KafkaUnavailable(f"Maven could not fetch Kafka's jars: {_first_error(done.stdout)}")
        (fresh / ".recipe").write_text(_recipe())
        shutil.rmtree(libs, ignore_errors=True)
        fresh.rename(libs)


def _first_error(output: str) -> str:
    return next((line for line in output.splitlines() if "ERROR" in line), output.strip()[-300:]) or "it said nothing"


def _java() -> str | None:
    """A Java that is new enough for Kafka 4, or None."""
    java = shutil.which("java")
    if java is None:
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', run([java, "-version"]).stdout)
    return java if version and int(version[1]) >= _JAVA_VERSION else None


def _container_engine() -> str | None:
    """A container engine that answers; having its command is not enough."""
    engines = (shutil.which(name) for name in ("docker", "podman"))
    return next((path for path in engines if path and run([path, "info"]).returncode == 0), None)


def _server(home: Path, port: int, properties: Mapping[str, str], cluster_id: str, *, own: bool) -> Server:
    given = os.environ.get("MAILGAP_BOOTSTRAP_SERVERS")
    if given and not own:
        return GivenServer(given)
    if not RECIPE.exists():
        raise KafkaUnavailable(
            f"There is no Kafka to run: {RECIPE}, which describes it, comes only with a checkout of the repository; "
            "name a broker of yours in MAILGAP_BOOTSTRAP_SERVERS."
        )
    java = _java()
    if java and (_installed(kafka_home() / "libs") or shutil.which("mvn")):
        return JavaServer(java, install(), home, port, properties, cluster_id)
    engine = _container_engine()
    if engine:
        return ContainerServer(engine, port, properties)
    missing = " and ".join(
        name for name, there in ((f"Java {_JAVA_VERSION} or newer", java), ("Maven", shutil.which("mvn"))) if not there
    )
    raise KafkaUnavailable(
        f"There is no Kafka to run: {missing} missing and no container engine answers; install openjdk-17-jre-headless "
        "and maven, or start Docker or Podman, or name a broker of yours in MAILGAP_BOOTSTRAP_SERVERS."
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One installer at a time: `make test` and `make demo` may start together."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- running one -----------------------------------------------------------------------------------------------------


class LocalKafka:
    """One Kafka node for as long as the `with` lasts; its data stays in `home` and is taken up again.

    `port` 0 finds a free one. `properties` replace or add lines of the template. `own` refuses the user's broker:
    tests that make topics by the hundred, or that kill the broker, want one of their own. `cluster_id` is what it
    shares with other nodes that its properties name.
    """

    def __init__(
        self,
        home: Path,
        port: int = 0,
        *,
        properties: Mapping[str, str] | None = None,
        cluster_id: str = "",
        own: bool = False,
    ) -> None:
        self.home = home.resolve()
        self._server = _server(self.home, port or free_port(), properties or {}, cluster_id, own=own)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients begin: `host:port[,…]`."""
        return self._server.bootstrap_servers

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs as a process of ours."""
        return self._server.pid

    @property
    def given(self) -> bool:
        """Whether it is the user's own, on which others work too."""
        return isinstance(self._server, GivenServer)

    def start(self) -> None:
        """Start it and wait until it answers; raises `KafkaFailed` after `START_SECONDS`."""
        atexit.register(self.close)
        try:
            self._server.start()
        except BaseException:  # Ctrl-C too: what was half started must not stay
            self.close()
            raise

    def stop(self) -> None:
        """Stop it in good order (`SIGTERM`, and `SIGKILL` after `STOP_SECONDS`); its data stays."""
        self._server.stop()

    def kill(self) -> None:
        """End it as a power cut would (`SIGKILL`); its data stays as it is."""
        self._server.kill()

    def restart(self) -> None:
        """Start it again on the same port and data, after stopping it where it still runs."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it for good."""
        self._server.close()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# -- the command -----------------------------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A real Apache Kafka on this machine, for the demo and the tests."""


@main.command("install")
def _install() -> None:
    """Fetch Kafka's jars with Maven, once."""
    click.echo(f"Kafka is in {install()}")


@main.command("run")
@click.option(
    "--home", type=click.Path(path_type=Path), default=REPOSITORY / ".local" / "kafka" / "run", help="Its data."
)
@click.option("--port", type=int, default=19092, show_default=True, help="0 finds a free one.")
def _run_until_stopped(home: Path, port: int) -> None:
    """Run it until Ctrl-C or SIGTERM."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with LocalKafka(home, port, own=True) as kafka:
        click.echo(f"Kafka answers at {kafka.bootstrap_servers} (process {kafka.pid}); Ctrl-C stops it.")
        stopped.wait()
    click.echo("Kafka is stopped.")


def _command() -> None:
    try:
        main()
    except (KafkaUnavailable, KafkaFailed) as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    _command()
