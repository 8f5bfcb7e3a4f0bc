"""The fates of the sample application's mails: for each, what the mail server and SES say, and what must be found.

`FATES` says how often each occurs and how long the story must go on after it. Deadlines are of seconds here; the
policy text is made from the same constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from service.contract.enums import Cause, GapKind, Outcome, Resolution
from service.demo.postfix_log import THROTTLED, Host, Submission
from service.demo.postfix_log import Say as SayLine
from service.demo.ses_events import Say as SayEvent
from service.demo.ses_events import SesMail
from service.demo.truth import ExpectedGap, Fate, SampleMail

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from service.facts import Instant

HANDOFF: Final = 6
FIRST_EVENT: Final = 6
MAX_DELIVERY: Final = 15
GRACE: Final = 1

UNVERIFIED_SENDER: Final = "invoices@new-shop.example"


@dataclass(slots=True)
class Play:
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


def _delivered(play: Play) -> SampleMail:
    mail = play.sent()
    mail.delivered(mail.accepted + play.seconds())
    return play.end(Fate.DELIVERED, mail.ses_id, Outcome.DELIVERED)


def _delayed(play: Play) -> SampleMail:
    mail = play.sent()
    mail.delayed(mail.accepted + play.seconds())
    mail.delivered(mail.accepted + play.seconds(4, 7))
    return play.end(Fate.DELAYED, mail.ses_id, Outcome.DELIVERED)


def _throttled(play: Play) -> SampleMail:
    mail = _taken_after(play, [0.0], play.seconds(1.5, 2.5))
    return play.end(Fate.THROTTLED, mail[1].ses_id, Outcome.DELIVERED)


def _throttled_late(play: Play) -> SampleMail:
    submission, mail = _taken_after(play, [0.0, 2.0, 4.5], HANDOFF + 3.5)
    gap = _no_id(submission, Cause.RATE_EXCEEDED, play.to, Resolution.ACCEPTED)
    return play.end(Fate.THROTTLED_LATE, mail.ses_id, Outcome.DELIVERED, gap)


def _throttled_for_good(play: Play) -> SampleMail:
    submission = play.submitted()
    _throttle(play, submission, [0.0, 2.0, 4.5])
    gap = _no_id(submission, Cause.RATE_EXCEEDED, play.to)
    return play.end(Fate.THROTTLED_FOR_GOOD, submission.name, Outcome.DEFERRED, gap)


def _taken_after(play: Play, refusals: list[float], seconds: float) -> tuple[Submission, SesMail]:
    submission = play.submitted()
    _throttle(play, submission, refusals)
    submission.active(play.at + seconds - 0.3, play.sender)
    mail = play.taken_by_ses(submission, play.at + seconds)
    mail.sent()
    mail.delivered(mail.accepted + play.seconds())
    return submission, mail


def _throttle(play: Play, submission: Submission, refusals: list[float]) -> None:
    for attempt in refusals:
        if attempt:
            submission.active(play.at + attempt, play.sender)
        submission.deferred(play.at + attempt + 0.25, play.to, THROTTLED)


def _unverified(play: Play) -> SampleMail:
    play.sender = UNVERIFIED_SENDER
    submission = play.submitted()
    submission.refused(
        play.at + 0.3,
        play.to,
        "554 Message rejected: Email address is not verified. The following identities failed the check in region"
        f" US-EAST-1: {UNVERIFIED_SENDER}",
    )
    submission.notice(play.at + 0.32, play.submission(play.at + 0.32, 2 * play.number + 1), play.sender)
    submission.removed(play.at + 0.33)
    gap = _no_id(submission, Cause.UNVERIFIED_IDENTITY, play.to)
    return play.end(Fate.UNVERIFIED, submission.name, Outcome.REFUSED, gap)


def _never_taken(play: Play) -> SampleMail:
    """Queued, and then nothing: the delivery agent never wrote another line, so nobody knows the recipient either."""
    submission = play.submitted()
    gap = _no_id(submission, Cause.SILENT, None)
    return SampleMail(play.at, Fate.NEVER_TAKEN, submission.name, (), (gap,))


def _lost_reply(play: Play) -> SampleMail:
    """The line with SES's answer never reached Kafka; the mail is found again by its Message-ID."""
    submission = play.submitted()
    mail = play.taken_by_ses(None, play.at + 0.4)
    submission.removed(play.at + 0.46)
    mail.sent()
    mail.delivered(mail.accepted + play.seconds())
    return play.end(Fate.LOST_REPLY, mail.ses_id, Outcome.DELIVERED)


def _suppressed(play: Play) -> SampleMail:
    mail = play.sent()
    mail.suppressed(mail.accepted + 0.3)
    return play.end(Fate.SUPPRESSED, mail.ses_id, Outcome.SUPPRESSED)


def _bounced(play: Play) -> SampleMail:
    mail = play.sent()
    _no_such_user(mail, mail.accepted + play.seconds(), play.to)
    return play.end(Fate.BOUNCED, mail.ses_id, Outcome.BOUNCED)


def _mailbox_full(play: Play) -> SampleMail:
    mail = play.sent()
    mail.bounced(
        mail.accepted + play.seconds(), play.to, "Transient/MailboxFull", "4.2.2", "smtp; 452 4.2.2 Mailbox is full"
    )
    return play.end(Fate.MAILBOX_FULL, mail.ses_id, Outcome.SOFT_BOUNCED)


def _half_bounced(play: Play) -> SampleMail:
    mail, (first, second) = play.sent(), play.recipients
    mail.delivered(mail.accepted + play.seconds(), (first,))
    _no_such_user(mail, mail.accepted + play.seconds(), second)
    outcomes = ((first, Outcome.DELIVERED), (second, Outcome.BOUNCED))
    return SampleMail(play.at, Fate.HALF_BOUNCED, mail.ses_id, outcomes)


def _no_such_user(mail: SesMail, at: float, recipient: str) -> None:
    mail.bounced(at, recipient, "Permanent/General", "5.1.1", f"smtp; 550 5.1.1 <{recipient}>: User unknown")


def _late(play: Play) -> SampleMail:
    mail = play.sent()
    mail.delivered(mail.accepted + MAX_DELIVERY + play.seconds(4, 4.6))
    gap = _silence(mail, Cause.SENT_THEN_SILENT, Resolution.DELIVERED)
    return play.end(Fate.LATE, mail.ses_id, Outcome.DELIVERED, gap)


def _silent(play: Play) -> SampleMail:
    mail = play.sent()
    return play.end(Fate.SILENT, mail.ses_id, Outcome.PENDING, _silence(mail, Cause.SENT_THEN_SILENT))


def _no_events(play: Play) -> SampleMail:
    mail = play.taken_by_ses(play.submitted(), play.at + 0.3)
    return play.end(Fate.NO_EVENTS, mail.ses_id, Outcome.PENDING, _silence(mail, Cause.NO_EVENTS))


def _not_rendered(play: Play) -> SampleMail:
    """Sent with a template over SES's API, so no mail server ever saw it."""
    mail = play.taken_by_ses(None, play.at)
    mail.rendering_failed("spring-sale", "firstName")
    return play.end(Fate.NOT_RENDERED, mail.ses_id, Outcome.RENDERING_FAILED)


def _complained(play: Play) -> SampleMail:
    mail = play.sent()
    mail.delivered(mail.accepted + play.seconds())
    mail.complained(mail.accepted + play.seconds(3, 5))
    return play.end(Fate.COMPLAINED, mail.ses_id, Outcome.COMPLAINED)


def _no_id(submission: Submission, cause: Cause, to: str | None, resolution: Resolution | None = None) -> ExpectedGap:
    return ExpectedGap(submission.name, GapKind.SENT_NO_SES_ID, cause, to, resolution)


def _silence(mail: SesMail, cause: Cause, resolution: Resolution | None = None) -> ExpectedGap:
    return ExpectedGap(mail.ses_id, GapKind.ACCEPTED_NOT_DELIVERED, cause, mail.recipients[0], resolution)


class Rule(NamedTuple):
    """How many of 300 mails meet a fate, and how many seconds of story it needs."""

    act: Callable[[Play], SampleMail]
    of_300: int
    needs: float
    newsletter: bool = False
    recipients: int = 1


ORDINARY: Final = Rule(_delivered, 0, 0)
FATES: Final = (
    Rule(_delayed, 3, 8),
    Rule(_throttled, 6, 6),
    Rule(_throttled_late, 2, 14),
    Rule(_throttled_for_good, 3, 10),
    Rule(_unverified, 3, 2),
    Rule(_never_taken, 3, 10),
    Rule(_lost_reply, 3, 10),
    Rule(_suppressed, 4, 2, newsletter=True),
    Rule(_bounced, 6, 4, newsletter=True),
    Rule(_mailbox_full, 3, 4),
    Rule(_half_bounced, 3, 4, recipients=2),
    Rule(_late, 3, MAX_DELIVERY + 6),
    Rule(_silent, 3, MAX_DELIVERY + 4),
    Rule(_no_events, 3, 10),
    Rule(_not_rendered, 2, 2, newsletter=True),
    Rule(_complained, 2, 7, newsletter=True),
)
"""All but the ordinary mail, which is delivered and of which the rest of the story consists."""
