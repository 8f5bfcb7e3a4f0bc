"""Rule 22: what may differ between scan and worker, and what may not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from service.contract.normal_form import normal_form

DOCUMENT = json.loads((Path(__file__).parents[1] / "fixtures" / "contract" / "correlated-1.json").read_text())
GAP = DOCUMENT["gaps"][0]
SENT = {"at": "2026-03-12T04:10:06.955Z", "source": "ses", "fact": "sent", "evidence": "ses/0/1"}


def changed(**change):
    return copy.deepcopy(DOCUMENT) | change


def test_how_often_it_was_published_does_not_matter():
    assert normal_form(changed(revision=9)) == normal_form(DOCUMENT)
    assert "revision" not in normal_form(DOCUMENT)


def test_where_a_fact_was_read_and_how_often_does_not_matter():
    again = [entry | {"evidence": "elsewhere:1"} for entry in reversed(DOCUMENT["trail"])]
    assert normal_form(changed(trail=[*again, *DOCUMENT["trail"]])) == normal_form(DOCUMENT)


def test_what_was_said_when_and_by_whom_does_matter():
    for other in ({"fact": "delivered"}, {"source": "smtp"}, {"at": "2026-03-11T14:08:09.121Z"}):
        trail = [DOCUMENT["trail"][0], DOCUMENT["trail"][1] | other]
        assert normal_form(changed(trail=trail)) != normal_form(DOCUMENT)


def test_the_order_of_recipients_and_gaps_does_not_matter():
    second = GAP | {"gap_id": "0", "recipient": None}
    one = changed(recipients=DOCUMENT["recipients"][::-1], gaps=[GAP, second])
    other = changed(gaps=[second, GAP])
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize("resolution", ["late_evidence", "found_by_message_id"])
def test_a_gap_that_never_was_is_left_out(resolution):
    assert normal_form(changed(gaps=[GAP | {"resolution": resolution}]))["gaps"] == []


@pytest.mark.parametrize("resolution", [None, "delivered", "accepted", "recipients_known", "window_closed"])
def test_a_gap_that_was_is_kept(resolution):
    gap = GAP | {"resolution": resolution}
    assert normal_form(changed(gaps=[gap]))["gaps"] == [gap]


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        (SENT, []),
        (SENT | {"at": "2026-03-12T04:10:06.956Z"}, [GAP | {"resolution": "event_arrived"}]),
        (SENT | {"source": "smtp"}, [GAP | {"resolution": "event_arrived"}]),
    ],
)
def test_an_event_dated_before_the_deadline_shows_that_the_gap_never_was(entry, kept):
    document = changed(gaps=[GAP | {"resolution": "event_arrived"}], trail=[entry])
    assert normal_form(document)["gaps"] == kept


def test_nothing_else_is_left_out():
    kept = set(DOCUMENT) - {"revision"}
    assert set(normal_form(DOCUMENT)) == kept
    untouched = kept - {"recipients", "gaps", "trail"}
    assert all(normal_form(DOCUMENT)[key] == DOCUMENT[key] for key in untouched)
    assert normal_form(DOCUMENT)["recipients"] == sorted(DOCUMENT["recipients"], key=lambda r: r["address"])


def test_the_document_itself_stays_as_it_is():
    before = copy.deepcopy(DOCUMENT)
    normal_form(DOCUMENT)
    assert before == DOCUMENT
