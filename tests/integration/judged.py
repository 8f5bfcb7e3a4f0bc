"""Holds published documents against the truth of a sample: what is missing, what is false, what is said twice."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from service.contract.normal_form import normal_form
from tests.integration.sample import Gap, Truth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.sample import Sample

Document = dict[str, Any]

# Announced before it could be known that there was none, and taken back: to be seen, but no verdict.
NEVER_WERE = {"late_evidence", "found_by_message_id"}


def name_of(mail_id: str) -> str:
    """A submission's record stands under host/queue-id@second."""
    return mail_id.rpartition("@")[0] if "/" in mail_id else mail_id


def said(document: Document) -> tuple[Any, ...]:
    """What a correlated record says, as `told` puts the truth."""
    outcomes = {recipient["address"]: recipient["outcome"] for recipient in document["recipients"]}
    gaps = [
        Gap(gap["kind"], gap["cause"], gap["recipient"], gap["resolution"])
        for gap in document["gaps"]
        if gap["resolution"] not in NEVER_WERE
    ]
    return sorted(outcomes.items()), sorted(gaps, key=str), document["superseded_by"], document["held"]


def told(truth: Truth) -> tuple[Any, ...]:
    return sorted(truth.outcomes.items()), sorted(truth.gaps, key=str), truth.superseded_by, False


def differences(sample: Sample, documents: Iterable[Document]) -> list[str]:
    """A line for everything that is not as it must be; empty where all is right."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for document in documents:
        found[name_of(document["mail_id"])].append(said(document))
    wrong = []
    for name in sorted({*found, *sample.truths}):
        truths = sample.truths.get(name, [])
        must = sorted(map(told, truths), key=str)
        if sorted(found[name], key=str) != must:
            fates = ", ".join(truth.fate for truth in truths) or "nothing was to be said of it"
            wrong.append(f"{name} ({fates}):\n  must be {must}\n  but is {found[name]}")
    return wrong


def unequal(left: dict[str, Document], right: dict[str, Document]) -> list[str]:
    """Where two sets of documents, by mail id, differ in their normal form."""
    wrong = []
    for key in sorted({*left, *right}):
        here, there = (normal_form(some[key]) if key in some else None for some in (left, right))
        if here is None or there is None:
            wrong.append(f"{key}: only one of both: {here or there}")
        elif here != there:
            fields = [field for field in here if here[field] != there[field]]
            wrong.append("\n".join(f"{key}.{field}:\n  {here[field]}\n  {there[field]}" for field in fields))
    return wrong


def none(wrong: list[str]) -> None:
    """Fails with the first few of what is wrong, and how much there is."""
    assert not wrong, f"{len(wrong)} are wrong, among them:\n" + "\n".join(wrong[:6])
