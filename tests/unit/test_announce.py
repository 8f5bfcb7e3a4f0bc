"""A gap is opened once and ended once (rule 3); its book follows the verdict, its announcements stay."""

from __future__ import annotations

import msgspec
import pytest

from service import announce
from service.contract.enums import GapKind, Outcome, Resolution
from service.facts import Cause, Sent, Sighting
from service.rows import Book
from service.verdicts import Gap, RecipientVerdict, Verdict

ANN = "ann@example.com"
OPEN = Gap(GapKind.ACCEPTED_NOT_DELIVERED, "delivery", ANN, Cause.SENT_THEN_SILENT, 100, 100)
DELIVERED = msgspec.structs.replace(OPEN, resolved_at=150, resolution=Resolution.DELIVERED)
NO_ID = Gap(GapKind.SENT_NO_SES_ID, "handoff", ANN, Cause.SILENT, 100, 100)


def verdict(*gaps, outcome=Outcome.PENDING, **more):
    return Verdict(
        mail_id="m",
        ses_id="m",
        message_id=None,
        queue_ids=(),
        stream=more.pop("stream", "default"),
        region=None,
        sender="",
        submitted_at=None,
        accepted_at=0,
        recipients=(RecipientVerdict(ANN, outcome, None, None),),
        gaps=gaps,
        held=False,
        facts=((5, Sent(5), Sighting(170, "log:1")),),
        due=(),
        **more,
    )


def said(book, *verdicts):
    return [
        (state.revision, state.resolution, state.resolved_at)
        for each in verdicts
        for _, state in announce.update(book, each)
    ]


def test_opened_once_and_resolved_once():
    everything = [verdict(), verdict(OPEN), verdict(OPEN), verdict(DELIVERED), verdict(DELIVERED), verdict(OPEN)]
    assert said(Book(), *everything) == [(1, None, None), (2, Resolution.DELIVERED, 150)]


def test_what_is_over_when_it_becomes_known_is_opened_and_resolved():
    assert said(Book(), verdict(DELIVERED)) == [(1, None, None), (2, Resolution.DELIVERED, 150)]


def test_a_gap_that_never_was_is_ended_when_that_was_read():
    book = Book()
    assert said(book, verdict(OPEN), verdict(outcome=Outcome.DELIVERED)) == [
        (1, None, None),
        (2, Resolution.LATE_EVIDENCE, 170),
    ]


def test_nothing_contradicts_it_so_it_stays_open():
    """The deadline moved, or the feed has fallen silent since: that takes nothing back."""
    book = Book()
    assert said(book, verdict(OPEN), verdict()) == [(1, None, None)]
    assert [gap.resolution for gap in book.open()] == [None]


def test_the_book_follows_the_verdict_in_silence():
    book = Book()
    announce.update(book, verdict(DELIVERED, stream="otp"))
    bounced = msgspec.structs.replace(DELIVERED, resolved_at=140, resolution=Resolution.BOUNCED, deadline=90)
    assert announce.update(book, verdict(bounced, stream="other")) == []
    (gap,) = book.gaps.values()
    assert (gap.resolution, gap.resolved_at, gap.deadline, gap.revision) == (Resolution.BOUNCED, 140, 90, 2)
    assert gap.stream == "otp"  # it keeps the one it opened with


@pytest.mark.parametrize(
    ("later", "resolution"),
    [
        ({}, None),
        ({"settled": True}, Resolution.LATE_EVIDENCE),
        ({"settled": True, "superseded_by": "s"}, Resolution.LATE_EVIDENCE),
        ({"settled": True, "superseded_by": "s", "found": True}, Resolution.FOUND_BY_MESSAGE_ID),
        ({"found": True}, None),
    ],
)
def test_how_a_missing_id_that_was_announced_ends(later, resolution):
    book = Book()
    announce.update(book, verdict(NO_ID))
    assert [state.resolution for _, state in announce.update(book, verdict(**later))] == [resolution] * bool(resolution)


def test_a_row_that_is_dropped_closes_what_is_open():
    book = Book()
    announce.update(book, verdict(OPEN, NO_ID))
    announce.update(book, verdict(DELIVERED, NO_ID))
    ((_, state),) = announce.close(book, 900)
    assert (state.kind, state.resolution, state.resolved_at) == (NO_ID.kind, Resolution.WINDOW_CLOSED, 900)
    assert announce.close(book, 901) == []


def test_ids_of_gaps_tell_apart_what_must_be_told_apart():
    ids = {
        gap.gap_id(mail, subject)
        for gap in (OPEN, NO_ID, msgspec.structs.replace(OPEN, which="first_event"))
        for mail in ("m", "n")
        for subject in (ANN, None)
    }
    assert len(ids) == 12
