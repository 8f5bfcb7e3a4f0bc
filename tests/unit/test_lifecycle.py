"""The table of states: total, drawn in ARCHITECTURE.md, and right about what SES really does."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest

from service.contract.enums import FINAL, Outcome
from service.facts import Bounced, Complained, Described, Engaged, OtherEvent
from service.lifecycle import (
    AFTER_ACCEPTANCE,
    ATTEMPTS,
    SUPPRESSIONS,
    Handoff,
    Signal,
    after,
    diagram,
    next_handoff,
    signal,
)

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"
NEVER_AFTER_ACCEPTANCE = {Outcome.REFUSED, Outcome.DEFERRED}


def drawn(text: str) -> list[str]:
    """The lines of the document's state diagram."""
    _, begins, rest = text.partition("stateDiagram-v2")
    return [line.strip() for line in (begins + rest.partition("```")[0]).splitlines() if line.strip()]


def test_the_diagram_in_the_documentation_is_the_table():
    sys.stdout.write(diagram() + "\n")  # pytest shows it where they differ: that is what to paste
    if not ARCHITECTURE.exists() or "stateDiagram-v2" not in ARCHITECTURE.read_text():
        pytest.skip("ARCHITECTURE.md shows no diagram")
    assert drawn(ARCHITECTURE.read_text()) == [line.strip() for line in diagram().splitlines()]


def test_the_table_knows_every_state_that_an_accepted_mail_can_have():
    assert set(AFTER_ACCEPTANCE) == set(Outcome) - NEVER_AFTER_ACCEPTANCE
    assert {state for row in AFTER_ACCEPTANCE.values() for state in row.values()} <= set(AFTER_ACCEPTANCE)


@pytest.mark.parametrize("state", AFTER_ACCEPTANCE)
def test_nothing_final_becomes_open_again(state):
    if state in FINAL:
        assert {after(state, event) for event in Signal} <= FINAL


@pytest.mark.parametrize(("state", "event"), list(product(AFTER_ACCEPTANCE, (Signal.SENT, Signal.DELAYED))))
def test_an_event_that_ends_nothing_ends_nothing(state, event):
    assert after(state, event) in {state, Outcome.DELAYED}
    assert after(state, event) is state or state in {Outcome.PENDING, Outcome.DELAYED}


def test_a_signal_twice_is_a_signal_once():
    for state, event in product(AFTER_ACCEPTANCE, Signal):
        assert after(after(state, event), event) is after(state, event), (state, event)


@pytest.mark.parametrize("subtype", sorted(SUPPRESSIONS))
def test_a_suppressed_mail_was_never_sent(subtype):
    assert signal(Bounced(0, (), "Permanent", subtype, "", "")) is Signal.SUPPRESSED
    assert signal(Complained(0, (), subtype, "")) is Signal.SUPPRESSED


def test_who_calls_a_mail_no_spam_has_it():
    assert signal(Complained(0, (), "", "not-spam")) is Signal.ENGAGED


def test_what_says_nothing_of_a_recipient_changes_nothing():
    assert signal(OtherEvent(0, "Levitation")) is None
    assert signal(Described(0, "", (), "", "", "", "", "", ())) is None
    assert signal(Engaged(0, "click")) is Signal.ENGAGED


def test_an_id_is_an_id():
    """Whatever an attempt after it says is about a second copy."""
    assert {next_handoff(Handoff.ACCEPTED, attempt) for attempt in Handoff} == {Handoff.ACCEPTED}


def test_a_handoff_never_goes_back_to_where_nobody_had_tried():
    for state in set(Handoff) - {Handoff.PENDING}:
        assert Handoff.PENDING not in ATTEMPTS[state]
