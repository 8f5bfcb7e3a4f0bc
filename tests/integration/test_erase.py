"""`mailgap erase`: one person is gone from what is kept for good, and nobody else is."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from service.privacy import Pseudonyms, key_id_of
from tests.integration import sample as samples
from tests.integration.world import mailgap, ready, settled

pytestmark = pytest.mark.kafka

KEY = "a key of the tests, 32 bytes long"


async def _left(world, topic: str) -> dict[bytes, dict]:
    """What a compacted topic comes to."""
    found = {}
    for record in await world.read(topic):
        found[record.key] = json.loads(record.value) if record.value is not None else None
    return {key: document for key, document in found.items() if document is not None}


def test_one_person_is_erased_and_nobody_else(world, tmp_path):
    policy, key = tmp_path / "policy.yaml", tmp_path / "key"
    policy.write_text(samples.POLICY)
    key.write_text(KEY)
    sample = samples.make(5, 60, int(time.time() * 1000) - int(10 + samples.SETTLED + 2) * 1000, 10)
    secret = ["--policy", str(policy), "--pseudonym-key-file", str(key)]
    hide = Pseudonyms(KEY.encode(), key_id_of(KEY.encode()))

    def erase(address: str, *more: str):
        return mailgap("erase", address, *world.where(), *secret, *more)

    async def story():
        await world.produce(sample.records)
        worker = world.start(*secret, addresses="pseudonymous")
        await ready(worker)
        await settled(world, [worker], sample.end)
        person = _someone_missing(sample)
        called = hide.address(person)
        mails, gaps = await _left(world, "correlated"), await _left(world, "gaps")
        theirs = {id_ for id_, mail in mails.items() if called in str(mail)}
        assert 0 < len(theirs) < len(mails)
        assert called in str(gaps)

        assert b"would be erased" in erase(person, "--dry-run").stdout
        assert await _left(world, "correlated") == mails
        done = erase(person.upper())
        assert done.stdout.startswith(f"{len(theirs)} records of mails and ".encode()), done.stderr
        assert (done.returncode, b"run this again after" in done.stderr) == (1, True)  # their rows are still there

        assert await _left(world, "correlated") == {id_: mail for id_, mail in mails.items() if id_ not in theirs}
        left = await _left(world, "gaps")
        assert called not in str(left)
        ids = {mails[id_]["mail_id"] for id_ in theirs}
        assert left == {id_: gap for id_, gap in gaps.items() if gap.get("mail_id") not in ids}
        assert mailgap("explain", person, *world.where(), *secret).returncode == 1
        assert erase(person).stdout == b"0 records of mails and 0 of gaps were erased\n"
        assert worker.stopped()[0] == 0

    asyncio.run(story())


def _someone_missing(sample) -> str:
    """A recipient of whom a gap must be found."""
    for mail in sample.mails:
        for record in mail.records:
            for gap in record.gaps:
                if gap.recipient:
                    return gap.recipient
    raise AssertionError("nobody is missing in this sample")


@pytest.mark.parametrize(("address", "said"), [("ann", "'ann' is no address"), ("@", "'@' is no address")])
def test_what_is_no_address_erases_nothing(address, said):
    done = mailgap("erase", address)
    assert (done.returncode, said.encode() in done.stderr) == (2, True)
