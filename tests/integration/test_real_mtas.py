"""`mailgap scan` over the logs of real mail servers: for every mail the verdict is what the endpoint did with it."""

from __future__ import annotations

import json
import os
import re
import smtplib
import subprocess
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import need
from tests.integration.mtas import RELAY, UNPACKED, Elsewhere, Exim, Mta, MtaUnavailable, OpenSmtpd, Sendmail
from tests.integration.ses_endpoint import Attempt, Fate, SesEndpoint
from tests.integration.world import mailgap

if TYPE_CHECKING:
    from pathlib import Path

SENDER = "shop@app.example"
NEVER = "2099-01-01T00:00:00Z"
SETTLE_SECONDS = 90.0
FORGED = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"

# name of the story -> its recipients; the local part tells the stand-in what to do (see ses_endpoint).
STORY = {
    "plain": ["ann@client.example"],
    "three recipients": ["bob@client.example", "carol@other.example", "dan@client.example"],
    "throttled then sent": ["rate-1.erin@client.example"],
    "throttled for ever": ["rate.grace@client.example"],
    "over the quota": ["quota.heidi@client.example"],
    "unverified identity": ["unverified.ivan@client.example"],
    "paused account": ["paused.judy@client.example"],
    "bad recipient": ["badrcpt.kim@client.example"],
    "one bad recipient of three": ["leo@client.example", "badrcpt.mia@client.example", "nick@client.example"],
    "answer lost": ["drop.olga@client.example"],
    "no answer": ["stall.quinn@client.example"],
    "no id in the reply": ["noid.ruth@client.example"],
    "endpoint unreachable": ["sam@unreachable.example"],
    "a forged subject": ["zed@client.example"],
    "strange address": ['"odd, (one) : here"@client.example'],
    "not for SES": ["tom@elsewhere.example"],
    "partly for SES": ["uma@client.example", "vic@elsewhere.example"],
}
SUBJECTS = {"a forged subject": f'to=<zed@client.example>, stat=Sent (Ok {FORGED}) C="250 Ok {FORGED}"'}

CAUSES = {
    Fate.RATE: "rate_exceeded",
    Fate.QUOTA: "quota_exceeded",
    Fate.UNVERIFIED: "unverified_identity",
    Fate.PAUSED: "account_paused",
    Fate.NO_ID: "no_id_in_reply",
    Fate.DROPPED: "ambiguous",
    Fate.STALLED: "ambiguous",
}
SERVERS: dict[str, type[Mta]] = {server.name: server for server in (Exim, Sendmail, OpenSmtpd)}


@dataclass
class Seen:
    """What the endpoint did, and what `scan` says of the log."""

    stories: dict[str, list[str]]
    attempts: list[Attempt]
    documents: list[dict[str, Any]]
    log: str

    def of(self, story: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.message_id == _message_id(story)]

    def submission(self, story: str) -> dict[str, Any] | None:
        """The record of a submission, where it has one, by a recipient that only this story has."""
        some = [d for d in self.documents if d["ses_message_id"] is None]
        wanted = set(self.stories[story])
        found = [d for d in some if wanted & {r["address"] for r in d["recipients"]}]
        return found[0] if found else None


@pytest.fixture(scope="module", params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in SERVERS])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    server, home = SERVERS[request.param], tmp_path_factory.mktemp(request.param)
    stories = _stories(request.param)
    try:
        with SesEndpoint() as ses, Elsewhere() as other, server(home, ses.port, other.port) as mta:
            for story, recipients in stories.items():
                _submit(mta.port, story, recipients)
            mta.await_settled(SETTLE_SECONDS)
            logs = [mta.log, *([mta.mainlog] if isinstance(mta, Exim) else [])]
            attempts = list(ses.attempts)
    except MtaUnavailable as missing:
        need(request.param, str(missing))
    first, *others = [_scanned(log, home) for log in logs]
    for other in others:
        assert _without_host(other) == _without_host(first)
    return Seen(stories, attempts, first, logs[0].read_text())


def _stories(name: str) -> dict[str, list[str]]:
    """OpenSMTPD refuses quoted local parts, and waits minutes for an answer and before it tries again."""
    without = {"no answer", "throttled then sent", "strange address"} if name == "opensmtpd" else ()
    return {story: recipients for story, recipients in STORY.items() if story not in without}


def _message_id(story: str) -> str:
    return f"<{re.sub('[^a-z]+', '-', story.lower())}@app.example>"


def _mail(story: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, "undisclosed-recipients:;", SUBJECTS.get(story, story)
    mail["Message-ID"] = _message_id(story)
    mail.set_content("Your order is on its way.")
    return mail


def _submit(port: int, story: str, recipients: list[str]) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.send_message(_mail(story), SENDER, recipients)


def _scanned(log: Path, home: Path) -> list[dict[str, Any]]:
    policy = home / "policy.yaml"
    # Servers here give up after twelve seconds: by then the gap is open, with the cause of the attempts before.
    policy.write_text("defaults: {handoff: 8s, grace: 0s}\n")
    done = mailgap("scan", "--smtp", log, "--policy", policy, "--as-of", NEVER, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert b"rejected  0" in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _without_host(documents: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What the same mails come to by another log, which may name no host and know more of a second."""
    said = [(d["ses_message_id"], d["sender"], _outcomes(d), _gaps(d)) for d in documents]
    return sorted(said, key=str)


def _outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {recipient["address"]: recipient["outcome"] for recipient in document["recipients"]}


def _gaps(document: dict[str, Any] | None) -> list[tuple[str, str, str | None]]:
    return [(gap["kind"], gap["cause"], gap["resolution"]) for gap in (document or {"gaps": []})["gaps"]]


def _open(cause: str) -> list[tuple[str, str, None]]:
    return [("sent_no_ses_id", cause, None)]


def test_every_mail_that_ses_told_of_stands_under_its_id(seen):
    told = {attempt.ses_id: attempt for attempt in seen.attempts if attempt.fate is Fate.ACCEPTED}
    found = {d["ses_message_id"]: d for d in seen.documents if d["ses_message_id"]}
    assert set(found) == set(told)
    for ses_id, document in found.items():
        assert set(_outcomes(document)) == set(told[ses_id].recipients)
        assert (document["sender"], document["gaps"]) == (SENDER, [])
        assert document["region"] == "us-east-1"
        assert document["message_id_header"] in {told[ses_id].message_id, None}


def test_what_was_accepted_at_last_leaves_nothing_open(seen):
    for story in seen.stories:
        attempts = seen.of(story)
        if attempts and all(a.fate is Fate.ACCEPTED and not a.refused_recipients for a in attempts):
            assert seen.submission(story) is None
    if "throttled then sent" in seen.stories:
        assert [a.fate for a in seen.of("throttled then sent")] == [Fate.RATE, Fate.ACCEPTED]
        assert [gap for gap in _gaps(seen.submission("throttled then sent")) if gap[2] is None] == []


@pytest.mark.parametrize(
    "story",
    ["throttled for ever", "over the quota", "unverified identity", "paused account", "answer lost", "no answer",
     "no id in the reply"],
)  # fmt: skip
def test_what_got_no_id_is_an_open_gap_with_the_cause_that_the_endpoint_gave(seen, story):
    if story not in seen.stories:
        pytest.skip("this server waits for an answer longer than a test can")
    (fate,) = {attempt.fate for attempt in seen.of(story)}
    assert _gaps(seen.submission(story)) == _open(CAUSES[fate])


def test_a_bad_recipient_is_refused_alone(seen):
    assert _gaps(seen.submission("bad recipient")) == _open("bad_address")
    (attempt,) = seen.of("one bad recipient of three")
    assert attempt.refused_recipients == ("badrcpt.mia@client.example",)
    document = seen.submission("one bad recipient of three")
    assert _outcomes(document) == {"badrcpt.mia@client.example": "refused"}
    assert _gaps(document) == _open("bad_address")


def test_an_endpoint_that_cannot_be_reached(seen):
    assert seen.of("endpoint unreachable") == []
    documents = [d for d in seen.documents if _gaps(d) == _open("unreachable") or _gaps(d) == _open("silent")]
    assert len(documents) == 1


def test_nothing_else_is_missed(seen):
    """No gap of a notice, of a mail that was not for SES, or of what a subject says."""
    named = [_message_id(story) for story in seen.stories if _gaps(seen.submission(story))]
    gaps = [d for d in seen.documents if _gaps(d)]
    unreachable = [d for d in gaps if not d["recipients"]]
    assert len(gaps) == len(named) + len(unreachable)
    assert len(unreachable) == (0 if seen.submission("endpoint unreachable") else 1)
    assert (FORGED in seen.log) is (" exim[" in seen.log)  # Exim alone logs subjects
    assert FORGED not in {d["ses_message_id"] for d in seen.documents}


# -- msmtp -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def msmtp(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """No server: it hands over one mail each time that it is run, and never tries again."""
    root, home = UNPACKED / "msmtp" / "root", tmp_path_factory.mktemp("msmtp")
    if not (root.parent / "complete").exists():
        need("msmtp", "msmtp is not unpacked: `make mtas` does it.")
    stories = {s: to for s, to in STORY.items() if "sent" not in s and "SES" not in s and "strange" not in s}
    with SesEndpoint() as ses:
        for story, recipients in stories.items():
            _by_msmtp(root, home, 2 if "unreachable" in story else ses.port, story, recipients)
        attempts = list(ses.attempts)
    # It connects to 127.0.0.1 and has no other name for it; in the field `host=` is the endpoint's name.
    log = home / "named.log"
    log.write_text((home / "msmtp.log").read_text().replace("host=127.0.0.1", f"host={RELAY}"))
    return Seen(stories, attempts, _scanned(log, home), log.read_text())


def _by_msmtp(root: Path, home: Path, port: int, story: str, recipients: list[str]) -> None:
    config = home / "msmtprc"
    config.write_text(
        f"account default\nhost 127.0.0.1\nport {port}\ntls off\nauth off\nfrom {SENDER}\ntimeout 2\n"
        f"logfile {home}/msmtp.log\n"
    )
    config.chmod(0o600)
    libraries = ":".join({str(path.parent) for path in root.rglob("*.so*")})
    subprocess.run(
        [root / "usr/bin/msmtp", "-C", config, "--", *recipients],
        input=_mail(story).as_bytes(),
        env={**os.environ, "LD_LIBRARY_PATH": libraries, "LC_ALL": "C"},
        check=False,
        timeout=30,
        capture_output=True,
    )


@pytest.mark.msmtp
def test_msmtp_has_a_verdict_for_every_mail(msmtp):
    told = {attempt.ses_id for attempt in msmtp.attempts if attempt.fate is Fate.ACCEPTED}
    assert {d["ses_message_id"] for d in msmtp.documents if d["ses_message_id"]} == told
    for story, recipients in msmtp.stories.items():
        attempts = msmtp.of(story)
        document = msmtp.submission(story)
        if attempts and attempts[0].fate is Fate.ACCEPTED:
            assert document is None
        elif attempts:
            assert _gaps(document) == _open(CAUSES[attempts[0].fate])
        else:
            # One bad recipient stops the whole mail.
            assert set(_outcomes(document)) == set(recipients)
            assert _gaps(document) == _open("unreachable" if "unreachable" in story else "bad_address")
    assert len(msmtp.documents) == len(msmtp.stories)
