"""`mailgap gaps close`: what is wrong is said before anything is asked of Kafka."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from service.cli import cli


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reason", "x"], "nothing chosen: give ids of gaps"),
        (["--all"], "Missing option '--reason'"),
        (["--all", "--reason", " "], "--reason: give between 1 and 500 characters"),
        (["--all", "--reason", "x" * 501], "--reason: give between 1 and 500 characters"),
        (["--all", "--reason", "x", "--wait", "soon"], "'soon' is no duration"),
        (["--kind", "lost", "--reason", "x"], "'lost' is not one of"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments, words):
    done = CliRunner().invoke(cli, ["gaps", "close", *arguments])
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
