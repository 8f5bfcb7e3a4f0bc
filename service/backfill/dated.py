"""Reads logs and events as `mailgap scan` does, and hands each record on with its own time instead of judging it.

The time of a line is what its stamp says, corrected by what SES's ids show of its host's clock; of an event, that of
the latest thing it tells. A worker that reads the records with these times finds what `scan` finds in the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.backfill.spool import Kept, Writing
from service.edges.gather import Facts, Gathered
from service.facts import Instant, Sighting, Source

if TYPE_CHECKING:
    from service.edges.inputs import Raw
    from service.facts import Fact, Name, Unparsable
    from service.parsing.smtp import SmtpContext


class Dated(Gathered):
    """Keeps nothing itself."""

    def __init__(self, now: Instant, context: SmtpContext, *, link: bool) -> None:
        """As `Gathered`."""
        super().__init__(now, None, context, self._count, link=link)
        self._instant = now
        self._writing: Writing | None = None
        self._name = b""
        self._before: Instant = 0

    def read(self, source: Source, path: str, name: str, modified: Instant, writing: Writing) -> None:
        """One file at `path`, known as `name`, last written at `modified`. Raises `InputError`."""
        self._writing, self._name = writing, name.encode(errors="surrogateescape")
        ignored, self._before = self.tally.ignored, 0
        if source is Source.SMTP:
            self.read_smtp(path, modified, modified)
        else:
            self.read_ses(path)
        writing.ignored += self.tally.ignored - ignored

    def _keep(self, source: Source, facts: Facts, sighting: Sighting, raw: Raw) -> None:
        assert self._writing is not None
        at = sighting.seen
        if source is Source.SES and at >= self._instant:  # it has no date of its own
            at = self._before
        self._before = max(at, 0)
        # Lines of one log stay together, since some say only with the next one what they mean.
        key = self._name if source is Source.SMTP else facts[0][0][2:]
        self._writing.put(Kept(self._before, source, key, raw.data))

    def _count(self, _path: str, _raw: Raw, _why: Unparsable) -> None:
        assert self._writing is not None
        self._writing.rejected += 1

    def add(self, name: Name, fact: Fact, sighting: Sighting) -> None:
        """Nothing is judged here."""
