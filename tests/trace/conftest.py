"""The stores under test: the embedded one, and a real PostgreSQL where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from service.trace.store.store import Store, open_store
from tests.conftest import need
from tests.integration.postgresql import Postgres, PostgresUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the run."""
    try:
        server = Postgres()
    except PostgresUnavailableError as missing:
        need("postgres", str(missing))
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return str(tmp_path / "trail.db")
    url: str = request.getfixturevalue("postgres").url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(where)
    yield opened
    opened.close()
