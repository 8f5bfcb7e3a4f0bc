"""Sums over recipients, by hour, stream, provider and outcome: kept while writing, so that they cost nothing to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from service.contract.enums import Outcome
from service.trace.entry import HOUR

if TYPE_CHECKING:
    from service.facts import Instant
    from service.trace.store.database import Database


class Tally(NamedTuple):
    """Recipients of mails that came into one hour."""

    hour: Instant
    stream: str
    provider: str
    outcome: Outcome
    accepted: bool
    """SES took the mail."""
    recipients: int


class StatisticsReader:
    """Every call may raise `TooBroadError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tallies(
        self, since: Instant, until: Instant, stream: str | None = None, provider: str | None = None
    ) -> list[Tally]:
        """Hour by hour; the hours that `since` and `until` lie in count whole."""
        text, parameters = "", [since - since % HOUR, until]
        given: list[tuple[str, str | None]] = [("stream", stream), ("provider", provider)]
        narrowed = [(column, value) for column, value in given if value is not None]
        text = "".join(f" AND {column} = ?" for column, _ in narrowed)
        rows = self._database.rows(
            "SELECT hour, stream, provider, outcome, accepted, recipients FROM tallies"
            f" WHERE hour >= ? AND hour < ? AND recipients > 0 {text} ORDER BY hour, stream, provider, outcome",
            (*parameters, *(value for _, value in narrowed)),
        )
        return [Tally(h, s, p, Outcome(o), bool(a), int(n)) for h, s, p, o, a, n in rows]

    def streams(self) -> list[str]:
        """All there are."""
        return [str(stream) for (stream,) in self._database.rows("SELECT DISTINCT stream FROM tallies ORDER BY stream")]
