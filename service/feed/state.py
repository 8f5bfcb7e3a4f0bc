"""The checkpoint: one file that says how far each log was sent. It is replaced whole, so it is never half written."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from service.edges.inputs import shown
from service.feed.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1
LARGEST: Final = 64 << 20


class StateError(Exception):
    """The checkpoint cannot be used; the text says why, and the way out."""


class State(msgspec.Struct):
    """`files`: by path of a log, oldest file first. `patterns`: what was followed; `cursor`: how far the journal."""

    version: int = VERSION
    patterns: list[str] = []
    files: dict[str, list[Place]] = {}
    cursor: str = ""


def load(path: str) -> State | None:
    """What was kept; None where nothing was yet. Raises `StateError`."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"--state {shown(path)}: cannot be read: {_why(error)}") from error
    try:
        state = msgspec.json.decode(data, type=State)
        state.patterns = list(map(_read, state.patterns))
        state.files = {_read(log): places for log, places in state.files.items()}
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StateError(f"--state {shown(path)}: is no checkpoint of mailgap feed: {error}; {_ANEW}") from error
    if state.version != VERSION:
        raise StateError(
            f"--state {shown(path)}: is of version {state.version}, and this release knows {VERSION}; {_ANEW}"
        )
    return state


_ANEW: Final = "give another file, or remove it to begin anew with --start"


def save(path: str, state: State) -> None:
    """Replaces the checkpoint; after a crash there is the former one or this one. Raises `OSError`, which names it."""
    try:
        _save(Path(path), state)
    except OSError as error:
        raise OSError(error.errno, f"--state {shown(path)} cannot be kept ({_why(error)})") from error


def _save(target: Path, state: State) -> None:
    beside = target.with_name(f".{target.name}.new")
    written = State(
        patterns=list(map(_written, state.patterns)),
        files={_written(log): places for log, places in state.files.items()},
        cursor=state.cursor,
    )
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(written))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_AS_BYTES: Final = "\0"
"""No name of a file holds it. JSON holds no bytes that are no text, and a file's name may: here they stand singly."""


def _written(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return _AS_BYTES + os.fsencode(name).decode("latin-1")
    return name


def _read(name: str) -> str:
    return os.fsdecode(name[1:].encode("latin-1")) if name.startswith(_AS_BYTES) else name


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Holds the checkpoint for this process alone. Raises `StateError`."""
    try:
        file = Path(f"{path}.lock").open("wb")  # noqa: SIM115 closed below
    except (OSError, ValueError) as error:
        raise StateError(f"--state {shown(path)}: cannot be written: {_why(error)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"--state {shown(path)}: another mailgap feed is using it; give each a file of its own"
            ) from error
        yield


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
