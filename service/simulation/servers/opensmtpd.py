"""OpenSMTPD, which logs no Message-ID and says nothing when a mail leaves the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from service.simulation.servers.submission import RELAY_HOST, RELAY_IP, ServerSubmission

if TYPE_CHECKING:
    from service.facts import Instant

_RELAY: Final = f"{RELAY_IP} ({RELAY_HOST})"
_ODD: Final = 2_654_435_761
"""Times an odd number, modulo a power of two, every number stays one of its own."""


class OpenSmtpd(ServerSubmission):
    """A mail's id is the upper half of its envelopes' ids."""

    logs_message_ids: ClassVar[bool] = False

    def _queue_id(self) -> str:
        return f"{self.letter.number * _ODD % (1 << 32):08x}"

    def taken(self) -> None:
        """The mail, and an envelope a recipient."""
        nrcpt = len(self.letter.recipients)
        self._line(self.at, f"smtp message msgid={self.queue_id} size=2048 nrcpt={nrcpt} proto=ESMTP")
        for to in self.letter.recipients:
            self._line(self.at + 10, f"smtp envelope evpid={self._envelope(to)} from=<{self.letter.sender}> to=<{to}>")

    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """One line a recipient."""
        for to in recipients:
            self._delivery(at, to, "Ok", f"250 Ok {ses_id}")

    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """With the server's words."""
        self._delivery(at, to, "TempFail", reply)

    def refused(self, at: Instant, to: str, reply: str) -> None:
        """With the server's words."""
        self._delivery(at, to, "PermFail", reply)

    def broken(self, at: Instant, to: str) -> None:
        """It does not say whether the mail was there already."""
        self._delivery(at, to, "TempFail", "Connection closed unexpectedly")

    def unreachable(self, at: Instant, to: str) -> None:
        """No relay stands where none was reached."""
        self._delivery(at, to, "TempFail", "Network error on destination MXs", relay="")

    def without_id(self, at: Instant, to: str) -> None:
        """The reply holds no id."""
        self._delivery(at, to, "Ok", "250 Ok")

    def elsewhere(self, at: Instant, to: str) -> None:
        """A mailbox here."""
        who = f"from=<{self.letter.sender}> to=<{to}> rcpt=<{to}> user=ann delay=0s result=Ok stat=Delivered"
        self._line(at, f"mda delivery evpid={self._envelope(to)} {who}")

    def removed(self, at: Instant) -> None:
        """Not a word."""

    def _envelope(self, to: str) -> str:
        return f"{self.queue_id}{0x1000 + self.letter.recipients.index(to):08x}"

    def _delivery(self, at: Instant, to: str, result: str, reply: str, relay: str = _RELAY) -> None:
        who = f'from=<{self.letter.sender}> to=<{to}> rcpt=<-> source="10.0.0.1" relay="{relay}"'
        what = f'delay=1s result="{result}" stat="{reply}"'
        self._line(at, f"mta delivery evpid={self._envelope(to)} {who} {what}")

    def _line(self, at: Instant, text: str) -> None:
        self.host.says(at, "smtpd", f"{0x5DF87C903D000000 + self.letter.number % (1 << 24):016x} {text}")
