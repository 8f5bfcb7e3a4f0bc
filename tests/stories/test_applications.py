"""Stories of applications that log their own side: by the Message-ID alone, and beside a mail server's log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.facts import Source
from service.parsing.applications.names import mid_submission
from service.policy import parse_policy
from tests.stories.story import UNVERIFIED, Mail, Story

ANN, BOB = "ann@example.com", "bob@example.com"


def _said_of(story: Story, mail: Mail) -> list[str]:
    """The gaps in the record that the application's statement has under its own name, if it has one."""
    document = story.told().documents.get(mid_submission(mail.message_id))
    return [f"{gap['cause']}: {gap['resolution'] or 'open'}" for gap in document["gaps"]] if document else []


def test_the_application_knows_nothing_but_the_message_id(story):
    mail = story.mail()
    story.at("0s").mailer_said(mail).at("1s").send(mail).at("2s").delivery(mail).watermark("20h")
    assert story.outcome(mail) == "delivered"
    assert story.document(mail)["queue_ids"] == [mid_submission(mail.message_id)]
    assert story.announced() == []


def test_the_application_knows_nothing_but_the_message_id_and_ses_never_saw_it(story):
    mail = story.mail()
    story.at("0s").mailer_said(mail).watermark("20h")
    assert _said_of(story, mail) == ["silent: open"]


def test_the_application_has_sess_own_answer(story):
    mail = story.mail()
    story.taken(mail).at("1s").mailer_said(mail, f"250 Ok {mail.ses_id}").at("2s").delivery(mail).watermark("20h")
    assert story.document(mail)["queue_ids"] == [mid_submission(mail.message_id)]
    assert story.announced() == []


def test_the_events_come_before_the_applications_line(story):
    mail = story.mail()
    story.at("1s").send(mail).at("2s").delivery(mail).at("0s", read="5m").mailer_said(mail).watermark("20h")
    assert story.announced() == []


@pytest.mark.parametrize("headers", [True, False], ids=["headers", "no headers"])
def test_the_application_and_its_mail_server_log_one_mail(story, headers):
    """Where SES's events have no headers, the mail server's line with the id says which Message-ID it bears."""
    mail = story.mail(ANN, BOB)
    story.at("0s").mailer_said(mail).submitted(mail).at("1s").accepted(mail).removed(mail)
    story.at("2s").send(mail, headers=headers).at("3s").delivery(mail, headers=headers).watermark("20h")
    assert story.announced() == []
    assert set(story.outcomes(mail).values()) == {"delivered"}
    assert mid_submission(mail.message_id) in story.document(mail)["queue_ids"]


def test_the_mail_server_is_refused_and_the_application_is_not_missed_a_second_time(story):
    """One mail is missing, so one gap is opened, by who knows why."""
    mail = story.mail()
    story.at("0s").mailer_said(mail).submitted(mail).at("1s").refused(mail, why=UNVERIFIED).removed(mail)
    story.watermark("20h")
    assert story.announced() == [f"opened unverified_identity {ANN}"]


def test_the_mail_server_was_throttled_for_long(story):
    mail = story.mail()
    story.at("0s").mailer_said(mail).submitted(mail).at("1s").deferred(mail).watermark("18m")
    story.at("1h").accepted(mail).removed(mail).at("1h1s").send(mail).delivery(mail).watermark("20h")
    assert story.announced() == [f"opened rate_exceeded {ANN}", f"resolved rate_exceeded {ANN}: accepted"]


def test_two_servers_pass_the_mail_on_before_ses_takes_it(story):
    """The first relay's log shows that the mail left for another server of the house, which is where SES answers."""
    mail = story.mail()
    inner = story.mail(ANN, host="relay1", message_id=mail.message_id)
    story.at("0s").submitted(inner).elsewhere(inner).removed(inner)
    story.at("1s").submitted(mail).at("2s").accepted(mail).removed(mail).at("3s").send(mail).delivery(mail)
    story.watermark("20h")
    assert story.announced() == []


SMTPLIB = "smtplib.SMTPDataError: (554, b'Message rejected: Email address is not verified.')"


def test_a_refusal_that_names_nobody_is_a_gap_at_once(story):
    story.at("0s").program_said(SMTPLIB)
    assert story.announced() == ["opened unverified_identity"]
    (document,) = story.told().documents.values()
    assert document["recipients"] == []
    story.watermark("20h")
    assert len(story.announced()) == 1


def test_an_acceptance_that_names_nobody_is_enough(story):
    mail = story.mail()
    story.taken(mail).at("1s").mailer_said(replace(mail, recipients=[]), f"250 Ok {mail.ses_id}")
    story.at("2s").send(mail).delivery(mail).watermark("20h")
    assert story.announced() == []
    assert story.unpublished(mail)


def test_a_retry_is_taken_after_a_refusal_that_named_nobody(story):
    mail = story.mail()
    nobody = replace(mail, recipients=[])
    story.at("0s").mailer_said(nobody, "454 Throttling failure: Maximum sending rate exceeded.").watermark("20m")
    assert story.announced() == ["opened rate_exceeded"]
    story.at("30m").taken(mail).mailer_said(nobody, f"250 Ok {mail.ses_id}").at("31m").send(mail).delivery(mail)
    story.watermark("20h")
    assert story.announced()[1:] == ["resolved rate_exceeded: accepted"]


def test_without_sess_events_a_message_id_alone_says_nothing(tell):
    """Logs alone: nobody could ever have said that SES took it."""
    story = tell(sources=(Source.SMTP,))
    mail, refused = story.mail(), story.mail(BOB)
    story.at("0s").mailer_said(mail).mailer_said(refused, "554 Message rejected: Email address is not verified.")
    story.watermark("20h")
    assert story.announced() == [f"opened unverified_identity {BOB}"]


def test_without_the_join_a_message_id_alone_says_nothing(tell):
    story = tell(policy=parse_policy({"message_id_join": False}))
    mail = story.mail()
    story.at("0s").mailer_said(mail).watermark("20h")
    assert story.announced() == []


def test_sess_events_never_come_and_the_id_is_known_all_the_same(story):
    """The events are missing, not the id: the mail server's log has it."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail).at("2s").mailer_said(mail).watermark("20h")
    assert story.gaps(mail) == [f"no_events {ANN}: open"]
    assert story.announced() == [f"opened no_events {ANN}"]
