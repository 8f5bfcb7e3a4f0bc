"""What a mail may be looked for by: its ids, its recipients, and how people type them.

`mailgap explain` and the trace page find the same mails by the same words. Nothing here reads or decides anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.facts import Described, Identified, Told
from service.parsing.addresses import address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.contract.correlated import Correlated
    from service.facts import Fact
    from service.privacy import Pseudonyms

# What SES writes over the Message-ID: `<id@email.amazonses.com>`, or the region's name in place of `email`.
_ON_THE_WIRE: Final = re.compile(r"([0-9A-Za-z-]{10,100})@(?:[0-9a-z-]{1,40}\.)?amazonses\.com").fullmatch


def names(document: Correlated) -> frozenset[str]:
    """All that the mail goes by in its record; queue ids also without their host, addresses also in lower case."""
    said = {document.mail_id, document.ses_message_id, document.superseded_by, *document.ses_mails}
    said |= {document.message_id_header, *document.queue_ids}
    said |= {queue_id.rpartition("/")[2] for queue_id in document.queue_ids}
    for recipient in document.recipients:
        said |= {recipient.address, recipient.address.casefold()}
    return frozenset(name for name in said if name)


def matches(document: Correlated, wanted: frozenset[str]) -> bool:
    """Whether the record is of a mail with one of these ids or recipients."""
    return not wanted.isdisjoint(names(document))


def spoken_of(facts: Iterable[Fact], wanted: frozenset[str]) -> bool:
    """Whether one of the facts bears the Message-ID or names the recipient."""
    return any(_meets(fact, wanted) for fact in facts)


def forms(typed: str, pseudonyms: Iterable[Pseudonyms] = ()) -> frozenset[str]:
    """All that the typed text may be called: with and without brackets, and under each key as a pseudonym.

    An address as parsers write it, and in lower case; SES's own Message-ID, copied from a mail that arrived, as the id.
    """
    typed = typed.strip()
    bare = typed.strip("<>")
    written = address(typed)
    said = {typed, bare, f"<{bare}>"}
    if "@" in bare:
        said |= {bare.casefold(), written, written.casefold()}
    if arrived := _ON_THE_WIRE(bare):
        said.add(arrived[1])
    for hide in pseudonyms:
        hashed = hide.message_id(bare)
        said |= {hide.address(written), hashed, f"<{hashed}>"}
    return frozenset(said - {"", "<>"})


def _meets(fact: Fact, wanted: frozenset[str]) -> bool:
    if isinstance(fact, Identified | Told | Described) and fact.message_id in wanted:
        return True
    recipients = getattr(fact, "recipients", ())
    return any(each in wanted or each.casefold() in wanted for each in recipients)
