"""What `mailgap doctor` says of settings that cannot work, with nothing running anywhere."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from service.cli import cli

NOWHERE = ("--bootstrap-servers", "127.0.0.1:1", "--http-bind", "127.0.0.1:1", "--addresses", "raw")


def _doctor(*arguments):
    return CliRunner().invoke(cli, ["doctor", *NOWHERE, *arguments])


@pytest.mark.parametrize(
    ("arguments", "what", "words"),
    [
        (("--trace-tokens-file", "/no/such"), "trace page", "/no/such: the tokens cannot be read"),
        (("--trace-tokens-file", "/dev/null"), "trace page", "holds no token"),
        (("--former-key-file", "/no/such"), "former keys", "/no/such"),
        (("--policy", "/no/such"), "policy", "the policy file cannot be read"),
        (("--sinks", "/no/such"), "sinks", "/no/such"),
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_and_said_in_a_sentence(arguments, what, words):
    done = _doctor(*arguments)
    [line] = [line for line in done.output.splitlines() if line.startswith(f"settings  {what} ") and " wrong " in line]
    assert words in line
    assert done.exit_code == 1


def test_the_last_line_counts_and_no_line_is_padded():
    done = _doctor()
    lines = done.output.splitlines()
    assert lines[-1].startswith("1 wrong, 2 worth a look, "), lines[-1]
    assert lines == [line.rstrip() for line in lines]
