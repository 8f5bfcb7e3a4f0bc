"""The fates of the sample application's mails: for each, what the mail server and SES say, and what must be found.

`FATES` says how often each occurs and how long the story must go on after it. Deadlines are of seconds here; the
policy text is made from the same constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from service.contract.enums import Cause, GapKind, Outcome, Resolution
from service.demo.postfix_log import THROTTLED, Submission
from service.demo.truth import ExpectedGap, Fate, SampleMail

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.demo.mailing import Mailing
    from service.demo.ses_events import SesMail


HANDOFF: Final = 6
FIRST_EVENT: Final = 6
MAX_DELIVERY: Final = 15
GRACE: Final = 1

UNVERIFIED_SENDER: Final = "invoices@new-shop.example"


def _delivered(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    mail.delivered(mail.accepted + mailing.seconds())
    return mailing.end(Fate.DELIVERED, mail.ses_id, Outcome.DELIVERED)


def _delayed(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    mail.delayed(mail.accepted + mailing.seconds())
    mail.delivered(mail.accepted + mailing.seconds(4, 7))
    return mailing.end(Fate.DELAYED, mail.ses_id, Outcome.DELIVERED)


def _throttled(mailing: Mailing) -> SampleMail:
    mail = _taken_after(mailing, [0.0], mailing.seconds(1.5, 2.5))
    return mailing.end(Fate.THROTTLED, mail[1].ses_id, Outcome.DELIVERED)


def _throttled_late(mailing: Mailing) -> SampleMail:
    submission, mail = _taken_after(mailing, [0.0, 2.0, 4.5], HANDOFF + 3.5)
    gap = _no_id(submission, Cause.RATE_EXCEEDED, mailing.to, Resolution.ACCEPTED)
    return mailing.end(Fate.THROTTLED_LATE, mail.ses_id, Outcome.DELIVERED, gap)


def _throttled_for_good(mailing: Mailing) -> SampleMail:
    submission = mailing.submitted()
    _throttle(mailing, submission, [0.0, 2.0, 4.5])
    gap = _no_id(submission, Cause.RATE_EXCEEDED, mailing.to)
    return mailing.end(Fate.THROTTLED_FOR_GOOD, submission.name, Outcome.DEFERRED, gap)


def _taken_after(mailing: Mailing, refusals: list[float], seconds: float) -> tuple[Submission, SesMail]:
    submission = mailing.submitted()
    _throttle(mailing, submission, refusals)
    submission.active(mailing.at + seconds - 0.3, mailing.sender)
    mail = mailing.taken_by_ses(submission, mailing.at + seconds)
    mail.sent()
    mail.delivered(mail.accepted + mailing.seconds())
    return submission, mail


def _throttle(mailing: Mailing, submission: Submission, refusals: list[float]) -> None:
    for attempt in refusals:
        if attempt:
            submission.active(mailing.at + attempt, mailing.sender)
        submission.deferred(mailing.at + attempt + 0.25, mailing.to, THROTTLED)


def _unverified(mailing: Mailing) -> SampleMail:
    mailing.sender = UNVERIFIED_SENDER
    submission = mailing.submitted()
    submission.refused(
        mailing.at + 0.3,
        mailing.to,
        "554 Message rejected: Email address is not verified. The following identities failed the check in region"
        f" US-EAST-1: {UNVERIFIED_SENDER}",
    )
    submission.notice(mailing.at + 0.32, mailing.submission(mailing.at + 0.32, 2 * mailing.number + 1), mailing.sender)
    submission.removed(mailing.at + 0.33)
    gap = _no_id(submission, Cause.UNVERIFIED_IDENTITY, mailing.to)
    return mailing.end(Fate.UNVERIFIED, submission.name, Outcome.REFUSED, gap)


def _never_taken(mailing: Mailing) -> SampleMail:
    """Queued, and then nothing: the delivery agent never wrote another line, so nobody knows the recipient either."""
    submission = mailing.submitted()
    gap = _no_id(submission, Cause.SILENT, None)
    return SampleMail(mailing.at, Fate.NEVER_TAKEN, submission.name, (), (gap,))


def _lost_reply(mailing: Mailing) -> SampleMail:
    """The line with SES's answer never reached Kafka; the mail is found again by its Message-ID."""
    submission = mailing.submitted()
    mail = mailing.taken_by_ses(None, mailing.at + 0.4)
    submission.removed(mailing.at + 0.46)
    mail.sent()
    mail.delivered(mail.accepted + mailing.seconds())
    return mailing.end(Fate.LOST_REPLY, mail.ses_id, Outcome.DELIVERED)


def _suppressed(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    mail.suppressed(mail.accepted + 0.3)
    return mailing.end(Fate.SUPPRESSED, mail.ses_id, Outcome.SUPPRESSED)


def _bounced(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    _no_such_user(mail, mail.accepted + mailing.seconds(), mailing.to)
    return mailing.end(Fate.BOUNCED, mail.ses_id, Outcome.BOUNCED)


def _mailbox_full(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    at, reply = mail.accepted + mailing.seconds(), "smtp; 452 4.2.2 Mailbox is full"
    mail.bounced(at, mailing.to, "Transient/MailboxFull", "4.2.2", reply)
    return mailing.end(Fate.MAILBOX_FULL, mail.ses_id, Outcome.SOFT_BOUNCED)


def _half_bounced(mailing: Mailing) -> SampleMail:
    mail, (first, second) = mailing.sent(), mailing.recipients
    mail.delivered(mail.accepted + mailing.seconds(), (first,))
    _no_such_user(mail, mail.accepted + mailing.seconds(), second)
    outcomes = ((first, Outcome.DELIVERED), (second, Outcome.BOUNCED))
    return SampleMail(mailing.at, Fate.HALF_BOUNCED, mail.ses_id, outcomes)


def _no_such_user(mail: SesMail, at: float, recipient: str) -> None:
    mail.bounced(at, recipient, "Permanent/General", "5.1.1", f"smtp; 550 5.1.1 <{recipient}>: User unknown")


def _late(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    mail.delivered(mail.accepted + MAX_DELIVERY + mailing.seconds(4, 4.6))
    gap = _silence(mail, Cause.SENT_THEN_SILENT, Resolution.DELIVERED)
    return mailing.end(Fate.LATE, mail.ses_id, Outcome.DELIVERED, gap)


def _silent(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    return mailing.end(Fate.SILENT, mail.ses_id, Outcome.PENDING, _silence(mail, Cause.SENT_THEN_SILENT))


def _no_events(mailing: Mailing) -> SampleMail:
    mail = mailing.taken_by_ses(mailing.submitted(), mailing.at + 0.3)
    return mailing.end(Fate.NO_EVENTS, mail.ses_id, Outcome.PENDING, _silence(mail, Cause.NO_EVENTS))


def _not_rendered(mailing: Mailing) -> SampleMail:
    """Sent with a template over SES's API, so no mail server ever saw it."""
    mail = mailing.taken_by_ses(None, mailing.at)
    mail.rendering_failed("spring-sale", "firstName")
    return mailing.end(Fate.NOT_RENDERED, mail.ses_id, Outcome.RENDERING_FAILED)


def _complained(mailing: Mailing) -> SampleMail:
    mail = mailing.sent()
    mail.delivered(mail.accepted + mailing.seconds())
    mail.complained(mail.accepted + mailing.seconds(3, 5))
    return mailing.end(Fate.COMPLAINED, mail.ses_id, Outcome.COMPLAINED)


def _no_id(submission: Submission, cause: Cause, to: str | None, resolution: Resolution | None = None) -> ExpectedGap:
    return ExpectedGap(submission.name, GapKind.SENT_NO_SES_ID, cause, to, resolution)


def _silence(mail: SesMail, cause: Cause, resolution: Resolution | None = None) -> ExpectedGap:
    return ExpectedGap(mail.ses_id, GapKind.ACCEPTED_NOT_DELIVERED, cause, mail.recipients[0], resolution)


class Rule(NamedTuple):
    """How many of 300 mails meet a fate, and how many seconds of story it needs."""

    act: Callable[[Mailing], SampleMail]
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
