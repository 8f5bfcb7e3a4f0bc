"""A short round of chaos: every kind of fault that a minute has room for, and nothing missed, false, repeated or wrong.

`make chaos` plays longer ones.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from tests.chaos.cluster import Brokers
from tests.chaos.round import Options, TooBusyError, play

SHORT = Options(
    mails=3000,
    rate=90.0,
    faults=("kill", "kill", "term", "pause", "join", "leave", "broker-restart"),
    count=7,
)


@pytest.mark.timeout(900)
def test_faults_at_random_times_change_no_verdict(local_kafka, tmp_path):
    seed = random.SystemRandom().randrange(1_000_000)
    said = []
    outcome = _played(seed, Brokers([local_kafka()]), tmp_path, said.append)
    story = "\n".join([f"seed {seed}", *said, *outcome.board["details"], *outcome.amiss[:10]])
    assert outcome.right, story
    assert outcome.board["gaps_due"] > 500, story
    assert outcome.faults.total() == SHORT.count


def _played(seed, brokers, folder, say):
    """A round that says something: with a longer grace where the machine is too busy for the short one."""
    for patience in (1, 4):
        round_folder = folder / str(patience)
        round_folder.mkdir()
        try:
            return asyncio.run(play(replace(SHORT, patience=patience), seed, brokers, round_folder, say))
        except TooBusyError as error:
            say(str(error))
    pytest.fail("this machine is too busy for any verdict")
