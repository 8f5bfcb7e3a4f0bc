"""What a real Postfix writes when a real SMTP dialogue with "SES" goes well, and in every way that it goes wrong."""

from __future__ import annotations

import re
import smtplib
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from tests.conftest import need
from tests.integration.postfix import Postfix, PostfixUnavailable
from tests.integration.ses_endpoint import Attempt, Fate, SesEndpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.postfix

SENDER = "shop@app.example"
STORY_SECONDS = 60.0

# name of the story -> its recipients; the local part tells the stand-in what to do (see ses_endpoint).
STORY = {
    "plain": ["ann@client.example"],
    "three recipients": ["bob@client.example", "carol@other.example", "dan@client.example"],
    "strange address": ['"odd, (one) : here"@client.example'],
    "throttled, then sent": ["rate-1.erin@client.example"],
    "throttled twice, then sent": ["rate-2.frank@client.example"],
    "throttled for ever": ["rate.grace@client.example"],
    "over the quota": ["quota.heidi@client.example"],
    "unverified identity": ["unverified.ivan@client.example"],
    "paused account": ["paused.judy@client.example"],
    "bad recipient": ["badrcpt.kim@client.example"],
    "one bad recipient of three": ["leo@client.example", "badrcpt.mia@client.example", "nick@client.example"],
    "answer lost, then sent again": ["drop-1.olga@client.example"],
    "answer lost for ever": ["drop.peggy@client.example"],
    "no answer, then sent again": ["stall-1.quinn@client.example"],
    "no id in the reply": ["noid.ruth@client.example"],
    "endpoint unreachable": ["sam@unreachable.example"],
    "not for SES": ["tom@elsewhere.example"],
    "partly for SES": ["uma@client.example", "vic@elsewhere.example"],
    "no Message-ID": ["walt@client.example"],
    "long Message-ID": ["xena@client.example"],
    "refused at the door": ["zoe@refused.example"],
}


@dataclass(frozen=True, slots=True)
class Submitted:
    """One mail as the application handed it over. No `queue_id`: Postfix refused it, or a program used `sendmail`."""

    story: str
    message_id: str
    recipients: tuple[str, ...]
    queue_id: str | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened: what the application submitted, and what the stand-in did with it, attempt by attempt."""

    relay: str
    submitted: dict[str, Submitted] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def ses_ids(self, story: str) -> list[str]:
        """The SES mails that the story's mail became, oldest first."""
        message_id = self.submitted[story].message_id
        return [attempt.ses_id for attempt in self.attempts if attempt.message_id == message_id and attempt.ses_id]


def run_postfix_story(tmp_path: Path) -> tuple[Path, Truth]:
    """Send every mail of `STORY` through a real Postfix and wait until its queue is empty (some 15 s).

    Returns its log and the truth. Raises `PostfixUnavailable` where there is no Postfix.
    """
    with SesEndpoint() as ses, Postfix(tmp_path / "postfix", ses.port) as postfix:
        truth = Truth(postfix.relay, attempts=ses.attempts)
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=20) as client:
            for story, recipients in STORY.items():
                truth.submitted[story] = _submit(client, story, recipients)
        truth.submitted["by sendmail"] = _by_sendmail(postfix)
        postfix.await_empty_queue(STORY_SECONDS)
    return postfix.log, truth


def _submit(client: smtplib.SMTP, story: str, recipients: list[str]) -> Submitted:
    mail, message_id = _mail(story)
    client.mail(SENDER)
    taken = [recipient for recipient in recipients if client.rcpt(recipient)[0] == 250]
    if not taken:
        client.rset()
        return Submitted(story, message_id, tuple(recipients), None)
    _, reply = client.data(mail.as_bytes())
    queue_id = reply.decode().rpartition("queued as ")[2]
    return Submitted(story, message_id, tuple(recipients), queue_id)


def _by_sendmail(postfix: Postfix) -> Submitted:
    mail, message_id = _mail("by sendmail")
    postfix.sendmail(SENDER, "yan@client.example", mail.as_string())
    return Submitted("by sendmail", message_id, ("yan@client.example",), None)


def _mail(story: str) -> tuple[EmailMessage, str]:
    padding = "x" * 200 if story == "long Message-ID" else ""
    message_id = f"<{re.sub('[^a-z]+', '-', story.lower())}{padding}@app.example>"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, "undisclosed-recipients:;", story
    if story == "no Message-ID":
        message_id = ""
    else:
        mail["Message-ID"] = message_id
    mail.set_content("Your order is on its way.")
    return mail, message_id


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Truth]:
    try:
        log, truth = run_postfix_story(tmp_path_factory.mktemp("story"))
    except PostfixUnavailable as missing:
        need("postfix", str(missing))
    return log.read_text(), truth


def _lines(story: tuple[str, Truth], name: str) -> str:
    """The log's lines about one submission."""
    log, truth = story
    queue_id = truth.submitted[name].queue_id
    return "\n".join(line for line in log.splitlines() if f" {queue_id}: " in line)


def test_accepted_mail_logs_the_id_of_ses_for_each_recipient(story):
    _, truth = story
    (ses_id,) = truth.ses_ids("three recipients")
    assert _lines(story, "three recipients").count(f"status=sent (250 Ok {ses_id})") == 3
    assert f"relay={truth.relay}[127.0.0.1]:" in _lines(story, "plain")


@pytest.mark.parametrize(
    ("name", "deferrals"), [("throttled, then sent", 1), ("throttled twice, then sent", 2)], ids=["once", "twice"]
)
def test_throttled_mail_is_deferred_and_then_sent(story, name, deferrals):
    lines = _lines(story, name)
    assert lines.count("status=deferred") == deferrals
    assert "454 Throttling failure: Maximum sending rate exceeded. (in reply to end of DATA command)" in lines
    assert f"status=sent (250 Ok {story[1].ses_ids(name)[0]})" in lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("throttled for ever", "Maximum sending rate exceeded."),
        ("over the quota", "Daily message quota exceeded."),
        ("answer lost for ever", "while sending end of data -- message may be sent more than once"),
        ("endpoint unreachable", "Connection refused"),
    ],
)
def test_mail_that_is_never_taken_expires(story, name, text):
    lines = _lines(story, name)
    assert text in lines
    assert "status=expired, returned to sender" in lines
    assert "sender non-delivery notification" in lines
    assert "status=sent" not in lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unverified identity", "554 Message rejected: Email address is not verified. The following identities failed"),
        ("paused account", "554 Message rejected: Sending paused for this account."),
        ("bad recipient", "501 Invalid RCPT TO address provided (in reply to RCPT TO command)"),
    ],
)
def test_refused_mail_bounces_at_once(story, name, text):
    lines = _lines(story, name)
    assert text in lines
    assert lines.count("status=bounced") == 1
    assert story[1].ses_ids(name) == []


def test_one_bad_recipient_does_not_stop_the_others(story):
    lines = _lines(story, "one bad recipient of three")
    assert lines.count("status=sent (250 Ok 0100") == 2
    assert lines.count("status=bounced") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("answer lost, then sent again", "lost connection with"),
        ("no answer, then sent again", "timed out while sending end of data"),
    ],
    ids=["lost", "stalled"],
)
def test_a_lost_answer_makes_two_mails_of_one(story, name, text):
    first, second = story[1].ses_ids(name)
    lines = _lines(story, name)
    assert text in lines
    assert "message may be sent more than once" in lines
    assert first not in lines
    assert f"status=sent (250 Ok {second})" in lines


def test_a_mail_without_message_id_has_an_empty_one_in_the_log(story):
    assert "message-id=<>" in _lines(story, "no Message-ID")
    assert len(story[1].ses_ids("no Message-ID")) == 1


def test_a_reply_without_id_is_sent_all_the_same(story):
    assert "status=sent (250 Ok)" in _lines(story, "no id in the reply")


def test_mail_for_others_never_meets_ses(story):
    assert "relay=none" in _lines(story, "not for SES")
    assert story[1].ses_ids("not for SES") == []
    assert _lines(story, "partly for SES").count("status=sent") == 2


def test_mail_refused_at_the_door_has_no_queue_id(story):
    log, truth = story
    assert truth.submitted["refused at the door"].queue_id is None
    assert re.search(r"postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT .* to=<zoe@refused\.example>", log)


def test_a_local_program_is_logged_by_pickup(story):
    assert re.search(r"postfix/pickup\[\d+\]: [0-9A-F]+: uid=\d+ from=<shop@app\.example>", story[0])
    assert len(story[1].ses_ids("by sendmail")) == 1


def test_notices_to_the_sender_are_refused_by_ses_and_end(story):
    assert "from=<>, size=" in story[0]
    assert "501 Invalid MAIL FROM address provided" in story[0]


def test_every_fate_was_met(story):
    met = {attempt.fate for attempt in story[1].attempts}
    assert met == set(Fate) - {Fate.BAD_RECIPIENT}  # that one is decided before there is a mail
