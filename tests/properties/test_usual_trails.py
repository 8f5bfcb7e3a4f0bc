"""The short cuts for usual submissions and usual SES mails decide nothing else than the long way would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import event, given, settings
from hypothesis import strategies as st

from service import judge_mail, rows, ruling
from service.documents import Documents
from service.facts import (
    Accepted,
    Closed,
    Delivered,
    Described,
    Fact,
    Identified,
    Queued,
    Sent,
    Sighting,
    Source,
    Started,
    Told,
    ses_name,
    submission_name,
)
from service.policy import HOUR, MINUTE
from service.rows import Row
from service.ruling import Ruling
from service.trail import Trail, collect
from service.usual_mail import usual_mail
from service.usual_submission import usual_submission
from service.watermarks import Watermarks
from tests.properties.arbitrary import SES_IDS, any_fact, instants, sightings
from tests.properties.telling import POLICIES
from tests.stories.story import BEGIN

if TYPE_CHECKING:
    from service.policy import Policy

SUBMISSION = "mx1/ABCDEF0123"
ADDRESS, ID = "ann@example.com", SES_IDS[0]


def nearly(usual: Any, *others: Any, rarely: int = 40) -> st.SearchStrategy[Any]:
    """What is usual, but for one time in so many."""
    return st.sampled_from([usual] * max(rarely - len(others), 1) + [*others])


TIMES = nearly(st.integers(100, 3000).map(lambda after: BEGIN + after), instants).flatmap(lambda times: times)
FIRST = nearly(st.integers(0, 100).map(lambda after: BEGIN + after), TIMES).flatmap(lambda times: times)
LAST = nearly(st.integers(3000, 3001).map(lambda after: BEGIN + after), TIMES).flatmap(lambda times: times)
SEEN = nearly(st.builds(Sighting, seen=TIMES, where=st.just("a/0/1")), sightings).flatmap(lambda seen: seen)


RECIPIENTS = nearly((ADDRESS,), (), ("",), ("Ann@example.com",), (ADDRESS, "bob@example.org"))
IDS = nearly(ID, *SES_IDS[1:])
FLOATING = nearly(False, True)
SUBMISSIONS = nearly(SUBMISSION, "mx2/1234567890", "")
MESSAGE_IDS = nearly("1@app.shop.example", "")
SENDERS = nearly("orders@shop.example", "", "other@elsewhere.example")
ACCEPTED = st.builds(Accepted, TIMES, FLOATING, RECIPIENTS, IDS, SUBMISSIONS, nearly("us-east-1", ""))
TOLD = st.builds(Told, TIMES, FLOATING, SUBMISSIONS, SENDERS, MESSAGE_IDS, RECIPIENTS, nearly("app.shop.example", ""))
OF_SUBMISSION = (
    st.builds(Started, FIRST, FLOATING, st.just("app"), nearly("", "1A")),
    st.builds(Identified, TIMES, FLOATING, MESSAGE_IDS.filter(bool)),
    st.builds(Queued, TIMES, FLOATING, SENDERS, nearly(1, 0, 2)),
    ACCEPTED,
    st.builds(Closed, LAST, FLOATING, nearly("removed", "deleted")),
)
OF_MAIL = (
    st.builds(
        Described,
        TIMES,
        SENDERS,
        RECIPIENTS,
        nearly("1", ""),
        nearly("us-east-1", ""),
        nearly("otp", ""),
        nearly("app", ""),
        MESSAGE_IDS,
        nearly((), (("team", "orders"),)),
    ),
    st.builds(Sent, TIMES),
    st.builds(
        Delivered,
        nearly(TIMES, st.just(BEGIN + 20 * HOUR), rarely=10).flatmap(lambda t: t),
        RECIPIENTS,
        nearly("250 ok", ""),
    ),
    ACCEPTED,
    TOLD,
)


@st.composite
def trails(draw: st.DrawFn, kinds: tuple[st.SearchStrategy[Fact], ...]) -> list[tuple[Fact, Sighting]]:
    """One fact of each of some kinds, now and then with something more."""
    facts = [draw(kind) for kind in kinds if draw(nearly(True, False, rarely=8))]
    facts += draw(nearly(st.just(()), any_fact.map(lambda fact: [fact]), rarely=10).flatmap(lambda more: more))
    return [(fact, draw(SEEN)) for fact in draw(st.permutations(facts))]


@st.composite
def marks(draw: st.DrawFn) -> Watermarks:
    """Sources that have spoken until some instant."""
    configured = draw(nearly((Source.SMTP, Source.SES), (Source.SES,), (Source.SMTP,)))
    until = draw(
        st.sampled_from((BEGIN, BEGIN, BEGIN + 20 * MINUTE, BEGIN + 2 * HOUR, BEGIN + 15 * HOUR, BEGIN + 30 * HOUR))
    )
    return Watermarks(configured=configured, fixed=dict.fromkeys(Source, until))


@settings(max_examples=200)
@given(trails(OF_MAIL), marks(), st.sampled_from(POLICIES))
def test_a_mail_that_it_takes_it_judges_as_the_long_way_does(
    known: list[tuple[Fact, Sighting]], said: Watermarks, policy: Policy
) -> None:
    trail = collect(known)
    usual = usual_mail(ID, trail.facts, said, policy)
    event(f"usual: {usual is not None}")
    if usual is not None:
        mail = judge_mail.read(ID, trail)
        assert usual.verdict == judge_mail.judge(mail, said, policy)
        assert usual.heard_of == mail.heard_of
        assert len(usual.verdict.recipients) == len(mail.fates)
        assert judge_mail.links(mail) == []


@settings(max_examples=200)
@given(trails(OF_SUBMISSION), marks(), st.sampled_from(POLICIES), st.data())
def test_a_submission_is_ruled_on_as_the_long_way_does_in_whatever_parts_it_comes(
    known: list[tuple[Fact, Sighting]], said: Watermarks, policy: Policy, data: st.DataObject
) -> None:
    event(f"usual: {usual_submission(SUBMISSION, collect(known).facts) is not None}")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(known)), max_size=2))) if known else []
    short, long = _ruled(known, cuts, said, policy, long=False), _ruled(known, cuts, said, policy, long=True)
    assert short == long


def _ruled(
    known: list[tuple[Fact, Sighting]], cuts: list[int], said: Watermarks, policy: Policy, *, long: bool
) -> list[Any]:
    found: list[Any] = []
    row, name = Row(BEGIN), submission_name(SUBMISSION)
    with patch.object(ruling, "usual_submission", (lambda *_: None) if long else usual_submission):
        judge = Ruling(policy, Documents(), said)
        for cut in [*cuts, len(known)]:
            if not cut:
                continue
            trail = collect(known[:cut])
            row.facts = list(trail.facts.items())
            due = judge.rule(name, row, trail)
            row = rows.unpack(rows.pack(row))
            found.append((list(due), rows.pack(row), judge.outputs))
            judge.outputs = ruling.Outputs()
    return found


@settings(max_examples=200)
@given(trails(OF_SUBMISSION))
def test_what_ingest_tells_the_submission_would_have_told(known: list[tuple[Fact, Sighting]]) -> None:
    facts = collect(known).facts
    usual = usual_submission(SUBMISSION, facts)
    if usual is None:
        return
    with patch.object(ruling, "usual_submission", lambda *_: None):
        judge = Ruling(
            POLICIES[0], Documents(), Watermarks(configured=tuple(Source), fixed=dict.fromkeys(Source, BEGIN))
        )
        judge.rule(submission_name(SUBMISSION), Row(BEGIN), Trail(facts))
    told = [(message.name, message.fact, message.sighting) for message in judge.outputs.messages]
    assert told == [(ses_name(usual.ses_id), usual.told, usual.sighting)]
