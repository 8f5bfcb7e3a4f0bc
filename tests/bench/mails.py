"""Mails for measurements: Postfix lines and SES events of a busy relay, interleaved as they would be, by a seed.

Of a hundred mails one is throttled for good, one loses SES's `250` (SES took it), two are accepted and never heard of
again, three bounce; the others are delivered. Lines and events carry the Message-ID. Nothing here knows mailgap.
(`mailgap simulate` plays far more than that, and goes on growing: a measurement's load has to stay what it is.)
"""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN: Final = 1_795_000_000_000
EVERY: Final = 2
"""Milliseconds between two mails."""
OPEN: Final = 40
"""Mails whose lines are interleaved."""
DOMAINS: Final = ("gmail.com", "yahoo.com", "outlook.com", "corp.example", "web.example")
RELAY: Final = "relay=email-smtp.us-east-1.amazonaws.com[203.0.113.9]:587"
DELAYS: Final = "delay=0.4, delays=0.1/0/0.2/0.1"
THROTTLED: Final = (
    "dsn=4.0.0, status=deferred (host email-smtp.us-east-1.amazonaws.com[203.0.113.9] said: 454 Throttling failure: "
    "Maximum sending rate exceeded. (in reply to end of DATA command))"
)
LOST: Final = (
    "dsn=4.4.2, status=deferred (lost connection with email-smtp.us-east-1.amazonaws.com[203.0.113.9] while sending "
    "end of data -- message may be sent more than once)"
)


class Record(NamedTuple):
    """One input record; `at` in milliseconds, `key` the host or the SES id."""

    source: str
    at: int
    key: bytes
    value: bytes


def records(mails: int, seed: int = 7, begin: int = BEGIN, every: int = EVERY) -> Iterator[Record]:
    """All records of so many mails from `begin` on, one `every` so many milliseconds, as they are written."""
    chance = random.Random(seed)
    turns: deque[deque[Record]] = deque()
    for number in range(mails):
        turns.append(deque(_mail(number, begin + number * every, chance)))
        while len(turns) >= OPEN:
            yield from _turn(turns)
    while turns:
        yield from _turn(turns)


def _turn(turns: deque[deque[Record]]) -> Iterator[Record]:
    turn = turns.popleft()
    yield turn.popleft()
    if turn:
        turns.append(turn)


def _mail(number: int, at: int, chance: random.Random) -> list[Record]:
    fate = chance.random()
    host, queue_id = f"mail-{number % 16:02d}", f"{chance.getrandbits(44):011X}"
    recipient, message_id = f"user{number}@{chance.choice(DOMAINS)}", f"{number}.{chance.getrandbits(32)}@app.example"
    ses_id = f"0100{at + 300:012x}-{uuid.UUID(int=chance.getrandbits(128))}-000000"

    def line(program: str, text: str, after: int) -> Record:
        stamp = _stamp(at + after, "+00:00")
        return Record(
            "smtp",
            at + after,
            host.encode(),
            f"<22>1 {stamp} {host} postfix/{program} 102 - - {queue_id}: {text}".encode(),
        )

    to = f"to=<{recipient}>, {RELAY}, {DELAYS}, "
    begun = [
        line("smtpd", "client=app-01.shop.example[10.0.0.7]", 0),
        line("cleanup", f"message-id=<{message_id}>", 10),
        line("qmgr", "from=<orders@shop.example>, size=4213, nrcpt=1 (queue active)", 20),
    ]
    if fate < 0.01:
        return [*begun, line("smtp", to + THROTTLED, 400)]
    if fate < 0.02:
        begun.append(line("smtp", to + LOST, 400))
    else:
        begun += [line("smtp", f"{to}dsn=2.0.0, status=sent (250 Ok {ses_id})", 400), line("qmgr", "removed", 401)]
    mail = _described(at + 300, ses_id, recipient, message_id)
    events = [("Send", 350, {})]
    if fate >= 0.04:
        events.append(_bounced(at + 900, recipient) if fate < 0.07 else _delivered(at + 700, recipient))
    key = ses_id.encode()
    return begun + [
        Record("ses", at + after, key, _json({"eventType": kind, "mail": mail, kind.lower(): body}))
        for kind, after, body in events
    ]


def _described(at: int, ses_id: str, recipient: str, message_id: str) -> dict[str, Any]:
    headers = {
        "From": "orders@shop.example",
        "To": recipient,
        "Subject": "Your order",
        "Message-ID": f"<{message_id}>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
    }
    return {
        "timestamp": _stamp(at),
        "source": "orders@shop.example",
        "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/shop.example",
        "sendingAccountId": "123456789012",
        "messageId": ses_id,
        "destination": [recipient],
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in headers.items()],
        "commonHeaders": {"from": ["orders@shop.example"], "to": [recipient], "messageId": ses_id},
        "tags": {"ses:configuration-set": ["transactional"], "ses:caller-identity": ["smtp-user"]},
    }


def _delivered(at: int, recipient: str) -> tuple[str, int, dict[str, Any]]:
    body = {
        "timestamp": _stamp(at),
        "processingTimeMillis": 700,
        "recipients": [recipient],
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": "a8-70.smtp-out.amazonses.com",
    }
    return "Delivery", 700, body


def _bounced(at: int, recipient: str) -> tuple[str, int, dict[str, Any]]:
    who = {
        "emailAddress": recipient,
        "action": "failed",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
    }
    body = {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [who],
        "timestamp": _stamp(at),
        "feedbackId": f"0100{at:012x}-{uuid.UUID(int=at)}-000000",
        "reportingMTA": "dns; a8-70.smtp-out.amazonses.com",
    }
    return "Bounce", 900, body


def _stamp(at: int, zone: str = "Z") -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}{zone}"


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
