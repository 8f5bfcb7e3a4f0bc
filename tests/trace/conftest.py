"""The stores under test (the embedded one, and a real PostgreSQL where there is one), and a site over one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from service.trace.store.store import Store, open_store
from tests.conftest import need
from tests.integration.postgresql import Postgres, PostgresUnavailableError
from tests.trace.sites import client_of, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

    from service.trace.web.site import Site


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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site over an embedded store of some mails."""
    made = site_of(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    """Whoever asks it from this machine."""
    with client_of(site) as made:
        yield made
