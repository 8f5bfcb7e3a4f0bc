"""A batch that ends within a line is held from that line on; a restart there loses and repeats nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from service import assembler
from service.assembler import DELIVERING, PATIENCE, Held
from service.facts import Accepted, Reason, Refused, Source
from service.intake import Intake
from service.parsing.pieces import piece_of
from service.parsing.smtp import DEFAULT

NOW = 1_709_640_000_000
ID = "0100018e0e7c25e8-11112222-3333-4444-5555-666677778888-000000"
LINE = (
    "Mar  5 11:59:58 mx1 postfix/smtp[7]: 4A1B2C3D4E: to=<ann@shop.example>, "
    f"relay=email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587, delay=1, dsn=2.0.0, status=sent (250 Ok {ID})"
)
STAMP = "2024-03-05T11:59:58.123456789Z stdout"


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes
    timestamp: int = NOW
    topic: str = "mail"
    partition: int = 0
    key: bytes | None = None


def records(*texts: str, at: int = NOW) -> list[Record]:
    return [Record(5 + n, text.encode(), at + n) for n, text in enumerate(texts)]


def intake() -> Intake:
    return Intake(Source.SMTP, DEFAULT, None)


def facts(harvest):
    return {(name, fact): sighting for name, known in harvest.fragments.items() for fact, sighting in known.items()}


CUT = records("noise", f"{STAMP} P {LINE[:60]}", f"{STAMP} P {LINE[60:120]}", f"{STAMP} F {LINE[120:]}", "noise")


def test_a_whole_batch_holds_nothing():
    harvest = intake().take(CUT, NOW + 10)
    assert harvest.hold_from is None
    assert {type(fact) for _, fact in facts(harvest)} == {Accepted}
    (sighting,) = set(facts(harvest).values())
    assert (sighting.where, sighting.seen) == ("mail/0/6", NOW + 1)
    assert (harvest.last_record_at, dict(harvest.results)) == (NOW + 4, {"facts": 1, "ignored": 2})


@pytest.mark.parametrize("cut", range(len(CUT) + 1))
def test_a_restart_anywhere_makes_the_same_facts(cut):
    """What was not acknowledged is read again by another intake, which knows nothing of the first."""
    expected = facts(intake().take(CUT, NOW + 10))
    first = intake()
    before = first.take(CUT[:cut], NOW + 10)
    assert before.hold_from == (6 if 1 < cut < 4 else None)
    again = cut if before.hold_from is None else before.hold_from - CUT[0].offset
    after = intake().take(CUT[again:], NOW + 10)
    assert facts(before) | facts(after) == expected
    assert before.dead == after.dead == []
    assert facts(before) | facts(first.take(CUT[cut:], NOW + 10)) == expected


QMAIL = records(
    *("Mar  5 11:59:58 mx1 qmail: " + said for said in (
        "info msg 3890: bytes 372 from <app@shop.example> qp 31835 uid 33",
        "starting delivery 1: msg 3890 to remote ann@shop.example",
        "status: local 0/120 remote 1/60",
        "starting delivery 2: msg 3890 to remote bob@shop.example",
        f"delivery 1: success: 192.0.2.10_accepted_message./Remote_host_said:_250_Ok_{ID}/",
        "delivery 2: failure: x./Remote_host_said:_554_Message_rejected:_Email_address_is_not_verified./",
        "end msg 3890",
    ))
)  # fmt: skip


@pytest.mark.parametrize("cut", range(len(QMAIL) + 1))
def test_a_restart_between_the_lines_of_a_delivery_makes_the_same_facts(cut):
    """What is read again from the start of the one delivery holds the start of the other."""
    expected = facts(intake().take(QMAIL, NOW + 10))
    assert {fact.recipients for _, fact in expected if isinstance(fact, Accepted | Refused)} == {
        ("ann@shop.example",),
        ("bob@shop.example",),
    }
    before = intake().take(QMAIL[:cut], NOW + 10)
    assert before.hold_from == (6 if 1 < cut < 6 else None)
    again = cut if before.hold_from is None else before.hold_from - QMAIL[0].offset
    after = intake().take(QMAIL[again:], NOW + 10)
    assert facts(before) | facts(after) == expected


def test_a_delivery_is_waited_for_and_not_for_ever():
    reader = intake()
    reader.take(QMAIL[:2], NOW + 10)
    assert reader.held("mail", 0) == Held(6, NOW + 1)
    reader.waited("mail", 0, NOW + 1 + DELIVERING)
    assert reader.held("mail", 0) == Held(6, NOW + 1)
    reader.waited("mail", 0, NOW + 2 + DELIVERING)
    assert reader.held("mail", 0) is None
    alone = facts(reader.take(QMAIL[4:5], NOW + 10 + DELIVERING))
    assert [(name[:2], fact.recipients) for name, fact in alone] == [(b"S:", ())]


def test_an_empty_batch_still_holds_what_is_open():
    reader = intake()
    reader.take(CUT[:3], NOW + 10)
    assert reader.take([], NOW + 10).hold_from is None
    assert reader.held("mail", 0) == Held(6, NOW + 1)
    reader.forget("mail", 0)
    assert reader.held("mail", 0) is None


def test_what_is_held_is_not_held_for_ever():
    reader = intake()
    reader.take([Record(6, f"{STAMP} P {LINE}".encode())], NOW)
    assert facts(reader.waited("mail", 0, NOW + PATIENCE)) == {}
    harvest = reader.waited("mail", 0, NOW + PATIENCE + 1)
    assert {type(fact) for _, fact in facts(harvest)} == {Accepted}
    assert reader.held("mail", 0) is None


def test_the_pieces_of_a_line_that_cannot_be_read_are_all_dead_letters():
    cut = records(f"{STAMP} P Mar  5 11:59:58 mx1 postfix/smtp[7]: 4A1B2C3D4E: to=<ann@", f"{STAMP} F shop, relay=")
    harvest = intake().take(cut, NOW + 10)
    assert [(dead.record, dead.why.reason) for dead in harvest.dead] == [
        (record, Reason.UNPARSABLE_MAIL_LINE) for record in cut
    ]
    assert harvest.results["dead_letter"] == 2


def test_a_record_at_which_the_assembler_fails_costs_no_other(monkeypatch):
    """Rule 23; a bug that no test found yet."""

    def fails(value, *, watched):
        if value == b"poison":
            raise ZeroDivisionError
        return piece_of(value, watched=watched)

    monkeypatch.setattr(assembler, "piece_of", fails)
    poison = Record(9, b"poison", NOW + 2)
    harvest = intake().take([*CUT[:3], poison, *CUT[3:]], NOW + 10)
    assert [(dead.record, dead.why.reason) for dead in harvest.dead] == [(poison, Reason.INTERNAL_ERROR)]
    monkeypatch.undo()
    assert facts(harvest) == facts(intake().take(CUT, NOW + 10))


def test_ses_events_are_never_held():
    reader = Intake(Source.SES, DEFAULT, None)
    harvest = reader.take(records(f"{STAMP} P x"), NOW + 10)
    assert harvest.hold_from is None
    assert len(harvest.dead) == 1
