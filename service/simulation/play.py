"""One mail on its way: fates act on it, and it writes down the truth as they do.

Fates think in milliseconds after the hand-off (`after`); deadlines are those of the mail's stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from service.contract.enums import Cause, GapKind, Outcome, Resolution
from service.simulation import truth
from service.simulation.servers.submission import Letter, ServerSubmission
from service.simulation.ses import SesMail
from service.simulation.shippers import iso

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from service.facts import Instant, Source
    from service.simulation.deadlines import Stream
    from service.simulation.host import Host
    from service.simulation.servers.submission import Submission

AT_ONCE: Final = 300
"""What SES takes to answer, in milliseconds."""


@dataclass(slots=True)
class Play:
    """A mail that is handed over at `at`. `margin`: how far a deadline is kept away from what happens near it."""

    number: int
    at: Instant
    letter: Letter
    host: Host
    stream: Stream
    envelope: str
    grace: int
    margin: int
    lateness: int
    rng: Random = field(repr=False)
    send: Callable[[Source, Instant, str, bytes, bytes, int], None] = field(repr=False)
    _records: list[truth.Record] = field(default_factory=list)
    _settled: Instant = 0

    @property
    def to(self) -> str:
        """The first recipient."""
        return self.letter.recipients[0]

    @property
    def all(self) -> tuple[str, ...]:
        """All recipients."""
        return self.letter.recipients

    @property
    def handoff(self) -> int:
        """How long an id may take."""
        return self.stream.handoff.handoff

    @property
    def first_event(self) -> int:
        """How long SES's first word may take."""
        return self.stream.delivery.first_event

    @property
    def max_delivery(self) -> int:
        """How long the last word may take."""
        return self.stream.delivery.max_delivery

    def soon(self) -> int:
        """What a recipient's server takes to answer: well within every deadline, and never less than half a second."""
        longest = min(self.max_delivery, self.first_event) // 3
        return 500 + self.rng.randint(0, max(0, min(longest, 1500) - 500))

    # what happens

    def submitted(self, letter: Letter | None = None) -> Submission:
        """The application hands it in."""
        submission = self.host.takes(self.at, letter or self.letter)
        submission.taken()
        return submission

    def queued(self) -> ServerSubmission:
        """The same, where it must be a mail server."""
        submission = self.submitted()
        assert isinstance(submission, ServerSubmission), "the fate's needs say so"
        return submission

    def taken(self, after: int, letter: Letter | None = None, *, headers: bool = True) -> SesMail:
        """SES takes it, whatever its client's log says of it."""
        return SesMail(
            self.at + after,
            letter or self.letter,
            self.stream.configuration_set,
            self.envelope,
            self.rng,
            self.send,
            self.lateness,
            headers,
        )

    def handed_over(self, after: int = AT_ONCE) -> SesMail:
        """The usual way: SES takes it and says so, in the log and by its Send event."""
        mail = self.answered(self.submitted(), after)
        mail.sent()
        return mail

    def answered(self, submission: Submission, after: int = AT_ONCE) -> SesMail:
        """SES takes it, and its answer stands in the log."""
        mail = self.taken(after)
        submission.accepted(mail.accepted + 20, self.all, mail.ses_id)
        submission.removed(mail.accepted + 40)
        return mail

    # what must come out

    def must(
        self, name: str, outcomes: dict[str, Outcome] | Outcome, *gaps: truth.Gap, superseded_by: str | None = None
    ) -> None:
        """A record that must be published; one outcome stands for all recipients."""
        each = dict.fromkeys(self.all, outcomes) if isinstance(outcomes, Outcome) else outcomes
        self._records.append(truth.Record(name=name, outcomes=each, gaps=gaps, superseded_by=superseded_by))

    def no_id(
        self, cause: Cause, to: str | None, resolution: Resolution | None = None, since: int = AT_ONCE
    ) -> truth.Gap:
        """The gap that opens where no id has come; `since` is the first attempt."""
        return self._gap(GapKind.SENT_NO_SES_ID, cause, to, resolution, self.at + since + self.handoff + self.grace)

    def refusal(self, cause: Cause, to: str | None, after: int = AT_ONCE) -> truth.Gap:
        """The gap that a final refusal is, at once."""
        return self._gap(GapKind.SENT_NO_SES_ID, cause, to, None, self.at + after)

    def unheard(self, mail: SesMail, to: str, resolution: Resolution | None = None) -> truth.Gap:
        """The gap where SES says nothing at all."""
        due = mail.accepted + self.first_event + self.grace
        return self._gap(GapKind.ACCEPTED_NOT_DELIVERED, Cause.NO_EVENTS, to, resolution, due)

    def undelivered(
        self,
        mail: SesMail,
        to: str,
        resolution: Resolution | None = None,
        *,
        cause: Cause = Cause.SENT_THEN_SILENT,
        expires: Instant = 0,
    ) -> truth.Gap:
        """The gap where no last word has come."""
        due = self.stream.delivery.delivery(mail.accepted, expires) + self.grace
        return self._gap(GapKind.ACCEPTED_NOT_DELIVERED, cause, to, resolution, due)

    def unlogged(self, mail: SesMail) -> truth.Gap:
        """The gap where no log mentions it."""
        due = mail.accepted + self.stream.delivery.handoff + self.grace
        return self._gap(GapKind.UNLOGGED_SEND, Cause.NO_LOG, None, None, due)

    def _gap(
        self, kind: GapKind, cause: Cause, to: str | None, resolution: Resolution | None, due: Instant
    ) -> truth.Gap:
        self._settled = max(self._settled, due)
        return truth.Gap(kind=kind, cause=cause, recipient=to, due=iso(due), resolution=resolution)

    def end(self, fate: str, last: Instant) -> tuple[truth.Mail, Instant]:
        """The truth, and when everything is settled; `last` is when the last word about it arrives."""
        settled = max(self._settled, last + self.grace)
        return truth.Mail(
            number=self.number, fate=fate, sent_at=iso(self.at), settled_at=iso(settled), records=tuple(self._records)
        ), settled
