"""`mailgap scan` over the log of a real Postfix: for every mail the verdict is what the endpoint did with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import need
from tests.integration.judged import name_of
from tests.integration.postfix import PostfixUnavailable
from tests.integration.ses_endpoint import Fate, events_of, iso
from tests.integration.test_postfix import STORY, Truth, run_postfix_story
from tests.integration.world import mailgap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.postfix

NEVER = "2099-01-01T00:00:00Z"
"""By then every deadline has passed."""

Documents = dict[str, dict[str, Any]]


@dataclass
class Seen:
    """The truth, and what `scan` says of the log alone, and of the log with events that were made up from the truth."""

    truth: Truth
    log: Path
    alone: Documents
    joined: Documents

    def submission(self, story: str, documents: Documents | None = None) -> dict[str, Any] | None:
        """The record of a submission, where it has one."""
        queue_id = self.truth.submitted[story].queue_id
        found = [d for d in (documents or self.joined).values() if name_of(d["mail_id"], None).endswith(f"/{queue_id}")]
        return found[0] if found else None

    def mails(self, story: str, documents: Documents | None = None) -> list[dict[str, Any]]:
        """The records of the SES mails that it became, oldest first."""
        return [d for ses_id in self.truth.ses_ids(story) if (d := (documents or self.joined).get(ses_id))]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("verdicts")
    try:
        log, truth = run_postfix_story(folder)
    except PostfixUnavailable as missing:
        need("postfix", str(missing))
    events = folder / "events.json"
    events.write_text("\n".join(json.dumps(event) for attempt in truth.attempts for event in events_of(attempt)))
    policy = folder / "policy.yaml"
    policy.write_text(f"sources: {{relays: [{truth.relay}]}}\n")
    both = "--policy", policy, "--as-of", NEVER, "--smtp", log
    return Seen(truth, log, _scanned(*both), _scanned(*both, "--ses", events))


def _scanned(*arguments: object) -> Documents:
    done = mailgap("scan", *arguments, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert b"rejected  0" in done.stderr, done.stderr
    return {document["mail_id"]: document for document in map(json.loads, done.stdout.splitlines())}


def _outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {recipient["address"]: recipient["outcome"] for recipient in document["recipients"]}


def _gaps(document: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(gap["kind"], gap["cause"], gap["resolution"]) for gap in document["gaps"]]


ACCEPTED = [name for name, to in STORY.items() if not any("." in one.partition("@")[0] for one in to)]
ACCEPTED = [n for n in ACCEPTED if n not in {"endpoint unreachable", "not for SES", "refused at the door"}]


@pytest.mark.parametrize("story", [*ACCEPTED, "by sendmail"])
def test_what_ses_took_waits_for_its_events_in_the_log_alone(seen, story):
    """Without events nobody is judged by SES's silence: that source was not given."""
    (document,) = seen.mails(story, seen.alone)
    (attempt,) = [a for a in seen.truth.attempts if a.ses_id == document["ses_message_id"]]
    assert _outcomes(document) == dict.fromkeys(attempt.recipients, "pending")
    assert document["gaps"] == []
    assert document["accepted_at"] == f"{iso(int(attempt.ses_id[4:16], 16))}Z"


@pytest.mark.parametrize("story", [*ACCEPTED, "by sendmail", "throttled, then sent", "throttled twice, then sent"])
def test_what_ses_took_is_delivered_with_its_events(seen, story):
    (document,) = seen.mails(story)
    (attempt,) = [a for a in seen.truth.attempts if a.ses_id == document["ses_message_id"]]
    assert _outcomes(document) == dict.fromkeys(attempt.recipients, "delivered")
    assert document["gaps"] == []
    assert document["sender"] == "shop@app.example"
    assert document["queue_ids"], "no submission was joined to it"
    assert seen.submission(story) is None, "a submission that is well has no record of its own"


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        ("unverified identity", "unverified_identity"),
        ("paused account", "account_paused"),
        ("bad recipient", "bad_address"),
    ],
)
def test_a_refusal_is_an_outcome_and_a_gap_with_its_cause(seen, story, cause):
    document = seen.submission(story)
    assert set(_outcomes(document).values()) == {"refused"}
    assert _gaps(document) == [("sent_no_ses_id", cause, None)]
    assert document["verdict"]["stage"] == "application"
    assert document["verdict"]["cause"] == cause
    assert seen.mails(story) == []


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        ("throttled for ever", "rate_exceeded"),
        ("over the quota", "quota_exceeded"),
        ("endpoint unreachable", "unreachable"),
    ],
)
def test_what_expired_was_never_sent(seen, story, cause):
    document = seen.submission(story)
    assert set(_outcomes(document).values()) == {"refused"}
    assert _gaps(document) == [("sent_no_ses_id", cause, None)]


def test_one_bad_recipient_of_three(seen):
    (mail,) = seen.mails("one bad recipient of three")
    assert _outcomes(mail) == {"leo@client.example": "delivered", "nick@client.example": "delivered"}
    document = seen.submission("one bad recipient of three")
    assert _outcomes(document) == {"badrcpt.mia@client.example": "refused"}
    assert _gaps(document) == [("sent_no_ses_id", "bad_address", None)]


def test_an_answer_that_was_lost_for_ever_is_ambiguous_by_the_log_and_found_by_the_events(seen):
    alone = seen.submission("answer lost for ever", seen.alone)
    assert _gaps(alone) == [("sent_no_ses_id", "ambiguous", None)]
    mails = seen.mails("answer lost for ever")
    assert len(mails) == len(seen.truth.ses_ids("answer lost for ever"))
    assert all(set(_outcomes(mail).values()) == {"delivered"} for mail in mails)
    assert any(mail["queue_ids"] for mail in mails)


@pytest.mark.parametrize("story", ["answer lost, then sent again", "no answer, then sent again"])
def test_a_lost_answer_made_two_mails_and_the_second_is_the_submissions(seen, story):
    first, second = seen.mails(story)
    assert set(_outcomes(first).values()) == set(_outcomes(second).values()) == {"delivered"}
    assert second["queue_ids"]
    assert seen.submission(story) is None


def test_a_reply_without_id_is_found_by_the_events(seen):
    alone = seen.submission("no id in the reply", seen.alone)
    assert _gaps(alone) == [("sent_no_ses_id", "no_id_in_reply", None)]
    (mail,) = seen.mails("no id in the reply")
    assert set(_outcomes(mail).values()) == {"delivered"}
    assert mail["queue_ids"]
    assert seen.submission("no id in the reply") is None


def test_mail_for_others_is_nobodys_business(seen):
    assert seen.submission("not for SES") is None
    (mail,) = seen.mails("partly for SES")
    assert list(_outcomes(mail)) == ["uma@client.example"]


def _notices(seen: Seen) -> set[str]:
    """The queue ids of Postfix's own notices to the sender."""
    return set(re.findall(r"([0-9A-F]{6,}): from=<>", seen.log.read_text()))


def test_a_notice_that_ses_refuses_is_nobodys_mail(seen):
    """SES takes no null sender. No application waits for a notice."""
    assert _notices(seen)
    assert not [key for key in seen.joined if name_of(key, None).rpartition("/")[2] in _notices(seen)]


def test_nothing_else_is_said(seen):
    """A record for every SES mail, and one for every submission with a gap; no more."""
    ids = {attempt.ses_id for attempt in seen.truth.attempts if attempt.ses_id}
    assert {d for d in seen.joined if "/" not in d} == ids
    refused = {
        "throttled for ever", "over the quota", "unverified identity", "paused account", "bad recipient",
        "one bad recipient of three", "endpoint unreachable",
    }  # fmt: skip
    known = {seen.truth.submitted[story].queue_id for story in refused}
    found = {name_of(d, None).rpartition("/")[2] for d in seen.joined if "/" in d}
    found -= {seen.truth.submitted["answer lost for ever"].queue_id}
    assert found == known
    assert {attempt.fate for attempt in seen.truth.attempts} >= {Fate.DROPPED, Fate.STALLED, Fate.NO_ID}
