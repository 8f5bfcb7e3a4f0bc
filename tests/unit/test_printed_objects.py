"""Objects that were printed for people come a line a record over Kafka, and are one again."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from service.assembler import FOLDED, Assembler
from service.facts import Accepted, Cause, Fact, Identified, Refused
from service.parsing.smtp import parse_smtp
from tests.unit.small_mtas import AT, ID, Record, joined

ENTRY = {
    "time": "2024-03-05T12:00:00.000Z",
    "level": "info",
    "msg": "mail sent",
    "info": {"response": f"250 Ok {ID}", "accepted": ["ann@shop.example"], "messageId": "<1@app.example>"},
}
NODE = (
    "Message sent: {",
    "  accepted: [ 'ann@shop.example' ],",
    "  envelope: {",
    "    from: 'app@shop.example',",
    "    to: [ 'ann@shop.example' ]",
    "  },",
    f"  response: '250 Ok {ID}',",
    "  messageId: '<1@app.example>'",
    "}",
)
CRI = "2024-03-05T12:00:00.123456789Z stdout F "


def said(facts: list[tuple[bytes, Fact]]) -> tuple[set[str], set[tuple[str, ...]], set[str]]:
    return (
        {fact.ses_id for _, fact in facts if isinstance(fact, Accepted)},
        {fact.recipients for _, fact in facts if isinstance(fact, Accepted)},
        {fact.message_id for _, fact in facts if isinstance(fact, Identified)},
    )


WHOLE = ({ID}, {("ann@shop.example",)}, {"1@app.example"})


def documents(lines: list[str]) -> list[str]:
    return [orjson.dumps({"log": f"{line}\n", "stream": "stdout", "container_id": "c1"}).decode() for line in lines]


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
@pytest.mark.parametrize(
    "shipped",
    [list, lambda lines: [CRI + line for line in lines], documents, lambda lines: [f"{line}\r\n" for line in lines]],
    ids=["text", "CRI", "Docker", "CRLF"],
)
def test_pretty_printed_json_a_line_a_record(shipped: Any, indent: int | str) -> None:
    lines = json.dumps(ENTRY, indent=indent).split("\n")
    assert said(joined(*shipped(lines))) == WHOLE


@pytest.mark.parametrize("shipped", [list, lambda lines: [CRI + line for line in lines], documents])
def test_an_object_of_nodes_a_line_a_record(shipped: Any) -> None:
    assert said(joined(*shipped(list(NODE)))) == WHOLE


def test_lines_of_others_in_between_pass_as_they_came() -> None:
    other = "Mar  5 12:00:00 mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed"
    lines = json.dumps(ENTRY, indent=2).split("\n")
    woven = [each for line in lines for each in (line, other)]
    facts = joined(*woven)
    assert said(facts) == WHOLE
    assert sum(name == b"Q:mx1/4A1B2C3D4E" for name, _ in facts) == len(lines)


def test_an_error_is_one_refusal() -> None:
    reply = "554 Message rejected: Email address is not verified."
    lines = json.dumps({"level": "error", "msg": "send failed", "to": "ann@shop.example", "err": reply}, indent=2)
    ((_, fact),) = joined(*lines.split("\n"))
    assert isinstance(fact, Refused)
    assert (fact.cause, fact.recipients) == (Cause.UNVERIFIED_IDENTITY, ("ann@shop.example",))


@pytest.mark.parametrize("lines", [["{"], ["{", "{", "{"], ["{", '  "level": "info"'], ["server {", "  listen 80;"]])
def test_what_is_never_closed_is_parsed_as_it_is(lines: list[str]) -> None:
    records = [Record(line.encode(), offset) for offset, line in enumerate(lines)]
    assembler, ready = Assembler().take(records, AT)
    assembler, late = assembler.waited("mail", 0, AT + FOLDED + 1)
    assert assembler.held("mail", 0) is None
    assert (
        b"".join(each.value or b"" for each in [*ready, *late]).replace(b" ", b"")
        == "".join(lines).replace(" ", "").encode()
    )


def test_a_bracket_at_the_end_of_a_mail_servers_line_opens_nothing() -> None:
    """Else whoever writes the subject could put what he likes behind the line."""
    line = "Mar  5 12:00:00 mx1 postfix/cleanup[7]: 4A1B2C3D4E: warning: header Subject: {"
    forged = f"  4A1B2C3D4E: to=<a@b>, relay=email-smtp.x, status=sent (250 Ok {ID})"
    assembler, ready = Assembler().take([Record(line.encode(), 0), Record(forged.encode(), 1), Record(b"}", 2)], AT)
    assert [each.value for each in ready] == [line.encode(), forged.encode(), b"}"]
    assert assembler.held("mail", 0) is None
    assert [parse_smtp(each.value or b"", AT)[0].facts for each in ready[:1]] == [[]]
