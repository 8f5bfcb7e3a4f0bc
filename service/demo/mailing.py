"""One mail of the sample application on its way: the application, its mail server and SES act on it, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.demo.postfix_log import Submission
from service.demo.ses_events import SesMail
from service.demo.truth import ExpectedGap, Fate, SampleMail

if TYPE_CHECKING:
    from random import Random

    from service.contract.enums import Outcome
    from service.demo.postfix_log import Host
    from service.demo.postfix_log import Say as SayLine
    from service.demo.ses_events import Say as SayEvent
    from service.facts import Instant


@dataclass(slots=True)
class Mailing:
    """One mail that begins `at` seconds into the story, and whom to tell what is said about it."""

    at: float
    number: int
    start: Instant
    host: Host
    rng: Random
    say_line: SayLine = field(repr=False)
    say_event: SayEvent = field(repr=False)
    sender: str = "orders@shop.example"
    configuration_set: str = "transactional"
    recipients: tuple[str, ...] = ()

    @property
    def to(self) -> str:
        """The recipient, where there is one."""
        return self.recipients[0]

    @property
    def message_id(self) -> str:
        """The application's own, as its library makes it."""
        return f"{self.start + int(self.at * 1000)}.{self.number}@app1.shop.example"

    def submitted(self) -> Submission:
        """The application hands the mail to its mail server."""
        submission = self.submission(self.at, 2 * self.number)
        submission.taken(self.sender, self.message_id, len(self.recipients))
        return submission

    def submission(self, at: float, inode: int) -> Submission:
        """A place in the server's queue."""
        return Submission(self.host, self.start, at, 0x3A00 + inode, self.rng, self.say_line)

    def taken_by_ses(self, submission: Submission | None, at: float) -> SesMail:
        """SES answers `250 Ok`; without a submission that answer is in no log."""
        mail = SesMail(
            self.start,
            at,
            self.sender,
            self.recipients,
            self.message_id,
            self.configuration_set,
            self.rng,
            self.say_event,
        )
        if submission is not None:
            submission.accepted(at + 0.05, self.recipients, mail.ses_id)
            submission.removed(at + 0.06)
        return mail

    def sent(self) -> SesMail:
        """The usual way: handed over, taken at once, and Send published."""
        mail = self.taken_by_ses(self.submitted(), self.at + self.rng.uniform(0.15, 0.5))
        mail.sent()
        return mail

    def seconds(self, low: float = 0.6, high: float = 2.5) -> float:
        """What a recipient's server takes to answer."""
        return self.rng.uniform(low, high)

    def end(self, fate: Fate, name: str, outcome: Outcome, *gaps: ExpectedGap) -> SampleMail:
        """What must be found: one outcome for every recipient."""
        return SampleMail(self.at, fate, name, tuple((to, outcome) for to in self.recipients), gaps)
