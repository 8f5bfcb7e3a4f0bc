"""Exim: its main log, through syslog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.simulation.servers.submission import RELAY_HOST, RELAY_IP, ServerSubmission, digits

if TYPE_CHECKING:
    from service.facts import Instant

_ROUTE: Final = "R=smarthost T=remote_smtp_smarthost"
_TO_SES: Final = f"H={RELAY_HOST} [{RELAY_IP}]"
_TLS: Final = "X=TLS1.3:ECDHE_SECP256R1__RSA_PSS_RSAE_SHA256__AES_128_GCM:128 CV=yes A=plain"
_ERROR: Final = "SMTP error from remote mail server after"


class Exim(ServerSubmission):
    """Old ids of 16 characters on even mails, those of 4.97 on odd ones."""

    def _queue_id(self) -> str:
        seconds, number = digits(self.at // 1000 % 62**6, 6), self.letter.number
        if number % 2:
            return f"{seconds}-{digits(number, 11)}-{digits(number % 62**4, 4)}"
        return f"{seconds}-{digits(number, 6)}-{digits(number % 62**2, 2)}"

    def taken(self) -> None:
        """All in one line."""
        letter = self.letter
        came = f"H=app1.{self.host.tag}.example [10.0.3.7] P=esmtp S=2048 id={letter.message_id}"
        self._line(self.at, f"<= {letter.sender} {came} for {' '.join(letter.recipients)}")

    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """`=>` for the first, `->` for those who came along."""
        for number, to in enumerate(recipients):
            self._line(at, f'{"->" if number else "=>"} {to} {_ROUTE} {_TO_SES} {_TLS} C="250 Ok {ses_id}"')

    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """Put off."""
        self._line(at, f"== {to} {_ROUTE} defer (-46) {_TO_SES}: {_ERROR} end of data: {reply}")

    def refused(self, at: Instant, to: str, reply: str) -> None:
        """Failed."""
        after = f"RCPT TO:<{to}>" if "RCPT TO" in reply else "end of data"
        self._line(at, f"** {to} {_ROUTE} {_TO_SES}: {_ERROR} {after}: {reply}")

    def broken(self, at: Instant, to: str) -> None:
        """In Exim's own words."""
        what = "Remote host closed connection in response to end of data"
        self._line(at, f"== {to} {_ROUTE} defer (-18) {_TO_SES}: {what}")

    def unreachable(self, at: Instant, to: str) -> None:
        """No answer."""
        self._line(at, f"== {to} {_ROUTE} defer (110) {_TO_SES}: Connection timed out")

    def without_id(self, at: Instant, to: str) -> None:
        """The confirmation holds no id."""
        self._line(at, f'=> {to} {_ROUTE} {_TO_SES} {_TLS} C="250 Ok"')

    def elsewhere(self, at: Instant, to: str) -> None:
        """A mailbox here."""
        self._line(at, f"=> {to.partition('@')[0]} <{to}> R=localuser T=local_delivery")

    def removed(self, at: Instant) -> None:
        """Done."""
        self._line(at, "Completed")

    def _line(self, at: Instant, text: str) -> None:
        self.host.says(at, "exim", f"{self.queue_id} {text}")
