"""`sent_no_ses_id`: the application sent a mail, and SES gave no id for it (DESIGN section 6, rules 1 to 4)."""

from __future__ import annotations

import pytest

from service.facts import Source
from service.policy import parse_policy
from tests.stories import text
from tests.stories.story import LOST, THROTTLED, TIMED_OUT, UNVERIFIED

ANN, BOB, CARL = "ann@example.com", "bob@example.org", "carl@example.net"
# Where no Message-ID is asked for, the deadline alone decides.
ALONE = parse_policy({"message_id_join": False})


@pytest.fixture
def story(tell):
    return tell(policy=ALONE)


def test_a_final_refusal_is_an_outcome_and_a_gap_at_once(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").refused(mail).removed(mail)
    assert (story.outcome(mail), story.gaps(mail)) == ("refused", ["unverified_identity ann@example.com: open"])
    assert story.document(mail)["gaps"][0]["opened_at"] == "2026-07-27T12:00:01.000Z"
    story.watermark("30h")
    assert story.announced() == ["opened unverified_identity ann@example.com"]


def said(reply: str) -> str:
    return f"host {text.RELAY} said: {reply} (in reply to end of DATA command)"


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("unverified_identity", UNVERIFIED),
        ("account_paused", said("554 Message rejected: Sending paused for this account.")),
        ("quota_exceeded", said("454 Throttling failure: Daily message quota exceeded.")),
        ("rate_exceeded", THROTTLED),
        ("sigv2_rate_exceeded", said("454 Throttling failure: Maximum SigV2 SMTP sending rate exceeded.")),
        (
            "auth_failed",
            f"SASL authentication failed; server {text.RELAY} said: 535 Authentication Credentials Invalid",
        ),
        ("access_denied", said("554 Access denied: User `arn' is not authorized to perform `ses:SendRawEmail'")),
        ("configuration", said("554 Message rejected: Configuration set does not exist")),
        ("bad_address", said("501 Invalid RCPT TO address provided")),
        ("malformed", said("554 Transaction failed: Duplicate header 'DKIM-Signature'.")),
        ("too_large", said("552 Message is too long.")),
        ("ses_unavailable", said("454 Temporary service failure")),
        ("unreachable", TIMED_OUT),
        ("timeout", f"conversation with {text.RELAY} timed out while receiving the initial server greeting"),
        ("ambiguous", LOST),
        ("other_refusal", said("550 Because I say so")),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_every_cause_of_a_refusal(story, cause, why, final):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s")
    (story.refused if final else story.deferred)(mail, why=why)
    story.watermark("17m1s")
    assert story.gaps(mail) == [f"{cause} ann@example.com: open"]
    assert (story.outcome(mail), story.cause(mail)) == ("refused" if final else "deferred", cause)


def test_an_id_was_lost_on_the_way(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").unconfirmed(mail).removed(mail).watermark("20m")
    assert story.gaps(mail) == ["no_id_in_reply ann@example.com: open"]


def test_the_log_falls_silent_about_a_mail(story):
    mail = story.mail()
    story.at("0s").submitted(mail).watermark("16m59s")
    assert story.announced() == []
    story.watermark("17m")
    assert story.gaps(mail) == ["silent: open"]  # to whom, no line has said


def test_deferred_is_not_final_and_a_retry_in_time_is_no_gap(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("6m").accepted(mail).removed(mail)
    story.at("6m2s").send(mail).at("6m5s").delivery(mail).watermark("20h")
    assert (story.outcome(mail), story.announced()) == ("delivered", [])
    assert story.unpublished(mail)


def test_the_attempts_before_stand_in_the_ses_mail_s_trail_and_nowhere_else(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("6m").accepted(mail).removed(mail)
    story.at("6m1s").send(mail).delivery(mail).watermark("20h")
    trail = story.document(mail)["trail"]
    assert [entry["fact"] for entry in trail] == ["submitted", "deferred", "accepted", "delivered", "sent"]
    assert trail[1]["cause"] == "rate_exceeded"
    assert "Maximum sending rate exceeded" in trail[1]["said"]
    assert story.unpublished(mail)


def test_another_recipient_s_attempts_are_not_told(story):
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).at("1s").deferred(mail, BOB).accepted(mail, ANN).watermark("5m")
    assert [entry["fact"] for entry in story.document(mail)["trail"]] == ["submitted", "accepted"]


def test_deferred_and_accepted_after_the_deadline(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).watermark("18m")
    assert (story.gaps(mail), story.outcome(mail)) == (["rate_exceeded ann@example.com: open"], "deferred")
    story.at("30m").accepted(mail).removed(mail).at("30m2s").send(mail).at("30m5s").delivery(mail).watermark("20h")
    assert story.announced() == [
        "opened rate_exceeded ann@example.com",
        "resolved rate_exceeded ann@example.com: accepted",
    ]
    submission = story.submission(mail)
    assert (submission["superseded_by"], submission["recipients"]) == (mail.ses_id, [])
    (gap,) = submission["gaps"]
    assert (gap["opened_at"], gap["resolved_at"]) == ("2026-07-27T12:15:01.000Z", "2026-07-27T12:30:00.000Z")
    assert story.outcome(mail) == "delivered"


def test_the_deadline_counts_from_the_first_attempt(story):
    """A mail that Postfix held for an hour was not late before anybody tried."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("10m").deferred(mail).watermark("26m")
    assert story.announced() == []
    story.watermark("27m")
    assert story.gaps(mail) == ["rate_exceeded ann@example.com: open"]


def test_accepted_in_time_and_logged_late(story):
    """SES's clock in the id says when it was accepted: the gap that was announced never was."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("2s").taken(mail).at("3s").send(mail).delivery(mail).watermark("20m")
    assert story.gaps(mail) == ["silent: open"]
    story.at("2s", read="40m").accepted(mail).watermark("50m")
    assert story.gaps(mail) == ["silent: late_evidence"]
    assert story.submission(mail)["superseded_by"] == mail.ses_id


def test_one_of_three_recipients_is_refused(story):
    mail = story.mail(ANN, BOB, CARL)
    rest = story.part(mail, ANN, CARL)
    bad = said("501 Invalid RCPT TO address provided")
    story.at("0s").submitted(mail).at("1s").refused(mail, BOB, why=bad).accepted(rest).removed(mail)
    story.at("2s").send(rest).at("5s").delivery(rest).watermark("20h")
    assert story.outcomes(rest) == {ANN: "delivered", CARL: "delivered"}
    submission = story.submission(mail)
    assert [(r["address"], r["outcome"]) for r in submission["recipients"]] == [(BOB, "refused")]
    assert (submission["ses_mails"], submission["superseded_by"]) == ([rest.ses_id], None)
    assert [(gap["recipient"], gap["cause"]) for gap in submission["gaps"]] == [(BOB, "bad_address")]


def test_a_refusal_and_a_deferral_are_one_gap(story):
    """Whose it is was one recipient's when it opened, and is nobody's alone now."""
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).at("1s").refused(mail, ANN).at("2s").deferred(mail, BOB).watermark("20h")
    assert len(story.announced()) == 1
    assert story.document(mail)["gaps"][0]["recipient"] is None


def test_expired_after_days_of_deferrals(story):
    """`status=expired` names nobody and gives no reason: both are in the deferrals before it."""
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail)
    for hours in range(0, 120, 24):
        story.at(f"{hours}h1s").deferred(mail, why=TIMED_OUT).watermark(f"{hours}h30m")
    assert story.outcomes(mail) == {ANN: "deferred", BOB: "deferred"}
    story.at("120h2s").expired(mail).removed(mail).watermark("121h")
    assert story.outcomes(mail) == {ANN: "refused", BOB: "refused"}
    assert story.announced() == ["opened unreachable"]
    assert story.document(mail)["gaps"][0]["opened_at"] == "2026-07-27T12:15:01.000Z"


def test_a_refusal_after_the_deadline_does_not_move_the_beginning_of_the_silence(story):
    """Whether both are read at once or hours apart: there was no id when there should have been one."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("3h").refused(mail).removed(mail).watermark("4h")
    (gap,) = story.document(mail)["gaps"]
    assert (gap["cause"], gap["opened_at"]) == ("rate_exceeded", "2026-07-27T12:15:01.000Z")
    assert story.cause(mail) == "unverified_identity"


def test_the_lines_of_two_recipients_are_shipped_late_one_by_one(story):
    """The first was accepted in time; the gap must not end before the second, who was refused, is known."""
    mail = story.mail(ANN, BOB)
    rest = story.part(mail, ANN)
    story.at("0s").submitted(mail).at("1s").taken(rest).at("2s").send(rest).delivery(rest).watermark("20m")
    assert story.gaps(mail) == ["silent: open"]
    story.at("1s", read="40m").accepted(rest)
    assert story.gaps(mail) == ["silent: open"]
    story.at("1s", read="40m").refused(mail, BOB).watermark("45m").at("2s", read="50m").removed(mail).watermark("1h")
    assert len(story.announced()) == 1
    assert [r["address"] for r in story.submission(mail)["recipients"]] == [BOB]


def test_an_attempt_after_an_acceptance_takes_no_id_away(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").deferred(mail).removed(mail)
    story.at("3s").send(mail).delivery(mail).watermark("20h")
    assert (story.announced(), story.unpublished(mail), story.outcome(mail)) == ([], True, "delivered")
    assert story.document(mail)["queue_ids"] == [mail.submission]


def test_an_operator_puts_a_refused_mail_back_and_it_is_accepted(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").refused(mail).at("20m").accepted(mail).at("20m2s").send(mail).watermark(
        "1h"
    )
    assert story.gaps(mail) == ["unverified_identity ann@example.com: accepted"]
    assert story.submission(mail)["superseded_by"] == mail.ses_id


def test_two_deliveries_of_one_queue_id(story):
    """Postfix sends 50 recipients at a time, and SES gives each transaction an id."""
    mail = story.mail(ANN, BOB)
    first, second = story.part(mail, ANN), story.part(mail, BOB)
    story.at("0s").submitted(mail).at("1s").accepted(first).at("2s").accepted(second).removed(mail)
    story.at("3s").send(first).delivery(first).send(second).watermark("20h")
    assert (story.outcomes(first), story.outcomes(second)) == ({ANN: "delivered"}, {BOB: "pending"})
    assert story.announced() == [f"opened sent_then_silent {BOB}"]
    assert story.unpublished(mail)


def test_a_bounce_notice_makes_no_gap(story):
    """The null sender: Postfix wrote it itself, and no application waits for it."""
    notice = story.mail("no-reply@shop.example", sender="")
    story.at("0s").submitted(notice).at("1s").refused(notice)
    stuck = story.mail("no-reply@shop.example", sender="")
    story.at("2s").submitted(stuck).at("3s").deferred(stuck).watermark("20h")
    assert story.announced() == []


def test_a_refused_bounce_notice_is_nobodys_mail(story):
    """SES takes no null sender, so every mail that it refuses brings a second refusal, which would be counted twice."""
    notice = story.mail("no-reply@shop.example", sender="")
    story.at("0s").submitted(notice).at("1s").refused(notice).watermark("20h")
    assert story.unpublished(notice)


def test_a_refused_mail_whose_sender_is_not_known_yet(story):
    """A host's lines may lie in several partitions. Only the one with the sender says whose mail this is."""
    mail, notice = story.mail(), story.mail("no-reply@shop.example", sender="")
    story.at("1s").refused(mail).refused(notice)
    assert story.announced() == []
    story.at("0s", read="2s").submitted(mail).submitted(notice).watermark("20h")
    assert story.announced() == ["opened unverified_identity ann@example.com"]


def test_a_refused_mail_whose_sender_is_never_known(story):
    mail = story.mail()
    story.at("1s").refused(mail).watermark("2m")
    assert story.announced() == []
    story.watermark("20h")
    assert story.announced() == ["opened unverified_identity ann@example.com"]


def test_a_mail_turns_out_to_be_a_bounce_notice(story):
    """The line that says so was shipped very late; what was announced is not left open for ever."""
    notice = story.mail("no-reply@shop.example", sender="")
    story.at("1s").refused(notice).watermark("5m")
    assert story.announced() == ["opened unverified_identity no-reply@shop.example"]
    story.at("0s", read="6m").submitted(notice).watermark("20h")
    assert story.announced()[1:] == ["resolved unverified_identity no-reply@shop.example: late_evidence"]


def test_recipients_who_are_not_sess_business(story):
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).at("1s").elsewhere(mail, BOB).accepted(mail, ANN).removed(mail)
    local = story.mail()
    story.at("2s").submitted(local).at("3s").elsewhere(local).removed(local).watermark("17m")
    assert story.gaps(mail) == []
    assert story.announced() == []


def test_a_silent_mail_turns_out_to_have_gone_elsewhere(story):
    mail = story.mail()
    story.at("0s").submitted(mail).watermark("20m").at("30m").elsewhere(mail).removed(mail).watermark("1h")
    assert story.announced() == ["opened silent", "resolved silent: late_evidence"]


def test_an_operator_takes_a_mail_out_of_the_queue(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1m").line(mail, "postsuper", "removed").watermark("1h")
    assert story.announced() == []


def test_an_operator_takes_a_mail_out_of_the_queue_after_ses_did_not_take_it(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("1m").line(mail, "postsuper", "removed").watermark("1h")
    assert story.announced() == ["opened rate_exceeded ann@example.com"]


def test_removed_without_an_id(story):
    """The line with the reply is missing: the mail is gone from the queue, and nobody knows where to."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("2s").removed(mail).watermark("20m")
    assert story.gaps(mail) == ["silent: open"]


def test_a_mail_that_a_milter_discarded_was_never_sent(story):
    mail = story.mail()
    story.at("0s").started(mail).line(mail, "cleanup", f"message-id=<{mail.message_id}>")
    story.line(mail, "cleanup", "milter-reject: END-OF-MESSAGE from app-1[192.0.2.10]: 5.7.1 no; from=<a@shop.example>")
    story.watermark("20m")
    assert story.announced() == []


def test_a_stream_with_minutes(tell):
    otp = {"name": "otp", "match": {"sender_domain": "auth.example"}, "handoff": "2m"}
    story = tell(policy=parse_policy({"streams": [otp], "message_id_join": False}))
    mail, other = story.mail(sender="code@auth.example"), story.mail()
    story.at("0s").submitted(mail).submitted(other).at("1s").deferred(mail).deferred(other).watermark("4m1s")
    assert story.announced() == ["opened rate_exceeded ann@example.com"]
    assert story.document(mail)["stream"] == "otp"


def test_two_hosts_may_use_the_same_queue_id(story):
    one, two = story.mail(queue_id="ABCDEF0123", host="mx1"), story.mail(queue_id="ABCDEF0123", host="mx2")
    story.at("0s").submitted(one).submitted(two).at("1s").accepted(one).refused(two).watermark("17m")
    assert (story.gaps(one)[1:], story.gaps(two)) == ([], ["unverified_identity ann@example.com: open"])


def test_with_logs_alone_no_message_id_is_asked_for(tell):
    story = tell(sources=(Source.SMTP,))
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).watermark(smtp="17m1s")
    assert story.gaps(mail) == ["rate_exceeded ann@example.com: open"]


def test_a_probe_of_an_address_is_no_mail(story):
    """Postfix asks a server whether it would take mail for somebody, and sends none."""
    probe = story.mail(sender="double-bounce@mx1")
    story.at("0s").submitted(probe).at("1s").line(probe, "smtp", text.status(ANN, "deliverable", "250 2.1.5 Ok"))
    story.removed(probe).watermark("20h")
    assert story.announced() == []


def test_one_of_many_recipients_is_refused(story):
    """A queue id may have far more recipients than SES takes in one mail."""
    everybody = [f"u{number:03}@example.com" for number in range(200)]
    mail = story.mail(*everybody)
    taken = story.part(mail, *everybody[:-1])
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("2s").accepted(taken).refused(mail, everybody[-1])
    story.removed(mail).at("3s").send(taken).delivery(taken).watermark("20h")
    assert story.announced() == [f"opened unverified_identity {everybody[-1]}"]
