"""Every parser under inputs that nobody wrote: damaged lines, events and batches, and bytes.

    python tests/fuzz.py --inputs 1000000                 mutations, as many processes as there are processors
    python tests/fuzz.py --inputs 1000000 --seed 7        another million
    python tests/fuzz.py --inputs 100000000 --corpus DIR  for nights, from files of one's own as well
    python tests/fuzz.py --guided --inputs 1000000        guided by coverage, where atheris is installed

It ends with 1 and the input, in base64, where a parser raised or broke its word: facts have names and believable times,
every record leaves a trace, and the same bytes say the same again. `--once BASE64` repeats one input.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import random
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[1]))

SEEN = 1_709_640_000_000
RELAY = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
QID = "4A1B2C3D4E"
CRI = "2024-03-05T11:59:58.123456789Z stdout"
MAX = 16_384


POSTFIX = f"""
smtpd|client=app[10.0.0.7], sasl_method=PLAIN, sasl_username=x
cleanup|message-id=<1@shop.example>
qmgr|from=<a@b.example>, size=1, nrcpt=2 (queue active)
smtp|to=<a@b>, orig_to=<c>, relay={RELAY}, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (250 Ok {ID})
smtp|to=<"a>, relay=x"@b>, relay={RELAY}, delay=1, dsn=4.0.0, status=deferred (host {RELAY} said: 454 x)
error|to=<a@b>, relay=none, delay=1, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect)
qmgr|from=<a@b.example>, status=expired, returned to sender
qmgr|removed
"""
EXIM = "2024-03-05 11:59:58.123 +0100 [77] 1rhTyZ-000000001bo-D342"
SES_HOST = "email-smtp.us-east-1.amazonaws.com"
OTHERS = f"""
<22>1 2024-03-05T11:59:58.5+02:00 mx1 postfix/qmgr 7 - [a@1 b="c\\"]"] {QID}: removed
60 <22>Mar  5 11:59:58 mx1 postfix/qmgr[1]: {QID}: removed60 <22>Mar  5 11:59:58 mx1 postfix/qmgr[1]: {QID}: removed
Mar  5 11:59:58 mx1 sendmail[7]: t2N4h88k026236: from=<a@b>, size=1, class=0, nrcpts=1, msgid=<1@x>, relay=app
Mar  5 11:59:58 mx1 sm-mta[7]: t2N4h88k026236: to=<a@b>,<c@d>, relay={SES_HOST}. [192.0.2.1], stat=Sent (Ok {ID})
{EXIM} <= a@b H=(app) [10.0.0.7]:25 P=esmtpsa A=plain:x S=1 id=1@shop.example T="x" for c@d.example
{EXIM} => c@d R=r T=t H={SES_HOST} [192.0.2.1] X=TLS1.3 C="250 Ok {ID}"
{EXIM} ** c@d R=r T=t H={SES_HOST} [192.0.2.1]: SMTP error after end of data: 554 no
{EXIM} Completed
Mar  5 11:59:58 mx1 exim[7]: [1/3] {EXIM} ** a@b: 554 no
Mar  5 11:59:58 mx1 smtpd[7]: 01 mta delivery evpid=c405e39ad6bbc64f from=<a> to=<c@d> result="Ok" stat="250 Ok {ID}"
mars 15 19:58:40 host={SES_HOST} from=a@b recipients=c@d,e@f smtpstatus=250 smtpmsg='250 Ok {ID}' exitcode=EX_OK
2024-03-05T11:59:58Z [NOTICE] [5A1B2C3D.1.1] [outbound] delivered file=x domain=d host=h response="Ok {ID}"
@4000000065e7083e1dcd6500 delivery 1: success: 192.0.2.1_accepted_message./Remote_host_said:_250_Ok_{ID}/
Mar  5 11:59:58 web app[7]: Mail sent: {{"accepted": ["a@b.example"], "response": "250 Ok {ID}", "messageId": "<1@x>"}}
reply: b'250 Ok {ID}\\r\\n'
data: (250, b'Ok {ID}')
smtplib.SMTPDataError: (454, b'Throttling failure: Maximum sending rate exceeded.')
An error occurred (MessageRejected) when calling the SendEmail operation: Email address is not verified.
2024-03-05 11:59:58 ERROR app Failed to send email to a@b.example: [Errno 111] Connection refused
Error sending email by SES: ThrottlingException
"""
SEVERAL = (
    f"""@4000000065e7083e1dcd6500 starting delivery 1: msg 7 to remote a@b.example
@4000000065e7083e1dcd6500 delivery 1: success: 192.0.2.1_accepted_message./Remote_host_said:_250_Ok_{ID}/""",
    f"""Starting delivery: host: {SES_HOST} protocol: smtp file: 1709640.77
From: <a@b.example> to: <c@d.example>, <e@f.example>
Message-Id: <1@b.example>
smtp: Succeeded: 250 Ok {ID}""",
    f"""Message sent: {{
  accepted: [ 'a@b.example' ],
  response: '250 Ok {ID}'
}}
{{
  "msg": "mail sent", "response": "250 Ok {ID}"
}}""",
)
"""What comes in several records."""


def _lines() -> list[str]:
    postfix = [row.partition("|") for row in POSTFIX.strip().splitlines()]
    return [
        *[f"Mar  5 11:59:58 mx1 postfix/{service}[7]: {QID}: {text}" for service, _, text in postfix],
        *OTHERS.strip().splitlines(),
        OTHERS,
        *SEVERAL,
        f"{CRI} P Mar  5 11:59:58 mx1 postfix/qmgr[7]: {QID}:\n{CRI} F  removed",
    ]


def _events() -> list[str]:
    mail = {
        "timestamp": "2024-03-05T11:59:58.000Z", "messageId": ID, "source": "A <a@b.example>",
        "sourceArn": "arn:aws:ses:us-east-1:1:identity/b", "destination": ["C <c@d.example>", "e@ü.example"],
        "headersTruncated": False, "headers": [{"name": "Message-ID", "value": "<1@b.example>"}],
        "commonHeaders": {"messageId": ID},
        "tags": {"ses:configuration-set": ["x"], "a": ["b"]},
    }  # fmt: skip
    person = {"emailAddress": "c@d.example", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550"}
    payload = {
        "timestamp": "2024-03-05T12:00:01.000Z", "recipients": ["c@d.example"], "bounceType": "Permanent",
        "bouncedRecipients": [person], "complainedRecipients": [person], "delayedRecipients": [person],
        "expirationTime": "2024-03-06T02:00:00.000Z", "delayType": "General", "smtpResponse": "250 ok",
    }  # fmt: skip
    kinds = {
        "Send": "send", "Delivery": "delivery", "Bounce": "bounce", "Complaint": "complaint", "Reject": "reject",
        "Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay", "Open": "open", "New": "new",
    }  # fmt: skip
    events = [{"eventType": kind, "mail": mail, key: payload} for kind, key in kinds.items()]
    events.append({"notificationType": "Bounce", "mail": mail, "bounce": payload})
    return [json.dumps(event) for event in events]


def _wrapped(text: str) -> list[bytes]:
    """What may carry a line or an event."""
    b64 = base64.b64encode(text.encode()).decode()
    cloudwatch = {"messageType": "DATA_MESSAGE", "logStream": "x", "logEvents": [{"timestamp": SEEN, "message": text}]}
    documents: list[Any] = [
        {"message": text, "host": "mx1", "@timestamp": "2024-03-05T11:59:58.000Z"},
        {"log": text + "\n", "stream": "stdout", "time": "2024-03-05T11:59:58Z", "logtag": "P"},
        {"message": text, "_p": "F", "kubernetes": {"pod_name": "a", "labels": {"a": "b"}}},
        {"MESSAGE": text, "_HOSTNAME": "mx1", "SYSLOG_IDENTIFIER": "postfix/smtp", "_TRANSPORT": "syslog"},
        {"msg": " " + text, "hostname": "mx1", "syslogtag": "postfix/smtp[7]:", "timereported": "Mar  5 11:59:58"},
        {"Type": "Notification", "Message": text}, {"Records": [{"body": text}]},
        {"detail-type": "Email Sent", "source": "aws.ses", "detail": text}, cloudwatch,
        {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(cloudwatch).encode())).decode()}},
        {"records": [{"recordId": "1", "data": b64}]}, {"Records": [{"kinesis": {"data": b64}}]},
        {"streams": [{"stream": {"host": "mx1"}, "values": [["1709639998000000000", text]]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]},
        {"eventName": "INSERT", "dynamodb": {"NewImage": {"event": {"S": text}}}},
    ]  # fmt: skip
    return [text.encode(), gzip.compress(text.encode()), *[json.dumps(each).encode() for each in documents]]


def seeds(corpus: str | None = None) -> list[bytes]:
    """Inputs to begin with."""
    found = [wrapped for text in [*_lines(), *_events()] for wrapped in _wrapped(text)]
    for path in sorted(Path(corpus).rglob("*")) if corpus else ():
        if path.is_file():
            raw = path.read_bytes()
            found += [raw[:MAX], *raw[:MAX].splitlines()[:200]]
    return found


# -- what must hold --------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A record, for the assembler."""

    value: bytes
    offset: int
    topic: str = "t"
    partition: int = 0
    timestamp: int = SEEN
    key: bytes | None = None


def checks() -> Callable[[bytes], None]:
    """The check of one input. Imported late, so that coverage can be measured."""
    from service.assembler import Assembler  # noqa: PLC0415
    from service.facts import Parsed, Reason, Unparsable  # noqa: PLC0415
    from service.parsing.addresses import address  # noqa: PLC0415
    from service.parsing.instants import instant, is_believable  # noqa: PLC0415
    from service.parsing.replies import cause_of, ses_id_in  # noqa: PLC0415
    from service.parsing.ses import parse_ses  # noqa: PLC0415
    from service.parsing.smtp import parse_smtp  # noqa: PLC0415
    from service.parsing.syslog import stamp_of  # noqa: PLC0415

    def held(parsed: Parsed, trouble: Unparsable | None) -> None:
        for name, fact in parsed.facts:
            assert name[1:2] == b":", name
            assert len(name) > len(b"S:"), name
            assert is_believable(fact.at), fact
            hash(fact)
        assert trouble is None or trouble.reason in Reason
        assert trouble is None or trouble.reason is not Reason.INTERNAL_ERROR
        assert parsed.facts or parsed.ignored or trouble, "nothing is lost without a word"

    def check(raw: bytes) -> None:
        for parse in (parse_smtp, parse_ses):
            said = parse(raw, SEEN)
            held(*said)
            assert parse(raw, SEEN) == said
        records = [Line(each, offset) for offset, each in enumerate((raw, raw, b"x", *raw.splitlines()))]
        assembler, ready = Assembler().take(records, SEEN)
        for record in [*ready, *assembler.rest()]:
            if record.value not in {raw, b"x"}:
                held(*parse_smtp(record.value or b"", SEEN))
        text = raw[:200].decode(errors="replace")
        address(text)
        cause_of(text)
        ses_id_in(text)
        instant(text[:64])
        stamp_of(text[:32], SEEN)

    return check


# -- mutations -------------------------------------------------------------------------------------------------------

WORDS = [
    *b'\n|\r\n|\n |\n\t|\0|\xff|\xc3|"|\\"|\\|{|}|[|]|<|>|(|)|\'|,|=| |\x1e|\x85|\xe2\x80\xa8|\xef\xbb\xbf'.split(b"|"),
    *b", relay=|>, relay=|to=<|status=sent (250 Ok |status=|: |#012| P | F |P|F| => | ** | == |[1/3] |[2\\3] ".split(
        b"|"
    ),
    *b"null|true|1e999|-1|0|99999999999999999999|\\ud800|\\u0000|\x1f\x8b|H4sI".split(b"|"),
    *b'{"S": "|{"M": {|"eventType": |"mail": |"message": |"partial_message": "true", '.split(b"|"),
    *b"Mar  5 11:59:58 |2024-02-30T25:61:61Z|Feb 29 24:00:00".split(b"|"),
    *(ID.encode(), QID.encode(), RELAY.encode()),
]


VALUES: list[Any] = [None, True, 0, -1.5, 10**18, "", "x", "P", "true", [], {}, ["x"], {"a": {}}, [[1]], "\u2028"]


def odd(chance: random.Random, value: Any) -> Any:
    """The JSON value with another at some place in it, deep ones among them."""
    if not isinstance(value, dict | list) or not value or not chance.randrange(4):
        if not chance.randrange(20):
            found: Any = 1
            for _ in range(chance.choice((10, 260, 1000))):
                found = {"a": found} if chance.randrange(2) else [found]
            return found
        return chance.choice(VALUES)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key = chance.choice(list(copy)) if isinstance(copy, dict) else chance.randrange(len(copy))
    copy[key] = odd(chance, copy[key])
    return copy


def written(value: Any) -> bytes:
    """JSON, however deep; Python's own writer stops at a thousand."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 500 + b"]" * 500


def mutated(chance: random.Random, pool: list[bytes]) -> bytes:
    """A seed, changed in up to eight places; or bytes."""
    if not chance.randrange(50):
        return chance.randbytes(chance.randrange(64))
    raw = bytearray(chance.choice(pool))
    if raw.startswith(b"{") and not chance.randrange(3):
        try:
            return written(odd(chance, odd(chance, json.loads(raw))))[:MAX]
        except ValueError:
            pass
    for _ in range(chance.randrange(9)):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((0, 0, 1, 2, 8, 40)))
        match chance.randrange(6):
            case 0:
                raw[at:end] = b""
            case 1 | 2:
                raw[at:end] = chance.choice(WORDS)
            case 3:
                raw[at:end] = chance.randbytes(chance.randrange(4))
            case 4:
                other = chance.choice(pool)
                start = chance.randrange(len(other) + 1)
                raw[at:end] = other[start : start + chance.randrange(200)]
            case _:
                raw[at:at] = raw[at : at + 40] * chance.randrange(4)
    return bytes(raw[:MAX])


def fuzz(seed: int, inputs: int, corpus: str | None) -> dict[str, tuple[int, str, str]]:
    """Runs that many inputs. By the place where it failed: how often, the shortest input, in base64, and why."""
    chance, pool, check = random.Random(seed), seeds(corpus), checks()
    failures: dict[str, tuple[int, str, str]] = {}
    for _ in range(inputs):
        raw = mutated(chance, pool)
        try:
            check(raw)
        except Exception as error:  # noqa: BLE001
            place = str(traceback.extract_tb(error.__traceback__)[-1])
            known = failures.get(place)
            count = known[0] + 1 if known else 1
            if known is None or len(raw) < len(base64.b64decode(known[1])):
                known = (count, base64.b64encode(raw).decode(), traceback.format_exc())
            failures[place] = (count, *known[1:])
    return failures


def guided(inputs: int, corpus: str | None, seed: int) -> None:
    """The same under atheris, which keeps inputs that reach new code."""
    import atheris  # type: ignore[import-not-found]  # noqa: PLC0415

    with atheris.instrument_imports(include=["service"]):
        check = checks()
    pool, chance = seeds(corpus), random.Random(seed)

    def mutate(data: bytes, size: int, given: int) -> bytes:
        chance.seed(given)
        changed = (
            mutated(chance, [data, data, data, chance.choice(pool)]) if given % 2 else atheris.Mutate(data, len(data))
        )
        return bytes(changed[:size])

    atheris.Setup(
        [sys.argv[0], f"-runs={inputs}", f"-max_len={MAX}", f"-seed={seed or 1}"], check, custom_mutator=mutate
    )
    atheris.Fuzz()


def main() -> int:
    """Reads the flags and runs."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--inputs", type=int, default=1_000_000)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    flags.add_argument("--corpus", help="a folder with inputs of one's own")
    flags.add_argument("--guided", action="store_true", help="by coverage; needs atheris")
    flags.add_argument("--once", metavar="BASE64", help="repeat one input")
    asked = flags.parse_args()
    if asked.once is not None:
        checks()(base64.b64decode(asked.once))
        return 0
    if asked.guided:
        guided(asked.inputs, asked.corpus, asked.seed)
        return 0
    began, share = time.monotonic(), -(-asked.inputs // asked.processes)
    failures: dict[str, tuple[int, str, str]] = {}
    with ProcessPoolExecutor(asked.processes) as pool:
        for run in [pool.submit(fuzz, asked.seed * 1000 + n, share, asked.corpus) for n in range(asked.processes)]:
            failures |= run.result()
    total, seconds = share * asked.processes, time.monotonic() - began
    print(f"{total:,} inputs in {seconds:.0f} s, failures in {len(failures)} places")
    for count, raw, why in failures.values():
        print(f"\n{why}\n    {count} times: python tests/fuzz.py --once {raw}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
