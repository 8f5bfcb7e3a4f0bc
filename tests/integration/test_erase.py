"""`mailgap erase`: one person is gone from what is kept for good, and nobody else is.

With a worker that goes on: `test_operating.py`.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec.structs import replace

from service.contract.correlated import Correlated
from service.contract.enums import GapKind, GapState, Outcome
from service.contract.gap import GapRecord
from service.contract.wire import encode, timestamp
from service.facts import Cause
from service.privacy import Pseudonyms, key_id_of
from tests.integration.world import mailgap
from tests.trace.mails import T0, mail, to

pytestmark = pytest.mark.kafka

ADA = "ada@example.org"
KEYS = {"pseudonym.key": b"a key of the tests, 32 bytes long", "former.key": b"last year's key, 32 bytes long too"}
NOW, FORMER = (Pseudonyms(key, key_id_of(key)).address for key in KEYS.values())


def _to(number: int, address: str, at: int = T0) -> Correlated:
    return mail(number, at=at, recipients=(to(address, Outcome.DELIVERED, at),))


def _gap(of: Correlated, recipient: str | None = None) -> GapRecord:
    at = timestamp(T0)
    return GapRecord(
        gap_id=f"gap-{of.mail_id}", state=GapState.OPENED, revision=1, kind=GapKind.ACCEPTED_NOT_DELIVERED,
        cause=Cause.SENT_THEN_SILENT, mail_id=of.mail_id, ses_message_id=of.mail_id, message_id_header=None,
        recipient=recipient, provider="other", stream="s", region=None, deadline=at, opened_at=at, explanation="It is.",
        next_step="None.", runbook_url="/",
    )  # fmt: skip


async def _publish(world, *documents: Correlated | GapRecord) -> None:
    async with world.producer() as producer:
        for document in documents:
            topic, key = (
                ("gaps", document.gap_id) if isinstance(document, GapRecord) else ("correlated", document.mail_id)
            )
            await producer.send_and_wait(f"{world.prefix}-{topic}", key=key.encode(), value=encode(document))


async def _left(world, topic: str) -> set[str]:
    """Keys that a compacted topic keeps."""
    latest = {record.key.decode(): record.value for record in await world.read(topic)}
    return {key for key, value in latest.items() if value is not None}


def test_one_person_is_erased_and_nobody_else(world, tmp_path):
    for name, key in KEYS.items():
        (tmp_path / name).write_bytes(key)
    secret = ["--pseudonym-key-file", tmp_path / "pseudonym.key", "--former-key-file", tmp_path / "former.key"]
    theirs = [_to(1, NOW(ADA)), _to(2, FORMER(ADA)), _to(3, ADA), mail(4, sender=NOW(ADA)), _to(5, NOW(ADA))]
    others = [_to(6, NOW("bob@example.org")), _to(7, NOW("ada@example.com")), mail(8)]
    gaps = [_gap(theirs[0], NOW(ADA)), _gap(theirs[3]), _gap(others[0], NOW("bob@example.org"))]

    def erase(*more: object):
        done = mailgap("erase", "Ada@Example.ORG", *world.where(), *secret, *more)
        return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()

    async def story():
        world.create_ours()
        await _publish(world, *theirs, *others, *gaps, replace(theirs[4], revision=2))
        async with world.producer() as producer:
            await producer.send_and_wait(f"{world.prefix}-correlated", key=b"x", value=b"no record of ours")
        assert erase("--dry-run") == (0, ["5 records of mails and 2 of gaps would be erased"], "")
        assert len(await _left(world, "correlated")) == 9
        assert erase() == (0, ["5 records of mails and 2 of gaps were erased"], "")
        assert await _left(world, "correlated") == {"x", *(document.mail_id for document in others)}
        assert await _left(world, "gaps") == {gaps[2].gap_id}
        assert erase() == (0, ["0 records of mails and 0 of gaps were erased"], "")
        await _publish(world, _to(9, NOW(ADA), int(time.time() * 1000)))  # a worker has its row for days
        code, lines, said = erase()
        assert (code, lines) == (1, ["1 records of mails and 0 of gaps were erased"])
        assert "run this again after 20" in said
        assert await _left(world, "correlated") == {"x", *(document.mail_id for document in others)}

    asyncio.run(story())


@pytest.mark.parametrize(("address", "said"), [("ann", "'ann' is no address"), ("@", "'@' is no address")])
def test_what_is_no_address_erases_nothing(address, said):
    done = mailgap("erase", address)
    assert (done.returncode, said.encode() in done.stderr) == (2, True)
