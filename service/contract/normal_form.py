"""What must be equal when `scan` and the worker have read the same input (rule 22), and nothing less.

Left out is what may differ for good reason: how often a verdict was published, where a line was read, and gaps that
late evidence shows never were (the worker announced them before it could know; the scan knew all along).
"""

from __future__ import annotations

from typing import Any, Final

from service.contract.enums import Resolution
from service.contract.wire import instant_of
from service.facts import Source

Document = dict[str, Any]

_NEVER_WERE: Final = frozenset({Resolution.LATE_EVIDENCE, Resolution.FOUND_BY_MESSAGE_ID})


def normal_form(document: Document) -> Document:
    """A correlated record (as read from JSON) in the form to compare; the record itself is left as it is."""
    trail = document["trail"]
    kept = {key: value for key, value in document.items() if key != "revision"}
    return kept | {
        "recipients": sorted(document["recipients"], key=lambda recipient: str(recipient["address"])),
        "gaps": sorted((gap for gap in document["gaps"] if not _never_was(gap, trail)), key=_gap_order),
        "trail": _trail(trail),
    }


def _never_was(gap: Document, trail: list[Document]) -> bool:
    """Whether evidence dated before the deadline closed it."""
    if gap["resolution"] == Resolution.EVENT_ARRIVED:
        deadline = instant_of(gap["deadline"])
        return any(entry["source"] == Source.SES and instant_of(entry["at"]) <= deadline for entry in trail)
    return gap["resolution"] in _NEVER_WERE


def _gap_order(gap: Document) -> tuple[str, ...]:
    return gap["kind"], gap["recipient"] or "", gap["deadline"], gap["gap_id"]


def _trail(trail: list[Document]) -> list[Document]:
    """Each thing said once: the same line read in two places is two pieces of evidence for it."""
    said = {(entry["at"], entry["source"], entry["fact"]) for entry in trail}
    return [{"at": at, "source": source, "fact": fact} for at, source, fact in sorted(said)]
