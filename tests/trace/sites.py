"""Sites for the tests of API and pages: a store with some mails, and a clock that stands still."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from service.privacy import Pseudonyms
from service.trace.access import Access, read_tokens
from service.trace.limits import Limiter
from service.trace.store.store import Store, open_store
from service.trace.store.writing import Batch
from service.trace.web.app import build
from service.trace.web.site import Site
from tests.trace.mails import HOUR, MINUTE, T0, entry_of, mail, silent

if TYPE_CHECKING:
    from pathlib import Path

    from service.contract.correlated import Correlated

NOW = T0 + 20 * HOUR
READER, UNMASKER = "reader-token-0123456789abcdef", "unmask-token-0123456789abcdef"
TOKENS = read_tokens(f"reader ann {READER}\nunmask bob {UNMASKER}", "tokens")
HIDE = Pseudonyms(b"the key of the tests")
BASE = "http://127.0.0.1:9750"


def some_mails() -> list[Correlated]:
    """Delivered and silent ones, of two streams, over some hours."""
    delivered = [mail(n, at=T0 + n * MINUTE, stream="otp" if n % 3 else "transactional") for n in range(1, 40)]
    return [*delivered, *(silent(n, at=T0 + n * MINUTE) for n in range(50, 60))]


def site_of(path: Path, documents: list[Correlated] | None = None, **changes: Any) -> Site:
    """A site over a store in that folder. Its limits are those of `changes`, else none that a test could reach."""
    store: Store = open_store(str(path / "trail.db"))
    store.write(Batch([entry_of(document) for document in (some_mails() if documents is None else documents)]))
    patient = {name: Limiter(1e6, 1_000_000) for name in ("searches", "requests", "sign_ins")}
    return Site(**{"store": store, "now": lambda: NOW, "keys": [HIDE], **patient, **changes})


def client_of(site: Site, client: str = "127.0.0.1", **options: Any) -> TestClient:
    """A browser or program at that address."""
    return TestClient(build(site), base_url=BASE, client=(client, 50_000), **options)


def with_tokens(**changes: Any) -> Access:
    """Where others may come."""
    return Access(tokens=TOKENS, open=False, secret=b"s" * 32, **changes)


def behind_a_proxy() -> Access:
    """Where a proxy signs people in."""
    return Access(proxies=(ipaddress.ip_network("10.0.0.0/8"),), unmask_groups=frozenset({"post"}), open=False)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
