"""Whatever the bytes are, no mail server's dialect raises, and what it says is well formed."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.facts import Accepted, Fact, Parsed, Reason, Unparsable
from service.parsing.halon import read_halon
from service.parsing.smtp import BARE_DIALECTS, DIALECTS, parse_smtp
from service.parsing.syslog import Line

ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
SES = "email-smtp.us-east-1.amazonaws.com"
PROGRAMS = [
    *("sendmail", "sm-mta", "exim", "exim4", "smtpd", "msmtp", "qmail", "haraka", "nullmailer", "sSMTP", "dma"),
    "postfix/smtp",
]
EXIM = "1rhYzK-0002zm-2A"
MESSAGES = [
    f"425C0Clli021951: to=<a@b>,<c@d>, ctladdr=<x@y> (1/1), delay=00:00:01, xdelay=00:00:00, mailer=relay, pri=3, "
    f"relay={SES}. [192.0.2.1], dsn=2.0.0, stat=Sent (Ok {ID})",
    "425C0Clli021951: from=<a@b>, size=1, class=0, nrcpts=1, msgid=<1@x>, proto=ESMTP, relay=x [10.0.0.1]",
    "425C0Clli021951: 425C0Cmli021971: DSN: Cannot send message for 5 days",
    f'{EXIM} => a@b <c@d> F=<e@f> R=r T=t H={SES} [192.0.2.1]:587 X=TLS1.3:x:256 C="250 Ok {ID}" QT=1s',
    f'2024-03-05 12:00:00.123 +0100 [7] {EXIM} <= a@b H=x (y) [10.0.0.1] P=esmtp S=3 id=1@x T="a \\"b\\"" for c@d',
    f"2024-03-05 12:00:00 {EXIM} == a@b R=r T=t defer (-46) H={SES} [192.0.2.1]: SMTP error: 454 Throttling failure",
    f"2024-03-05 12:00:00 {EXIM} ** a@b: retry timeout exceeded",
    f'5df87c903d709659 mta delivery evpid=c405e39ad6bbc64f from=<a@b> to=<c@d> rcpt=<-> source="-" '
    f'relay="192.0.2.1 ({SES})" delay=1s result="Ok" stat="250 Ok {ID}"',
    f"host={SES} tls=on auth=on user=x from=a@b recipients=c@d,e@f mailsize=1 smtpstatus=250 smtpmsg='250 Ok {ID}' "
    "exitcode=EX_OK",
    f"@4000000052fafd8d3298434c delivery 9: success: 192.0.2.1_accepted_message./Remote_host_said:_250_Ok_{ID}/",
    f"[NOTICE] [5A1B2C3D-4E5F.1] [outbound] delivered file=x domain=d host={SES} ip=192.0.2.1 port=25 "
    f'response="Ok {ID}" delay=1',
    f"smtp: Succeeded: 250 Ok {ID}",
    "remote delivery to x [192.0.2.1] failed after final DATA: 554 Message rejected: no",
]
HEADERS = ["", "Mar  5 12:00:00 mx1 {}[7]: ", "2024-03-05T12:00:00.1+02:00 mx1 {}: ", "mars 05 12:00:00 "]
INSTANTS = st.integers(-(10**16), 10**16)
WORDS = st.sampled_from(
    [", delay=00:00:01", ", stat=", "to=", "<", ">", '"', "\\", " R=", " T=", " H=", ' C="', "=>", "**", "==", ": ",
     "> rcpt=<", " [", "]", "\n", "\n ", "\0", ID, SES, " recipients=", "'", "(", ")", "#012", "{", "}", "\ud800"]
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Lines that look real, cut, joined and with things put into them."""
    line = draw(st.sampled_from(HEADERS)).format(draw(st.sampled_from(PROGRAMS))) + draw(st.sampled_from(MESSAGES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 30)))
        line = line[:start] + draw(WORDS | st.text(max_size=6)) + line[end:]
    return line


def check(raw: bytes, seen: int) -> None:
    parsed, unparsable = parse_smtp(raw, seen)
    assert isinstance(parsed, Parsed)
    for name, fact in parsed.facts:
        assert name[:2] in {b"Q:", b"S:"}
        assert len(name) > 2
        assert isinstance(fact, Fact)
        assert isinstance(fact.at, int)
        if isinstance(fact, Accepted):
            assert fact.ses_id.encode() in raw or b"_" in raw
    assert unparsable is None or (isinstance(unparsable, Unparsable) and unparsable.reason in Reason)
    assert parsed.facts or parsed.ignored or unparsable


@given(lines(), INSTANTS)
def test_damaged_lines(line: str, seen: int) -> None:
    check(line.encode(errors="surrogatepass"), seen)


@given(st.sampled_from(PROGRAMS), lines() | st.text(max_size=300), INSTANTS)
def test_any_message_of_any_program(program: str, message: str, at: int) -> None:
    line = Line(at, False, "mx1", program, message)
    for dialect in DIALECTS:
        if dialect.speaks(program):
            dialect.parse(line, frozenset({"out.shop.example"}))


@given(lines() | st.text(max_size=300), INSTANTS)
def test_any_text_without_a_header(text: str, seen: int) -> None:
    for read in BARE_DIALECTS:
        found = read(text, seen, None)
        assert found is None or isinstance(found, Line)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["SMTP", "delivery", "queue"])},
        optional={
            key: st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                    st.sampled_from(["id", "sender", "recipient", "localpart", "domain", "result", "code", "reason",
                                     "error", "message", "connection", "remotemx", "remoteip", "queue"]), inner),
                max_leaves=10,
            )
            for key in ("hostname", "messageid", "ts_attempt", "status", "sender", "recipient_localpart", "message",
                        "recipient_domain", "result_code", "result_reason", "attempt", "time", "id", "transportid",
                        "connection_remotemx", "connection_remoteip", "action", "recipient", "connection")
        },
    ),
    INSTANTS,
)  # fmt: skip
def test_any_document_of_halon(document: dict[str, object], seen: int) -> None:
    read_halon(document, seen, frozenset())
    check(orjson.dumps(document), seen)


@given(lines(), INSTANTS)
def test_the_same_record_says_the_same(line: str, seen: int) -> None:
    raw = line.encode(errors="surrogatepass")
    assert parse_smtp(raw, seen) == parse_smtp(raw, seen)
