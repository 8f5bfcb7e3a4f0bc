"""Restarts with other settings, state of another release, and bugs of our own (rules 23, 25 and 26)."""

from __future__ import annotations

from copy import deepcopy

import pytest

from service import rows, ruling
from service.correlate import Correlator, PartitionCountError
from service.documents import Documents
from service.facts import Delivered, Source
from service.facts_record import Closing, FactsRecord
from service.lives import name_of
from service.policy import Policy, parse_policy
from service.rows import UnknownVersionError
from tests.stories.story import after
from tests.stories.world import World, deadlines

ALONE = parse_policy({"message_id_join": False})
PATIENT = parse_policy({"message_id_join": False, "defaults": {"first_event": "2h", "max_delivery": "3h"}})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE)


def restarted(world: World, policy: Policy) -> World:
    world.policy = policy
    world.crash()
    return world


def test_a_restart_with_a_stricter_policy_judges_what_is_there_anew(tell):
    story = tell(policy=PATIENT)
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).watermark("1h")
    assert story.announced() == []
    world = World(PATIENT, story.sources)
    for record in story.log:
        world.take([record])
    restarted(world, ALONE)
    assert [(gap.state, gap.cause) for gap in world.gaps] == [("opened", "no_events")]
    restarted(world, ALONE)
    assert len(world.gaps) == 1


def test_a_restart_with_a_more_patient_policy_takes_nothing_back(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).watermark("1h")
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    restarted(world, PATIENT)
    assert [gap.state for gap in world.gaps] == ["opened"]
    assert world.documents[mail.ses_id]["gaps"][0]["resolution"] is None


def _open(world):
    return [(gap.kind, gap.stream) for gap in world.correlators[0].ruling.open_gaps.values()]


def test_deadlines_are_known_again_after_a_restart(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail)
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    world.crash()
    assert (deadlines(world.correlators[0]), world.correlators[0].open_names) == (1, 1)
    story.watermark("1h")
    world.take([story.log[-1]])
    assert [gap.cause for gap in world.gaps] == ["rate_exceeded"]
    assert _open(world) == [("sent_no_ses_id", "default")]
    world.crash()
    assert _open(world) == [("sent_no_ses_id", "default")]


def test_another_number_of_partitions_stops_the_worker(story):
    story.at("0s").submitted(story.mail())
    store = story.told().stores[0]
    with pytest.raises(PartitionCountError, match="written with 1 partitions and the topics now have 4"):
        Correlator(store, ALONE, Documents(), story.sources, 4)


def test_rows_of_a_newer_release_stop_the_worker(story):
    story.at("0s").submitted(story.mail())
    store = dict(story.told().stores[0])
    name = next(name for name in store if name[:2] == b"Q:")
    store[name] = b"\x07" + store[name][1:]
    with pytest.raises(UnknownVersionError, match="version 7"):
        rows.unpack(store[name])


def test_a_bug_of_ours_costs_its_fragment_and_nothing_else(story, monkeypatch):
    """It goes to the dead letters as `internal_error`; the row stays as it was, and the others are judged."""
    good, bad = story.mail(), story.mail()
    story.at("1s").accepted(good).accepted(bad).at("2s").send(good).send(bad)
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    before = world.stores[0][b"S:" + bad.ses_id.encode()]
    usual = ruling.usual_mail

    def broken(ses_id, *known):
        if ses_id == bad.ses_id:
            raise ZeroDivisionError("a bug")
        return usual(ses_id, *known)

    monkeypatch.setattr(ruling, "usual_mail", broken)
    count = len(story.log)
    story.at("3s").delivery(good).delivery(bad)
    correlator = world.correlators[0]
    correlator.take(story.log[count:])
    said = correlator.drain()
    assert [key for key, *_ in said.correlated] == [good.ses_id]
    ((name, facts, why),) = said.failures
    assert (name, why) == (b"S:" + bad.ses_id.encode(), "ZeroDivisionError('a bug')")
    assert any(isinstance(fact, Delivered) for fact, _ in facts)
    assert world.stores[0][name] == before
    assert [key[0] for key in said.tally.sums()] == ["outcomes"]  # of the good one
    monkeypatch.undo()
    correlator.take(story.log[count:])
    assert [key for key, *_ in correlator.drain().correlated] == [bad.ses_id]


def test_a_bug_after_the_count_takes_the_count_back(story, monkeypatch):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).watermark("20m")
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    assert _open(world) == [("sent_no_ses_id", "default")]
    correlator, count = world.correlators[0], len(story.log)
    flying = deepcopy(correlator.marks.flying)
    assert flying

    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(correlator.ruling, "tally", broken)
    story.at("21m").accepted(mail)
    correlator.take([record for record in story.log[count:] if any(name[:2] == b"Q:" for name, _ in record.fragments)])
    said = correlator.drain()
    assert len(said.failures) == 2
    assert correlator.marks.flying == flying
    assert (said.gaps, said.tally.sums(), said.tally.timings) == ([], {}, [])
    assert _open(world) == [("sent_no_ses_id", "default")]


def _broken(*_, **__):
    raise ZeroDivisionError("a bug")


def _world(story):
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    return world, world.correlators[0], len(story.log)


def test_a_bug_in_what_comes_after_the_row_is_gone_costs_that_fact(tell, monkeypatch):
    story = tell(policy=ALONE, forgets=True)
    story.at("1s").accepted(mail := story.mail()).at("2s").delivery(mail).watermark("39h")
    _, correlator, count = _world(story)
    story.at("500h").complaint(mail)
    monkeypatch.setattr(correlator.ruling, "publish_late", _broken)
    correlator.take(story.log[count:])
    said = correlator.drain()
    assert [(name, why) for name, _, why in said.failures] == [
        (b"S:" + mail.ses_id.encode(), "ZeroDivisionError('a bug')")
    ]
    assert said.failures[0][1]
    assert said.correlated == []


def test_a_bug_at_a_rows_end_keeps_the_row_for_a_release_that_can(tell, monkeypatch):
    story = tell(policy=ALONE, forgets=True)
    story.at("0s").submitted(mail := story.mail()).at("1s").accepted(mail).at("2s").send(mail).watermark("15h")
    world, correlator, count = _world(story)
    name = b"S:" + mail.ses_id.encode()
    story.watermark("39h")
    monkeypatch.setattr(correlator.ruling, "close", _broken)
    correlator.take(story.log[count:])
    said = correlator.drain()
    assert name in [name for name, *_ in said.failures]
    assert (said.gaps, name in world.stores[0]) == ([], True)
    assert [kind for kind, _ in _open(world)] == ["accepted_not_delivered"]
    world.crash()
    story.watermark("40h")
    world.take(story.log[-1:])
    assert name not in world.stores[0]
    assert [gap.resolution for gap in world.gaps][-1] == "window_closed"


def test_a_bug_in_a_closing_by_hand_leaves_the_gap_open(tell, monkeypatch):
    story = tell(policy=ALONE, forgets=True)
    story.at("0s").submitted(mail := story.mail()).at("1s").deferred(mail).watermark("20m")
    world, correlator, _ = _world(story)
    gap = world.gaps[-1]
    name = name_of(gap.mail_id, gap.ses_message_id)
    monkeypatch.setattr(correlator.ruling, "close_one", _broken)
    correlator.take([FactsRecord(closings=[Closing(name, gap.gap_id, after("20m"), "ann", "a test")])])
    assert [failed for failed, *_ in correlator.drain().failures] == [name]
    assert _open(world) == [("sent_no_ses_id", "default")]


def test_a_host_that_is_gone_is_forgotten(tell):
    """Hosts come and go by the thousand a day where each is a container."""
    story = tell(policy=ALONE, forgets=True)
    feed = b"\0feed:smtp:" + story.mail().host.encode()
    story.at("0s").submitted(mail := story.mail()).at("1s").accepted(mail).removed(mail).watermark("1h")
    world = World(ALONE, story.sources)
    for record in story.log:
        world.take([record])
    assert feed in world.stores[0]
    world.crash()
    assert feed.removeprefix(b"\0feed:").decode() in world.correlators[0].marks.feeds
    count = len(story.log)
    story.watermark("150h")
    for record in story.log[count:]:
        world.take([record])
    assert feed not in world.stores[0]
    assert world.correlators[0].marks.feeds == {}


def test_revisions_rise_by_one_and_equal_verdicts_are_not_published_again(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("3s").delivery(mail).watermark("20h")
    revisions = [revision for key, revision in story.told().published if key == mail.ses_id]
    assert revisions == [1, 2, 3]
    story.watermark("25h")
    assert len(story.told().published) == 3


def test_sources_that_speak_of_nothing_change_nothing(tell):
    story = tell(policy=ALONE, sources=(Source.SES,))
    story.watermark("1h").watermark("2h")
    assert story.told().documents == {}
