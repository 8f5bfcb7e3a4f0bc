"""Whatever the bytes are, `parse_smtp` gives facts or says why not."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.facts import Fact, Parsed, Reason, Unparsable
from service.parsing.addresses import address, domain
from service.parsing.replies import cause_of, ses_id_in
from service.parsing.smtp import parse_smtp
from service.parsing.syslog import parse_line

SES = "email-smtp.us-east-1.amazonaws.com[192.0.2.10]:587"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"

LINES = [
    b"Mar  5 11:59:58 mx1 postfix/smtpd[1]: 4A1B2C3D4E: client=app[10.0.0.7], sasl_username=x",
    b"<22>Feb 29 11:59:58 mx1 postfix/cleanup[1]: 4A1B2C3D4E: message-id=<1@shop.example>",
    b"2024-03-05T11:59:58.123+02:00 mx1 postfix-out/qmgr[1]: 4TqZzL1fGkz9: from=<a@b>, size=1, nrcpt=2 (queue active)",
    f"<22>1 2024-03-05T11:59:58Z mx1 postfix/smtp 1 - - 4A1B2C3D4E: to=<a@b>, orig_to=<c@d>, relay={SES}, delay=1, "
    f"delays=1/1/1/1, dsn=2.0.0, status=sent (250 Ok {ID})".encode(),
    f"Mar  5 11:59:58 mx1 postfix/smtp[1]: 4A1B2C3D4E: to=<a@b>, relay={SES}, dsn=4.0.0, status=deferred (host {SES} "
    "said: 454 Throttling failure: Maximum sending rate exceeded. (in reply to end of DATA command))".encode(),
    b'{"@timestamp":1709639998.5,"log":"Mar  5 11:59:58 mx1 postfix/qmgr[1]: 4A1B2C3D4E: removed\\n"}',
    b'{"MESSAGE":[52,65,49],"SYSLOG_IDENTIFIER":"postfix/qmgr","__REALTIME_TIMESTAMP":"1709639998000000"}',
    b"60 <22>Mar  5 11:59:58 mx1 postfix/qmgr[1]: 4A1B2C3D4E: removed",
]
INSTANTS = st.integers(-(10**16), 10**16)
WORDS = st.sampled_from(
    [b", relay=", b">, relay=", b"to=<", b"status=sent (250 Ok ", b": ", b"\n", b"\0", b"\xff", b'"', b"\\", b"#012",
     b"{", b"}", b"[", b"]", b"\n ", ID.encode(), SES.encode()]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Lines that look real, cut, joined and with things put into them."""
    line = b"\n".join(draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 30)))
        line = line[:start] + draw(WORDS | st.binary(max_size=6)) + line[end:]
    return line


def check(raw: bytes, seen: int) -> None:
    parsed, unparsable = parse_smtp(raw, seen)
    assert isinstance(parsed, Parsed)
    for name, fact in parsed.facts:
        assert isinstance(name, bytes)
        assert name[:2] in {b"Q:", b"S:"}
        assert len(name) > 2
        assert isinstance(fact, Fact)
        assert isinstance(fact.at, int)
    assert unparsable is None or (isinstance(unparsable, Unparsable) and unparsable.reason in Reason)
    # Every record leaves a trace: a fact, a count or a reason.
    assert parsed.facts or parsed.ignored or unparsable


@given(st.binary(max_size=2000), INSTANTS)
def test_any_bytes(raw: bytes, seen: int) -> None:
    check(raw, seen)


@given(damaged(), INSTANTS)
def test_damaged_lines(raw: bytes, seen: int) -> None:
    check(raw, seen)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(
                        st.sampled_from(["message", "MESSAGE", "log", "host", "host.name", "name", "timestamp", "time",
                                         "appname", "@timestamp", "process"]) | st.text(), inner),
                    max_leaves=20), INSTANTS)  # fmt: skip
def test_any_json(value: object, seen: int) -> None:
    check(orjson.dumps(value), seen)


@given(damaged(), INSTANTS)
def test_the_same_record_says_the_same(raw: bytes, seen: int) -> None:
    assert parse_smtp(raw, seen) == parse_smtp(raw, seen)


@given(st.lists(st.sampled_from(LINES[:5]), min_size=1, max_size=5), INSTANTS)
def test_a_batch_says_what_its_lines_say(lines: list[bytes], seen: int) -> None:
    together, _ = parse_smtp(b"\n".join(lines), seen)
    assert together.facts == [said for line in lines for said in parse_smtp(line, seen)[0].facts]


@given(st.text())
def test_any_text_is_survived_by_the_smaller_ones(text: str) -> None:
    assert isinstance(domain(address(text)), str)
    assert isinstance(ses_id_in(text), str)
    assert cause_of(text)
    parse_line(text, 0)


@given(
    st.from_regex(r"\A[a-z.]{1,10}@[a-z]{1,10}\.example\Z"),
    st.text(st.characters(exclude_characters='<>"@'), max_size=20),
)
def test_decoration_never_changes_an_address(plain: str, name: str) -> None:
    assert address(f"{name} <{plain}>") == address(f"<{plain}>") == address(plain) == plain
