"""The fates that a mail can meet: what is said of it, when, and what must therefore come out.

`FATES` says for each what it needs: how many recipients, and what kind of host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from service.simulation.fates import after, before
from service.simulation.servers.submission import ServerSubmission

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.simulation.play import Play
    from service.simulation.servers.submission import Submission


class Fate(NamedTuple):
    """`few` and `many`: how many recipients it can have; 0 for any number."""

    name: str
    act: Callable[[Play], None]
    few: int = 1
    many: int = 0
    server: bool = False
    message_id: bool = False
    splits: bool = False
    logged: bool = True
    """Its host's log speaks of it."""

    def can(self, dialect: type[Submission]) -> bool:
        """Whether a host of this dialect can tell it."""
        return (
            (issubclass(dialect, ServerSubmission) or not self.server)
            and (dialect.logs_message_ids or not self.message_id)
            and (dialect.splits or not self.splits)
        )


_NEEDS: Final = {
    after.each_its_own: {"few": 2},
    after.soft_bounced: {"many": 1},
    after.suppressed: {"many": 1},
    after.rendering_failed: {"many": 1, "logged": False},
    after.bounced_after_delivery: {"many": 1},
    after.delayed_then_silent: {"many": 1},
    after.bounced_late: {"many": 1},
    after.by_the_api: {"logged": False},
    after.unlogged: {"logged": False},
    before.refused: {"many": 1},
    before.one_refused: {"few": 2, "server": True},
    before.one_put_off_for_ever: {"few": 2, "server": True},
    before.two_mails: {"few": 2, "splits": True},
    before.throttled: {"server": True},
    before.throttled_too_long: {"server": True},
    before.put_off_for_ever: {"many": 1},
    before.unreachable: {"many": 1, "server": True},
    before.reply_lost: {"message_id": True},
    before.answer_lost_and_found: {"many": 1, "server": True, "message_id": True},
    before.answer_lost_for_good: {"many": 1, "server": True},
    before.id_lost_and_found: {"many": 1, "message_id": True},
    before.id_lost_for_good: {"many": 1},
    before.never_for_ses: {"server": True},
}

FATES: Final = {
    act.__name__: Fate(act.__name__, act, **_NEEDS.get(act, {}))  # type: ignore[arg-type]
    for act in (*after.AFTER, *before.BEFORE)
}
ORDINARY: Final = FATES["delivered"]
