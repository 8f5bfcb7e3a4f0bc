"""The golden files of what is stored: `python -m tests.stored` writes those of this release's version.

Each holds one value of everything that its format can hold: every fact, every field. Before a release has been
published its files may be written anew; from then on they stay as they are, and a change of the format raises
`service.rows.VERSION`, gets files of its own, and leaves a reader of the former version behind.
"""

from __future__ import annotations

import types
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from service import facts_record, rows
from service.conditions import Known
from service.correlate import Meta
from service.facts import Fact, Sighting
from service.facts_record import FactsRecord
from service.rows import Row
from service.watermarks import Feed, Stored, Watermark

FOLDER = Path(__file__).parent / "fixtures" / "stored"
NAMES = (b"S:0102019-1", b"Q:mx1/4F2A", b"M:<a@b.example>")


def whole(of: Any) -> Any:
    """A value of the type in which nothing is left out."""
    origin = get_origin(of)
    if origin in (Union, types.UnionType):
        return whole(next(kind for kind in get_args(of) if kind is not types.NoneType))
    if origin is tuple:
        inside = get_args(of)
        return tuple(whole(kind) for kind in inside if kind is not Ellipsis)
    if origin is list:
        return [whole(*get_args(of))]
    if origin is dict:
        key, value = get_args(of)
        return {whole(key): whole(value)}
    if issubclass(of, Enum):
        return next(iter(of))
    if issubclass(of, msgspec.Struct):
        hints = get_type_hints(of)
        return of(**{name: whole(hints[name]) for name in of.__struct_fields__})
    return {bool: True, int: 7, str: "text", bytes: b"bytes", float: 0.5}[of]


def facts() -> list[tuple[Any, Sighting]]:
    """One of each kind."""
    return [(whole(kind), whole(Sighting)) for kind in get_args(Fact)]


def record() -> FactsRecord:
    """Of the facts topic."""
    return FactsRecord([(name, facts()) for name in NAMES], whole(Watermark))


def row() -> Row:
    """Of the changelog."""
    return msgspec.structs.replace(whole(Row), facts=facts())


def files() -> dict[str, bytes]:
    """Every golden file of the present version."""
    others = {"marks": whole(Stored), "feed": whole(Feed), "conditions": whole(dict[str, Known]), "meta": whole(Meta)}
    return {
        "facts": facts_record.pack(record()),
        "row": rows.pack(row()),
        **{name: rows.pack_other(value) for name, value in others.items()},
    }


def folder(version: int = rows.VERSION[0]) -> Path:
    """Where a version's files lie."""
    return FOLDER / f"v{version}"


def main() -> None:
    """Writes them."""
    folder().mkdir(parents=True, exist_ok=True)
    for name, data in files().items():
        (folder() / f"{name}.msgpack").write_bytes(data)
        print(f"{folder() / name}.msgpack: {len(data)} bytes")


if __name__ == "__main__":
    main()
