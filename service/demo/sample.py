"""The sample application: a pure generator of what its mail servers and SES say, and of what becomes of its mails.

`tell` works on virtual time: it dates everything from `start` on and waits for nothing, so the same story is played to
Kafka at the speed of life and written to files in no time. The same seed tells the same story.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from service.demo.fates import FATES, FIRST_EVENT, GRACE, HANDOFF, MAX_DELIVERY, ORDINARY, Rule
from service.demo.mailing import Mailing
from service.demo.postfix_log import HOSTS
from service.facts import Instant, Reason, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.demo.truth import ExpectedGap, SampleMail

SENDING: Final = 24.0
"""Seconds over which the mails are sent."""
FEWEST_MAILS: Final = 20
POLICY: Final = f"""\
# Deadlines of seconds, so that a demo can show what else takes minutes and hours.
defaults: {{handoff: {HANDOFF}s, first_event: {FIRST_EVENT}s, max_delivery: {MAX_DELIVERY}s, grace: {GRACE}s, keep: 1h}}
# A demo is too small for a source to fall silent as a whole.
sources: {{stall_mails: 100000}}
"""

_PEOPLE: Final = (
    "ada ben cleo dan eva finn gus hana ivo jana kim leo mia noah ola pia quin rosa sam tess uma vic wim yara"
)
_DOMAINS: Final = ("freemail.example", "post.example", "uni.example", "acme.example", "mailbox.example")


class Record(NamedTuple):
    """One record of an input: when it is to be sent (seconds since the story began), what of, its key and its bytes."""

    at: float
    source: Source
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Story:
    """All that is said, in order of time, and what is true."""

    start: Instant
    records: tuple[Record, ...]
    mails: tuple[SampleMail, ...]
    dead: Counter[Reason]
    """Records that nobody can read, and why."""

    @property
    def gaps(self) -> list[ExpectedGap]:
        """All gaps that must be found."""
        return [gap for mail in self.mails for gap in mail.gaps]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.records[-1].at


def tell(seed: int, mails: int, start: Instant) -> Story:
    """A story of `mails` mails that begins at `start`."""
    rng = Random(seed)  # noqa: S311 - a story, no secret
    records: list[Record] = []

    def line(at: float, host: str, text: bytes) -> None:
        records.append(Record(at, Source.SMTP, host.encode(), text))

    def event(at: float, ses_id: str, document: bytes) -> None:
        records.append(Record(at, Source.SES, ses_id.encode(), document))

    told = []
    for number, (at, rule) in enumerate(_schedule(rng, mails)):
        mailing = Mailing(at, number, start, rng.choice(HOSTS), rng, line, event)
        told.append(rule.act(_cast(mailing, rule)))
    records += _noise()
    return Story(start, tuple(sorted(records, key=lambda r: r.at)), tuple(told), Counter(_DEAD))


def _schedule(rng: Random, mails: int) -> Iterator[tuple[float, Rule]]:
    """Fates as early as they need to be, ordinary mails evenly and up to the very end, so that nothing falls silent."""
    rare = [rule for rule in FATES for _ in range(max(1, round(rule.of_300 * mails / 300)))]
    plan = [(rng.uniform(0.3, SENDING - rule.needs), rule) for rule in rare]
    rest = max(mails - len(plan), 1)
    plan += [(SENDING * (number + rng.uniform(0.6, 1.0)) / rest, ORDINARY) for number in range(rest)]
    yield from sorted(plan, key=lambda item: item[0])


def _cast(mailing: Mailing, rule: Rule) -> Mailing:
    """Who writes to whom."""
    rng = mailing.rng
    if rule.newsletter or rng.random() < _NEWSLETTERS:
        mailing.configuration_set, mailing.sender = "newsletter", "news@shop.example"
    people = rng.sample(_PEOPLE.split(), rule.recipients)
    mailing.recipients = tuple(f"{name}.{mailing.number}@{rng.choice(_DOMAINS)}" for name in people)
    return mailing


_NEWSLETTERS: Final = 0.4


def _noise() -> list[Record]:
    """What no parser can read: it must end in the dead letters, and disturb nothing. And a line of no interest."""
    return [
        Record(2.1, Source.SMTP, b"mx1", b"\x00\x8f\x1f\x00garbage\x00\x00\xfe\xff from a broken shipper\x00"),
        Record(3.3, Source.SES, b"", b"{'eventType': 'Delivery', 'mail': {'messageId': 'printed, not encoded'}}"),
        Record(4.0, Source.SMTP, b"mx1", b"Jan  1 00:00:00 mx1 CRON[7]: (root) CMD (run-parts /etc/cron.hourly)"),
    ]


_DEAD: Final = {Reason.NOT_TEXT: 1, Reason.BAD_JSON: 1}
