"""Asks AWS what it knows of a mail. What cannot be asked is said in the place of the answer; nothing is guessed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from service.aws.clients import AwsError
from service.aws.evidence import UNKNOWN_ADDRESS, Evidence, of_account, of_identity, of_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.aws.evidence import Wanted
    from service.aws.ses import Regions

    _T = TypeVar("_T")


def ask(regions: Regions, wanted: Wanted) -> tuple[Evidence, ...]:
    """All of it, in the mail's region. Blocks for about a second a question."""
    if not wanted:
        return ()
    try:
        ses = regions.of(wanted.region)
    except AwsError as error:
        return (Evidence("AWS", str(error), answered=False),)
    told = [_told(f"account in {ses.region}", ses.account, of_account)] if wanted.account else []
    told += [
        _told(q.shown, partial(ses.suppressed, q.address), partial(of_suppressed, q.shown)) for q in wanted.suppressed
    ]
    told += [Evidence(shown, UNKNOWN_ADDRESS, answered=False) for shown in wanted.hidden]
    told += [_told(q.shown, partial(ses.identity, q.address), partial(of_identity, q.shown)) for q in wanted.identities]
    return tuple(told)


def _told(about: str, question: Callable[[], _T], meaning: Callable[[_T], Evidence]) -> Evidence:
    try:
        return meaning(question())
    except AwsError as error:
        return Evidence(about, str(error), answered=False)
