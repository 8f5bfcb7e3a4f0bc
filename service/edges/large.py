"""A large `scan`: what was read stands on disk, and several processes read and judge. It shows what `Scan` would.

Its memory is that of one part a process, and of the submissions that wait for an id or have a gap; a part is a fixed
share of what is read. Small inputs are judged in this process at once.
"""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from service.edges.gather import Tally
from service.edges.large_judging import Judging, Mails, Shape, Shown, mails, only, read_mails, rounds
from service.edges.large_reading import Inputs, Task, read_all
from service.edges.scan import Summary
from service.feeds import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service.edges.crew import Each
    from service.facts import Source

PART: Final = 8 << 20
"""Bytes of input that make one part, up to the most parts that there may be."""
FEWEST_PARTS: Final = 4
MOST_PARTS: Final = 256


class Found(NamedTuple):
    """What a scan shows, mail by mail, and what it counted; `summary` is complete once all was shown."""

    shown: Iterator[bytes]
    summary: Summary
    tally: Tally


def parts_for(size: int) -> int:
    """How many parts so many bytes are judged in."""
    return max(FEWEST_PARTS, min(MOST_PARTS, size // PART))


def scan_large(
    inputs: Inputs,
    every: list[Task],
    sources: tuple[Source, ...],
    shape: Shape,
    each: Each,
    rejected: Callable[[str], None],
) -> Found:
    """Reads and judges; `rejected` is given files of rejects, in their order. Raises `InputError`, as reading does."""
    reads = read_all(inputs, every, each)
    tally = Tally()
    for one in reads:
        tally.add(one.tally)
        rejected(one.rejects)
    logs, news = [one.spooled for one in reads], together(one.news for one in reads)
    judging = Judging(inputs.policy, sources, tally.latest, inputs.until, news, shape, inputs.folder, inputs.parts)
    first, told, failures = rounds(judging, logs, each)
    found: list[Mails] = each(
        mails, [(judging, only([*logs, *told], b"S:", part), part) for part in range(inputs.parts)]
    )
    summary = Summary(failures=failures)
    for counted in (*(mail.summary for mail in first), *(one.summary for one in found)):
        summary.add(counted)
    return Found(_in_turn(first, found), summary, tally)


def _in_turn(first: list[Shown], then: list[Mails]) -> Iterator[bytes]:
    yield from (mail.text for mail in first if mail.text)
    yield from (text for _, text in heapq.merge(*map(read_mails, then), key=itemgetter(0)))
