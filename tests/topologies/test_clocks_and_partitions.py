"""Watermarks as ingest states them, of inputs as they come: wrong clocks, idle partitions, a late worker."""

from __future__ import annotations

import pytest

from service.facts import HOUR, MINUTE, SECOND
from service.policy import parse_policy
from tests.topologies.flow import SES, SMTP, Flow

POLICY = parse_policy({"message_id_join": False})
JUDGED = 17 * MINUTE


@pytest.fixture
def flow(monkeypatch):
    return Flow(POLICY, monkeypatch)


async def a_lost_mail_is_found_in_time(flow, *, smtp=0, ses=0, tells=lambda _: True):
    """A mail a minute, the tenth of which is lost. `smtp`, `ses`: how far the producers' clocks are ahead."""
    lost = None
    for number in range(60):
        flow.now += MINUTE
        mail = flow.handed_over(number, clock=smtp)
        if number == 10:
            lost = mail
        elif tells(mail):
            flow.now += SECOND
            flow.told(mail, clock=ses)
        await flow.read()
        if lost is None or flow.now < lost.at + JUDGED:
            assert flow.announced == []
        if lost is not None and flow.now > lost.at + JUDGED + MINUTE + 10 * SECOND:
            assert flow.announced == [("opened", "no_events", lost.ses_id)]


@pytest.mark.parametrize("ahead", [0, 90 * SECOND, 30 * MINUTE, 2 * HOUR, 960 * HOUR])
async def test_producers_whose_clocks_are_ahead(flow, ahead):
    """A record from the future is counted as now: it moves no watermark beyond what has been."""
    await a_lost_mail_is_found_in_time(flow, smtp=ahead, ses=ahead)


async def test_a_producer_whose_clock_is_behind(flow):
    """Its records are dated long ago; they come to a partition that was read to its end all the same."""
    await a_lost_mail_is_found_in_time(flow, smtp=-20 * MINUTE)


async def test_a_partition_in_which_nothing_ever_comes(flow):
    """All events go to the other one. An idle partition that is read to its end has spoken."""
    flow.told = lambda mail, **_: [flow.write(SES[0], mail.event(kind)) for kind in ("Send", "Delivery")]
    await a_lost_mail_is_found_in_time(flow)


async def test_a_partition_that_is_not_read_holds_back_all(flow):
    """Two hours of its events wait for a worker that lags; what it has not read is no silence."""
    mails = []
    for number in range(120):
        flow.now += MINUTE
        mails.append(flow.handed_over(number))
        flow.told(mails[-1])
        await flow.read(SMTP, SES[0])
    assert flow.announced == []
    await flow.read()
    flow.now += MINUTE
    await flow.read()
    assert flow.announced == []
    assert {document["recipients"][0]["outcome"] for document in flow.world.documents.values()} == {"delivered"}


async def test_a_source_that_has_not_spoken_yet(flow):
    """No event ever, of five mails: its partitions are there, and are read to their ends."""
    mails = [flow.handed_over(number) for number in range(5)]
    await flow.read()
    flow.now += JUDGED - SECOND
    await flow.read()
    assert flow.announced == []
    flow.now += 2 * SECOND
    await flow.read()
    assert sorted(said[2] for said in flow.announced) == [mail.ses_id for mail in mails]


async def test_a_worker_that_begins_late(flow):
    """Half a day of mails, events and all, waits in Kafka when the first worker starts; it reads a source at a time."""
    mails = []
    for number in range(12 * 60):
        flow.now += MINUTE
        mails.append(flow.handed_over(number))
        if number != 77:
            flow.told(mails[-1])
    for tp in (SMTP, SES[1], SES[0]):
        await flow.read(tp)
        assert tp == SES[0] or flow.announced == []
    flow.now += SECOND
    await flow.read()
    assert flow.announced == [("opened", "no_events", mails[77].ses_id)]


async def test_a_thousand_times_the_same_event_and_what_cannot_be_read_between_them(flow):
    mail = flow.handed_over(1)
    for number in range(1000):
        flow.told(mail, "Delivery")
        if number % 100 == 0:
            flow.write(SES[1], b"\xff{]")
    await flow.read()
    flow.now += HOUR
    await flow.read()
    assert flow.announced == []
    assert flow.world.documents[mail.ses_id]["revision"] <= 2
    assert flow.world.counts["outcomes", "delivered", "transactional", "other"] == 1
    assert len(flow.kafka.dead) == 10


@pytest.mark.parametrize(
    "poison", [b"[[[", b"[" * (1 << 20), b'{"a":' * 50_000, b'{"eventType":"Send","mail":' + b"[" * 200_000]
)
async def test_brackets_that_are_never_closed_are_dead_letters_and_hold_nothing_open(flow, poison):
    mail = flow.handed_over(1)
    for tp in (SMTP, *SES):
        flow.write(tp, poison)
    flow.told(mail)
    await flow.read()
    assert [letter.value for letter in flow.kafka.dead] == [poison] * 3
    assert all(spoken.held is None for spoken in flow.ingest.spoken.values())
    assert {document["recipients"][0]["outcome"] for document in flow.world.documents.values()} == {"delivered"}
