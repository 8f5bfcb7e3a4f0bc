"""What AWS is asked about a mail, and what its answers mean in sentences. Pure: `service.aws.asking` asks.

AWS tells how things are now, not how they were when the mail was sent, and the sentences say so. They are beside the
verdict and never change it: that follows from the log alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from service.contract.enums import Outcome, VerdictCause
from service.facts import ACCOUNT_WIDE
from service.privacy import is_pseudonym

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.aws.ses import Account, Identity, Suppressed
    from service.contract.correlated import Correlated

_ACCOUNT: Final = frozenset({*map(str, ACCOUNT_WIDE), "rate_exceeded", "unverified_identity"})
_LABELS: Final = 2
"""Of a domain that may have a parent that is an identity: `a.b.example` has, `b.example` has not."""
UNKNOWN_ADDRESS: Final = (
    "its address is not known here, since it is a pseudonym: give the address itself as ID, or logs with"
    " --addresses raw"
)


class Evidence(msgspec.Struct, frozen=True):
    """One thing that AWS was asked about, and what it says. `answered` is false where it could not be asked."""

    about: str
    says: str
    answered: bool = True


class Question(NamedTuple):
    """An address to ask about, and what it is called where the answer is shown."""

    address: str
    shown: str


class Wanted(NamedTuple):
    """What there is to ask about one mail."""

    region: str | None = None
    account: bool = False
    suppressed: tuple[Question, ...] = ()
    identities: tuple[Question, ...] = ()
    hidden: tuple[str, ...] = ()
    """Suppressed recipients of whom only a pseudonym is known."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return self.account or bool(self.suppressed or self.identities or self.hidden)


def wanted(documents: Iterable[Correlated], known: Mapping[str, str] = {}) -> Wanted:
    """What AWS may know of one mail, of which these are the records. `known`: addresses by their pseudonyms."""
    documents = list(documents)
    causes = {entry.cause for each in documents for entry in each.trail}
    causes |= {each.verdict.cause.value for each in documents} | {gap.cause.value for d in documents for gap in d.gaps}
    shown = sorted({r.address for each in documents for r in each.recipients if r.outcome is Outcome.SUPPRESSED})
    asked = [Question(address, each) for each in shown if (address := _raw(each, known))]
    return Wanted(
        region=next((each.region for each in documents if each.region), None),
        account=not _ACCOUNT.isdisjoint(causes),
        suppressed=tuple(asked),
        identities=_identities(documents, known) if VerdictCause.UNVERIFIED_IDENTITY.value in causes else (),
        hidden=tuple(each for each in shown if not _raw(each, known)),
    )


def _raw(shown: str, known: Mapping[str, str]) -> str:
    address = known.get(shown, shown)
    return address if "@" in address and not is_pseudonym(address) else ""


def _identities(documents: Iterable[Correlated], known: Mapping[str, str]) -> tuple[Question, ...]:
    """By which a sender may be verified: the address, its domain, and the domain above."""
    found: list[Question] = []
    for shown in sorted({each.sender for each in documents if "@" in each.sender}):
        if address := _raw(shown, known):
            found.append(Question(address, shown))
        domain = shown.rpartition("@")[2].lower()
        found.append(Question(domain, domain))
        parent = domain.partition(".")[2]
        if parent.count(".") + 1 >= _LABELS:
            found.append(Question(parent, parent))
    return tuple(dict.fromkeys(found))


def of_account(account: Account) -> Evidence:
    """How the account stands now."""
    about = f"account in {account.region}"
    if account.sending:
        first = "sending is on now"
    else:
        first = "sending is paused now: see the notice that AWS sent to the account's address"
    standing = {
        "HEALTHY": "SES finds nothing wrong with it (HEALTHY)",
        "PROBATION": "SES reviews it (PROBATION), and may pause it",
        "SHUTDOWN": "SES has taken its right to send (SHUTDOWN)",
    }.get(account.enforcement, f"SES's enforcement status is {account.enforcement or 'not said'}")
    sandbox = "" if account.production else "; it is in the sandbox, and may send to verified addresses alone"
    return Evidence(about, f"{first}; {standing}; {_used(account)}{sandbox}")


def _used(account: Account) -> str:
    sent = f"{account.sent:,.0f} mails were sent in the last 24 hours"
    if account.quota <= 0:
        return f"{sent}, without a quota"
    rate = f", {account.rate:g} a second at most" if account.rate > 0 else ""
    return f"{sent}, of {account.quota:,.0f} ({account.sent / account.quota:.0%}){rate}"


def of_suppressed(shown: str, found: Suppressed | None) -> Evidence:
    """Whether a recipient is on the account's list."""
    if found is None:
        return Evidence(
            shown,
            "not on the account's suppression list now: SES refused it by its own global list, which nobody can read,"
            " or somebody has removed it since",
        )
    why = {"BOUNCE": "a bounce", "COMPLAINT": "a complaint"}.get(found.reason, found.reason)
    by = f" of the mail {found.mail}" if found.mail else ""
    since = found.since.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    return Evidence(shown, f"on the account's suppression list since {since}, for {why}{by}")


def of_identity(shown: str, found: Identity | None) -> Evidence:
    """Whether SES takes mail from it."""
    if found is None:
        return Evidence(shown, "no identity of this account in this region")
    if found.verified:
        return Evidence(shown, "verified now: SES takes mail from it")
    why = f" ({found.error})" if found.error else ""
    return Evidence(shown, f"an identity, and not verified: its status is {found.status or 'unknown'}{why}")
