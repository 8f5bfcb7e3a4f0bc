"""What each sink is sent: as its documentation wants it, whatever a mail brings along."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.generate import FOLDER
from service.contract.notification import AlertState
from service.contract.wire import encode, instant_of
from service.facts import Cause
from service.notifications import payloads
from service.notifications.text import ascii_line, clean, plain, slack
from tests.unit import sink_schemas
from tests.unit.notices import T0, board, condition, gap, notification

KEY = "0123456789abcdef0123456789abcdef"
NASTY = (
    "evil\r\nBcc: x@y\x00\x1b[2J<!channel> <https://evil.example|click> @here &amp; *b* `c` \u202egnp.exe " + "x" * 3000
)


def _resolved():
    made = board(gap("a"))
    (subject, _), *_ = made.subjects()
    made.take(*gap("a", "resolved"))
    return made.notification(subject, T0)


def _shouted():
    """Everything that others write says what nobody should repeat."""
    records = [gap("a", stream=NASTY, mail_id=NASTY, recipient=NASTY, explanation=NASTY, next_step=NASTY)]
    return msgspec.structs.replace(notification(*records), evidence=(NASTY,))


SAYS = "AWS on the account in eu-west-1: sending is paused now."
CASES = {
    "one": notification(gap("a")),
    "many": notification(*(gap(f"g{n}") for n in range(2000))),
    "page": notification(gap("a", cause=Cause.ACCOUNT_PAUSED)),
    "condition": notification(condition("a")),
    "account": msgspec.structs.replace(notification(condition("a")), evidence=(SAYS,)),
    "no links": notification(gap("a"), trace_url=""),
    "resolved": _resolved(),
    "shouted": _shouted(),
}
each = pytest.mark.parametrize("said", CASES.values(), ids=CASES)


def _valid(document, schema):
    json.dumps(document)
    jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())


def _texts(document):
    if isinstance(document, dict):
        for name, value in document.items():
            yield from [name] if isinstance(value, str) else []
            yield from _texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value)
    elif isinstance(document, str):
        yield document


@each
def test_every_document_is_as_its_reader_wants_it(said):
    _valid([payloads.alertmanager(said, T0)], sink_schemas.ALERTMANAGER)
    _valid(payloads.pagerduty(said, KEY), sink_schemas.PAGERDUTY)
    _valid(payloads.slack_message(said), sink_schemas.SLACK)
    _valid(payloads.sns(said), sink_schemas.SNS)
    schema = json.loads((FOLDER / "notification-1.schema.json").read_text())
    _valid(json.loads(encode(said)), schema)


@each
def test_no_control_character_reaches_anybody(said):
    documents = [payloads.alertmanager(said, T0), payloads.pagerduty(said, KEY), payloads.slack_message(said)]
    documents += [{**payloads.sns(said), "Message": plain(said).replace("\n", "")}]
    for text in _texts(documents):
        assert text == clean(text, 10_000)


def test_a_mail_calls_no_crowd_and_makes_no_link():
    said = CASES["shouted"]
    chat = payloads.slack_message(said)
    assert "<" not in chat["text"]
    assert "@here" not in chat["text"]
    literal = [part for part in _elements(chat) if part["type"] == "link"]
    assert all(part["url"].startswith("https://trace.example/mails/") for part in literal)
    alert = payloads.alertmanager(said, T0)
    shown = " ".join([*alert["labels"].values(), alert["annotations"]["summary"], alert["annotations"]["examples"]])
    assert not any(bad in shown for bad in ("<", ">", "@here", "\n", "\r"))


def _elements(chat):
    for block in chat["blocks"]:
        for element in block["elements"]:
            sections = element["elements"] if element["type"] == "rich_text_list" else [element]
            for section in sections:
                yield from section["elements"]


def test_a_subject_is_no_way_into_the_headers_of_a_mail():
    subject = payloads.sns(CASES["shouted"])["Subject"]
    assert subject.isprintable()
    assert subject.isascii()
    assert len(subject) <= 100


def test_alertmanager_knows_an_alert_again_while_its_number_changes_and_at_its_end():
    first, second, end = CASES["one"], notification(gap("a"), gap("b")), CASES["resolved"]
    labels = [payloads.alertmanager(said, T0)["labels"] for said in (first, second, end)]
    assert labels[0] == labels[1] == labels[2]
    assert {"kind": "sent_no_ses_id", "cause": "silent", "stream": "otp", "severity": "ticket"}.items() <= labels[
        0
    ].items()
    assert instant_of(payloads.alertmanager(first, T0)["endsAt"]) == T0 + payloads.LASTS
    assert instant_of(payloads.alertmanager(end, T0)["endsAt"]) == T0


def test_pagerduty_is_told_of_one_incident():
    trigger, resolve = payloads.pagerduty(CASES["one"], KEY), payloads.pagerduty(CASES["resolved"], KEY)
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert payloads.pagerduty(CASES["page"], KEY)["payload"]["severity"] == "critical"
    assert [link["text"] for link in trigger["links"]][-1] == "Runbook"


def test_people_read_the_end_as_the_end():
    assert CASES["resolved"].state is AlertState.RESOLVED
    assert payloads.slack_message(CASES["resolved"])["text"].startswith(":white_check_mark: Resolved: ")
    assert payloads.sns(CASES["resolved"])["Subject"].startswith("mailgap: Resolved: ")


@given(st.text(max_size=300), st.integers(5, 300))
def test_texts_are_one_line_and_no_longer_than_asked(text, longest):
    assert len(clean(text, longest)) <= longest
    line = ascii_line(text, longest)
    assert line.isascii()
    assert all(sign.isprintable() for sign in line)
    assert len(line) <= longest
    escaped = slack(text)
    assert "<" not in escaped
    assert ">" not in escaped


def test_an_alert_of_a_log_whose_clock_is_ahead_begins_before_it_ends():
    """Alertmanager answers 400 to the other way round, and refuses the whole batch."""
    for said in (notification(gap("a", at=T0)), _resolved()):
        alert = payloads.alertmanager(said, T0 - 3_600_000)
        assert alert["startsAt"] <= alert["endsAt"]


def test_what_aws_says_of_the_account_is_in_all_of_them():
    said = CASES["account"]
    assert payloads.alertmanager(said, T0)["annotations"]["account"] == SAYS
    assert payloads.pagerduty(said, KEY)["payload"]["custom_details"]["account"] == [SAYS]
    assert SAYS in json.dumps(payloads.slack_message(said))
    assert SAYS in plain(said)
    assert payloads.alertmanager(CASES["one"], T0)["annotations"].keys().isdisjoint({"account"})
