"""What a mail may be looked for by: its ids, its recipients, its sender, and how people type them.

`mailgap explain` and the trace page find the same mails by the same words. Nothing here reads or decides anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.contract.correlated import Correlated
    from service.privacy import Pseudonyms


def names(document: Correlated) -> frozenset[str]:
    """All that the mail goes by, as its record has it; a queue id also without its host."""
    said = {document.mail_id, document.ses_message_id, document.superseded_by, *document.ses_mails}
    said |= {document.message_id_header, *document.queue_ids}
    said |= {queue_id.rpartition("/")[2] for queue_id in document.queue_ids}
    said |= {recipient.address for recipient in document.recipients}
    return frozenset(name for name in said if name)


def matches(document: Correlated, wanted: frozenset[str]) -> bool:
    """Whether the record is of a mail with one of these ids or recipients."""
    return not wanted.isdisjoint(names(document))


def forms(typed: str, pseudonyms: Iterable[Pseudonyms] = ()) -> frozenset[str]:
    """All that the typed text may be called: with and without brackets, and under each key as a pseudonym."""
    bare = typed.strip().strip("<>")
    said = {typed.strip(), bare, f"<{bare}>"}
    for hide in pseudonyms:
        said |= {hide.address(bare), f"<{hide.message_id(bare)}>"}
    return frozenset(said)
