"""Postfix: a line from each daemon that has to do with the mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from service.simulation.servers.submission import RELAY_HOST, RELAY_IP, Letter, ServerSubmission, digits

if TYPE_CHECKING:
    from service.facts import Instant

_HOST: Final = f"{RELAY_HOST}[{RELAY_IP}]"
_BASE_52: Final = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_NOTICE: Final = 1 << 36


class Postfix(ServerSubmission):
    """Short queue ids, which are given again once a mail has left the queue."""

    splits: ClassVar[bool] = True
    _again = False

    def _queue_id(self) -> str:
        again = self.host.free_again(self.at) if self.letter.number % 5 == 0 else None
        self._again = again is not None
        return again or f"{self.at % 1000 * 1000 + self.letter.number % 1000:05X}{0x10000 + self.letter.number:05X}"

    def taken(self) -> None:
        """The client, the Message-ID, the sender."""
        letter = self.letter
        self._line(self.at, "smtpd", f"client=app1.{self.host.tag}.example[10.0.3.7]")
        self._line(self.at + 10, "cleanup", f"message-id=<{letter.message_id}>")
        nrcpt = len(letter.recipients)
        self._line(self.at + 20, "qmgr", f"from=<{letter.sender}>, size=2048, nrcpt={nrcpt} (queue active)")

    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """One line a recipient, the same id on each."""
        for to in recipients:
            self._status(at, to, f"sent (250 Ok {ses_id})", "2.0.0")

    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """With the server's words."""
        self._status(at, to, f"deferred ({_said(reply)})", "4.0.0")

    def refused(self, at: Instant, to: str, reply: str) -> None:
        """The sender is told by a notice: a mail of its own, without a sender, to a mailbox of this host."""
        self._status(at, to, f"bounced ({_said(reply)})", "5.0.0")
        letter = Letter(_NOTICE + self.letter.number, "", "", (self.letter.sender,))
        notice = type(self)(self.host, at + 20, letter)
        self._line(at + 20, "bounce", f"sender non-delivery notification: {notice.queue_id}")
        notice.notifies(at + 30)

    def notifies(self, at: Instant) -> None:
        """What becomes of such a notice."""
        self._line(at, "qmgr", "from=<>, size=3901, nrcpt=1 (queue active)")
        self.elsewhere(at + 20, self.to)
        self._line(at + 30, "qmgr", "removed")

    def broken(self, at: Instant, to: str) -> None:
        """In Postfix's own words."""
        what = f"lost connection with {_HOST} while sending end of data -- message may be sent more than once"
        self._status(at, to, f"deferred ({what})", "4.4.2")

    def unreachable(self, at: Instant, to: str) -> None:
        """No relay stands where none was reached."""
        what = f"connect to {_HOST}:587: Connection timed out"
        self._status(at, to, f"deferred ({what})", "4.4.1", relay="none")

    def without_id(self, at: Instant, to: str) -> None:
        """A proxy in between answered."""
        self._status(at, to, "sent (250 Ok)", "2.0.0")

    def elsewhere(self, at: Instant, to: str) -> None:
        """By `local`."""
        self._line(at, "local", f"to=<{to}>, relay=local, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent"
                                " (delivered to mailbox)")  # fmt: skip

    def removed(self, at: Instant) -> None:
        """The queue id is free again; what was given twice is not given a third time."""
        self._line(at, "qmgr", "removed")
        if not self._again:
            self.host.release(self.queue_id, at)

    def _status(self, at: Instant, to: str, status: str, dsn: str, relay: str = f"{_HOST}:587") -> None:
        delay = (at - self.at) / 1000
        delays = f"delay={delay:.2f}, delays=0.01/0/0.1/0.1, dsn={dsn}"
        self._line(at, "smtp", f"to=<{to}>, relay={relay}, {delays}, status={status}")

    def _line(self, at: Instant, daemon: str, text: str) -> None:
        self.host.says(at, f"postfix/{daemon}", f"{self.queue_id}: {text}")


class LongIds(Postfix):
    """`enable_long_queue_ids`: seconds, microseconds, `z`, inode; never given again."""

    def _queue_id(self) -> str:
        micros = self.at % 1000 * 1000 + self.letter.number % 1000
        inode = digits(0x3A00 + self.letter.number, 3, _BASE_52)
        return f"{digits(self.at // 1000, 6, _BASE_52)}{digits(micros, 4, _BASE_52)}z{inode}"

    def removed(self, at: Instant) -> None:
        """It is gone."""
        self._line(at, "qmgr", "removed")


def _said(reply: str) -> str:
    command = "RCPT TO" if "RCPT TO" in reply else "end of DATA"
    return f"host {_HOST} said: {reply} (in reply to {command} command)"
