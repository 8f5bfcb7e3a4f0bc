"""What every test may ask for: a real Kafka, a real Postfix, names of its own, and how hard Hypothesis tries."""

from __future__ import annotations

import itertools
import os
import shutil
import uuid
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from service.demo.broker import KafkaUnavailable, LocalKafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.integration.postfix import Postfix

# Deadlines measure the machine, not the code; a slow example is no failure. `ci` repeats itself, `long` is for nights.
_PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("dev", deadline=None, suppress_health_check=_PATIENT, max_examples=50)
settings.register_profile(
    "ci", deadline=None, suppress_health_check=_PATIENT, max_examples=200, derandomize=True, print_blob=True
)
settings.register_profile("long", deadline=None, suppress_health_check=_PATIENT, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

_WITH_SERVERS = ("tests/integration/", "tests/chaos/")
_FIXTURES_THAT_MARK = {"kafka": "kafka", "local_kafka": "kafka", "postfix": "postfix"}


def need(name: str, reason: str) -> NoReturn:
    """End a test that lacks `name`: a skip, but a failure where the comma list `MAILGAP_REQUIRE` holds it."""
    required = {word.strip() for word in os.environ.get("MAILGAP_REQUIRE", "").split(",")}
    if name in required:
        pytest.fail(f"{name} is required here (MAILGAP_REQUIRE): {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a server carries its mark, so that `-m "not kafka"` needs nobody's memory."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        for mark in {mark for fixture, mark in _FIXTURES_THAT_MARK.items() if fixture in asked}:
            item.add_marker(mark)


class _ServersInOneProcess(LoadScopeScheduling):
    """Tests with servers stay in one process (they share one Kafka), and mostly wait; the others fill the other ones.

    (xdist's own groups are lost on the way: pytest 9.2 does not heed the node ids that xdist 3.8 writes them to.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith(_WITH_SERVERS) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Who runs which tests, where there are several processes."""
    return _ServersInOneProcess(config, log)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of one Kafka for the whole run; `MAILGAP_TEST_KAFKA` names one that runs already."""
    given = os.environ.get("MAILGAP_TEST_KAFKA")
    if given:
        yield given
        return
    with _made(tmp_path_factory.mktemp("kafka"), {}) as broker:
        yield broker.bootstrap_servers
    shutil.rmtree(broker.home / "data", ignore_errors=True)  # pytest keeps three runs; nobody needs their gigabytes


@pytest.fixture
def local_kafka(tmp_path: Path) -> Iterator[Callable[..., LocalKafka]]:
    """A Kafka of the test's own, to kill and restart: `local_kafka({"property": "value"})`, stopped at its end."""
    made: list[LocalKafka] = []

    def start(properties: Mapping[str, str] | None = None) -> LocalKafka:
        broker = _made(tmp_path / f"kafka-{len(made)}", properties or {})
        made.append(broker)
        broker.start()
        return broker

    yield start
    for broker in made:
        broker.close()
        shutil.rmtree(broker.home / "data", ignore_errors=True)


def _made(home: Path, properties: Mapping[str, str]) -> LocalKafka:
    try:
        return LocalKafka(home, properties=properties, own=True)
    except KafkaUnavailable as missing:
        need("kafka", str(missing))


@pytest.fixture
def prefix() -> str:
    """A prefix for topics and groups that no other test and no other run has."""
    return f"t{uuid.uuid4().hex[:10]}-{next(_numbers)}"


_numbers = itertools.count(1)


@pytest.fixture
def postfix(tmp_path: Path) -> Iterator[Callable[[int], Postfix]]:
    """A real Postfix of the test's own: `postfix(relay_port)` starts one that relays to 127.0.0.1:relay_port."""
    from tests.integration.postfix import Postfix, PostfixUnavailable  # noqa: PLC0415 - only where it is asked for

    made: list[Postfix] = []

    def start(relay_port: int) -> Postfix:
        try:
            server = Postfix(tmp_path / f"postfix-{len(made)}", relay_port)
        except PostfixUnavailable as missing:
            need("postfix", str(missing))
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.close()
