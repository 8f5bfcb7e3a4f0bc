"""A bridge that is behind (rule 14): what SES said is on its way, so its silence in Kafka says nothing yet."""

from __future__ import annotations

from random import Random

from service.facts import HOUR, MINUTE, SECOND
from service.policy import parse_policy
from tests.topologies.flow import SES, Flow

EVERY = 30 * SECOND
LOST = 77
POLICY = parse_policy({"message_id_join": False})
JUDGED = 17 * MINUTE
"""After the hand-off, if SES has spoken so far: the first event's deadline and the grace."""


async def test_a_bridge_half_an_hour_behind_that_writes_steadily(monkeypatch):
    """Fewer mails wait than would make a stall, so nothing but the delay itself can hold their judgement."""
    flow, waiting, lost = Flow(POLICY, monkeypatch), [], None
    begin = flow.now
    for number in range(5 * HOUR // (2 * MINUTE)):
        flow.now += 2 * MINUTE
        mail = flow.handed_over(number)
        if number == LOST:
            lost = mail
        else:
            waiting.append(mail)
        behind = min(max((flow.now - begin - HOUR) // 2, 0), 30 * MINUTE)
        while waiting and waiting[0].at + behind <= flow.now:
            flow.told(waiting.pop(0))
        await flow.read()
        if lost is None or flow.now < lost.at + JUDGED + behind:
            assert flow.announced == []
    assert flow.announced == [("opened", "no_events", lost.ses_id)]
    assert flow.world.conditions == []


async def test_a_bridge_that_drains_its_backlog_after_a_stall(monkeypatch):
    """Two hours of events come in twenty minutes, in any order, as from SQS, while mails go on. None is judged before
    all that waited has come.
    """
    flow, chance = Flow(POLICY, monkeypatch), Random(14)
    begin, waiting, lost = flow.now, [], None
    stall, drained = begin + HOUR, begin + 3 * HOUR + 20 * MINUTE
    for number in range((4 * HOUR + 30 * MINUTE) // EVERY):
        flow.now += EVERY
        waiting.append(flow.handed_over(number))
        if flow.now == stall + HOUR:
            lost = waiting.pop()
        await flow.read()
        stalled, draining = stall <= flow.now < stall + 2 * HOUR, stall <= flow.now <= drained
        at_once = 0 if stalled else 12 if draining else len(waiting)
        for done in range(min(at_once, len(waiting))):
            flow.told(waiting.pop(chance.randrange(len(waiting))))
            if done % 4 == 0:
                await flow.read()
        if flow.now < drained:
            assert flow.announced == []
    assert not waiting
    assert flow.announced == [("opened", "no_events", lost.ses_id)]
    assert [condition.state for condition in flow.world.conditions] == ["raised", "cleared"]
    assert all(
        recipient["outcome"] == "delivered"
        for ses_id, document in flow.world.documents.items()
        if ses_id != lost.ses_id and document["accepted_at"] < flow.world.documents[lost.ses_id]["accepted_at"]
        for recipient in document["recipients"]
    )


async def test_a_partition_that_never_carried_a_delay_does_not_speak_for_one_that_did(monkeypatch):
    """A bridge falls half an hour behind, and all of its events happen to go to one partition. The one that counts goes
    to the other, which was idle and read to its end, and knows of no delay.
    """
    flow, waiting = Flow(POLICY, monkeypatch), []
    begin = flow.now
    for number in range(5 * HOUR // (2 * MINUTE)):
        flow.now += 2 * MINUTE
        waiting.append(flow.handed_over(2 * number + (number == LOST)))  # SES[0] has the even ones
        behind = min(max((flow.now - begin - HOUR) // 2, 0), 30 * MINUTE)
        while waiting and waiting[0].at + behind <= flow.now:
            flow.told(waiting.pop(0))
        await flow.read()
        assert flow.announced == []
    assert len(flow.kafka.inputs[SES[1]]) == len(("Send", "Delivery"))
    assert flow.kafka.inputs[SES[1]][0].timestamp >= begin + 2 * LOST * MINUTE + 25 * MINUTE, "it was late"
