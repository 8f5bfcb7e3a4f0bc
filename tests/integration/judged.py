"""Holds published documents against the truth of a sample: what is missing, what is false, what is said twice."""

from __future__ import annotations

from collections import Counter, defaultdict
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


def broken_chains(revisions: dict[str, list[Document]], field: str) -> list[str]:
    """Keys whose records do not rise from revision 1 by one, or stand under another key than `field` says."""
    wrong = []
    for key, documents in revisions.items():
        found = [document["revision"] for document in documents]
        if found != list(range(1, len(documents) + 1)) or {document[field] for document in documents} != {key}:
            wrong.append(f"{key}: {found}")
    return wrong


def false_announcements(sample: Sample, gaps: dict[str, list[Document]]) -> list[str]:
    """Gaps that were missed, made up, announced twice or ended twice; `gaps` are the gap topic's records by key."""
    wrong = broken_chains(gaps, "gap_id")
    announced: Counter[tuple[Any, ...]] = Counter()
    for key, records in gaps.items():
        states = [record["state"] for record in records]
        if states not in (["opened"], ["opened", "resolved"]):
            wrong.append(f"{key}: {states}")
        last = records[-1]
        announced[name_of(last["mail_id"]), last["kind"], last["cause"], last["recipient"], last["resolution"]] += 1
    must = Counter((name, *gap) for name, gap in sample.gaps())
    wrong += [f"false: {gap} x {count}" for gap, count in (announced - must).items()]
    wrong += [f"missed: {gap} x {count}" for gap, count in (must - announced).items()]
    return wrong


def none(wrong: list[str]) -> None:
    """Fails with the first few of what is wrong, and how much there is."""
    assert not wrong, f"{len(wrong)} are wrong, among them:\n" + "\n".join(wrong[:6])
