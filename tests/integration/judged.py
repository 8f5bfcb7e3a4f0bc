"""Holds published documents against the truth of a sample: what is missing, what is false, what is said twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from service.contract.normal_form import normal_form
from service.verification.compare import Truth, compare
from service.verification.said import Said, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.sample import Sample

__all__ = ["broken_chains", "differences", "false_announcements", "name_of", "none", "unequal"]

Document = dict[str, Any]


def differences(sample: Sample, documents: Iterable[Document]) -> list[str]:
    """A line for everything that is not as it must be; empty where all is right. `documents`: the last of each mail."""
    said = Said()
    for document in documents:
        said.take_scanned(json.dumps(document).encode())
    return _amiss(sample, said)


def false_announcements(sample: Sample, gaps: dict[str, list[Document]]) -> list[str]:
    """Gaps that were missed, made up, announced twice or ended twice; `gaps` are the gap topic's records by key."""
    said = Said()
    for records in gaps.values():
        for record in records:
            said.take_gap(json.dumps(record).encode(), sample.end)
    wrong = [text for text in _amiss(sample, said) if not text.startswith("wrong")]
    return wrong + broken_chains(gaps, "gap_id")


def _amiss(sample: Sample, said: Said) -> list[str]:
    truth = Truth(str)
    truth.take(sample.truth)
    return list(compare(truth, said, sample.end, most=1000).details)


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
        mine = {document.get(field, key) for document in documents}
        if found != list(range(1, len(documents) + 1)) or mine != {key}:
            wrong.append(f"{key}: {found}")
    return wrong


def none(wrong: list[str]) -> None:
    """Fails with the first few of what is wrong, and how much there is."""
    assert not wrong, f"{len(wrong)} are wrong, among them:\n" + "\n".join(wrong[:6])
