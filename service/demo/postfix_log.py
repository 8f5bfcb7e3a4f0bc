"""What a Postfix writes while it hands mails to SES: the lines, in the order and with the delays of a real one.

The two hosts log as two common set-ups do: `mx1` the traditional stamp of RFC 3164 (whole seconds, no year, no zone)
and long queue ids, `mx2` ISO 8601 and short ones. Nothing here knows what is to become of a mail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

    from service.facts import Instant

Say = Callable[[float, str, bytes], None]
"""Where a line goes: (seconds since the story began, host, line)."""

REGION: Final = "us-east-1"
RELAY: Final = f"email-smtp.{REGION}.amazonaws.com[203.0.113.25]"
THROTTLED: Final = "454 Throttling failure: Maximum sending rate exceeded."

_BASE_52: Final = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server: how it stamps its lines, and which of the two kinds of queue id it gives."""

    name: str
    modern: bool

    def stamp(self, now: Instant) -> str:
        """As this host's syslog writes it; both hosts run in UTC."""
        moment = datetime.fromtimestamp(now / 1000, UTC)
        return (
            moment.isoformat(timespec="microseconds")
            if self.modern
            else f"{moment:%b} {moment.day:2} {moment:%H:%M:%S}"
        )

    def queue_id(self, now: Instant, inode: int) -> str:
        """Short: microseconds and inode in hex. Long (`enable_long_queue_ids`): base 52, and `z` between the parts."""
        second, micros = now // 1000, now % 1000 * 1000 + inode % 1000
        if self.modern:
            return f"{micros:05X}{inode:05X}"
        return f"{_in_base_52(second, 6)}{_in_base_52(micros, 4)}z{_in_base_52(inode, 3)}"


HOSTS: Final = (Host("mx1", modern=False), Host("mx2", modern=True))


def _in_base_52(number: int, digits: int) -> str:
    text = ""
    while number or len(text) < digits:
        number, digit = divmod(number, 52)
        text = _BASE_52[digit] + text
    return text


class Submission:
    """One mail in one server's queue; each method says one step at its time, `at` in seconds since the story began."""

    def __init__(self, host: Host, start: Instant, at: float, inode: int, rng: Random, say: Say) -> None:
        self.host, self._start, self._taken, self._say = host, start, at, say
        self.queue_id = host.queue_id(start + int(at * 1000), inode)
        self._pids = {service: rng.randrange(1000, 9000) for service in ("smtpd", "cleanup", "smtp", "bounce", "local")}
        self._pids["qmgr"] = 911
        self._size, self._client = rng.randrange(1800, 48_000), rng.randrange(10, 40)

    @property
    def name(self) -> str:
        """How mailgap names the submission."""
        return f"{self.host.name}/{self.queue_id}"

    def taken(self, sender: str, message_id: str, recipients: int = 1) -> None:
        """The application's mail came in and stands in the queue."""
        at = self._taken
        self._line(at, "smtpd", f"client=app1.shop.example[10.0.3.{self._client}]")
        self._line(at + 0.01, "cleanup", f"message-id=<{message_id}>")
        self.active(at + 0.02, sender, recipients)

    def active(self, at: float, sender: str, recipients: int = 1) -> None:
        """The queue manager takes it up, at first or again."""
        self._line(at, "qmgr", f"from=<{sender}>, size={self._size}, nrcpt={recipients} (queue active)")

    def accepted(self, at: float, recipients: tuple[str, ...], ses_id: str) -> None:
        """SES took it: one line a recipient, the same id on each."""
        for recipient in recipients:
            self._status(at, recipient, "2.0.0", f"sent (250 Ok {ses_id})")

    def deferred(self, at: float, recipient: str, reply: str) -> None:
        """SES did not take it now."""
        self._status(at, recipient, "4.0.0", f"deferred ({_said(reply)})")

    def refused(self, at: float, recipient: str, reply: str) -> None:
        """SES will never take it; Postfix tells the sender with a mail of its own, which goes to a local mailbox."""
        self._status(at, recipient, "5.0.0", f"bounced ({_said(reply)})")

    def notice(self, at: float, notice: Submission, sender: str) -> None:
        """The bounce notice: a submission of its own, with the null sender."""
        self._line(at, "bounce", f"sender non-delivery notification: {notice.queue_id}")
        notice.active(at, "")
        notice._line(
            at + 0.02,
            "local",
            f"to=<{sender}>, relay=local, delay=0.02, delays=0.01/0/0/0.01, dsn=2.0.0, status=sent"
            " (delivered to mailbox)",
        )
        notice.removed(at + 0.03)

    def removed(self, at: float) -> None:
        """It leaves the queue."""
        self._line(at, "qmgr", "removed")

    def _status(self, at: float, recipient: str, dsn: str, status: str) -> None:
        delay = max(at - self._taken, 0.02)
        parts = f"0.02/{max(delay - 0.4, 0):.2f}/{min(delay, 0.4) * 0.4:.2f}/{min(delay, 0.4) * 0.6:.2f}"
        self._line(
            at,
            "smtp",
            f"to=<{recipient}>, relay={RELAY}:587, delay={delay:.2f}, delays={parts}, dsn={dsn}, status={status}",
        )

    def _line(self, at: float, service: str, text: str) -> None:
        stamp = self.host.stamp(self._start + int(at * 1000))
        line = f"{stamp} {self.host.name} postfix/{service}[{self._pids[service]}]: {self.queue_id}: {text}"
        self._say(at, self.host.name, line.encode())


def _said(reply: str) -> str:
    return f"host {RELAY} said: {reply} (in reply to end of DATA command)"
