"""What is stored carries a version: this release reads its own golden files, and stops at those of a newer one."""

from __future__ import annotations

import msgspec
import pytest

from service import facts_record, rows
from service.conditions import Conditions
from service.contract import dead_letter
from service.correlate import CONDITIONS, FEED, MARKS, META, Correlator, PartitionCountError
from service.documents import Documents
from service.explain import RUNBOOKS
from service.facts import Reason, Source
from service.policy import Policy
from service.rows import UnknownVersionError
from tests import stored

NEWER = bytes([rows.VERSION[0] + 1])
VERSIONS = sorted(int(path.name[1:]) for path in stored.FOLDER.iterdir())
LETTER = (
    ("__mailgap.errors.topic", b"app-smtp"),
    ("__mailgap.errors.partition", b"3"),
    ("__mailgap.errors.offset", b"17"),
    ("__mailgap.errors.timestamp", b"1790000000000"),
    ("__mailgap.errors.reason", b"not_text"),
    ("__mailgap.errors.stage", b"ingest"),
    ("__mailgap.errors.version", b"0.1.0"),
)
"""The headers of a dead letter as version 0.1.0 wrote them."""


def golden(name: str, version: int = rows.VERSION[0]) -> bytes:
    return (stored.folder(version) / f"{name}.msgpack").read_bytes()


@pytest.mark.parametrize("name", stored.files())
def test_what_is_written_is_what_the_version_says(name):
    """A field more or less, a new fact, another order: each is a new format, and needs a new version."""
    assert stored.files()[name] == golden(name), (
        f"the stored format of {name} has changed: if version {rows.VERSION[0]} was never released, write its files"
        " anew with `python -m tests.stored`; else raise service.rows.VERSION, and keep reading the former"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_that_was_ever_written_is_read(version):
    assert facts_record.unpack(golden("facts", version)).fragments
    assert rows.unpack(golden("row", version)).facts
    conditions = Conditions(Policy(), RUNBOOKS)
    conditions.unpack(golden("conditions", version))
    assert conditions.known


def test_what_is_read_is_what_was_meant():
    assert facts_record.unpack(golden("facts")) == stored.record()
    assert rows.unpack(golden("row")) == stored.row()


def test_a_shards_own_state_is_read():
    store = Store({MARKS: golden("marks"), FEED + b"mx1": golden("feed"), CONDITIONS: golden("conditions")})
    correlator = Correlator(store, Policy(), Documents(), (Source.SMTP,))
    assert list(correlator.marks.entries) == ["text"]
    assert list(correlator.marks.feeds) == ["mx1"]
    assert list(correlator.conditions.known) == ["text"]
    with pytest.raises(PartitionCountError, match="written with 7 partitions"):
        Correlator(Store({META: golden("meta")}), Policy(), Documents(), (Source.SMTP,))


@pytest.mark.parametrize(
    ("key", "name"),
    [(MARKS, "marks"), (FEED + b"mx1", "feed"), (CONDITIONS, "conditions"), (META, "meta"), (b"Q:mx1/4F2A", "row")],
    ids=["marks", "feed", "conditions", "meta", "row"],
)
def test_a_newer_releases_state_stops_a_worker_before_it_has_changed_anything(key, name):
    """Two versions side by side: the older one, given a shard that the newer one has written to, must not guess."""
    store = Store({key: NEWER + golden(name)[1:]})
    before = dict(store)
    with pytest.raises(
        UnknownVersionError, match=rf"state of version {NEWER[0]}, but this release reads only 1: run the"
    ):
        Correlator(store, Policy(), Documents(), (Source.SMTP,))
    assert store == before


def test_a_newer_releases_facts_are_not_guessed_at():
    with pytest.raises(UnknownVersionError, match=f"state of version {NEWER[0]}"):
        facts_record.unpack(NEWER + golden("facts")[1:])


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x01junk", b"\x01" + msgspec.msgpack.encode([[[b"Q:a", [[[99], []]]]]])]
)
def test_what_bears_our_version_and_is_not_of_it_is_said_in_a_sentence(data):
    for unpack in (facts_record.unpack, rows.unpack):
        with pytest.raises(
            UnknownVersionError, match=r"state (of version nothing|that bears version 1 and is not of it)"
        ):
            unpack(data)


def test_a_dead_letter_of_a_former_version_is_read():
    letter = dead_letter.read(LETTER)
    assert letter is not None
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("app-smtp", 3, 17, Reason.NOT_TEXT)
    assert tuple(dead_letter.headers(letter)) == LETTER


class Store(dict[bytes, bytes]):
    """Rows in memory."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def remove(self, key: bytes) -> None:
        self.pop(key, None)
