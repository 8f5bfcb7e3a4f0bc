"""Processes that work beside this one, and end with it.

Each is handed one piece of work after another over a pipe of its own. When this process ends, however it ends, the
pipes end, and so do they: none is left behind. Ctrl-C is for this process alone, which tells them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Each: TypeAlias = "Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]"
"""Calls a function with each of the arguments, somewhere, and gives the results in their order."""

_PATIENCE: Final = 5.0
"""Seconds for a process to end that was told to."""


class CrewError(RuntimeError):
    """A process ended in the midst of its work, by no error of its own: out of memory, most likely."""


class _Member(NamedTuple):
    process: BaseProcess
    pipe: Connection


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(work: Callable[..., Any], every: Sequence[tuple[Any, ...]]) -> list[Any]:
    """As `Crew.each`, in this process."""
    return [work(*arguments) for arguments in every]


class Crew:
    """Some processes. As a context, they end with it."""

    def __init__(self, size: int) -> None:
        """Starts them; they import what they need while this process goes on."""
        context = multiprocessing.get_context("spawn")
        self._members: list[_Member] = []
        resource_tracker.ensure_running()  # which lets Ctrl-C through again once it is started
        with _ctrl_c_waits():  # they inherit that they hear nothing of it
            for _ in range(size):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                self._members.append(_Member(process, ours))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.pipe.close()
            member.process.terminate()
        for member in self._members:
            member.process.join(_PATIENCE)

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [member.process.pid or 0 for member in self._members]

    def each(self, work: Callable[..., Any], every: Sequence[tuple[Any, ...]]) -> list[Any]:
        """`work` of all these arguments, in their order; both must pickle.

        Of what goes wrong, raises the first in the order of the arguments, as if they had been worked on one by one.
        """
        results: list[Any] = [None] * len(every)
        doing: dict[Connection, int] = {}
        idle, following, failed = [member.pipe for member in self._members], 0, len(every)
        error: BaseException | None = None
        while doing or (following < len(every) and error is None):
            while idle and following < len(every) and error is None:
                pipe = idle.pop()
                pipe.send((work, every[following]))
                doing[pipe] = following
                following += 1
            heard = wait(list(doing))
            for pipe in [pipe for pipe in doing if pipe in heard]:
                number = doing.pop(pipe)
                result = self._received(pipe)
                idle.append(pipe)
                if isinstance(result, _Failed):
                    if number < failed:
                        failed, error = number, result.error
                else:
                    results[number] = result
        if error is not None:
            raise error
        return results

    def _received(self, pipe: Connection) -> Any:
        try:
            return pipe.recv()
        except (EOFError, ConnectionError):
            process = next(member.process for member in self._members if member.pipe is pipe)
            process.join(_PATIENCE)
            raise CrewError(
                f"a process that read for this one ended with {process.exitcode}, perhaps for want of memory;"
                " give --jobs 1"
            ) from None


class _Failed(NamedTuple):
    error: BaseException


def _serve(pipe: Connection) -> None:
    """A process's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            work, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            result = work(*arguments)
        except Exception as error:  # noqa: BLE001 it is raised where the work was given
            result = _Failed(error)
        try:
            pipe.send(result)
        except OSError:
            return


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
