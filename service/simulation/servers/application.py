"""An application that hands its mails to SES itself and logs JSON: Nodemailer's results, as pino writes them.

Its mails have no queue id: the Message-ID is all that names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.simulation.servers.submission import Submission

if TYPE_CHECKING:
    from service.facts import Instant


class Application(Submission):
    """No queue: it writes when SES has answered, and tries again by itself."""

    @property
    def name(self) -> str:
        """The Message-ID, in its brackets."""
        return f"<{self.letter.message_id}>"

    def _queue_id(self) -> str:
        return ""

    def taken(self) -> None:
        """It says that it is about to send; whom to, it does not say."""
        self._entry(self.at, 30, {"msg": "sending mail", "messageId": f"<{self.letter.message_id}>"})

    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """Nodemailer's `info`."""
        self._entry(at, 30, {"info": self._info(recipients, f"250 Ok {ses_id}"), "msg": "mail sent"})

    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """An error with SES's reply; it will try again."""
        self._failed(at, to, "EMESSAGE", reply)

    def refused(self, at: Instant, to: str, reply: str) -> None:
        """An error with SES's reply; it will not try again."""
        self._failed(at, to, "EMESSAGE", reply)

    def without_id(self, at: Instant, to: str) -> None:
        """The reply holds no id."""
        self._entry(at, 30, {"info": self._info((to,), "250 Ok"), "msg": "mail sent"})

    def removed(self, at: Instant) -> None:
        """It has no queue."""

    def _info(self, recipients: tuple[str, ...], reply: str) -> dict[str, Any]:
        return {
            "accepted": list(recipients),
            "rejected": [],
            "response": reply,
            "envelope": {"from": self.letter.sender, "to": list(self.letter.recipients)},
            "messageId": f"<{self.letter.message_id}>",
        }

    def _failed(self, at: Instant, to: str, code: str, reply: str) -> None:
        error = {
            "type": "Error",
            "message": f"Message failed: {reply}",
            "code": code,
            "response": reply,
            "responseCode": int(reply[:3]),
        }
        who = {"from": self.letter.sender, "to": to, "messageId": f"<{self.letter.message_id}>"}
        self._entry(at, 50, {"err": error, **who, "msg": "mail failed"})

    def _entry(self, at: Instant, level: int, fields: dict[str, Any]) -> None:
        self.host.writes(at, {"level": level, "time": at, "pid": 1, "hostname": self.host.name, **fields})
