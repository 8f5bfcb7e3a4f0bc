"""Whatever an application logs, there are facts or none; and no mail server is made of them."""

from __future__ import annotations

import contextlib
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.facts import Accepted, Fact, Parsed
from service.parsing.applications import is_printed, may_concern_mail, said_by_document, said_by_line
from service.parsing.applications.fields import addresses
from service.parsing.applications.names import mid_submission, own_message_id, ses_id_of
from service.parsing.applications.words import identifying, introduces, quotes
from service.parsing.extractor import Extractor, ExtractorError, ExtractorSpec, parse_extractors
from service.parsing.replies import api_code, cause_of_api
from service.parsing.smtp import LIMIT, SmtpContext, parse_smtp
from service.parsing.syslog import Line

SEEN = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
RATE = "Throttling failure: Maximum sending rate exceeded."

LINES = [
    rf"reply: b'250 Ok {ID}\r\n'",
    f"smtplib.SMTPDataError: (454, b'{RATE}')",
    "smtplib.SMTPRecipientsRefused: {'a@x.example': (501, b'Invalid RCPT TO address provided')}",
    f"[2026-11-24 08:04:35] DEBUG [x] S: 250 Ok {ID}",
    f"{{ accepted: [ 'a@b.example' ], response: '250 Ok {ID}', envelope: {{ from: 'c@d' }}, messageId: '<1@d.ex>' }}",
    f"Error: Message failed: 454 {RATE} at x (y:1) {{ code: 'EMESSAGE', response: '454 {RATE}', command: 'DATA' }}",
    f"x.SMTPSendFailedException: 454 {RATE}\n\tat a.B.c(B.java:1)",
    f"SMTP Error: data not accepted.SMTP server error: DATA END command failed Detail: {RATE}\n SMTP code: 454",
    f"An error occurred (Throttling) when calling the SendEmail operation: {RATE}",
    f"operation error SES: SendEmail, https response error StatusCode: 400, RequestID: 1, MessageRejected: {RATE}",
    f"Aws::SES::Errors::MessageRejected ({RATE})",
    f"x.SesException: {RATE} (Service: Ses, Status Code: 400, Request ID: 1)",
    'Failed delivery of mail 1@b.example error_class=Net::SMTPFatalError error_message="554 x"',
    "Sending message <1@d.example> to <a@b.example>",
    f'level=error msg="mail failed" err="454 \\"{RATE}\\"" to=a@b.example',
    f'{{"level":30,"time":1709640000000,"messageId":"<1@d.example>","response":"250 Ok {ID}"}}',
    f'{{"err":{{"type":"MessageRejected","message":"{RATE}"}}}}',
    f'{{"text":"x","record":{{"message":"250 Ok {ID}","time":{{"repr":"2024-03-05 12:00:00+00:00"}}}}}}',
]
BEFORE = ["", "Mar  5 11:59:58 web app[1]: ", "2024-03-05 11:59:58,123 INFO c.s.Mailer - ", '{"message":"']
WORDS = [
    *(
        ID,
        "250 Ok ",
        "(250, b'Ok ",
        "(454, b'",
        "'",
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        "@",
        ": ",
        "=",
        "\n ",
        "\n",
    ),
    *("\0", "subject: ", "response: '", "message id ", "Detail: ", "SMTP code: 454", "a@b.example", "é", "\u2028"),
    *("email-smtp.us-east-1.amazonaws.com", " at x (", "MessageRejected: ", "code: 'ESOCKET'", "command: '"),
]
TEXTS = st.lists(st.sampled_from([*WORDS, *LINES]) | st.text(max_size=8), max_size=12).map("".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Lines that look real, cut, joined and with things put into them."""
    line = draw(st.sampled_from(BEFORE)) + draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 20)))
        line = line[:start] + draw(st.sampled_from(WORDS) | st.text(max_size=6)) + line[end:]
    return line


def check(raw: bytes, context: SmtpContext = SmtpContext()) -> None:  # noqa: B008 -- frozen
    parsed, unparsable = parse_smtp(raw, SEEN, context)
    assert isinstance(parsed, Parsed)
    for name, fact in parsed.facts:
        assert name[:2] in {b"Q:", b"S:"}
        assert isinstance(fact, Fact)
        if isinstance(fact, Accepted):
            assert name == b"S:" + fact.ses_id.encode() or name == b"Q:" + fact.submission.encode()
    assert parsed.facts or parsed.ignored or unparsable


@given(damaged() | TEXTS)
def test_any_line(line: str) -> None:
    check(line.encode(errors="replace"))


@given(damaged() | TEXTS)
def test_an_application_never_names_a_queue(line: str) -> None:
    """Its submissions are `mid:…`, `<host>/app:…` and `<host>/request:…`: nobody can forge a mail server's line."""
    facts = said_by_line(Line(SEEN, floating=False, host="web", program="app", message=line))
    for name, _ in facts:
        assert re.fullmatch(rb"S:.*|Q:mid:[0-9a-f]{32}|Q:web/(?:app|request):[0-9a-f]{16}", name, re.DOTALL), name


@given(damaged() | TEXTS, st.sampled_from(["Subject: ", "user wrote: ", 'comment="', "header X-A: "]))
def test_what_is_announced_as_somebody_elses_is_no_acceptance(line: str, before: str) -> None:
    facts = said_by_line(Line(SEEN, False, "web", "app", before + line.replace("\n", " ")))
    assert not any(isinstance(fact, Accepted) for _, fact in facts)


KEYS = st.sampled_from(
    [
        *(
            "message",
            "msg",
            "messageId",
            "message_id",
            "response",
            "reply",
            "to",
            "from",
            "accepted",
            "rejected",
            "envelope",
        ),
        *(
            "err",
            "error",
            "code",
            "command",
            "stack",
            "exception",
            "type",
            "name",
            "record",
            "text",
            "time",
            "eventType",
        ),
    ]
)
VALUES = st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | TEXTS | damaged() | st.just(ID)
DOCUMENTS = st.recursive(
    VALUES, lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner), max_leaves=15
)


@given(DOCUMENTS)
def test_any_document(value: object) -> None:
    check(orjson.dumps(value))
    if isinstance(value, dict):
        said_by_document(value, Line(SEEN, False, "", "", ""))


EXTRACTORS = tuple(
    Extractor(spec)
    for spec in parse_extractors(
        [
            {
                "name": "text",
                "pattern": r"(?P<message_id><\S+>)?.*(?P<reply>[245]\d\d .*)|(?P<error>rror.*)|(?P<at>:.*)",
            },
            {
                "name": "json",
                "json": {
                    "message_id": "$.messageId",
                    "reply": "$.response",
                    "recipient": "$.to",
                    "error": "$.err.message",
                    "at": "$.time",
                    "submission": "$.msg",
                },
            },
        ]
    )
)


@given(damaged() | TEXTS, DOCUMENTS)
def test_any_input_under_extractors(line: str, value: object) -> None:
    context = SmtpContext(extractors=EXTRACTORS)
    check(line.encode(errors="replace"), context)
    check(orjson.dumps(value), context)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["name", "match", "pattern", "json", "reply"]) | st.text(), inner)
        ),
    )
)
def test_any_section_is_good_or_said_to_be_wrong(section: object) -> None:
    specs: tuple[ExtractorSpec, ...] = ()
    with contextlib.suppress(ExtractorError):
        specs = parse_extractors(section)
    assert all(isinstance(spec, ExtractorSpec) and Extractor(spec) for spec in specs)


@given(st.text())
def test_any_text_is_survived_by_the_smaller_ones(text: str) -> None:
    for function in (
        introduces,
        quotes,
        identifying,
        own_message_id,
        ses_id_of,
        is_printed,
        may_concern_mail,
        api_code,
    ):
        function(text)
    assert mid_submission(text).startswith("mid:")
    assert cause_of_api(text, text)
    assert isinstance(addresses(text), tuple)


@given(st.from_regex(r"\A[a-z0-9.]{1,20}@[a-z]{1,10}\.example\Z"))
def test_brackets_never_change_a_message_id(message_id: str) -> None:
    assert own_message_id(f"<{message_id}>") == own_message_id(message_id) == message_id


@pytest.mark.parametrize(
    "nasty",
    [
        f"reply: b'250 Ok {ID}'" + " " * 1000,
        "to a@b, " * 30_000,
        "message id <a@b> " * 15_000,
        "SMTPDataError: (454, b'\\'" * 10_000,
        "SMTPRecipientsRefused: {" + "'a@b': (501, b'x'), " * 12_000,
        "An error occurred (X) when calling the SendEmail operation" * 4_000,
        "operation error SES: SendEmail, " + "A1b, " * 50_000,
        'Error executing "SendEmail" on ' + "Aa (client" * 25_000,
        "x.y.zException: " * 15_000 + "(Service: Ses, Status Code: 400",
        "MessageRejecte: " * 16_000,
        "Detail: " * 30_000 + "SMTP code: 454",
        'Expected response code "250" but got code "454", with message "' * 4_000,
        "553 <" + "a" * 200_000,
        "553 <a" * 40_000,
        "email-smtp.us-east-1.amazonaws.com failed " * 6_000,
        "code: 'ESOCKET' " * 16_000,
        "Failed delivery of mail a@b error_class=x " * 6_000,
        "response: ['" * 20_000,
        'response="\\' * 20_000,
        "response: " + "a=" * 120_000,
        "response: " + "a='a=" * 50_000,
        "454 message rejected at x (" * 9_000,
        "[" * 200_000 + "250 Ok " + ID,
        "Connection to x" * 16_000,
        "-".join([ID] * 3_000),
    ],
)
@pytest.mark.parametrize("before", ["", "Mar  5 11:59:58 web app[1]: "])
def test_hostile_lines_are_read_in_one_pass(before: str, nasty: str) -> None:
    check((before + nasty).encode()[:LIMIT])
