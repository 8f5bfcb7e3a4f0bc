"""What an attempt to hand a mail on means, whoever made it: the rules that the dialects share.

Decides, from the relay and its reply, whether the mail became SES's, was put off, was refused, or never was SES's
business. It never looks for the reply in a line: that is the dialect's, which knows what of a line was written by whom.

Whose word is SES's (rule 28). Anybody can have a mail sent to a server of his own, and let that server say what SES
would say: `250 Ok <an id>`, or a `454` that pages. So one rule holds for acceptances and refusals:

- What SES's endpoints say, by name, is SES's; so is what comes from a relay that the policy names, from a private
  address or from a hop that the line does not name: no recipient's DNS leads there.
- What another public host says is SES's only where the operator chose that host (an alias of the endpoint, a proxy) and
  it speaks SES's very words: `250 Ok` with an id in SES's strict form, or a refusal that only SES words so. Chosen is
  who was reached at a port for submission, a smart host, or the only host that a client has: a recipient's DNS leads to
  port 25.
- All else that a public host says is its own business: the mail went elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

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
from service.parsing.replies import Relay, cause_of, is_strict_ses_id, relay_of, ses_id_in
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


class Half(NamedTuple):
    """One of the lines that a server writes of an attempt, and which attempt of its host it is of.

    The line that starts it has `words`, which the line of its end lacks after its `mark`; the last has none. What a
    line between them adds to the words has no mark.
    """

    whose: str
    mark: str
    words: str = ""


def submission(line: Line, queue_id: str) -> str:
    """The submission that `queue_id` is on the line's host."""
    return f"{line.host.lower() or '-'}/{queue_id}"


def one(submission: str, fact: LineFact) -> Facts:
    """The only fact of a line; none where the line does not say whose it is."""
    return [(submission_name(submission), fact)] if submission else []


def taken(attempt: Attempt) -> Facts:
    """The relay took the mail. An id that was cut off, or that has not SES's own form, is not enough to be believed."""
    line, relay = attempt.line, attempt.relay
    ses_id = ses_id_in(attempt.reply)
    if ses_id and _is_ses_id(attempt, ses_id):
        accepted = Accepted(line.at, line.floating, attempt.recipients, ses_id, attempt.submission, relay.region)
        return [*one(attempt.submission, accepted), (ses_name(ses_id), accepted)]
    if relay.ses:
        return one(attempt.submission, Unconfirmed(line.at, line.floating, attempt.recipients, _text(attempt)))
    return elsewhere(attempt)


def elsewhere(attempt: Attempt) -> Facts:
    """These recipients are not SES's business."""
    line, relay = attempt.line, attempt.relay
    # A stranger's server may name any queue id, also one of ours.
    on = _queued_as(attempt.reply) if relay.chosen or not relay.elsewhere else ""
    return one(attempt.submission, Elsewhere(line.at, line.floating, attempt.recipients, relay.host, on))


# Of Postfix, of Sendmail and OpenSMTPD, of Exim; a content filter quotes at the end what the server behind it said.
_ON: Final = re.compile(
    r"queued as ([A-Za-z0-9]{5,64})\W{0,3}$"
    r"|(?:^|\s)([A-Za-z0-9]{8,20}) Message accepted for delivery\W{0,3}$"
    r"|OK id=([A-Za-z0-9]{6}-[A-Za-z0-9]{6,11}-[A-Za-z0-9]{2,4})\W{0,3}$"
).search
_ON_STANDS_WITHIN: Final = 120
"""Characters at a reply's end; a search over a hostile reply stays short."""


def _queued_as(reply: str) -> str:
    found = _ON(reply[-_ON_STANDS_WITHIN:])
    return next(filter(None, found.groups()), "") if found else ""


def put_off(attempt: Attempt, cause: Cause | None = None) -> Facts:
    """The attempt failed and will be repeated; `cause` where the dialect's own words say it."""
    if _is_anothers(attempt):
        return elsewhere(attempt)
    line, why, region = attempt.line, cause or cause_of(attempt.reply), attempt.relay.region
    return one(attempt.submission, Deferred(line.at, line.floating, attempt.recipients, why, _text(attempt), region))


def refused(attempt: Attempt, cause: Cause | None = None) -> Facts:
    """The attempt failed for good."""
    if _is_anothers(attempt):
        return elsewhere(attempt)
    line, why, region = attempt.line, cause or cause_of(attempt.reply), attempt.relay.region
    return one(attempt.submission, Refused(line.at, line.floating, attempt.recipients, why, _text(attempt), region))


def _is_ses_id(attempt: Attempt, ses_id: str) -> bool:
    """Whether SES gave the id. From SES or a proxy before it an odd id will do, in full: anonymised logs have such."""
    if attempt.relay.elsewhere and not attempt.relay.chosen:
        return False
    return is_strict_ses_id(ses_id) or (attempt.whole and not attempt.relay.elsewhere)


def _is_anothers(attempt: Attempt) -> bool:
    return attempt.relay.elsewhere and not (attempt.relay.chosen and in_words_of_ses(attempt.reply))


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
