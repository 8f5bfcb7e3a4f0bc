"""The run itself: mails one after the other, and their records in order of arrival, with no more in memory than needed.

What lies in memory are the records of mails whose story has begun and not ended; a million mails do not change that.
"""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

from service.facts import Source
from service.simulation.deadlines import SECOND, Stream
from service.simulation.fates import ORDINARY, Fate
from service.simulation.host import Host, form_of
from service.simulation.play import Play
from service.simulation.servers import DIALECTS
from service.simulation.servers.submission import Letter
from service.simulation.ses import REGION
from service.simulation.shippers import iso
from service.simulation.transport import Record, Transport
from service.simulation.truth import Footer, Header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service.facts import Instant
    from service.simulation.plan import Plan
    from service.simulation.truth import Mail

_PROVIDERS: Final = ("freemail", "post", "uni", "acme")
_ALONE: Final = 0.8
"""The share of mails with one recipient."""


class Story:
    """One plan, told once. `told` is given each mail's truth when the mail is made up, before its records come."""

    def __init__(self, plan: Plan, told: Callable[[Mail], None]) -> None:
        """Nothing happens before `records` is asked."""
        self._plan, self._told = plan, told
        self._rng = Random(plan.seed)  # noqa: S311 - a story, no secret
        self._transport = Transport(plan.start, plan.lateness, plan.duplicates, plan.reordered, plan.stalls)
        self._waiting: list[tuple[Instant, int, Record]] = []
        self._sent = 0
        self._last = plan.start
        self.end: Instant = plan.start
        """By then everything so far is said and due."""
        self.mails, self.gaps, self.by_source = 0, 0, Counter[Source]()
        weights = plan.weights()
        self._fates, self._until = list(weights), list(accumulate(weights.values()))
        self._hosts = [self._host(number) for number in range(plan.hosts)]
        self._able = {fate: [host for host in self._hosts if fate.can(host.dialect)] for fate in (*weights, ORDINARY)}
        self._streams = self._all_streams()
        self._outside = plan.policy.stream(f"api.{plan.tag}.example", "main", REGION)

    @property
    def header(self) -> Header:
        """The first line of the truth."""
        plan = self._plan
        return Header(tag=plan.tag, seed=plan.seed, start=iso(plan.start), grace_ms=plan.policy.grace)

    def footer(self, worst_lag: int = 0) -> Footer:
        """The last line of the truth, once all records have been taken."""
        smtp, ses = self.by_source[Source.SMTP], self.by_source[Source.SES]
        return Footer(
            end=iso(self.end),
            mails=self.mails,
            gaps=self.gaps,
            smtp_records=smtp,
            ses_records=ses,
            worst_lag_ms=worst_lag,
        )

    def records(self) -> Iterator[Record]:
        """All records in order of arrival."""
        plan = self._plan
        for number in range(plan.mails):
            at = plan.start + int((number + self._rng.random()) / plan.rate * SECOND)
            yield from self._arrived(at)
            self._tell(number, at, self._rng.choices(self._fates, cum_weights=self._until)[0])
        yield from self._close(plan.start + int(plan.mails / plan.rate * SECOND))
        yield from self._arrived(None)

    def _close(self, end: Instant) -> Iterator[Record]:
        """A last ordinary mail of every host and set, a grace later: else their last mails' silence would be theirs."""
        at = end + self._plan.policy.grace + self._plan.margin
        yield from self._arrived(at)
        for number, stream in enumerate(self._streams):
            for host in self._hosts:
                self._tell(self.mails, at + number, ORDINARY, host, stream)

    def _arrived(self, until: Instant | None) -> Iterator[Record]:
        """Those that have arrived before then: no later mail says anything earlier."""
        while self._waiting and (until is None or self._waiting[0][0] < until):
            record = heapq.heappop(self._waiting)[2]
            self.by_source[record.source] += 1
            yield record

    def _tell(
        self, number: int, at: Instant, fate: Fate, host: Host | None = None, stream: Stream | None = None
    ) -> None:
        rng, plan = self._rng, self._plan
        host = host or rng.choice(self._able[fate] or self._hosts)
        stream = stream or (rng.choice(self._streams) if fate.logged or fate.name == "unlogged" else self._outside)
        letter = Letter(
            number, f"shop@{stream.sender_domain}", f"{number}.{at}@{plan.tag}.example", self._people(number, fate)
        )
        envelope, grace = rng.choice(plan.envelopes), plan.policy.grace
        self._last = at
        play = Play(
            number, at, letter, host, stream, envelope, grace, plan.margin, plan.lateness, rng, self._send
        )  # fmt: skip
        fate.act(play)
        mail, settled = play.end(fate.name, self._last)
        self.mails += 1
        self.gaps += sum(len(record.gaps) for record in mail.records)
        self.end = max(self.end, settled)
        self._told(mail)

    def _people(self, number: int, fate: Fate) -> tuple[str, ...]:
        most = min(fate.many or self._plan.recipients, self._plan.recipients)
        alone = fate.few <= 1 and self._rng.random() < _ALONE
        count = 1 if alone else self._rng.randint(min(fate.few, most), most)
        domain = f"{_PROVIDERS[number % len(_PROVIDERS)]}.{self._plan.tag}.example"
        return tuple(f"to{number}.{each}@{domain}" for each in range(count))

    def _send(self, source: Source, at: Instant, host: str, key: bytes, value: bytes, way: int) -> None:
        for arrives in self._transport.arrivals(source, at, way, self._rng):
            # A log's record carries the line's time, an event's the time at which the bridge had it.
            record = Record(arrives, at if source is Source.SMTP else arrives, source, host, key, value)
            self._sent += 1
            self._last = max(self._last, arrives)
            heapq.heappush(self._waiting, (arrives, self._sent, record))

    def _host(self, number: int) -> Host:
        plan, rng = self._plan, self._rng
        dialect = plan.dialects[number % len(plan.dialects)]
        shipper, zone = form_of(number)
        skew, way = rng.randint(-plan.skew, plan.skew), rng.randint(0, plan.lateness)
        name = f"h{number + 1}-{plan.tag}"
        return Host(name, plan.tag, DIALECTS[dialect], shipper, zone, skew, way, self._send)

    def _all_streams(self) -> list[Stream]:
        """One for every entry of the policy that a simulated mail can match, and one that none matches."""
        policy, usual = self._plan.policy, f"{self._plan.tag}.example"
        known = [match for match, _ in policy.streams if match.keys() <= {"sender_domain", "configuration_set"}]
        chosen = [(match.get("sender_domain", usual), match.get("configuration_set", "main")) for match in known]
        return [policy.stream(domain, name, REGION) for domain, name in dict.fromkeys([(usual, "main"), *chosen])]
