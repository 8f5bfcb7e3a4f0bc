"""`accepted_not_delivered`: SES has the mail, and says nothing, or nothing final (section 6, rules 2, 3 and 5)."""

from __future__ import annotations

import pytest

from service.facts import Sent, Source
from service.facts_record import FactsRecord
from service.policy import parse_policy
from tests.stories.story import BEGIN, after
from tests.stories.world import World

ANN, BOB, CARL = "ann@example.com", "bob@example.org", "carl@example.net"


def test_no_event_at_all(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).watermark("16m")
    assert story.gaps(mail) == []
    story.watermark("17m1s")  # the deadline, and the grace
    assert story.gaps(mail) == ["no_events ann@example.com: open"]
    (gap,) = story.document(mail)["gaps"]
    assert gap["opened_at"] == gap["deadline"] == "2026-07-27T12:15:01.000Z"
    story.watermark("30h")
    assert story.announced() == ["opened no_events ann@example.com"]


def test_the_grace_is_waited_for_to_the_millisecond(story):
    mail = story.mail()
    story.at("0s").accepted(mail).watermark("16m59.999s")
    assert story.announced() == []
    story.watermark("17m")
    assert story.announced() == ["opened no_events ann@example.com"]


def test_one_gap_for_each_recipient(story):
    mail = story.mail(ANN, BOB)
    story.at("0s").accepted(mail).watermark("20m")
    assert story.gaps(mail) == [f"no_events {ANN}: open", f"no_events {BOB}: open"]


def test_a_send_that_comes_after_the_first_deadline_resolves_it(story):
    """And the other deadline begins to count: those are two gaps."""
    mail = story.mail()
    story.at("1s").accepted(mail).watermark("20m")
    story.at("21m").send(mail).watermark("30m")
    assert story.gaps(mail) == ["no_events ann@example.com: event_arrived"]
    story.watermark("14h5m")
    assert story.announced() == [
        "opened no_events ann@example.com",
        "resolved no_events ann@example.com: event_arrived",
        "opened sent_then_silent ann@example.com",
    ]


def test_a_delivery_that_comes_after_the_first_deadline(story):
    mail = story.mail()
    story.at("1s").accepted(mail).watermark("20m")
    story.at("21m").delivery(mail).watermark("30m")
    assert story.gaps(mail) == ["no_events ann@example.com: delivered"]
    assert story.document(mail)["gaps"][0]["resolved_at"] == "2026-07-27T12:21:00.000Z"


def test_an_event_from_before_the_deadline_that_was_on_its_way_too_long(story):
    """It had been announced, so it is not taken back in silence; and it is no gap for whoever compares."""
    mail = story.mail()
    story.at("1s").accepted(mail).watermark("20m")
    story.at("5s", read="40m").delivery(mail).watermark("50m")
    assert story.announced() == [
        "opened no_events ann@example.com",
        "resolved no_events ann@example.com: late_evidence",
    ]
    assert story.outcome(mail) == "delivered"


@pytest.mark.parametrize("together", [True, False])
def test_how_late_events_fell_into_batches_changes_no_announcement(tell, together):
    story = tell(policy=parse_policy({"message_id_join": False}))
    mail = story.mail()
    story.at("1s").accepted(mail).watermark("20m")
    count = len(story.log)
    story.at("2s", read="40m").send(mail).at("3s", read="40m").delivery(mail)
    world = World(story.policy, story.sources)
    for batch in (story.log[:count], *([story.log[count:]] if together else [[r] for r in story.log[count:]])):
        world.take(batch)
    assert [gap.resolution for gap in world.gaps] == [None, "late_evidence"]


def test_a_send_from_before_the_deadline_that_was_on_its_way_too_long(story):
    mail = story.mail()
    story.at("1s").accepted(mail).watermark("20m").at("2s", read="40m").send(mail).watermark("50m")
    assert story.gaps(mail) == ["no_events ann@example.com: late_evidence"]


def test_an_event_that_cannot_be_understood_is_not_silence(story):
    """Its record is among the dead letters, and SES has spoken: what is missing is how it ended."""
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail)
    said = story.log[-1].fragments
    story.log[-1] = FactsRecord([(name, [i for i in items if not isinstance(i[0], Sent)]) for name, items in said])
    story.watermark("20m")
    assert story.announced() == []
    story.watermark("14h5m")
    assert story.announced() == ["opened sent_then_silent ann@example.com"]


def test_sent_and_then_silent(story):
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).watermark("14h2m")
    assert story.gaps(mail) == []
    story.watermark("14h2m1s")
    assert (story.gaps(mail), story.cause(mail)) == (["sent_then_silent ann@example.com: open"], "sent_then_silent")
    assert story.outcome(mail) == "pending"
    story.at("15h").delivery(mail).watermark("16h")
    assert story.gaps(mail) == ["sent_then_silent ann@example.com: delivered"]
    assert story.cause(mail) == "delivered"


def test_one_of_three_recipients_is_forgotten(story):
    mail = story.mail(ANN, BOB, CARL)
    story.at("1s").accepted(mail).at("2s").send(mail).at("3s").delivery(mail, ANN).at("9s").delivery(mail, CARL)
    story.watermark("15h")
    assert story.gaps(mail) == [f"sent_then_silent {BOB}: open"]
    story.at("16h").bounce(mail, "Transient/MailboxFull", BOB).watermark("17h")
    assert story.gaps(mail) == [f"sent_then_silent {BOB}: soft_bounced"]


def test_which_event_ended_a_gap_does_not_depend_on_what_came_after(story):
    """Delivered late, then bounced: the silence ended with the delivery, whether both are read at once or not."""
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).watermark("15h")
    story.at("16h").delivery(mail).at("16h17s").bounce(mail).watermark("17h")
    assert (story.outcome(mail), story.gaps(mail)) == ("bounced", ["sent_then_silent ann@example.com: delivered"])


MINUTES = parse_policy({"defaults": {"max_delivery": "30m"}})
OTP = parse_policy(
    {
        "streams": [
            {"name": "otp", "match": {"configuration_set": "otp"}, "handoff": "2m", "max_delivery": "30m"},
        ]
    }
)


def test_a_delay_extends_the_deadline_by_its_own_word(tell):
    story = tell(policy=MINUTES)
    mail = story.mail()
    story.at("1s").accepted(mail).at("2s").send(mail).at("10m").delay(mail, until="4h").watermark("3h")
    assert (story.outcome(mail), story.gaps(mail)) == ("delayed", [])
    story.watermark("4h2m")
    assert story.gaps(mail) == ["delayed_then_silent ann@example.com: open"]
    assert story.document(mail)["gaps"][0]["deadline"] == "2026-07-27T16:00:00.000Z"
    story.at("5h").bounce(mail, "Transient/CustomTimeoutExceeded").watermark("6h")
    assert story.gaps(mail) == ["delayed_then_silent ann@example.com: soft_bounced"]


def test_a_delay_extends_no_deadline_beyond_fourteen_hours(story):
    mail = story.mail()
    story.at("0s").accepted(mail).at("2s").send(mail).at("10m").delay(mail, until="70h").watermark("14h2m")
    assert story.gaps(mail) == ["delayed_then_silent ann@example.com: open"]
    assert story.document(mail)["gaps"][0]["deadline"] == "2026-07-28T02:00:00.000Z"


def test_a_delay_that_expires_at_once_shortens_nothing(story):
    """AWS's own sample expires 0.8 s after its own stamp."""
    mail = story.mail()
    story.at("0s").accepted(mail).at("2s").send(mail).at("10m").delay(mail, until="10m1s").watermark("13h")
    assert story.gaps(mail) == []


def test_a_delay_does_not_extend_what_the_stream_sets_itself(tell):
    story = tell(policy=OTP)
    mail = story.mail(configuration_set="otp")
    story.at("0s").accepted(mail).at("2s").send(mail).at("10m").delay(mail, until="4h").watermark("32m")
    assert story.gaps(mail) == ["delayed_then_silent ann@example.com: open"]
    assert story.document(mail)["stream"] == "otp"


def test_one_recipient_is_delayed_and_the_other_is_not(tell):
    story = tell(policy=MINUTES)
    mail = story.mail(ANN, BOB)
    story.at("0s").accepted(mail).at("2s").send(mail).at("10m").delay(mail, BOB, until="4h").watermark("1h")
    assert story.gaps(mail) == [f"sent_then_silent {ANN}: open"]
    story.watermark("5h")
    assert story.gaps(mail) == [f"sent_then_silent {ANN}: open", f"delayed_then_silent {BOB}: open"]


def test_delays_may_repeat_and_end_well(tell):
    story = tell(policy=MINUTES)
    mail = story.mail()
    story.at("0s").accepted(mail).at("2s").send(mail)
    for minutes in range(10, 60, 10):
        story.at(f"{minutes}m").delay(mail, until="8h")
    story.at("3h").delivery(mail).watermark("20h")
    assert (story.outcome(mail), story.announced()) == ("delivered", [])


def test_nobody_knows_the_recipients_until_an_event_names_them(story):
    """Rule 2. The event says to whom, so the gap for nobody in particular becomes one for somebody."""
    mail = story.mail()
    story.at("0s").send(mail, recipients=[]).watermark("15h")
    assert story.gaps(mail) == ["sent_then_silent: open"]
    story.at("16h").bounce(mail, "Permanent/General", recipients=[ANN]).watermark("17h")
    assert story.gaps(mail) == ["sent_then_silent: recipients_known", f"sent_then_silent {ANN}: bounced"]


def test_a_gap_keeps_the_stream_it_opened_with(story):
    """The log alone does not tell the configuration set; the late event does."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).watermark("20m")
    story.at("30m").delivery(mail).watermark("40m")
    assert story.document(mail)["stream"] == "transactional"
    assert [gap.stream for gap in story.told().gaps] == ["default", "default"]


def test_logs_alone_know_nothing_of_deliveries(tell):
    """Rule 17: SES's events are not configured, so their absence says nothing."""
    story = tell(sources=(Source.SMTP,))
    mail, refused = story.mail(), story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").submitted(refused).refused(refused)
    story.watermark(smtp="30h")
    assert (story.gaps(mail), story.outcome(mail)) == ([], "pending")
    assert story.gaps(refused) == ["unverified_identity ann@example.com: open"]


def test_a_single_lost_mail_at_night_is_found(story):
    """Nothing else happens for hours: that is no stall."""
    before = story.mail()
    story.at("0s").submitted(before).accepted(before).at("1s").send(before).at("3s").delivery(before)
    lost = story.mail()
    story.at("3h").submitted(lost).at("3h1s").accepted(lost).watermark("3h20m")
    assert story.gaps(lost) == ["no_events ann@example.com: open"]


UNLOGGED = parse_policy({"unlogged_send": True})


def test_a_send_that_no_log_mentions(tell):
    story = tell(policy=UNLOGGED)
    logged, strange = story.mail(), story.mail()
    story.at("0s").submitted(logged).accepted(logged).at("1s").delivery(logged)
    story.at("2s").send(strange).at("4s").delivery(strange).watermark("17m2s")
    assert story.gaps(strange) == ["no_log: open"]
    story.at("2s", read="30m").submitted(strange).accepted(strange).watermark("40m")
    assert story.gaps(strange) == ["no_log: late_evidence"]


def test_an_unlogged_send_of_a_domain_that_logs_never_spoke_of(tell):
    story = tell(policy=UNLOGGED)
    logged, other = story.mail(), story.mail(sender="news@another.example")
    story.at("0s").submitted(logged).accepted(logged).at("1s").delivery(logged)
    story.at("2s").send(other).at("4s").delivery(other).watermark("20h")
    assert story.announced() == []


def test_a_template_that_failed_was_never_a_mail_servers_business(tell):
    story = tell(policy=UNLOGGED)
    logged, templated = story.mail(), story.mail()
    story.at("0s").submitted(logged).accepted(logged).at("1s").delivery(logged)
    story.at("2s").rendering_failure(templated).watermark("20h")
    assert story.announced() == []


def test_a_domain_that_logs_speak_of_only_later(tell):
    """What is judged by then must not hang on when the later line is read."""
    story = tell(policy=UNLOGGED)
    early, logged = story.mail(), story.mail()
    story.at("0s").send(early).at("1s").delivery(early)
    story.at("3h").submitted(logged).accepted(logged).at("3h1s").delivery(logged).watermark("20h")
    assert story.announced() == []


def test_an_unlogged_send_is_off_by_default(story):
    """A host whose log breaks off would otherwise make one of every mail that SES goes on speaking of."""
    logged, strange = story.mail(), story.mail()
    story.at("0s").submitted(logged).accepted(logged).at("1s").delivery(logged)
    story.at("2s").delivery(strange).watermark("20h")
    assert story.announced() == []


@pytest.mark.parametrize("late", ["15m", "15m0.001s"])
def test_a_first_event_at_the_deadline_is_in_time_and_a_millisecond_later_is_not(story, late):
    mail = story.mail()
    story.at("0s").accepted(mail).at(late).send(mail).at("16m").delivery(mail).watermark("20m")
    assert after(late) - BEGIN in {900_000, 900_001}
    assert story.gaps(mail) == ([] if late == "15m" else ["no_events ann@example.com: event_arrived"])
