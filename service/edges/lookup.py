"""Finds the records of one mail on the correlated topic, by whatever somebody was told to look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.correlated import Correlated
from service.edges.reading import reader, records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.privacy import Pseudonyms
    from service.settings import Settings

_decode: Final = msgspec.json.Decoder(Correlated).decode


def matches(document: Correlated, wanted: frozenset[str]) -> bool:
    """Whether the record is of a mail with one of these ids or recipients."""
    ids = {document.mail_id, document.ses_message_id, document.superseded_by, *document.ses_mails}
    ids |= {document.message_id_header, *document.queue_ids}
    ids |= {queue_id.rpartition("/")[2] for queue_id in document.queue_ids}
    return not wanted.isdisjoint(ids) or any(recipient.address in wanted for recipient in document.recipients)


def forms(typed: str, pseudonyms: Iterable[Pseudonyms] = ()) -> frozenset[str]:
    """All that the typed text may be called: with and without brackets, and under each key as a pseudonym."""
    bare = typed.strip().strip("<>")
    said = {typed.strip(), bare, f"<{bare}>"}
    for hide in pseudonyms:
        said |= {hide.address(bare), f"<{hide.message_id(bare)}>"}
    return frozenset(said)


async def find(settings: Settings, wanted: frozenset[str]) -> list[Correlated]:
    """The latest revision of every matching mail. Reads the whole topic once; raises `KafkaUnusableError`."""
    found: dict[bytes, Correlated] = {}
    async with reader(settings, settings.topics.correlated) as consumer:
        async for record in records(consumer):
            document = _decode(record.value) if record.value is not None else None
            if document is not None and matches(document, wanted):
                found[record.key] = document
    return list(found.values())
