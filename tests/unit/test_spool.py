"""The spool: records come out in the order of their time, a file is in whole or not at all, what was sent is known."""

from __future__ import annotations

import pytest

from service.backfill import spool as spools
from service.backfill.spool import CHUNK, SPAN, Kept, SpoolError
from service.edges.inputs import InputError
from service.facts import Source


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "spool.db")


def record(at: int, text: str = "x") -> Kept:
    return Kept(at, Source.SMTP, b"log", text.encode())


def rest(spool) -> list[Kept]:
    found = []
    while (chunk := spool.chunk())[0]:
        found += chunk[0]
        spool.sent(chunk[1])
    return found


def test_records_come_in_the_order_of_their_time_and_of_their_file(path):
    with spools.opened(path) as spool:
        for name, times in (("b", (5, 1, 5)), ("a", (3, 0))):
            with spool.file(name) as writing:
                for number, at in enumerate(times):
                    writing.put(record(at, f"{name}{number}"))
        spool.sort()
        assert [kept.value for kept in rest(spool)] == [b"a1", b"b1", b"a0", b"b0", b"b2"]
        assert spool.ends() == {Source.SMTP: 5}
        assert spool.counts() == (2, 5, 0, 0)


def test_a_file_is_in_whole_or_not_at_all(path):
    with spools.opened(path) as spool:
        with pytest.raises(InputError), spool.file("a") as writing:
            _broken(writing)
        assert (spool.has("a"), spool.counts()) == (False, (0, 0, 0, 0))
        with spool.file("a") as writing:
            writing.put(record(1))
            writing.rejected = 2
        assert (spool.has("a"), spool.counts()) == (True, (1, 1, 0, 2))


def _broken(writing) -> None:
    """What is read before an archive breaks off is more than is held."""
    for at in range(CHUNK + 1):
        writing.put(record(at))
    raise InputError


def test_it_goes_on_after_what_was_sent(path):
    with spools.opened(path) as spool:
        with spool.file("a") as writing:
            for at in range(CHUNK + 5):
                writing.put(record(at // 2))
        first, position = spool.chunk()
        assert len(first) == CHUNK
        assert spool.chunk() == (first, position), "nothing of it was sent yet"
        spool.sent(position)
    with spools.opened(path) as spool:
        assert spool.waiting() == 5
        assert [kept.at for kept in rest(spool)] == [500, 500, 501, 501, 502]
        assert spool.waiting() == 0


def test_what_is_sent_together_is_not_far_apart(path):
    with spools.opened(path) as spool:
        with spool.file("a") as writing:
            for at in (0, SPAN, SPAN + 1):
                writing.put(record(at))
        assert [kept.at for kept in spool.chunk()[0]] == [0, SPAN]


def test_what_is_no_spool_is_one_sentence(path, tmp_path):
    (tmp_path / "text").write_text("no database\n" * 100)
    with (
        pytest.raises(SpoolError, match="give another file, or remove it to begin anew"),
        spools.opened(str(tmp_path / "text")),
    ):
        pass
    with pytest.raises(SpoolError, match="give a file that can be written"), spools.opened(str(tmp_path / "no" / "x")):
        pass
    with spools.opened(path) as one:
        one.say("this", "here")
        with pytest.raises(SpoolError, match="another backfill is using it"), spools.opened(path):
            pass
