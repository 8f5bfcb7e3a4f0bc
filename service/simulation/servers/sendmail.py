"""Sendmail: one line in, one line an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.simulation.servers.submission import RELAY_HOST, RELAY_IP, ServerSubmission, digits

if TYPE_CHECKING:
    from service.facts import Instant

_RELAY: Final = f"{RELAY_HOST}. [{RELAY_IP}]"


class Sendmail(ServerSubmission):
    """Ids of eight characters of time and six digits."""

    def _queue_id(self) -> str:
        seconds = digits(self.at // 1000 % 62**4, 4)
        return f"4{seconds}{digits(self.letter.number // 10**6, 3)}{self.letter.number % 10**6:06}"

    def taken(self) -> None:
        """All in one line."""
        letter = self.letter
        what = f"size=2048, class=0, nrcpts={len(letter.recipients)}, msgid=<{letter.message_id}>, proto=ESMTP"
        self._line(
            self.at, f"from=<{letter.sender}>, {what}, daemon=MTA, relay=app1.{self.host.tag}.example [10.0.3.7]"
        )

    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """All recipients of an attempt in one line."""
        self._attempt(at, ",".join(f"<{to}>" for to in recipients), "2.0.0", f"stat=Sent (Ok {ses_id})")

    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """With the server's words."""
        self._attempt(at, f"<{to}>", "4.0.0", f"stat=Deferred: {reply}")

    def refused(self, at: Instant, to: str, reply: str) -> None:
        """With the server's words in a field of their own."""
        self._attempt(at, f"<{to}>", "5.0.0", f"reply={reply}, stat=Service unavailable")

    def broken(self, at: Instant, to: str) -> None:
        """It does not say whether the mail was there already."""
        self._attempt(at, f"<{to}>", "4.4.2", f"stat=Deferred: Connection timed out with {RELAY_HOST}.")

    def unreachable(self, at: Instant, to: str) -> None:
        """No answer."""
        self._attempt(at, f"<{to}>", "4.4.1", f"stat=Deferred: Connection refused by {RELAY_HOST}.")

    def without_id(self, at: Instant, to: str) -> None:
        """The confirmation holds no id."""
        self._attempt(at, f"<{to}>", "2.0.0", "stat=Sent (Ok)")

    def elsewhere(self, at: Instant, to: str) -> None:
        """A mailbox here."""
        self._line(at, f"to=<{to}>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=30, dsn=2.0.0, stat=Sent")

    def removed(self, at: Instant) -> None:
        """Done."""
        self._line(at, "done; delay=00:00:01, ntries=1")

    def _attempt(self, at: Instant, to: str, dsn: str, stat: str) -> None:
        took = "delay=00:00:01, xdelay=00:00:00, mailer=relay, pri=30198"
        self._line(at, f"to={to}, {took}, relay={_RELAY}, dsn={dsn}, {stat}")

    def _line(self, at: Instant, text: str) -> None:
        self.host.says(at, "sm-mta", f"{self.queue_id}: {text}")
