"""What is counted of a story, for the metrics: each thing once, whatever crashes there are (see `retell`)."""

from __future__ import annotations

import json

from service.correlate import Correlator
from service.documents import Documents
from service.facts import Source
from tests.stories.story import UNVERIFIED
from tests.stories.world import Store

ANN, BOB = "ann@gmail.com", "bob@example.org"


def _counted(story, metric):
    return {key[1:]: number for key, number in story.told().counts.items() if key[0] == metric}


def _timed(story, metric):
    return [(key[1:], seconds) for key, seconds, _ in story.told().timings if key[0] == metric]


def test_a_mail_that_arrives(story):
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).at("3s").accepted(mail).removed(mail)
    story.at("4s").send(mail).at("8s").delivery(mail, ANN).at("63s").delivery(mail, BOB)
    assert _counted(story, "submissions") == {("default",): 1}
    assert _counted(story, "accepted") == {("transactional",): 2}
    assert _counted(story, "outcomes") == {
        ("delivered", "transactional", "gmail"): 1,
        ("delivered", "transactional", "other"): 1,
    }
    assert _timed(story, "handoff_seconds") == [(("default",), 3.0)]
    assert _timed(story, "delivery_seconds") == [(("transactional", "gmail"), 5.0), (("transactional", "other"), 60.0)]
    assert _counted(story, "refusals") == _counted(story, "delays") == _counted(story, "gaps_opened") == {}


def test_every_attempt_that_fails_is_counted_at_once(story):
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").deferred(mail).at("5m").deferred(mail)
    assert _counted(story, "refusals") == {("rate_exceeded", "default"): 2}
    assert _counted(story, "submissions") == {}
    story.at("6m").refused(mail, why=UNVERIFIED)
    assert _counted(story, "refusals")["unverified_identity", "default"] == 1
    assert _counted(story, "gaps_opened") == {("sent_no_ses_id", "unverified_identity", "default"): 1}
    assert _counted(story, "submissions") == {("default",): 1}


def test_a_gap_is_part_of_what_it_is_a_share_of(story):
    silent, unheard = story.mail(), story.mail()
    story.at("0s").submitted(silent).submitted(unheard).at("1s").accepted(unheard)
    assert _counted(story, "accepted") == {}
    story.watermark("2h")
    assert _counted(story, "submissions") == {("default",): 2}
    assert _counted(story, "accepted") == {("default",): 1}
    opened = _counted(story, "gaps_opened")
    assert opened == {
        ("sent_no_ses_id", "silent", "default"): 1,
        ("accepted_not_delivered", "no_events", "default"): 1,
    }


def test_a_bounce_notice_and_a_local_mail_are_no_submissions(story):
    notice, local = story.mail(sender=""), story.mail()
    story.at("0s").submitted(notice).refused(notice).removed(notice)
    story.submitted(local).elsewhere(local).removed(local).watermark("2h")
    assert _counted(story, "submissions") == _counted(story, "refusals") == {}


def test_delays_are_counted_by_what_ses_calls_them(story):
    mail = story.mail(ANN, BOB)
    story.at("0s").submitted(mail).accepted(mail).removed(mail).at("1s").send(mail)
    story.at("5m").delay(mail, until="5h").at("1h").delay(mail, ANN, until="5h", kind="Moonshine")
    assert _counted(story, "delays") == {
        ("MailboxFull", "transactional", "gmail"): 1,
        ("MailboxFull", "transactional", "other"): 1,
        ("other", "transactional", "gmail"): 1,
    }


def test_without_events_acceptance_is_counted_at_once(tell):
    story = tell(sources=(Source.SMTP,))
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").accepted(mail).removed(mail)
    assert _counted(story, "accepted") == {("default",): 1}


def test_a_mail_that_its_application_logs_too_is_one_submission(story):
    mail = story.mail()
    story.at("0s").mailer_said(mail).submitted(mail).at("1s").accepted(mail).removed(mail)
    story.at("2s").send(mail).at("3s").delivery(mail).watermark("20h")
    assert sum(_counted(story, "submissions").values()) == 1
    assert sum(_counted(story, "accepted").values()) == 1


def test_history_pages_nobody(story):
    """Rule 21: its gaps are published, marked as old news, and are in no metric that an alert watches."""
    mail = story.mail()
    story.at("0s").submitted(mail).at("1s").refused(mail, why=UNVERIFIED)
    correlator = Correlator(Store(), story.policy, Documents(historic=True), story.sources)
    correlator.take(story.log)
    said = correlator.drain()
    assert [json.loads(gap.value)["historic"] for gap in said.gaps] == [True]
    assert correlator.ruling.open_gaps == {}
    assert not [key for key in said.tally.sums() if key[0] == "gaps_opened"]
