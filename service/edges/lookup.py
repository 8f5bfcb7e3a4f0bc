"""Finds the records of one mail by whatever somebody was told to look for: a name of the mail, or a recipient.

Over files, the whole of what was read is at hand (`service.edges.archive`); on the correlated topic, its records are.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.correlated import Correlated
from service.edges.reading import reader, records
from service.finding import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.settings import Settings

_decode: Final = msgspec.json.Decoder(Correlated).decode


async def find(settings: Settings, sought: frozenset[str]) -> tuple[list[list[Correlated]], int]:
    """The latest records of every matching mail, a list a mail, the newest first; and how many records were read.

    Reads the whole topic once, and once more where a record found points at one that was not; raises
    `KafkaUnusableError`.
    """
    found, read = await _matching(settings, sought)
    named = {name for document in found.values() for name in (*document.ses_mails, document.superseded_by) if name}
    missing = named - {document.mail_id for document in found.values()}
    if missing:
        others, _ = await _matching(settings, frozenset(missing))
        found = others | found
    return grouped(found.values()), read


async def _matching(settings: Settings, sought: frozenset[str]) -> tuple[dict[bytes, Correlated], int]:
    found: dict[bytes, Correlated] = {}
    read = 0
    async with reader(settings, settings.topics.correlated) as consumer:
        async for record in records(consumer):
            read += 1
            document = _decode(record.value) if record.value is not None else None
            if document is not None and matches(document, sought):
                found[record.key] = document
            else:
                found.pop(record.key, None)
    return found, read


def grouped(documents: Iterable[Correlated]) -> list[list[Correlated]]:
    """Records of one mail together: what came late, a submission and the SES mails that it points at."""
    groups: dict[str, list[Correlated]] = defaultdict(list)
    home: dict[str, str] = {}
    for document in sorted(documents, key=lambda each: (bool(each.ses_message_id), each.mail_id)):
        key = home.get(document.mail_id, document.mail_id)
        for name in (*document.ses_mails, document.superseded_by):
            if name and home.setdefault(name, key) != key:
                key = _merge(groups, home, key, home[name])
        home[document.mail_id] = key
        groups[key].append(document)
    every = [sorted(group, key=_began) for group in groups.values() if group]
    return sorted(every, key=lambda group: min(filter(None, map(_began, group)), default=""), reverse=True)


def _merge(groups: dict[str, list[Correlated]], home: dict[str, str], one: str, other: str) -> str:
    groups[other] += groups.pop(one, [])
    home.update((name, other) for name, key in home.items() if key == one)
    return other


def _began(document: Correlated) -> str:
    return document.submitted_at or document.accepted_at or (document.trail[0].at if document.trail else "")
