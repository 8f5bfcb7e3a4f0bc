"""The journal of this host, by `journalctl --follow`: entries as JSON, from a cursor on.

journalctl is of the very release that wrote the journal, knows its rotation, and needs no library of ours. Where it
ends, it is begun again after the last entry that Kafka has.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

CHUNK: Final = 1 << 18
LARGEST: Final = 1 << 20
"""Bytes of one entry; a longer one is left out."""
STOP_BOUND: Final = 3.0


class JournalError(Exception):
    """journalctl cannot be run, or has ended; the text says what it said."""


async def newest_cursor() -> str:
    """Of the newest entry there is; empty where there is none. Raises `JournalError`."""
    process = await _run("--lines=1", "--output=json")
    out, complaint = await process.communicate()
    if process.returncode:
        raise JournalError(_said(complaint))
    return cursor_of(out.splitlines()[-1]) if out.strip() else ""


async def entries(matches: Sequence[str], cursor: str) -> AsyncGenerator[list[bytes]]:
    """The entries after the cursor, as they come, each a JSON document; never returns. Raises `JournalError`."""
    after = (f"--after-cursor={cursor}",) if cursor else ()
    process = await _run("--follow", "--no-tail", "--all", "--quiet", "--output=json", *after, *matches)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        rest = b""
        while data := await process.stdout.read(CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                yield lines
            if len(rest) > LARGEST:
                rest = b"\0"  # its end is no JSON then, and is left out as what has no cursor is
        raise JournalError(_said(await process.stderr.read(CHUNK)))
    finally:
        await _stopped(process)


def cursor_of(entry: bytes) -> str:
    """Where the entry stands in the journal; empty for what is none."""
    try:
        cursor = orjson.loads(entry).get("__CURSOR")
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    return cursor if isinstance(cursor, str) else ""


async def _run(*arguments: str) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            "journalctl", "--no-pager", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
    except OSError as error:
        raise JournalError(
            f"journalctl cannot be run ({error.strerror}): install systemd, or give the log's file with --file"
        ) from error


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_BOUND)
    except TimeoutError:
        process.kill()
        await process.wait()


def _said(complaint: bytes) -> str:
    lines = complaint.decode(errors="backslashreplace").strip().splitlines()
    return f"journalctl has ended: {lines[-1][:200] if lines else 'it does not say why'}"
