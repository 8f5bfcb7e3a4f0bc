"""The command line: reads arguments, calls what does the work, and turns every known error into one sentence.

Exit 0; 1 where something outside failed; 2 for bad usage; 3 with `--fail-on-gap` where a gap is open.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from service.commands import dead_letters, demo, doctor, explain, scan, simulate, topics, verify, worker
from service.metrics import release

COMMANDS = (
    scan.scan,
    explain.explain,
    worker.worker,
    topics.topics,
    doctor.doctor,
    dead_letters.dead_letters,
    simulate.simulate,
    verify.verify,
    demo.demo,
)


class Group(click.Group):
    """Shows the commands in the order in which a newcomer meets them."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """As they were added."""
        return list(self.commands)


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
    try:
        return cli.main(args=arguments, prog_name="mailgap")
    except BrokenPipeError:  # `mailgap scan … | head`
        sys.stderr.close()
        return sys.exit(0)


if __name__ == "__main__":
    main()
