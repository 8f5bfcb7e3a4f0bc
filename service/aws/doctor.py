"""What `mailgap doctor --ask-aws` looks at: the account, and what its configuration sets publish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.aws.clients import AwsError
from service.aws.publishing import PART, of_account, of_set
from service.edges.doctor_finding import Finding, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.aws.ses import Ses
    from service.policy import Policy

MOST: Final = 40
"""Sets that are looked at: SES takes a question a second."""


def findings(ses: Ses, policy: Policy, named: Sequence[str]) -> Iterator[Finding]:
    """`named`: configuration sets, besides those that the policy names. Where there are none, all that there are."""
    try:
        yield from of_account(ses.account())
    except AwsError as error:
        yield _failed("account", error)
    try:
        names = _of_policy(policy, named) or ses.configuration_sets()
    except AwsError as error:
        yield _failed("configuration sets", error)
        return
    if not names:
        found = "there is none: without a configuration set SES publishes no events, only notifications of an identity"
        yield Finding(PART, "configuration sets", State.LOOK, found, "make one, and give it an event destination")
    for name in names[:MOST]:
        try:
            yield from of_set(name, ses.destinations(name))
        except AwsError as error:
            yield _failed(f"configuration set {name}", error)
    if len(names) > MOST:
        found = f"{len(names) - MOST} of {len(names)} were not looked at"
        yield Finding(PART, "configuration sets", State.LOOK, found, "name those that matter by --configuration-set")


def _of_policy(policy: Policy, named: Sequence[str]) -> tuple[str, ...]:
    matched = (value for stream in policy.streams for key, value in stream.match if key == "configuration_set")
    return tuple(dict.fromkeys((*named, *matched)))


def _failed(what: str, error: AwsError) -> Finding:
    return Finding(PART, what, State.WRONG, "cannot be asked about", str(error))
