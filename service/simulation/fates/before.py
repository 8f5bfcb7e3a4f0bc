"""Fates before SES has taken the mail, or has been heard to: refused, put off, lost, found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.contract.enums import Cause, Outcome, Resolution
from service.simulation.play import AT_ONCE, Play

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.simulation.servers.submission import Submission
    from service.simulation.ses import SesMail

_UNVERIFIED: Final = (
    "554 Message rejected: Email address is not verified. The following identities failed the check in region"
    " EU-WEST-1: {sender}"
)
_DENIED: Final = (
    "554 Access denied: User `arn:aws:iam::123456789012:user/mailer' is not authorized to perform `ses:SendRawEmail'"
    " on resource `arn:aws:ses:eu-west-1:123456789012:identity/shop.example'"
)
BAD_ADDRESS: Final = "501 Invalid RCPT TO address provided"
THROTTLED: Final = "454 Throttling failure: Maximum sending rate exceeded."

REFUSALS: Final = (
    (Cause.UNVERIFIED_IDENTITY, _UNVERIFIED),
    (Cause.ACCOUNT_PAUSED, "554 Message rejected: Sending paused for this account."),
    (Cause.BAD_ADDRESS, BAD_ADDRESS),
    (Cause.MALFORMED, "554 Transaction failed: Duplicate header 'Message-ID'."),
    (Cause.TOO_LARGE, "552 Message is too long."),
    (Cause.AUTH_FAILED, "535 Authentication Credentials Invalid"),
    (Cause.ACCESS_DENIED, _DENIED),
    (Cause.CONFIGURATION, "554 Message rejected: Configuration set does not exist"),
)
"""SES's final refusals."""

DEFERRALS: Final = (
    (Cause.RATE_EXCEEDED, THROTTLED),
    (Cause.QUOTA_EXCEEDED, "454 Throttling failure: Daily message quota exceeded."),
    (Cause.SIGV2_RATE_EXCEEDED, "454 Throttling failure: Maximum SigV2 SMTP sending rate exceeded."),
    (Cause.SES_UNAVAILABLE, "451 Temporary service failure"),
)
"""SES's refusals for now."""


def refused(p: Play) -> None:
    """SES says no, for good."""
    cause, reply = p.rng.choice(REFUSALS)
    submission = p.submitted()
    submission.refused(p.at + AT_ONCE, p.to, reply.format(sender=p.letter.sender))
    submission.removed(p.at + AT_ONCE + 80)
    p.must(submission.name, Outcome.REFUSED, p.refusal(cause, p.to))


def one_refused(p: Play) -> None:
    """One of several recipients; the others go well."""
    submission, (bad, *good) = p.submitted(), p.all
    submission.refused(p.at + AT_ONCE - 100, bad, BAD_ADDRESS)
    mail = _taken_for(p, submission, good)
    submission.removed(p.at + AT_ONCE + 80)
    p.must(mail.ses_id, dict.fromkeys(good, Outcome.DELIVERED))
    p.must(submission.name, {bad: Outcome.REFUSED}, p.refusal(Cause.BAD_ADDRESS, bad))


def one_put_off_for_ever(p: Play) -> None:
    """One of several; the Message-ID leads to the mail of the others, and that is no answer."""
    submission, (bad, *good) = p.submitted(), p.all
    submission.deferred(p.at + AT_ONCE - 100, bad, THROTTLED)
    mail = _taken_for(p, submission, good)
    p.must(mail.ses_id, dict.fromkeys(good, Outcome.DELIVERED))
    p.must(submission.name, {bad: Outcome.DEFERRED}, p.no_id(Cause.RATE_EXCEEDED, bad))


def two_mails(p: Play) -> None:
    """The server makes two deliveries of one mail: each recipient's reply decides for that recipient."""
    submission = p.submitted()
    for number, to in enumerate(p.all):
        mail = _taken_for(p, submission, [to], AT_ONCE + 50 * number)
        p.must(mail.ses_id, {to: Outcome.DELIVERED})
    submission.removed(p.at + AT_ONCE + 50 * len(p.all) + 80)


def _taken_for(p: Play, submission: Submission, recipients: Iterable[str], after: int = AT_ONCE) -> SesMail:
    letter = p.letter._replace(recipients=tuple(recipients))
    mail = p.taken(after, letter)
    submission.accepted(mail.accepted + 20, letter.recipients, mail.ses_id)
    mail.sent()
    mail.delivered(mail.accepted + p.soon())
    return mail


def throttled(p: Play) -> None:
    """Put off, and taken in time."""
    submission = p.submitted()
    _put_off(p, submission, THROTTLED, [AT_ONCE])
    _delivered(p, p.answered(submission, p.handoff // 2))


def throttled_too_long(p: Play) -> None:
    """Taken, but after its deadline: the gap opens and is resolved."""
    submission = p.submitted()
    _put_off(p, submission, THROTTLED, [AT_ONCE, p.handoff // 2])
    mail = p.answered(submission, AT_ONCE + p.handoff + p.grace + p.margin)
    _delivered(p, mail)
    gap = p.no_id(Cause.RATE_EXCEEDED, p.to if len(p.all) == 1 else None, Resolution.ACCEPTED)
    p.must(submission.name, {}, gap, superseded_by=mail.ses_id)


def put_off_for_ever(p: Play) -> None:
    """SES says not now, whenever it is asked."""
    cause, reply = p.rng.choice(DEFERRALS)
    submission = p.submitted()
    _put_off(p, submission, reply, [AT_ONCE, p.handoff // 4, p.handoff // 2, p.handoff * 3 // 2])
    p.must(submission.name, Outcome.DEFERRED, p.no_id(cause, p.to))


def unreachable(p: Play) -> None:
    """No connection to SES, as often as it is tried."""
    submission = p.queued()
    for after in (AT_ONCE, p.handoff // 2, p.handoff * 3 // 2):
        submission.unreachable(p.at + after, p.to)
    p.must(submission.name, Outcome.DEFERRED, p.no_id(Cause.UNREACHABLE, p.to))


def _put_off(p: Play, submission: Submission, reply: str, after: Iterable[int]) -> None:
    for each in after:
        for to in p.all:
            submission.deferred(p.at + each, to, reply)


def _delivered(p: Play, mail: SesMail) -> None:
    mail.sent()
    mail.delivered(mail.accepted + p.soon())
    p.must(mail.ses_id, Outcome.DELIVERED)


def silent(p: Play) -> None:
    """Handed in, and then not another line; nobody knows the recipients either."""
    submission = p.submitted()
    p.must(submission.name, {}, p.no_id(Cause.SILENT, None, since=20))


def reply_lost(p: Play) -> None:
    """The line with SES's answer is nowhere; the mail is found by its Message-ID."""
    submission, mail = p.submitted(), p.taken(AT_ONCE)
    submission.removed(mail.accepted + 80)
    _delivered(p, mail)


def answer_lost_and_found(p: Play) -> None:
    """The connection broke after the end of the data, and SES had taken the mail."""
    submission, mail = p.queued(), p.taken(AT_ONCE)
    submission.broken(mail.accepted + 100, p.to)
    _delivered(p, mail)


def answer_lost_for_good(p: Play) -> None:
    """The same, and SES had not."""
    submission = p.queued()
    submission.broken(p.at + AT_ONCE + 100, p.to)
    p.must(submission.name, Outcome.DEFERRED, p.no_id(Cause.AMBIGUOUS, p.to, since=AT_ONCE + 100))


def id_lost_and_found(p: Play) -> None:
    """The 250 holds no id in the log, and SES took the mail."""
    submission, mail = p.submitted(), p.taken(AT_ONCE)
    submission.without_id(mail.accepted + 20, p.to)
    submission.removed(mail.accepted + 80)
    _delivered(p, mail)


def id_lost_for_good(p: Play) -> None:
    """The same, and nobody ever hears of it."""
    submission = p.submitted()
    submission.without_id(p.at + AT_ONCE, p.to)
    submission.removed(p.at + AT_ONCE + 80)
    p.must(submission.name, Outcome.PENDING, p.no_id(Cause.NO_ID_IN_REPLY, p.to))


def never_for_ses(p: Play) -> None:
    """A mail to a mailbox of the host: there is nothing to say of it."""
    submission = p.queued()
    for to in p.all:
        submission.elsewhere(p.at + AT_ONCE, to)
    submission.removed(p.at + AT_ONCE + 80)


BEFORE: Final = (
    refused, one_refused, one_put_off_for_ever, two_mails, throttled, throttled_too_long, put_off_for_ever,
    unreachable, silent, reply_lost, answer_lost_and_found, answer_lost_for_good, id_lost_and_found,
    id_lost_for_good, never_for_ses,
)  # fmt: skip
