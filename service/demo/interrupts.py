"""Signals: all that ask the demo to end unwind it as Ctrl-C does, and none of them disturbs the unwinding."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPPERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Makes SIGTERM and a closed terminal what Ctrl-C is: a `KeyboardInterrupt` that unwinds everything."""

    def like_ctrl_c(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.getsignal(number) for number in STOPPERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    for number in STOPPERS[1:]:
        signal.signal(number, like_ctrl_c)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def be_deaf() -> None:
    """While things are being stopped, a second Ctrl-C must not leave half of them running."""
    for number in STOPPERS:
        signal.signal(number, signal.SIG_IGN)
