"""The store, on SQLite and on PostgreSQL: what was written is found, and twice is once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from service.contract.enums import GapKind, Outcome, Resolution
from service.contract.wire import timestamp
from service.facts import Cause
from service.trace.entry import State
from service.trace.store.database import StoreError
from service.trace.store.questions import Cursor, CursorError, Gaps, Mails
from service.trace.store.sqlite import SqliteDatabase
from service.trace.store.store import Store, open_store
from service.trace.store.writing import Batch
from tests.trace.mails import HOUR, MINUTE, T0, entry_of, gap, mail, silent, to


def keep(store, *documents):
    return store.write(Batch([entry_of(document) for document in documents]))


def found(store, *names, **question):
    return [found.document for found in store.mails.find(Mails(frozenset(names), **question), 50).items]


@pytest.mark.parametrize(
    "name",
    [
        mail().mail_id,
        "<1.1@app.example>",
        "mx1/4DQX1",
        "4DQX1",
        "ann1@gmail.com",
        "ANN1@GMAIL.COM",
        "shop@app.example",
    ],
)
def test_a_mail_is_found_by_each_of_its_names(store, name):
    keep(store, mail(1), mail(2, sender="other@app.example"))
    assert found(store, name) == [mail(1)]
    assert store.mails.mail(mail(1).mail_id) == mail(1)


def test_who_only_reads_finds_what_another_process_wrote_since(where, store):
    """`mailgap trace --serve-only`, opened before the first mail came."""
    reader = open_store(where)
    keep(store, mail(1))
    assert found(reader, "ann1@gmail.com") == [mail(1)]
    reader.close()


def test_what_nobody_sent_is_not_found(store):
    keep(store, mail())
    assert found(store, "nobody@gmail.com") == []
    assert store.mails.mail("nothing") is None


def test_a_newer_revision_replaces_and_an_older_one_does_not(store):
    second = silent(1, revision=2)
    assert keep(store, mail(1)) == 1
    assert keep(store, second) == 1
    assert keep(store, mail(1)) == 0
    assert store.mails.mail(second.mail_id) == second
    assert [f.state for f in store.mails.find(Mails(), 9).items] == [State.GAP]


def test_within_a_batch_the_newest_counts_in_whatever_order(store):
    assert keep(store, silent(1, revision=2), mail(1)) == 1
    assert store.mails.mail(mail(1).mail_id) == silent(1, revision=2)


def test_a_batch_that_is_read_again_changes_nothing(store):
    documents = [mail(1), silent(2), mail(3, superseded_by="x"), mail(1, revision=2)]
    keep(store, *documents)
    before = _all(store)
    keep(store, *documents)
    assert _all(store) == before


def _all(store):
    return (
        store.mails.find(Mails(), 50),
        store.gaps.find(Gaps(None), 50),
        store.statistics.tallies(0, T0 + 99 * HOUR),
        store.size()._replace(bytes=0),
    )


def test_a_new_recipient_is_found_once_a_revision_names_it(store):
    keep(store, mail(1))
    keep(store, mail(1, revision=2, recipients=(to("bob@web.de", Outcome.BOUNCED, T0),)))
    assert found(store, "bob@web.de") == found(store, mail(1).mail_id)
    assert found(store, "ann1@gmail.com") == []  # the index still has the name; the record does not


def test_lists_are_narrowed_by_stream_state_and_time(store):
    keep(store, mail(1), silent(2, at=T0 + HOUR), mail(3, at=T0 + 2 * HOUR, stream="otp"))
    assert [d.stream for d in found(store, stream="otp")] == ["otp"]
    assert [d.mail_id for d in found(store, state=State.GAP)] == [silent(2, at=T0 + HOUR).mail_id]
    assert found(store, state=State.GAP, stream="otp") == []
    assert found(store, state=State.DELIVERED, stream="otp") == [mail(3, at=T0 + 2 * HOUR, stream="otp")]
    assert len(found(store, since=T0 + HOUR)) == 2
    assert found(store, until=T0 + HOUR) == [mail(1)]
    assert found(store, "shop@app.example", since=T0 + 1, until=T0 + 2 * HOUR) == [silent(2, at=T0 + HOUR)]
    assert found(store, "shop@app.example", state=State.GAP, stream="otp") == []


def test_a_superseded_submission_is_shown_to_whoever_names_it(store):
    keep(store, mail(1), mail(2, superseded_by=mail(1).mail_id))
    assert found(store) == [mail(1)]
    assert len(found(store, state=State.SUPERSEDED)) == len(found(store, "mx1/4DQX2")) == 1


@pytest.mark.parametrize("names", [(), ("shop@app.example",), ("shop@app.example", "ann3@gmail.com")])
def test_pages_of_results_miss_and_repeat_nothing(store, names):
    documents = [mail(n, at=T0 + (n // 3) * MINUTE) for n in range(1, 40)]  # several of the same instant
    keep(store, *documents)
    seen, after = [], None
    for _ in range(20):
        answers = store.mails.find(Mails(frozenset(names)), 7, after)
        seen += [f.document.mail_id for f in answers.items]
        if answers.next is None:
            break
        after = Cursor.read(str(answers.next))
    assert sorted(seen) == sorted(d.mail_id for d in documents)
    assert seen == [f.document.mail_id for f in store.mails.find(Mails(frozenset(names)), 50).items]


@pytest.mark.parametrize("text", ["", "x", "MQ", "????", "MTIzLng", "é", "A" * 4000, str(Cursor(1 << 70, "1"))])
def test_a_cursor_that_is_none(store, text):
    with pytest.raises(CursorError):
        store.mails.find(Mails(), 5, Cursor.read(text))


def test_gaps_are_listed_grouped_and_told_over_time(store):
    ended = gap(3, at=T0, resolved_at=timestamp(T0 + 2 * HOUR), resolution=Resolution.DELIVERED)
    refused = gap(2, at=T0 + HOUR, kind=GapKind.SENT_NO_SES_ID, cause=Cause.UNVERIFIED_IDENTITY, recipient="x@web.de")
    keep(store, silent(1, gaps=(gap(1),)), silent(2, stream="otp", gaps=(refused,)), mail(3, gaps=(ended,)))
    assert [g.gap_id for g in store.gaps.find(Gaps(), 9).items] == [refused.gap_id, gap(1).gap_id]
    assert [g.provider for g in store.gaps.find(Gaps(), 9).items] == ["web.de", "gmail"]
    assert [g.gap_id for g in store.gaps.find(Gaps(False), 9).items] == [ended.gap_id]
    assert [g.gap_id for g in store.gaps.find(Gaps(stream="otp"), 9).items] == [refused.gap_id]
    assert [g.gap_id for g in store.gaps.find(Gaps(provider="gmail"), 9).items] == [gap(1).gap_id]
    assert [tuple(g) for g in store.gaps.groups(Gaps(None), "provider")] == [("gmail", 2, T0), ("web.de", 1, T0 + HOUR)]
    spans = store.gaps.history(Gaps(None), T0 + 1, T0 + 3 * HOUR, HOUR)
    assert [tuple(span) for span in spans] == [(T0, 2, 0), (T0 + HOUR, 1, 0), (T0 + 2 * HOUR, 0, 1)]


def test_pages_of_gaps_miss_and_repeat_nothing(store):
    keep(store, *(silent(n, gaps=(gap(n, at=T0 + (n // 4) * MINUTE),)) for n in range(1, 30)))
    seen, after = [], None
    for _ in range(20):
        answers = store.gaps.find(Gaps(), 6, after)
        seen += [g.gap_id for g in answers.items]
        if answers.next is None:
            break
        after = Cursor.read(str(answers.next))
    assert seen == [g.gap_id for g in store.gaps.find(Gaps(), 50).items]
    assert len(set(seen)) == 29


def test_a_gap_that_ends_is_no_longer_open(store):
    keep(store, silent(1))
    over = replace(silent(1).gaps[0], resolved_at=timestamp(T0 + 20 * HOUR), resolution=Resolution.DELIVERED)
    keep(store, mail(1, revision=2, gaps=(over,)))
    assert store.gaps.find(Gaps(), 9).items == []
    [row] = store.gaps.find(Gaps(None), 9).items
    assert (row.resolution, row.resolved_at) == (Resolution.DELIVERED, T0 + 20 * HOUR)


def test_sums_follow_every_change(store):
    keep(store, mail(1), silent(2), mail(3, superseded_by="x"))
    keep(store, mail(2, revision=2, stream="otp"))
    tallies = [
        (t.stream, t.provider, t.outcome, t.accepted, t.recipients) for t in store.statistics.tallies(T0, T0 + 1)
    ]
    assert tallies == [("otp", "gmail", "delivered", True, 1), ("transactional", "gmail", "delivered", True, 1)]
    assert store.statistics.tallies(T0 + HOUR, T0 + 2 * HOUR) == []
    assert len(store.statistics.tallies(0, T0 + HOUR, stream="otp", provider="gmail")) == 1
    assert store.statistics.streams() == ["otp", "transactional"]


def test_what_comes_late_stands_beside_the_mail(store):
    late = mail(1, partial=True, recipients=(to("ann1@gmail.com", Outcome.COMPLAINED, T0),))
    store.write(Batch([entry_of(mail(1)), entry_of(late, f"{late.mail_id}#late#1")]))
    store.write(Batch([entry_of(late, f"{late.mail_id}#late#1")]))
    assert store.mails.mail(late.mail_id) == mail(1)
    assert store.mails.late(late.mail_id) == [late]
    assert len(found(store)) == 1


def test_a_tombstone_takes_a_mail_and_all_that_was_said_of_it(store):
    late = mail(1, partial=True)
    store.write(Batch([entry_of(silent(1)), entry_of(mail(2)), entry_of(late, "late-1")]))
    store.write(Batch(removed=[mail(1).mail_id, "late-1", "never there"]))
    assert found(store) == [mail(2)]
    assert found(store, "ann1@gmail.com") == store.mails.late(late.mail_id) == store.gaps.find(Gaps(), 9).items == []
    assert [t.recipients for t in store.statistics.tallies(0, T0 + HOUR)] == [1]


def test_positions_only_move_on_and_with_their_batch(store):
    store.write(Batch([entry_of(mail(1))], positions={("t", 0): 5, ("t", 1): 2}))
    store.write(Batch(positions={("t", 0): 4, ("u", 0): 1}))
    assert store.positions("t") == {0: 5, 1: 2}

    broken = entry_of(mail(3))._replace(gaps=((None,) * 11,))
    with pytest.raises(Exception, match=r"(?i)null"):
        store.write(Batch([broken], positions={("t", 0): 9}))
    assert store.positions("t")[0] == 5
    assert found(store) == [mail(1)]


def test_retention_takes_the_old_and_leaves_the_rest(store):
    keep(store, *(silent(n, at=T0 + n * HOUR) for n in range(10)))
    assert store.sweep(T0 + 4 * HOUR) == 4
    assert store.sweep(T0 + 4 * HOUR) == 0
    assert len(found(store)) == len(found(store, "shop@app.example")) == 6
    assert {g.mail_id for g in store.gaps.find(Gaps(), 50).items} == {d.mail_id for d in found(store)}
    assert store.size().mails == 6
    assert store.size().oldest == T0 + 4 * HOUR


def test_a_store_is_what_it_was_when_it_is_opened_again(where):
    store = open_store(where)
    keep(store, mail(1), silent(2))
    before = _all(store)
    store.close()
    again = open_store(where)
    assert _all(again) == before
    keep(again, mail(3))
    assert len(found(again, "shop@app.example")) == 3
    again.close()


def test_texts_with_nul_are_kept_and_asked_for(store):
    odd = silent(1, stream="a\0b", sender="x\0@app.example", gaps=(gap(1, recipient="y\0@gmail.com"),))
    keep(store, odd)
    assert found(store, odd.mail_id, "\0") == [odd]
    assert found(store, "x\0@app.example", "a\0", since=0) == [odd]
    assert found(store, stream="a\0b") == [odd]
    assert found(store, stream="\0") == []
    assert len(store.gaps.find(Gaps(stream="a\0b"), 5).items) == 1


def test_a_server_that_went_away_is_asked_again_once_it_is_back(store, where, request):
    if not where.startswith("postgresql"):
        pytest.skip("an embedded store does not go away")
    server = request.getfixturevalue("postgres")
    keep(store, mail(1))
    server.stop()
    try:
        with pytest.raises(StoreError, match="PostgreSQL"):
            keep(store, mail(2))
        with pytest.raises(StoreError, match="does not answer"):
            found(store)
    finally:
        server.start()
    assert found(store) == [mail(1)]
    keep(store, mail(2))
    assert len(found(store)) == 2


def test_an_empty_store_answers_everything(store):
    assert found(store) == store.gaps.groups(Gaps(), "cause") == store.conditions() == store.statistics.streams() == []
    assert (store.size().mails, store.size().oldest) == (0, None)


def test_names_go_into_segments_that_are_dropped_whole(tmp_path):
    database = SqliteDatabase(tmp_path / "trail.db", segment_mails=10)
    store = Store(database)
    for first in range(1, 60, 5):
        keep(store, *(mail(n, at=T0 + n * MINUTE) for n in range(first, first + 5)))
    assert len(database.segments) == 7
    assert len(found(store, "shop@app.example")) == 50
    assert found(store, "ann7@gmail.com") == [mail(7, at=T0 + 7 * MINUTE)]
    store.sweep(T0 + 31 * MINUTE)
    assert len(database.segments) == 4
    assert found(store, "ann7@gmail.com") == []
    assert len(found(store, "shop@app.example")) == 30
    store.close()


def test_a_store_of_another_release_is_refused_with_the_way_out(where):
    store = open_store(where)
    with store._database.transaction():
        store._database.write("UPDATE meta SET value = ? WHERE name = 'version'", (b"9",))
    store.close()
    with pytest.raises(StoreError, match="remove it"):
        open_store(where)


@pytest.mark.parametrize("content", [b"this is no database, and long enough to be one" * 100])
def test_a_file_that_is_no_store(tmp_path, content):
    path = tmp_path / "mail.log"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="--trace-store"):
        open_store(str(path))
    assert path.read_bytes() == content


def test_a_postgresql_that_is_not_there():
    with pytest.raises(StoreError, match=r"PostgreSQL at 127\.0\.0\.1/trail does not answer"):
        open_store("postgresql://mailgap:secret@127.0.0.1:1/trail")


@pytest.mark.parametrize("where", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_pages_that_follow_into_one_postgresql_disturb_each_other_in_nothing(where):
    batches = [Batch([entry_of(make(n, revision=r)) for n in range(40)]) for r, make in ((1, mail), (2, silent))]
    batches += [Batch(removed=[mail(n).mail_id for n in range(0, 40, 4)])]
    alone = open_store(where)
    for batch in batches:
        alone.write(batch)
    expected = _without_numbers(_all(alone))
    alone.write(Batch(removed=[mail(n).mail_id for n in range(40)]))

    pages = [open_store(where) for _ in range(3)]
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(lambda page: [page.write(batch) for batch in batches], pages))
    assert _without_numbers(_all(alone)) == expected
    for page in (*pages, alone):
        page.close()


def _without_numbers(answers):
    """A mail's number says in which order mails came, and pages may differ in that."""
    mails, *others = answers
    return sorted(found.document.mail_id for found in mails.items), *others
