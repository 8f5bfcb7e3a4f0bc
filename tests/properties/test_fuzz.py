"""The fuzzer itself runs, on some inputs; `python tests/fuzz.py` runs it on a million."""

from __future__ import annotations

import random

from tests.fuzz import fuzz, mutated, seeds


def test_some_thousand_inputs():
    assert fuzz(seed=1, inputs=3000, corpus=None) == {}


def test_what_it_runs_is_what_was_asked_for():
    """A seed names its inputs, so that a failure can be found again."""
    pool = seeds()
    assert [mutated(random.Random(7), pool) for _ in range(2)] == [mutated(random.Random(7), pool)] * 2
    assert len({mutated(random.Random(n), pool) for n in range(200)}) > 150
