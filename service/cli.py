"""The command line: reads arguments, calls what does the work, and turns every known error into one sentence.

Exit 0; 1 where something outside failed, also where whoever read the output went away; 2 for bad usage; 3 with
`--fail-on-gap` where a gap is open.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from typing import Any, Final

import click

from service.commands import (
    backfill,
    bridge,
    canary,
    dead_letters,
    demo,
    doctor,
    erase,
    explain,
    feed,
    gaps,
    notify,
    scan,
    simulate,
    topics,
    trace,
    verify,
    worker,
)
from service.commands.common import Failure
from service.metrics import release

COMMANDS = (
    scan.scan,
    explain.explain,
    worker.worker,
    trace.trace,
    gaps.gaps,
    notify.notify,
    bridge.bridge,
    feed.feed,
    backfill.backfill,
    canary.canary,
    topics.topics,
    doctor.doctor,
    dead_letters.dead_letters,
    erase.erase,
    simulate.simulate,
    verify.verify,
    demo.demo,
)


class Group(click.Group):
    """Shows the commands in the order in which a newcomer meets them."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """As they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command to its last byte: what cannot be written is said here, while it can still be said."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # `mailgap scan … | head`
            _write_no_more()
            ctx.exit(1)
        except OSError as error:
            _write_no_more()
            raise Failure(_said(error)) from error


_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO})


def _said(error: OSError) -> str:
    if error.errno in _FULL and error.filename is None:
        return f"the output cannot be written: {error.strerror}"
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)


def _write_no_more() -> None:
    """Python writes what it still holds when it ends, and complains at length where it cannot."""
    with suppress(OSError, ValueError):  # a stream of a test has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(release(), prog_name="mailgap")
def cli() -> None:
    """What became of the mail?

    Joins the mail logs of your applications with the events of Amazon SES, and finds the mails of which no log line
    says that they are missing: sent and never accepted, accepted and never delivered.
    """


for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> Any:
    """The `mailgap` program."""
    # What is wrong with Kafka is said in one sentence by whoever asked; aiokafka would say it first, in its own words.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    return cli.main(args=arguments, prog_name="mailgap")


if __name__ == "__main__":
    main()
