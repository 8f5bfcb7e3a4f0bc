"""A short round of chaos: every kind of fault that a minute has room for, and nothing missed, false, repeated or wrong.

`make chaos` plays longer ones.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.chaos.round import Options, play

SHORT = Options(
    mails=3000,
    rate=90.0,
    faults=("kill", "kill", "term", "pause", "join", "leave", "broker-restart"),
    count=7,
)


@pytest.mark.timeout(600)
def test_faults_at_random_times_change_no_verdict(local_kafka, tmp_path):
    seed = random.SystemRandom().randrange(1_000_000)
    said = []
    outcome = asyncio.run(play(SHORT, seed, local_kafka(), tmp_path, said.append))
    story = "\n".join([f"seed {seed}", *said, *outcome.board["details"], *outcome.amiss[:10]])
    lag = outcome.board["input_lag_s"]
    assert lag < SHORT.grace, f"this machine was too busy: Kafka had a record {lag} s late\n{story}"
    assert outcome.right, story
    assert outcome.board["gaps_due"] > 500, story
    assert outcome.faults.total() == SHORT.count
