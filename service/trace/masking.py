"""Who sees addresses: records that hold raw ones are shown with pseudonyms, unless somebody may see them. Pure.

Where the worker publishes pseudonyms there is nothing to hide and nothing to unmask. Text that holds pseudonyms already
is left as it is: it would get a second one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from service.privacy import is_pseudonym

if TYPE_CHECKING:
    from service.contract.correlated import Correlated, Detail, Recipient, TrailEntry
    from service.privacy import Pseudonyms

_WORDS: Final = ("diagnostic", "smtp_response", "reason", "error", "reply", "status")
"""The texts of a recipient's detail that others wrote."""


def is_raw(document: Correlated) -> bool:
    """Whether it holds an address, or texts of which nobody knows whether they do."""
    addresses = [*(recipient.address for recipient in document.recipients), document.sender]
    known = [address for address in addresses if address]
    return not known or not all(map(is_pseudonym, known))


def masked(document: Correlated, hide: Pseudonyms) -> Correlated:
    """The record as it may be shown to everybody."""
    if not is_raw(document):
        return document
    mask = _Mask(hide, tuple(recipient.address for recipient in document.recipients))
    header = document.message_id_header
    return replace(
        document,
        sender=mask.address(document.sender),
        message_id_header=header and f"<{hide.message_id(header.strip('<>'), mask.recipients)}>",
        recipients=tuple(map(mask.recipient, document.recipients)),
        gaps=tuple(replace(gap, recipient=gap.recipient and mask.address(gap.recipient)) for gap in document.gaps),
        verdict=replace(
            document.verdict,
            explanation=mask.text(document.verdict.explanation),
            next_step=mask.text(document.verdict.next_step),
        ),
        trail=tuple(map(mask.step, document.trail)),
    )


def masked_address(address: str | None, hide: Pseudonyms) -> str | None:
    """One address as it may be shown to everybody."""
    return address if not address or is_pseudonym(address) else hide.address(address)


class _Mask:
    """One record's masking: free text may name its recipients without their domains."""

    def __init__(self, hide: Pseudonyms, recipients: tuple[str, ...]) -> None:
        self.recipients = recipients
        self._hide = hide

    def address(self, address: str) -> str:
        return masked_address(address, self._hide) or ""

    def text(self, text: str) -> str:
        return self._hide.scrub(text, self.recipients)

    def recipient(self, recipient: Recipient) -> Recipient:
        return replace(recipient, address=self.address(recipient.address), detail=self._detail(recipient.detail))

    def _detail(self, detail: Detail) -> Detail:
        return replace(detail, **{word: self.text(said) for word in _WORDS if (said := getattr(detail, word))})

    def step(self, entry: TrailEntry) -> TrailEntry:
        return replace(
            entry,
            recipients=tuple(map(self.address, entry.recipients)),
            said=self.text(entry.said) if entry.said else "",
        )
