"""Where the demo leaves what was said, so that a newcomer can look at it and `mailgap scan` can read it again.

Two demos at once get two folders: a lock on each says that it is in use, and ends with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from service.demo.sample import POLICY, Record, Story
from service.facts import Source


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one demo, in one folder; a later demo writes them anew."""

    folder: Path

    @classmethod
    def fresh(cls, folder: Path, stack: ExitStack) -> Self:
        """The folder, or the next one that no other demo uses until `stack` ends, emptied of an earlier one's files."""
        for number in itertools.count(1):
            files = cls(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"))
            files.folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((files.folder / ".lock").open("w"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        for path in (files.smtp, files.ses, files.correlated, files.gaps, files.log):
            path.unlink(missing_ok=True)
        files.policy.write_text(POLICY, encoding="utf-8")
        return files

    @property
    def smtp(self) -> Path:
        """The mail log of both servers."""
        return self.folder / "smtp.log"

    @property
    def ses(self) -> Path:
        """SES's events, one a line."""
        return self.folder / "ses.jsonl"

    @property
    def policy(self) -> Path:
        """Deadlines of seconds."""
        return self.folder / "policy.yaml"

    @property
    def correlated(self) -> Path:
        """What was read from `mailgap-correlated`."""
        return self.folder / "mailgap-correlated.jsonl"

    @property
    def gaps(self) -> Path:
        """What was read from `mailgap-gaps`."""
        return self.folder / "mailgap-gaps.jsonl"

    @property
    def log(self) -> Path:
        """The worker's log."""
        return self.folder / "worker.log"

    def write(self, story: Story) -> None:
        """The whole story at once."""
        with Notebook(self) as notebook:
            for record in story.records:
                notebook.note(record)

    def scan_command(self) -> tuple[str, str]:
        """The command that finds the same in these files, as two lines that a shell reads as one."""
        first = shlex.join([program(), "scan", "--policy", shown(self.policy)])
        return first + " \\", "    " + shlex.join(["--smtp", shown(self.smtp), "--ses", shown(self.ses)])


class Notebook:
    """Writes records into the files while they are sent."""

    def __init__(self, files: Files) -> None:
        self._files, self._stack = files, ExitStack()
        self._open: dict[Source, IO[bytes]] = {}

    def note(self, record: Record) -> None:
        """One record more."""
        self._open[record.source].write(record.value + b"\n")

    def __enter__(self) -> Self:
        paths = {Source.SMTP: self._files.smtp, Source.SES: self._files.ses}
        self._open = {source: self._stack.enter_context(path.open("wb")) for source, path in paths.items()}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def program() -> str:
    """How this program was called, for commands that are shown."""
    called = Path(sys.argv[0])
    return shown(called) if called.name == "mailgap" and called.parent != Path() else "mailgap"


def shown(path: Path) -> str:
    """The path as one would type it here."""
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near
