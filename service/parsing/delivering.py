"""What an attempt to hand a mail on means, whoever made it: the rules that the dialects share.

Decides, from the relay and its reply, whether the mail became SES's, was put off, was refused, or never was SES's
business. It never looks for the reply in a line: that is the dialect's, which knows what of a line was written by whom.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from service.facts import (
    Accepted,
    Cause,
    Deferred,
    Elsewhere,
    Fact,
    Name,
    Refused,
    Unconfirmed,
    ses_name,
    submission_name,
)
from service.parsing.addresses import address
from service.parsing.replies import Relay, cause_of, is_strict_ses_id, names_ses, relay_of, ses_id_in
from service.parsing.syslog import Line

if TYPE_CHECKING:
    from service.facts import LineFact

Facts: TypeAlias = list[tuple[Name, Fact]]
"""What a line says, by name."""

LONGEST_ADDRESS: Final = 998
LONGEST_REPLY: Final = 1000

NOBODY: Final = Relay("", ses=False, region="", elsewhere=False)
"""A relay that the line does not name."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try. `submission` is `host/id`, empty where the line names none; `whole`: nothing of `reply` is cut off."""

    line: Line
    submission: str
    recipients: tuple[str, ...]
    relay: Relay
    reply: str
    whole: bool = True


def submission(line: Line, queue_id: str) -> str:
    """The submission that `queue_id` is on the line's host."""
    return f"{line.host.lower() or '-'}/{queue_id}"


def one(submission: str, fact: LineFact) -> Facts:
    """The only fact of a line; none where the line does not say whose it is."""
    return [(submission_name(submission), fact)] if submission else []


def taken(attempt: Attempt) -> Facts:
    """The relay took the mail.

    An id without SES's own form counts only in full, and only from SES or a proxy before it: others give ids too.
    """
    line, relay = attempt.line, attempt.relay
    ses_id = ses_id_in(attempt.reply)
    if ses_id and ((attempt.whole and not relay.elsewhere) or is_strict_ses_id(ses_id)):
        accepted = Accepted(line.at, line.floating, attempt.recipients, ses_id, attempt.submission, relay.region)
        return [*one(attempt.submission, accepted), (ses_name(ses_id), accepted)]
    if relay.ses:
        return one(attempt.submission, Unconfirmed(line.at, line.floating, attempt.recipients, _text(attempt)))
    return elsewhere(attempt)


def elsewhere(attempt: Attempt) -> Facts:
    """These recipients are not SES's business."""
    line = attempt.line
    return one(attempt.submission, Elsewhere(line.at, line.floating, attempt.recipients, attempt.relay.host))


def put_off(attempt: Attempt, relays: frozenset[str], cause: Cause | None = None) -> Facts:
    """The attempt failed and will be repeated; `cause` where the dialect's own words say it."""
    if _is_anothers(attempt, relays):
        return elsewhere(attempt)
    line, why, region = attempt.line, cause or cause_of(attempt.reply), attempt.relay.region
    return one(attempt.submission, Deferred(line.at, line.floating, attempt.recipients, why, _text(attempt), region))


def refused(attempt: Attempt, relays: frozenset[str], cause: Cause | None = None) -> Facts:
    """The attempt failed for good."""
    if _is_anothers(attempt, relays):
        return elsewhere(attempt)
    line, why, region = attempt.line, cause or cause_of(attempt.reply), attempt.relay.region
    return one(attempt.submission, Refused(line.at, line.floating, attempt.recipients, why, _text(attempt), region))


def _is_anothers(attempt: Attempt, relays: frozenset[str]) -> bool:
    return attempt.relay.elsewhere and not names_ses(attempt.reply, relays)


def _text(attempt: Attempt) -> str:
    return attempt.reply[:LONGEST_REPLY]


# -- who and to whom -------------------------------------------------------------------------------------------------

_NAMED: Final = re.compile(r"[^\s:]*[a-z][^\s:]*\.[^\s:]*[a-z][^\s:]*").fullmatch
_NEAR: Final = ("localhost.localdomain", ".local", ".lan", ".internal", ".localhost")


def relay_named(host: str, relays: frozenset[str]) -> Relay:
    """Who a host is of which only the name is known: where that is neither SES's nor a private one's, another's."""
    relay = relay_of(host[:300], relays)
    if relay.ses or not _NAMED(relay.host) or relay.host.endswith(_NEAR):
        return relay
    return Relay(relay.host, ses=False, region="", elsewhere=True)


_ITEM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^,"])++')


def recipients_in(text: str) -> tuple[str, ...]:
    """The addresses of a list with commas, of which a quoted local part may hold some too."""
    return tuple([address(item)[:LONGEST_ADDRESS] for item in _ITEM.findall(text) if item.strip(" <>")])


# What no other server says. SES gives no enhanced status codes, which keeps most of the others out.
_WORDS: Final = re.compile(
    r"\b[45]\d\d (?:throttling failure|message rejected: |transaction failed: |access denied: user |"
    r"authentication credentials invalid|account not subscribed to ses|invalid (?:rcpt to|mail from) address provided|"
    r"temporary (?:service|authentication) failure|too many concurrent smtp connections|message is too long\.|"
    r"configuration set )"
).search


def in_words_of_ses(reply: str) -> bool:
    """Whether a refusal is one of SES's own, where the line does not say who refused."""
    return _WORDS(reply.lower()) is not None
