"""One mail in the hands of one mail server: the steps that it can take, which every dialect writes in its own words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from service.facts import Instant
    from service.simulation.host import Host

RELAY_HOST: Final = "email-smtp.eu-west-1.amazonaws.com"
RELAY_IP: Final = "203.0.113.9"

_BASE_62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def digits(number: int, width: int, alphabet: str = _BASE_62) -> str:
    """The number in the base of the alphabet, as wide as this at least."""
    text = ""
    while number or len(text) < width:
        number, digit = divmod(number, len(alphabet))
        text = alphabet[digit] + text
    return text


class Letter(NamedTuple):
    """What an application hands in."""

    number: int
    sender: str
    message_id: str
    recipients: tuple[str, ...]


class Submission(ABC):
    """A letter on its way to SES. Every step is dated in milliseconds, by true time."""

    logs_message_ids: ClassVar[bool] = True
    splits: ClassVar[bool] = False
    """It may make several deliveries of one mail to one host, each with a reply and an id of its own."""

    def __init__(self, host: Host, at: Instant, letter: Letter) -> None:
        self.host, self.at, self.letter = host, at, letter
        self.queue_id = self._queue_id()

    @property
    def name(self) -> str:
        """Under which name the truth speaks of it."""
        return f"{self.host.name}/{self.queue_id}"

    @property
    def to(self) -> str:
        """The first recipient."""
        return self.letter.recipients[0]

    @abstractmethod
    def _queue_id(self) -> str:
        """One that no other mail of this host has at the time."""

    @abstractmethod
    def taken(self) -> None:
        """The application's mail came in and stands in the queue."""

    @abstractmethod
    def accepted(self, at: Instant, recipients: tuple[str, ...], ses_id: str) -> None:
        """SES answered with the id."""

    @abstractmethod
    def deferred(self, at: Instant, to: str, reply: str) -> None:
        """SES did not take it now."""

    @abstractmethod
    def refused(self, at: Instant, to: str, reply: str) -> None:
        """SES will never take it."""

    @abstractmethod
    def without_id(self, at: Instant, to: str) -> None:
        """The reply was a 250, and in the log it holds no id."""

    @abstractmethod
    def removed(self, at: Instant) -> None:
        """It leaves the queue."""


class ServerSubmission(Submission):
    """One in the queue of a mail server, which has mailboxes of its own too."""

    @abstractmethod
    def broken(self, at: Instant, to: str) -> None:
        """The connection broke after the end of the data: nobody knows whether SES took it."""

    @abstractmethod
    def unreachable(self, at: Instant, to: str) -> None:
        """No connection came about."""

    @abstractmethod
    def elsewhere(self, at: Instant, to: str) -> None:
        """It was delivered to a mailbox of this host: never SES's business."""
