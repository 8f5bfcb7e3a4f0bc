"""A stand-in for the SMTP endpoint of Amazon SES on 127.0.0.1, which speaks SES's own words and remembers the truth.

What becomes of a mail stands in the local part of a recipient, `<fate>[-<times>].<anything>@…`: `rate-2.ann@x.example`
is refused twice at the sending rate and then accepted; without `-<times>` it is refused for ever. Anything else is
accepted. `script` decides instead, a mail at a time, while it lasts. Texts and the moment they come at (RCPT or end of
data) are those that SES documents or that were seen in the wild.
"""

from __future__ import annotations

import asyncio
import email
import re
import ssl
import time
import uuid
import warnings
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from service.demo.broker_servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fate(StrEnum):
    """What SES does with a mail."""

    ACCEPTED = "accepted"
    RATE = "rate"
    QUOTA = "quota"
    UNVERIFIED = "unverified"
    PAUSED = "paused"
    BAD_RECIPIENT = "badrcpt"  # one recipient is refused at RCPT; the others go on
    NO_ID = "noid"  # taken, and the id is not in the reply
    DROPPED = "drop"  # SES took the mail, and the connection broke before its answer arrived
    STALLED = "stall"  # SES took the mail, and its answer never comes


REPLIES = {
    Fate.RATE: "454 Throttling failure: Maximum sending rate exceeded.",
    Fate.QUOTA: "454 Throttling failure: Daily message quota exceeded.",
    Fate.UNVERIFIED: "554 Message rejected: Email address is not verified."
    " The following identities failed the check in region US-EAST-1: {sender}",
    Fate.PAUSED: "554 Message rejected: Sending paused for this account. For more information, please check the inbox"
    " of the email address associated with your AWS account.",
    Fate.NO_ID: "250 Ok",
}
BAD_RECIPIENT = "501 Invalid RCPT TO address provided"
BAD_SENDER = "501 Invalid MAIL FROM address provided"  # SES takes no null sender, so an MTA's own notices end here

_RULE = re.compile(rf"({'|'.join(Fate)})(?:-(\d+))?\.")
_TAKEN = {Fate.ACCEPTED, Fate.NO_ID, Fate.DROPPED, Fate.STALLED}
_FOR_EVER = 1_000_000

# What aiosmtpd says where SES says something else.
_IN_SES_WORDS = {
    "250 OK": "250 Ok",
    "235 2.7.0 Authentication successful": "235 Authentication successful.",
    "530 5.7.0 Authentication required": "530 Authentication required",
    "535 5.7.8 Authentication credentials invalid": "535 Authentication Credentials Invalid",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One mail handed over once, and what was done with it. `ses_id`: the mail exists in SES, told or not."""

    at: float
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    refused_recipients: tuple[str, ...]
    fate: Fate
    ses_id: str | None


@dataclass
class SesEndpoint:
    """Runs in a thread of its own from `start` to `close`. `attempts` is the truth, in the order of arrival.

    With `credentials` (name, password) it wants AUTH, as the real one does; with `tls` it offers STARTTLS.
    """

    credentials: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    script: deque[Fate] = field(default_factory=deque)
    attempts: list[Attempt] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    _tried: Counter[str] = field(default_factory=Counter)
    _refused: dict[int, list[str]] = field(default_factory=dict)

    def start(self) -> Self:
        self._controller = _Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def close(self) -> None:
        self._controller.stop()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.close()

    def accepted_ids(self, message_id: str) -> list[str]:
        """Every SES mail that this one became: none, one, or several after an answer was lost."""
        return [attempt.ses_id for attempt in self.attempts if attempt.message_id == message_id and attempt.ses_id]

    # -- the hooks of aiosmtpd

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in {"", "<>"}:
            return BAD_SENDER
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        self._refused[id(session)] = []
        return "250 Ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if _rule(address) == (Fate.BAD_RECIPIENT, _FOR_EVER):
            self._refused[id(session)].append(address)
            return BAD_RECIPIENT
        envelope.rcpt_tos.append(address)
        return "250 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        attempt = self._decide(envelope, self._refused.pop(id(session), []))
        self.attempts.append(attempt)
        if attempt.fate in {Fate.DROPPED, Fate.STALLED}:
            await _never_answer(server, drop=attempt.fate is Fate.DROPPED)
        if attempt.fate is Fate.ACCEPTED:
            return f"250 Ok {attempt.ses_id}"
        return REPLIES[attempt.fate].format(sender=attempt.sender)

    def _decide(self, envelope: Envelope, refused: list[str]) -> Attempt:
        head = email.message_from_bytes(envelope.original_content or b"")
        message_id = str(head["Message-ID"] or "")
        fate = self._fate(message_id, envelope.rcpt_tos)
        return Attempt(
            at=time.time(),
            message_id=message_id,
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            refused_recipients=tuple(refused),
            fate=fate,
            ses_id=new_ses_id() if fate in _TAKEN else None,
        )

    def _fate(self, message_id: str, recipients: Iterable[str]) -> Fate:
        if self.script:
            return self.script.popleft()
        fate, times = next((rule for rule in map(_rule, recipients) if rule[0] is not Fate.ACCEPTED), _ACCEPT)
        self._tried[message_id] += 1
        return fate if self._tried[message_id] <= times else Fate.ACCEPTED


_ACCEPT = (Fate.ACCEPTED, _FOR_EVER)


def _rule(address: str) -> tuple[Fate, int]:
    rule = _RULE.match(address)
    return (Fate(rule[1]), int(rule[2] or _FOR_EVER)) if rule else _ACCEPT


def events_of(attempt: Attempt) -> list[dict[str, Any]]:
    """What SES publishes about a mail that it took: it was sent, and every recipient got it."""
    if attempt.ses_id is None:
        return []
    at = int(attempt.ses_id[4:16], 16)
    stamp, later = (f"{iso(milliseconds)}Z" for milliseconds in (at, at + 900))
    mail = {
        "timestamp": stamp,
        "source": attempt.sender,
        "messageId": attempt.ses_id,
        "destination": list(attempt.recipients),
        "headers": [{"name": "Message-ID", "value": attempt.message_id}] if attempt.message_id else [],
    }
    delivery = {"timestamp": later, "recipients": list(attempt.recipients), "smtpResponse": "250 ok"}
    sent = {"eventType": "Send", "mail": mail, "send": {}}
    return [sent, {"eventType": "Delivery", "mail": mail, "delivery": delivery}]


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


def new_ses_id(at: float | None = None) -> str:
    """An id as SES makes them: region 0100 (us-east-1), milliseconds of acceptance, randomness, `-000000`."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    random = uuid.uuid4().hex
    groups = (random[:8], random[8:12], random[12:16], random[16:20], random[20:])
    return f"0100{milliseconds:012x}-{'-'.join(groups)}-000000"


async def _never_answer(server: SMTP, *, drop: bool) -> None:
    """Hold the client until it is gone: aiosmtpd cancels us then."""
    if drop and isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()
    await asyncio.sleep(3600)


class _SesSmtp(SMTP):
    async def push(self, status: Any) -> None:
        await super().push(_IN_SES_WORDS.get(status, status) if isinstance(status, str) else status)


class _Controller(Controller):
    def __init__(self, endpoint: SesEndpoint, **options: Any) -> None:
        self._endpoint = endpoint
        super().__init__(endpoint, **options)

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # AUTH without TLS: on the loopback interface, with no secret
            return self._make()

    def _make(self) -> SMTP:
        given = self._endpoint.credentials
        return _SesSmtp(
            self.handler,
            hostname="email-smtp.amazonaws.com",
            ident="ESMTP SimpleEmailService-d-MAILGAP",
            auth_required=given is not None,
            auth_require_tls=False,
            auth_exclude_mechanism=() if given else ("LOGIN", "PLAIN"),
            authenticator=self._authenticate,
            tls_context=self._endpoint.tls,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        login, password = self._endpoint.credentials or ("", "")
        right = LoginPassword(login.encode(), password.encode())
        return AuthResult(success=data == right, handled=False)
