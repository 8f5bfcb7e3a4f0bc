"""What is published: the shape of both records, byte for byte, and the headers that travel with every record."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from service.contract import cloudevents, dead_letter
from service.contract.condition import ConditionRecord
from service.contract.correlated import Correlated, Detail, GapEntry, Recipient, TrailEntry, VerdictEntry
from service.contract.enums import (
    CAUSES_OF,
    FINAL,
    Condition,
    ConditionState,
    GapKind,
    GapState,
    Outcome,
    Resolution,
    Stage,
    VerdictCause,
)
from service.contract.gap import GapRecord
from service.contract.wire import encode, instant_of, timestamp
from service.facts import Cause, Reason, Source

GOLDEN = Path(__file__).parents[1] / "fixtures" / "contract"
SES_ID = "0100019cdd39ed2b-1b7a4f0e-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"

CORRELATED = Correlated(
    mail_id=SES_ID,
    ses_message_id=SES_ID,
    message_id_header="<5f3a1b2c.17@app.example>",
    queue_ids=("mx1/4DQXyz3Kz9zJ",),
    stream="transactional",
    region="us-east-1",
    sender="p-2c70-9f86d081884c7d65@app.example",
    submitted_at=timestamp(1773238085000),
    accepted_at=timestamp(1773238086955),
    revision=3,
    recipients=(
        Recipient(
            address="p-2c70-60303ae22b998861@example.org",
            domain="example.org",
            outcome=Outcome.BOUNCED,
            at="2026-03-11T14:08:09.120Z",
            detail=Detail(
                bounce_type="Permanent",
                bounce_subtype="General",
                status="5.1.1",
                diagnostic="smtp; 550 5.1.1 no such user",
            ),
        ),
        Recipient(
            address="p-2c70-fd61a03af4f77d87@example.net",
            domain="example.net",
            outcome=Outcome.PENDING,
            at=None,
        ),
    ),
    gaps=(
        GapEntry(
            gap_id="8c6976e5b5410415bde908bd4dee15df",
            kind=GapKind.ACCEPTED_NOT_DELIVERED,
            cause=Cause.SENT_THEN_SILENT,
            recipient="p-2c70-fd61a03af4f77d87@example.net",
            deadline="2026-03-12T04:10:06.955Z",
            opened_at="2026-03-12T04:10:06.955Z",
        ),
    ),
    verdict=VerdictEntry(
        stage=Stage.RECIPIENT, cause=VerdictCause.SENT_THEN_SILENT, explanation="It fell silent.", next_step="Ask SES."
    ),
    trail=(
        TrailEntry(at="2026-03-11T14:08:07.000Z", source=Source.SMTP, fact="accepted", evidence="mail.log:17"),
        TrailEntry(at="2026-03-11T14:08:09.120Z", source=Source.SES, fact="bounced", evidence="ses-events/3/41"),
    ),
)

GAP = GapRecord(
    gap_id="8c6976e5b5410415bde908bd4dee15df",
    state=GapState.RESOLVED,
    revision=2,
    kind=GapKind.ACCEPTED_NOT_DELIVERED,
    cause=Cause.SENT_THEN_SILENT,
    mail_id=SES_ID,
    ses_message_id=SES_ID,
    message_id_header=None,
    recipient="p-2c70-fd61a03af4f77d87@gmail.com",
    provider="gmail",
    stream="transactional",
    region="us-east-1",
    deadline="2026-03-12T04:10:06.955Z",
    opened_at="2026-03-12T04:10:06.955Z",
    resolved_at="2026-03-12T05:00:00.000Z",
    resolution=Resolution.DELIVERED,
    explanation="It fell silent.",
    next_step="Ask SES.",
    runbook_url="deploy/runbooks/sent_then_silent.md",
)

CONDITION = ConditionRecord(
    condition_id="4e07408562bedb8b60ce05c1decfe3ad",
    state=ConditionState.CLEARED,
    revision=2,
    condition=Condition.ACCOUNT_REFUSED,
    source=Source.SMTP,
    about="eu-west-1",
    cause=Cause.ACCOUNT_PAUSED,
    since="2026-03-11T14:08:07.000Z",
    cleared_at="2026-03-11T15:00:00.000Z",
    explanation="SES refuses all mails.",
    next_step="Ask SES.",
    runbook_url="deploy/runbooks/account_refused.md",
)


@pytest.mark.parametrize(
    ("name", "record"), [("correlated-1.json", CORRELATED), ("gap-1.json", GAP), ("condition-1.json", CONDITION)]
)
def test_a_record_is_written_as_it_was_when_version_1_was_published(name, record):
    golden = (GOLDEN / name).read_bytes()
    assert msgspec.json.format(encode(record), indent=2) + b"\n" == golden


CONDITION = ConditionRecord(
    condition_id="4e07408562bedb8b60ce05c1decfe3ad",
    state=ConditionState.CLEARED,
    revision=2,
    condition=Condition.ACCOUNT_REFUSED,
    source=Source.SMTP,
    about="eu-west-1",
    cause=Cause.ACCOUNT_PAUSED,
    since="2026-03-11T14:08:07.000Z",
    cleared_at="2026-03-11T15:00:00.000Z",
    explanation="SES refuses all mails.",
    next_step="Ask SES.",
    runbook_url="deploy/runbooks/account_refused.md",
)


@pytest.mark.parametrize(
    ("name", "record"), [("correlated-1.json", CORRELATED), ("gap-1.json", GAP), ("condition-1.json", CONDITION)]
)
def test_version_1_can_be_read_for_good(name, record):
    assert msgspec.json.decode((GOLDEN / name).read_bytes(), type=type(record)) == record


def test_the_correlated_record_has_the_keys_of_the_design_in_its_order():
    assert " ".join(json.loads(encode(CORRELATED))) == (
        "schema mail_id ses_message_id message_id_header queue_ids stream region sender submitted_at accepted_at"
        " revision recipients gaps ses_mails superseded_by partial held historic verdict trail"
    )


def test_the_gap_record_has_the_keys_of_the_design_in_its_order():
    assert " ".join(json.loads(encode(GAP))) == (
        "schema gap_id state revision kind cause mail_id ses_message_id message_id_header recipient provider stream"
        " region deadline opened_at resolved_at resolution explanation next_step runbook_url historic"
        " closed_by close_reason"
    )


def test_a_detail_says_only_what_was_said():
    documents = json.loads(encode(CORRELATED))["recipients"]
    assert list(documents[0]["detail"]) == ["bounce_type", "bounce_subtype", "status", "diagnostic"]
    assert documents[1]["detail"] == {}


def test_records_do_not_change():
    with pytest.raises(AttributeError):
        CORRELATED.revision = 4


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1773238086955, "2026-03-11T14:08:06.955Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951782400000, "2000-02-29T00:00:00.000Z"),
        (-(10**30), "0001-01-01T00:00:00.000Z"),
        (10**30, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_have_milliseconds_and_a_z(instant, text):
    assert timestamp(instant) == text
    if abs(instant) < 10**30:
        assert instant_of(text) == instant


def test_times_of_others_are_read_with_their_zone():
    assert instant_of("2026-03-11T15:08:06.9559+01:00") == 1773238086955
    assert instant_of("2026-03-11T14:08:06Z") == 1773238086000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-11T14:08:06"])
def test_a_time_without_a_zone_is_none(text):
    with pytest.raises(ValueError, match=r"zone|Invalid"):
        instant_of(text)


def test_every_cause_of_a_gap_is_the_cause_of_a_verdict():
    assert {VerdictCause(cause) for cause in Cause} <= set(VerdictCause)


def test_every_cause_belongs_to_exactly_one_kind_of_gap():
    assert sorted(cause for causes in CAUSES_OF.values() for cause in causes) == sorted(Cause)
    assert set(CAUSES_OF) == set(GapKind)


def test_every_final_outcome_but_a_refusal_can_end_a_gap():
    assert {outcome.value for outcome in FINAL} - {"refused"} <= {resolution.value for resolution in Resolution}
    assert {Outcome.PENDING, Outcome.DEFERRED, Outcome.DELAYED} == set(Outcome) - FINAL


LETTER = dead_letter.DeadLetter(
    topic="smtp",
    partition=3,
    offset=99,
    timestamp=1773238086955,
    reason=Reason.BAD_JSON,
    stage="parse",
    version="0.1.0",
)


def test_a_dead_letter_says_where_it_came_from():
    assert dead_letter.headers(LETTER) == [
        ("__mailgap.errors.topic", b"smtp"),
        ("__mailgap.errors.partition", b"3"),
        ("__mailgap.errors.offset", b"99"),
        ("__mailgap.errors.timestamp", b"1773238086955"),
        ("__mailgap.errors.reason", b"bad_json"),
        ("__mailgap.errors.stage", b"parse"),
        ("__mailgap.errors.version", b"0.1.0"),
    ]


def test_a_dead_letter_can_be_read_again_among_the_headers_of_its_original():
    assert dead_letter.read([("traceparent", b"00-1"), ("empty", None), *dead_letter.headers(LETTER)]) == LETTER


def test_a_letter_that_died_twice_died_the_last_time():
    again = msgspec.structs.replace(LETTER, reason=Reason.INTERNAL_ERROR)
    assert dead_letter.read([*dead_letter.headers(LETTER), *dead_letter.headers(again)]) == again


@pytest.mark.parametrize(
    "spoilt", [[], [("__mailgap.errors.reason", b"boredom")], [("__mailgap.errors.offset", b"\xff")]]
)
def test_a_record_that_is_no_dead_letter_is_none(spoilt):
    assert dead_letter.read([*dead_letter.headers(LETTER)[: 7 * bool(spoilt)], *spoilt]) is None


def test_cloudevents_headers_are_in_binary_mode():
    value = encode(GAP)
    written = dict(cloudevents.headers(cloudevents.GAP, GAP.gap_id, 2, value, prefix="mailgap", at=0))
    assert tuple(written) == cloudevents.HEADERS
    assert written == {
        "ce_specversion": b"1.0",
        "ce_id": hashlib.sha256(GAP.gap_id.encode() + b"\x002\x00" + value).hexdigest().encode(),
        "ce_source": b"urn:mailgap:mailgap",
        "ce_type": b"mailgap.gap.v1",
        "ce_time": b"1970-01-01T00:00:00.000Z",
        "content-type": b"application/json",
    }


def test_without_an_instant_from_the_log_there_is_no_ce_time():
    names = [name for name, _ in cloudevents.headers(cloudevents.CORRELATED, "m", 1, b"{}", prefix="mailgap")]
    assert "ce_time" not in names


def test_the_event_id_changes_with_mail_revision_and_content_and_with_nothing_else():
    ids = {
        cloudevents.event_id(*case)
        for case in [("m", 1, b"x"), ("n", 1, b"x"), ("m", 2, b"x"), ("m", 1, b"y"), ("m", 1, b"x")]
    }
    assert len(ids) == 4


def test_an_ses_id_and_a_timestamp_of_the_golden_example_agree():
    assert datetime.fromtimestamp(int(SES_ID[4:16], 16) / 1000, UTC) == datetime.fromisoformat(CORRELATED.accepted_at)
