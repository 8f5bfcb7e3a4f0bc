"""The short cut for usual lines reads nothing else than the long way would."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.facts import Parsed
from service.parsing.smtp import SmtpContext, parse_unusual
from service.parsing.usual import read_usual

ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
SES = "email-smtp.us-east-1.amazonaws.com[192.0.2.10]:587"
SEEN = 1_709_640_000_000
HEADS = [
    ("<22>1 2024-03-05T11:59:58.123456+00:00 mx1 ", " 102 - - "),
    ("<22>1 2024-03-05T11:59:58Z MX1.shop.example ", " 1 - - "),
    ("2024-03-05T11:59:58.5-03:30 mx_1 ", "[1]: "),
    ("<22>Mar  5 11:59:58 mx1 ", "[4242]: "),
    ("Feb 29 11:59:58 mx1 ", "[1]: "),
    ("Mar 31 02:30:00 mx1 ", "[1]: "),
]
SENT = f"status=sent (250 Ok {ID})"
DELAYS = "delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0"
SAID = [
    ("postfix/smtpd", "4A1B2C3D4E: client=app-01.shop.example[10.0.0.7]"),
    ("postfix/submission/smtpd", "4A1B2C3D4E: client=unknown[2001:db8::7], sasl_method=PLAIN, sasl_username=a@b.ch"),
    ("postfix/smtpd", "connect from app-01.shop.example[10.0.0.7]"),
    ("postfix/smtpd", "disconnect from unknown[10.0.0.7] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"),
    ("postfix/cleanup", "4TqZzL1fGkz9Xy: message-id=<1.2@app.example>"),
    ("postfix/qmgr", "4A1B2C3D4E: from=<orders@shop.example>, size=4213, nrcpt=1 (queue active)"),
    ("postfix/qmgr", "4A1B2C3D4E: from=<>, size=4213, nrcpt=50 (queue active)"),
    ("postfix/qmgr", "4A1B2C3D4E: removed"),
    ("postfix/smtp", f"4A1B2C3D4E: to=<ada@gmail.com>, relay={SES}, {DELAYS}, {SENT}"),
    ("postfix/relay/smtp", f"4A1B2C3D4E: to=<a@b.ch>, relay={SES}, conn_use=2, {DELAYS}, {SENT}"),
    ("postfix/smtp", f"4A1B2C3D4E: to=<ada@gmail.com>, relay=ses.corp.example[10.1.1.1]:25, {DELAYS}, {SENT}"),
]  # fmt: skip
LINES = [f"{head}{program}{process}{text}" for head, process in HEADS for program, text in SAID]
ENDS = st.sampled_from(["", "\n", "\r\n", " ", "\0", "\n\n"])
CONTEXTS = st.builds(
    SmtpContext,
    st.sampled_from([frozenset(), frozenset({"ses.corp.example"})]),
    st.sampled_from([None, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")]),
)
PUT_IN = st.sampled_from(
    [*"<>,:@[]()=/ \t\r\n\0\x85\xa0#\"'\\~{}", "#012", ", relay=", ">, relay=", "status=sent (250 Ok ", "orig_client=",
     ", orig_client=x[1.2.3.4]", "to=<", ">, size=1, nrcpt=2", "removed", "é", "\ufeff", "1", "a", "A", ID, SES]
)  # fmt: skip


@st.composite
def nearly_usual(draw: st.DrawFn) -> bytes:
    """A usual line in which a few places were changed."""
    line = draw(st.sampled_from(LINES)) + draw(ENDS)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 3)))
        line = line[:start] + draw(PUT_IN | st.text(max_size=2)) + line[end:]
    return line.encode(errors="surrogatepass")


@given(raw=nearly_usual(), seen=st.sampled_from([SEEN, SEEN - 180 * 86_400_000, 1]), context=CONTEXTS)
def test_what_it_takes_it_reads_as_the_long_way_does(raw: bytes, seen: int, context: SmtpContext) -> None:
    facts = read_usual(raw, seen, context.zone, context.relays)
    if facts is not None:
        assert parse_unusual(raw, seen, context) == (Parsed(facts, 0 if facts else 1), None)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("postfix/cleanup", "4TqZzL1fGkz9Xy: message-id=<1.2#011@app.example>"),
        ("postfix/qmgr", "4A1B2C3D4E: from=<or#012ders@shop.example>, size=4213, nrcpt=1 (queue active)"),
        ("postfix/smtp", f"4A1B2C3D4E: to=<a#011b@gmail.com>, relay={SES}, {DELAYS}, {SENT}"),
    ],
)
def test_it_leaves_rsyslogs_escapes_to_the_long_way(program: str, text: str) -> None:
    assert read_usual(f"{HEADS[3][0]}{program}[1]: {text}".encode(), SEEN, None, frozenset()) is None


@pytest.mark.parametrize("line", LINES)
def test_it_takes_the_usual_lines(line: str) -> None:
    facts = read_usual(line.encode(), SEEN, None, frozenset({"ses.corp.example"}))
    assert facts is not None
    assert bool(facts) is ("connect from" not in line)
