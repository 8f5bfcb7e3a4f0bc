"""What may be asked of the store, and the cursor that goes on where an answer ended. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from service.contract.enums import GapKind
    from service.facts import Cause, Instant
    from service.trace.entry import State

T = TypeVar("T")

END: Final = 1 << 62
"""Later than every instant, and greater than every number of a mail."""


class CursorError(ValueError):
    """No cursor of ours."""


class Cursor(NamedTuple):
    """The last thing that was answered, by instant and then by number or id: what comes next lies before it."""

    at: Instant
    key: str

    def __str__(self) -> str:
        """As it stands in a link: opaque, so that nobody builds upon it."""
        return base64.urlsafe_b64encode(f"{self.at}.{self.key}".encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Raises `CursorError`."""
        try:
            at, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(".")
            instant = int(at)
        except (ValueError, binascii.Error) as error:
            raise CursorError(text) from error
        if abs(instant) > END or not key:
            raise CursorError(text)
        return cls(instant, key)


@dataclass(frozen=True, slots=True)
class Mails:
    """Which mails. All conditions hold together; `since` is part of the time asked for, `until` is not."""

    names: frozenset[str] = frozenset()
    """Any of these, in any case; none: all mails."""
    stream: str | None = None
    state: State | None = None
    since: Instant | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Gaps:
    """Which gaps. `since` and `until` are of when they opened."""

    open: bool | None = True
    stream: str | None = None
    kind: GapKind | None = None
    cause: Cause | None = None
    provider: str | None = None
    since: Instant | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """A page of answers, the newest first, and where the next begins, if there is one."""

    items: list[T]
    next: Cursor | None = None
