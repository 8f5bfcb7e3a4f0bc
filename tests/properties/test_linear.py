"""No input of n bytes takes more than a constant times n, whatever stands in it.

What a parser does is counted, not timed: the calls of functions, ours and C's, for 16 and for 32 KiB. What happens
within one call, in a regular expression above all, no count shows: so 256 KiB are read as well, for which a quadratic
search would take minutes, and there pytest's time-out speaks. With `pytest -s` all figures are printed.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from service.assembler import Assembler
from service.parsing.ses import parse_ses
from service.parsing.smtp import LIMIT, parse_smtp

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(60)

SEEN: Final = 1_709_640_000_000
ID: Final = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
RELAY: Final = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587"
HEAD: Final = "Mar  5 11:59:58 mx1 postfix/{}[7]: 4A1B2C3D4E: "
STATUS: Final = f", relay={RELAY}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok {ID})"
SENT: Final = HEAD.format("smtp") + "to=<a@b>" + STATUS
REFUSED: Final = HEAD.format("smtp") + "to=<a@b>, relay=none, dsn=5.0.0, status=bounced ("
EXIM: Final = "2024-03-05 11:59:58 1rhTyZ-000000001bo-D342 "
CRI: Final = "2024-03-05T11:59:58.123456789Z stdout "
EVENT: Final = {
    "eventType": "Bounce",
    "mail": {"timestamp": "2024-03-05T11:59:58.000Z", "messageId": ID, "source": "a@b", "destination": ["c@d"]},
    "bounce": {"timestamp": "2024-03-05T11:59:58.000Z", "bouncedRecipients": []},
}
MAIL: Final = '{"eventType":"Send","mail":{"messageId":"x",'
SENDMAIL: Final = "Mar  5 11:59:58 mx1 sendmail[7]: t2N4h88k026236: "


def over(unit: str | bytes, before: str = "", after: str = "") -> Callable[[int], bytes]:
    """`unit` again and again, between two texts, to n bytes."""
    raw = unit if isinstance(unit, bytes) else unit.encode()

    def made(size: int) -> bytes:
        room = size - len(before.encode()) - len(after.encode())
        return before.encode() + raw * (room // len(raw)) + after.encode()

    return made


ROOM: Final = 1000
"""Bytes for what stands around the units."""


def within(unit: Any, path: tuple[str, ...], document: Any = EVENT) -> Callable[[int], bytes]:
    """A document with a list of that many units at a place in it."""
    size_of_one = len(json.dumps(unit)) + 2

    def made(size: int) -> bytes:
        copy = json.loads(json.dumps(document))
        place = copy
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = [unit] * ((size - ROOM) // size_of_one)
        return json.dumps(copy).encode()

    return made


def wide(path: tuple[str, ...], document: Any = EVENT) -> Callable[[int], bytes]:
    """A document with an object of that many keys at a place in it."""

    def made(size: int) -> bytes:
        copy = json.loads(json.dumps(document))
        place = copy
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = {f"key{number:08}": "v" for number in range((size - ROOM) // 20)}
        return json.dumps(copy).encode()

    return made


def nested(before: str, after: str) -> Callable[[int], bytes]:
    return lambda size: (
        (before * (size // (len(before) + len(after)))).encode()
        + (after * (size // (len(before) + len(after)))).encode()
    )


def quoted(size: int) -> bytes:
    """JSON in JSON in JSON, each in quotes: what escapes quotes doubles."""
    text = SENT
    while True:
        wrapped = json.dumps({"message": text})
        if len(wrapped) > size:
            return text.encode()
        text = wrapped


def packed(unit: bytes) -> Callable[[int], bytes]:
    def made(size: int) -> bytes:
        count = size // len(gzip.compress(unit, mtime=0))
        return gzip.compress(unit, mtime=0) * count

    return made


def in_base64(size: int) -> bytes:
    data = base64.b64encode(b"x" * (size * 3 // 4 - 64)).decode()
    return json.dumps({"records": [{"data": data}]}).encode()


def batch(size: int) -> bytes:
    line = gzip.compress(SENT.encode(), mtime=0)
    record = {"data": base64.b64encode(line).decode()}
    return json.dumps({"records": [record] * (size // (len(json.dumps(record)) + 2))}).encode()


NASTY: Final[dict[str, Callable[[int], bytes]]] = {
    # bytes
    "spaces": over(" "),
    "NULs": over("\0"),
    "line ends": over("\n"),
    "folds": over("\n "),
    "short lines": over("a\n"),
    "not UTF-8": over(b"\xff"),
    "byte order marks": over("\ufeff"),
    "control characters": over("\x01"),
    "octet counts": over("1 <1>"),
    "octet counts of nothing": over("999999 <1>"),
    "H4sI": over("H4sI"),
    "base64 that is none": over("H4sI", after="!"),
    "empty members of gzip": packed(b""),
    "members of gzip": packed(SENT.encode() + b"\n"),
    "a record in base64": in_base64,
    "records in base64 of gzip": batch,
    # JSON
    "brackets": over("["),
    "braces": over("{"),
    "open objects": over('{"a":'),
    "open objects, line by line": over('{"a":\n'),
    "quotes": over('"'),
    "escapes": over("\\", '{"'),
    "empty objects": over("{}"),
    "empty objects, line by line": over("{}\n"),
    "broken objects": over("{]"),
    "broken objects, line by line": over('{"a": tru}\n'),
    "half surrogates": over("\\ud800", '{"a":"', '"}'),
    "seams in strings": over("}{", '{"a":"', '"}{}'),
    "arrays in arrays": nested("[", "]"),
    "objects in objects": nested('{"message":', "}"),
    "envelopes in envelopes": nested('{"Message":', "}"),
    "JSON quoted again and again": quoted,
    "an array of lines": over('"' + SENT + '",', "[", '""]'),
    "an array of envelopes": over('{"message":"' + SENT + '"},', "[", "{}]"),
    "a text of many lines": over("a\\n", '{"message":"', '"}'),
    "a text of many headers": over(SENT.replace('"', "") + "\\n", '{"message":"', '"}'),
    "many keys": wide(("a",), {}),
    "many bytes as a message": within(65, ("MESSAGE",), {}),
    "a journal's entries": over("__CURSOR=x\nMESSAGE=a\n\n"),
    "a journal's fields": over("A=b\n", "__CURSOR=x\n"),
    "a journal's lengths": over(b"A\n\0\0\0\0\0\0\0\0\n", "__CURSOR=x\n"),
    "a journal's length beyond its end": over(b"A\n\xff\xff\xff\x7f\0\0\0\0", "__CURSOR=x\n"),
    "strings in a document of no known form": over("to=, relay= ", '{"x":{"y":"', '"}}'),
    # errors
    "apostrophes before an address": over("'", REFUSED, "@"),
    "addresses in apostrophes": over("'a@b' ", REFUSED),
    "Symfony's errors": over("Unable to send an email: "),
    "PHP's errors": over("response: ", 'Error executing "SendEmail" on '),
    "PHP's codes": over("MessageRejected (client): "),
    "Sendmail's fields": over(", a=b", SENDMAIL + "to=<a@b>, delay=00:00:01, mailer=relay"),
    # headers
    "a host without end": over("h", "Mar  5 11:59:58 "),
    "words without end": over("h ", "Mar  5 11:59:58 "),
    "colons": over(":", "Mar  5 11:59:58 "),
    "brackets in the tag": over("[", "Mar  5 11:59:58 mx1 p"),
    "fractions": over("1", "2024-03-05T11:59:58."),
    "structured data": over("[a]", "<22>1 2024-03-05T11:59:58Z h p 1 - "),
    "structured data, quoted": over('["\\', "<22>1 2024-03-05T11:59:58Z h p 1 - "),
    "stamps": over("Mar  5 11:59:58 "),
    "stamps with a zone": over("2024-03-05T11:59:58 +0100 "),
    "months in letters": over("ä"),
    "escapes of rsyslog": over("#012", "Mar  5 11:59:58 mx1 app[7]: "),
    # containers
    "parts": over(CRI + "P x\n"),
    "parts and ends": over(CRI + "P x\n" + CRI + "F y\n"),
    "a part without end": over("x", CRI + "P "),
    "headers of CRI": over(CRI + "F "),
    # Postfix
    "lines of Postfix": over(SENT + "\n"),
    "relays": over(f", relay={RELAY}", HEAD.format("smtp") + "to=<a@b>"),
    "status after status": over(STATUS, HEAD.format("smtp") + "to=<a@b>"),
    "fields": over(", a=b", HEAD.format("smtp") + "to=<a@b>, relay=x"),
    "recipients": over(">, orig_to=<", HEAD.format("smtp") + "to=<", STATUS),
    "a quoted recipient": over('\\"', HEAD.format("smtp") + 'to=<"', '"@b>' + STATUS),
    "an address": over("<", HEAD.format("smtp") + "to=<", ">" + STATUS),
    "parentheses": over("(", SENT),
    "replies": over("250 Ok ", HEAD.format("smtp") + "to=<a@b>, relay=x, status=sent (", ")"),
    "sizes": over(">, size=1, nrcpt=1", HEAD.format("qmgr") + "from=<"),
    "clients": over(", orig_client=", HEAD.format("smtpd") + "client="),
    "a Message-ID": over("<", HEAD.format("cleanup") + "message-id="),
    "a status line of nobody": over("250 Ok ", "postfix/ to=<"),
    "a refusal": over("configuration set ", REFUSED + "host x "),
    "another refusal": over("connection ", REFUSED),
    "hosts": over("email-smtp.", REFUSED),
    # other servers
    "fields of Sendmail": over(", stat=Sent (Ok x)", SENDMAIL + "to=<a@b>"),
    "recipients of Sendmail": over("<a@b>,", SENDMAIL + "to=", ", stat=Sent"),
    "flags of Exim": over(" => a@b", EXIM),
    "fields of Exim": over(' C="250 Ok', EXIM + "=> a@b"),
    "quotes of Exim": over('\\"', EXIM + '<= a@b T="'),
    "recipients of Exim": over(" a@b", EXIM + "<= a@b S=1 for"),
    "lines of Exim": over(EXIM + "** a@b: 554\n  more\n"),
    "pieces of Exim": over("Mar  5 11:59:58 mx1 exim[7]: [1/3] "),
    "fields of OpenSMTPD": over(' stat="250 Ok', "Mar  5 11:59:58 mx1 smtpd[7]: 1 mta delivery evpid=1 "),
    "fields of msmtp": over(" smtpmsg='250 Ok", "mars 15 19:58:40 host=h"),
    "fields of Haraka": over(' response="Ok', "[NOTICE] [A.1.1] [outbound] delivered "),
    "a log of qmail": over("_250_Ok", "@4000000065e7083e1dcd6500 delivery 1: success: "),
    # applications
    "Nodemailer": over('{"response":"250 Ok ', "Mar  5 11:59:58 web app[7]: "),
    "smtplib": over("reply: b'250 Ok ", "Mar  5 11:59:58 web app[7]: "),
    "pairs": over('response="250 Ok ', "Mar  5 11:59:58 web app[7]: "),
    "an error of boto3": over("An error occurred (", "Mar  5 11:59:58 web app[7]: "),
    "addresses": over("a@b.example,", "Mar  5 11:59:58 web app[7]: 554 Email address is not verified: "),
    "a printed object": over("{ a: '", "Mar  5 11:59:58 web app[7]: sent "),
    "fields of an entry": over('{"response":"250 Ok x"},', '{"msg":"sent","x":[', "{}]}"),
    "a stack trace": over("\\n  at x (y:1)", '{"level":"error","message":"554 no', '"}'),
    "names of errors": over("MessageRejected ", "Mar  5 11:59:58 web app[7]: send mail failed: "),
    "names that end lines": over("MessageRejected\\n", '{"msg":"send mail failed","error":"', '"}'),
    "errors of the network": over(": timed out x", "Mar  5 11:59:58 web app[7]: Failed to send email"),
    "classes of errors": over("a.b.Error: ", "Mar  5 11:59:58 web app[7]: Failed to send email: "),
    "an envelope of nullmailer": over("<a@b>, ", "Mar  5 11:59:58 mx1 nullmailer[7]: From: <a@b> to: ", "x"),
    "tags of Postfix": over("postfix/smtp[7]: "),
    "opened objects": over("Message sent: {\n"),
    "lines of an object": over("  a: 'b',\n", "{\n"),
    "Message-IDs": over("Message-ID: <", "Mar  5 11:59:58 web app[7]: "),
    # events
    "events": over(json.dumps(EVENT)),
    "events, line by line": over(json.dumps(EVENT) + "\n"),
    "recipients of an event": within("a@b.example", ("mail", "destination")),
    "recipients with names": within('"A" <@x,@y:a@b.example>', ("mail", "destination")),
    "recipients beyond ASCII": within("a@bücher.example", ("mail", "destination")),
    "bounced recipients": within({"emailAddress": "a@b"}, ("bounce", "bouncedRecipients")),
    "recipients that are none": within({}, ("bounce", "bouncedRecipients")),
    "headers of a mail": within({"name": "Message-ID", "value": "<>"}, ("mail", "headers")),
    "tags": wide(("mail", "tags")),
    "a tag's values": within("x", ("mail", "tags")),
    "a Message-ID of an event": over("<", MAIL + '"headers":[{"name":"message-id","value":"', '"}]}}'),
    "an address of an event": over("<", MAIL + '"source":"', '>"}}'),
    "a quoted address of an event": over("\\\\", MAIL + '"source":"\\"', '>"}}'),
    "records of SNS": within({"Sns": {"Message": "{}"}}, ("Records",), {}),
    "events of CloudWatch Logs": within({"message": "{}"}, ("logEvents",), {"messageType": "DATA_MESSAGE"}),
    "streams of Loki": within({"stream": {"a": "b"}, "values": [["1", "x"]]}, ("streams",), {}),
    "labels of Loki": over('a=\\"b\\",', '{"streams":[{"labels":"{', '}","entries":[{"line":"x"}]}]}'),
    "records of OpenTelemetry": within({"scopeLogs": [{"logRecords": [{"body": {}}]}]}, ("resourceLogs",), {}),
    "items of DynamoDB": wide(("M",), {}),
    "typed JSON": nested('{"M":{"a":', "}}"),
    "greetings": over("Successfully validated SNS topic \n"),
}  # fmt: skip


def work(parse: Callable[[bytes, int], Any], raw: bytes) -> int:
    """The calls of functions that parsing takes."""
    calls = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        parse(raw, SEEN)
    finally:
        sys.setprofile(None)
    return calls


def seconds(parse: Callable[[bytes, int], Any], raw: bytes) -> float:
    began = time.process_time()
    parse(raw, SEEN)
    return time.process_time() - began


def assembled(raw: bytes, seen: int) -> None:
    """Records of a few bytes each, as one batch."""

    class Record:
        topic, partition, key, timestamp = "t", 0, None, seen

        def __init__(self, offset: int, value: bytes) -> None:
            self.offset, self.value = offset, value

    records = [Record(at, raw[at : at + 64]) for at in range(0, len(raw), 64)]
    Assembler().take([Record(0, CRI.encode() + b"P x"), *records, Record(0, raw)], seen)


SIZE: Final = 16 * 1024
ENOUGH: Final = 5000
"""Calls: fewer for twice the bytes are no sign of anything."""


@pytest.mark.parametrize("parse", [parse_smtp, parse_ses, assembled])
@pytest.mark.parametrize("nasty", list(NASTY))
def test_twice_the_bytes_are_twice_the_work(nasty: str, parse: Callable[[bytes, int], Any]) -> None:
    half, full, most = (NASTY[nasty](size) for size in (SIZE, 2 * SIZE, LIMIT))
    assert len(most) <= LIMIT
    parse(full, SEEN)  # what is cached is cached
    before, after = work(parse, half), work(parse, full)
    took = f"{seconds(parse, most) * 1000:8.1f} ms for {len(most):,} bytes"
    print(f"{nasty:32} {parse.__name__:10} {before:9,} {after:9,} calls, {took}")
    assert after <= ENOUGH or after <= 2.5 * before, (nasty, before, after)
