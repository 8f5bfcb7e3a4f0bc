"""A simulated load that is small enough to hold, of mails of every fate; deadlines are of seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from service.simulation import truth
from service.simulation.deadlines import read_policy
from service.simulation.plan import Plan
from service.simulation.shippers import iso
from service.simulation.story import Story

if TYPE_CHECKING:
    from service.simulation.transport import Record

__all__ = ["MAX_DELIVERY", "POLICY", "SETTLED", "Sample", "iso", "make"]

MAX_DELIVERY = 8
SETTLED = 17
"""Seconds after the last mail by which everything about it is said and due."""

POLICY = f"""\
defaults: {{handoff: 4s, first_event: 4s, max_delivery: {MAX_DELIVERY}s, grace: 2s}}
streams:
  - {{name: one-time codes, match: {{sender_domain: codes.example}}, max_delivery: {MAX_DELIVERY - 2}s}}
"""


@dataclass
class Sample:
    """`records` in order of arrival, and the lines of its truth file."""

    start: int
    end: int
    records: list[Record]
    truth: list[truth.Header | truth.Mail | truth.Footer] = field(repr=False)

    def add(self, *records: truth.Record) -> None:
        """What else must be published: of a mail that a test has added."""
        at = iso(self.start)
        mail = truth.Mail(number=-1, fate="the test's own", sent_at=at, settled_at=iso(self.end), records=records)
        self.truth.insert(1, mail)

    @property
    def mails(self) -> list[truth.Mail]:
        return [line for line in self.truth if isinstance(line, truth.Mail)]

    @property
    def gaps(self) -> list[truth.Gap]:
        return [gap for mail in self.mails for record in mail.records for gap in record.gaps]

    @property
    def addresses(self) -> set[str]:
        """Of all recipients that anything is said of."""
        return {to for mail in self.mails for record in mail.records for to in record.outcomes}


def make(seed: int, mails: int, start: int, seconds: float) -> Sample:
    """`mails` mails over `seconds` from `start` (milliseconds): half of them are well, and the rest of all fates."""
    policy = read_policy(yaml.safe_load(POLICY))
    plan = Plan(mails=mails, rate=mails / seconds, seed=seed, start=start, policy=policy, mix="even")
    lines: list[truth.Header | truth.Mail | truth.Footer] = []
    story = Story(plan, lines.append)
    records = list(story.records())
    return Sample(start, story.end, records, [story.header, *lines, story.footer()])
