"""Rule 28: what only quotes an acceptance is none, in whatever it came and whoever wrote it.

`FORGED` is an id that no mail server ever got, `VICTIM` a queue id that somebody would like to see accepted. Neither
may stand in any fact of a mail server, however a hostile subject, HELO name, Message-ID, address or reply is logged.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from service.facts import Accepted, Described, Identified, Queued, Sent, Started, Unconfirmed
from service.parsing.ses import parse_ses
from service.parsing.smtp import parse_smtp
from tests.stories.logs import RELAY, moment, scan, ses_id

if TYPE_CHECKING:
    from collections.abc import Callable

SEEN = 1_709_640_000_000
FORGED = "0100018e0e7c25e8-66667777-8888-4999-aaaa-bbbbccccdddd-000000"
VICTIM = "4B00000001"
QID = "4A1B2C3D4E"
REAL = ses_id(moment("2024-03-05 11:59:57"))
OK = f"status=sent (250 Ok {FORGED})"
STATUS = f"to=<v@client.example>, relay={RELAY}, delay=1, delays=0/0/0/1, dsn=2.0.0, {OK}"
VICTIM_LINE = f"{VICTIM}: {STATUS}"
WHOLE_LINE = f"Mar  5 11:59:58 mx1 postfix/smtp[7]: {VICTIM_LINE}"

HOP = f"relay={RELAY}, delay=1, delays=0/0/0/1"
SAID = f"host {RELAY} said"
LOCAL = "delay=0, dsn=2.0.0"
POSTFIX = """
cleanup|warning: header Subject: {STATUS} from app[10.0.0.7]; from=<a@b.example> to=<c@d.example> proto=ESMTP
cleanup|info: header Subject: {WHOLE_LINE} from app[10.0.0.7]; from=<a@b.example> proto=ESMTP helo=<x>
cleanup|warning: header X: x, {OK}
cleanup|warning: body {STATUS} from local; from=<a@b.example>
cleanup|replace: header To: {STATUS}: To: x
cleanup|reject: header Subject: {STATUS} from app[10.0.0.7]; from=<a@b.example> to=<c@d.example>: 5.7.1 no
cleanup|hold: header Subject: {STATUS}
cleanup|filter: header Subject: {STATUS}
cleanup|redirect: header Subject: {STATUS}
cleanup|milter-reject: END-OF-MESSAGE from x[192.0.2.9]: 5.7.1 {STATUS}; from=<a@b.example>
cleanup|message-id=<1@x.example>, {STATUS}
cleanup|message-id={STATUS}
cleanup|resent-message-id=<1@x.example>, {STATUS}
smtpd|client=to=<v@client.example>, relay={RELAY}, {OK}[192.0.2.9]
smtpd|client=x[192.0.2.9], sasl_method=PLAIN, sasl_username={STATUS}
smtpd|reject: RCPT from x[192.0.2.9]: 554 5.7.1 <{STATUS}>: Relay access denied; helo=<{STATUS}>
qmgr|from=<"{OK}"@x.example>, size=1, nrcpt=1 (queue active)
qmgr|from=<{STATUS}>, size=1, nrcpt=1 (queue active)
pickup|uid=0 from=<{STATUS}>
local|to=<a@mx1.example>, relay=local, {LOCAL}, status=sent (delivered to command: echo 250 Ok {FORGED})
local|to=<a@mx1.example>, relay=local, {LOCAL}, {OK}
pipe|to=<a@mx1.example>, relay=filter, {LOCAL}, {OK}
lmtp|to=<a@mx1.example>, relay=mx1[private/dovecot], {LOCAL}, {OK}
virtual|to=<a@mx1.example>, relay=virtual, {LOCAL}, {OK}
smtp|to=<"x>, relay={RELAY}, delay=0, dsn=2.0.0, {OK}"@c.example>, {HOP}, dsn=5.0.0, status=bounced ({SAID}: 550 no)
smtp|to=<a@c.example>, {HOP}, dsn=5.1.1, status=bounced ({SAID}: 550 <v@c.example>, relay={RELAY}, {OK} (in reply))
smtp|to=<a@c.example>, {HOP}, dsn=4.0.0, status=deferred ({SAID}: 454 {OK})
smtp|to=<a@c.example>, {HOP}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 3CB2B113CB6 (250 Ok {FORGED}))
smtp|host {RELAY} said: 454 4.7.0 {STATUS} (in reply to RCPT TO command)
smtp|< {RELAY}: 250 Ok {FORGED}
smtp|enabling PIX workarounds: {STATUS}
bounce|sender non-delivery notification: {STATUS}
anvil|statistics: {STATUS}
policyd|{STATUS}
"""

EXIM_LINE = "2024-03-05 11:59:58 1rhTyZ-000000001bo-D342"
EVPID = "0000000000000001 mta delivery evpid=c405e39ad6bbc64f"
NOBODYS = """
postfix/smtpd|NOQUEUE: reject: RCPT from x[192.0.2.9]: 554 5.7.1 <v@client.example>: {STATUS}; helo=<x>
postfix/smtpd|NOQUEUE: reject: VRFY from x[192.0.2.9]: 252 {VICTIM_LINE}
postfix/smtpd|warning: x[192.0.2.9]: SASL PLAIN authentication failed: {VICTIM_LINE}
postfix/smtpd|warning: hostname {VICTIM_LINE} does not resolve to address 192.0.2.9
postfix/smtpd|< x[192.0.2.9]: HELO {VICTIM_LINE}
postfix/smtpd|> x[192.0.2.9]: 250 Ok {FORGED}
postfix/smtpd|lost connection after {VICTIM_LINE} from x[192.0.2.9]
postfix/smtpd|improper command pipelining after HELO from x[192.0.2.9]: {VICTIM_LINE}
postfix/smtpd|warning: non-SMTP command from x[192.0.2.9]: {VICTIM_LINE}
postfix/smtp|warning: {VICTIM_LINE}
postfix/smtp|info: {VICTIM_LINE}
postfix/smtp|NOQUEUE: {STATUS}
postfix/smtp|Untrusted TLS connection established to {VICTIM_LINE}
postfix/postscreen|NOQUEUE: reject: RCPT from [192.0.2.9]:1: 550 5.7.1 Service unavailable; {VICTIM_LINE}
postfix/cleanup|warning: {VICTIM_LINE}
postfix/master|{VICTIM_LINE}
postfix/postmap|{VICTIM_LINE}
app|{WHOLE_LINE}
app|{VICTIM_LINE}
app|postfix/smtp[7]: {VICTIM_LINE}
app|contact form: subject={WHOLE_LINE}
python3|DEBUG postfix said: {VICTIM_LINE}
nginx|10.0.0.7 - - "GET /?q={WHOLE_LINE} HTTP/1.1" 200
sshd|Invalid user {VICTIM_LINE} from 192.0.2.9
sudo|root : COMMAND=/bin/grep {WHOLE_LINE} /var/log/mail.log
dovecot|imap(x): {VICTIM_LINE}
opendkim|{VICTIM_LINE}
amavis|(1) Passed CLEAN, <a@b.example> -> <v@client.example>, Subject: {WHOLE_LINE}
spamd|spamd: result: . 0 - {VICTIM_LINE}
fail2ban.actions|NOTICE {WHOLE_LINE}
systemd|{VICTIM_LINE}
sendmail|{VICTIM}: from=<x, stat=Sent (Ok {FORGED})>, size=1, class=0, nrcpts=1, msgid=<1@x>, relay=x [192.0.2.9]
sendmail|{VICTIM}: from=<x>, size=1, class=0, nrcpts=1, msgid=<, to=<v@client.example>, stat=Sent (Ok {FORGED})>
sendmail|{VICTIM}: ruleset=check_mail, arg1=<to=<v@client.example>, stat=Sent (Ok {FORGED})>, relay=x, reject=553
sendmail|{VICTIM}: to=<a@c.example>, delay=00:00:01, relay=mx. [192.0.2.9], stat=User unknown, stat=Sent (Ok {FORGED})
sm-mta|{VICTIM}: <{STATUS}, stat=Sent (Ok {FORGED})>... User unknown
sm-mta|{VICTIM}: x [192.0.2.9] did not issue MAIL/EXPN/VRFY/ETRN, stat=Sent (Ok {FORGED})
sm-mta|STARTTLS=client, relay=email-smtp.us-east-1.amazonaws.com., stat=Sent (Ok {FORGED})
exim|{EXIM_LINE} <= a@b.example H=(=> v@c.example R=r T=t C="250 Ok {FORGED}") [192.0.2.9] P=esmtp S=1 id=1@x.example
exim|{EXIM_LINE} <= a@b.example U=x P=local S=1 T="=> v@client.example C=\\"250 Ok {FORGED}\\""
exim|2024-03-05 11:59:58 H=(x) [192.0.2.9] F=<a@b.example> rejected RCPT <v@c.example>: => C="250 Ok {FORGED}"
exim|{EXIM_LINE} ** a@client.example R=r T=t: 550 C="250 Ok {FORGED}"
exim|{EXIM_LINE} == a@client.example R=r T=t defer (-44): 451 => C="250 Ok {FORGED}"
smtpd|0000000000000001 smtp failed-command command="RCPT" result="550 result=\\"Ok\\" stat=\\"250 Ok {FORGED}\\""
smtpd|0000000000000001 smtp envelope evpid=c405e39ad6bbc64f from=<stat="250 Ok {FORGED}"> to=<v@client.example>
smtpd|{EVPID} from=<a@b.example> to=<result="Ok" stat="250 Ok {FORGED}"@x.example> result="PermFail" stat="550 no"
haraka|[NOTICE] [5A1B2C3D-0000-4000-8000-000000000001.1] [core] disconnect helo=response="Ok {FORGED}" delay=1
haraka|[PROTOCOL] [5A1B2C3D-0000-4000-8000-000000000001.1] [core] C: HELO response="Ok {FORGED}"
qmail|delivery 1: failure: 192.0.2.9_failed_after_I_sent_the_message./Remote_host_said:_550_Ok_{FORGED}/
msmtp|host=mx.c.example from=smtpmsg='250 Ok {FORGED}' recipients=v@c.example errormsg='rejected' exitcode=EX_NOUSER
"""


def written(table: str) -> list[tuple[str, str]]:
    """The table's rows: who speaks, and what, with the names in braces filled in."""
    rows = [row.partition("|") for row in table.strip().splitlines()]
    return [(program, text.format(**globals())) for program, _, text in rows]


def syslog(program: str, text: str) -> bytes:
    return f"Mar  5 11:59:58 mx1 {program}[7]: {text}".encode()


def rfc5424(program: str, text: str) -> bytes:
    return f'<22>1 2024-03-05T11:59:58Z mx1 {program} 7 - [x@1 y="{WHOLE_LINE}"] {text}'.encode()


def document(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


FORMS: list[tuple[str, Callable[[str, str], bytes]]] = [
    ("syslog", syslog),
    ("RFC 5424", rfc5424),
    ("CRI", lambda program, text: b"2024-03-05T11:59:58.1Z stdout F " + syslog(program, text)),
    (
        "rsyslog",
        lambda program, text: document(msg=" " + text, hostname="mx1", syslogtag=f"{program}[7]:", programname="x"),
    ),
    (
        "journald",
        lambda program, text: document(MESSAGE=text, _HOSTNAME="mx1", SYSLOG_IDENTIFIER=program, _TRANSPORT="syslog"),
    ),
    ("Vector", lambda program, text: document(message=text, host="mx1", appname=program, source_type="syslog")),
    ("Fluent Bit", lambda program, text: document(message=text, host="mx1", ident=program, pri="22", pid="7")),
    (
        "syslog-ng",
        lambda program, text: document(MESSAGE=text, HOST="mx1", PROGRAM=program, ISODATE="2024-03-05T11:59:58Z"),
    ),
    ("Filebeat", lambda program, text: document(message=syslog(program, text).decode(), host={"name": "mx1"})),
    ("Docker", lambda program, text: document(log=syslog(program, text).decode() + "\n", stream="stdout")),
    ("gzip", lambda program, text: gzip.compress(syslog(program, text))),
    ("Firehose", lambda program, text: document(records=[{"data": base64.b64encode(syslog(program, text)).decode()}])),
]
BREAKS = ["\n", "\r\n", "\n\n", "#012", "\\n", "\x0b", "\x85", "\u2028", "\x1e", "\0"]


def forged(raw: bytes) -> list[Any]:
    """Facts that a forger would be glad of."""
    parsed, _ = parse_smtp(raw, SEEN)
    return [
        (name, fact)
        for name, fact in parsed.facts
        if FORGED.encode() in name
        or (isinstance(fact, Accepted) and (FORGED in fact.ses_id or VICTIM in fact.submission))
        or (isinstance(fact, Unconfirmed) and VICTIM.encode() in name)
    ]


@pytest.mark.parametrize(("form", "shape"), FORMS, ids=[form for form, _ in FORMS])
def test_a_mail_servers_line_that_quotes_an_acceptance(form: str, shape: Any) -> None:
    for service, text in written(POSTFIX):
        assert forged(shape(f"postfix/{service}", f"{QID}: {text}")) == [], (form, service, text)
    for program, text in written(NOBODYS):
        assert forged(shape(program, text)) == [], (form, program, text)


@pytest.mark.parametrize(("form", "shape"), FORMS, ids=[form for form, _ in FORMS])
def test_the_same_forms_tell_a_true_acceptance(form: str, shape: Any) -> None:
    """Else the test above would be met by understanding nothing."""
    text = f"{QID}: to=<ann@client.example>, relay={RELAY}, delay=1, dsn=2.0.0, status=sent (250 Ok {REAL})"
    parsed, trouble = parse_smtp(shape("postfix/smtp", text), SEEN)
    assert [type(fact) for _, fact in parsed.facts] == [Accepted, Accepted], form
    assert trouble is None


@pytest.mark.parametrize("cut", BREAKS)
def test_a_line_break_in_what_a_program_said_begins_no_line_of_another(cut: str) -> None:
    """Whoever fills in a form may put one into the log of an application that does not escape it."""
    text = f"contact form: subject=x{cut}{WHOLE_LINE}"
    for shape in (
        document(MESSAGE=text, _HOSTNAME="web", SYSLOG_IDENTIFIER="app"),
        document(message=text, host="web", appname="app"),
        document(message=text, host={"name": "web"}, log={"file": {"path": "/var/log/app.log"}}),
        document(log=text + "\n", stream="stdout", time="2024-03-05T11:59:58Z"),
        document(level="info", msg=text),
        json.dumps(text).encode(),
    )[:5]:
        assert forged(shape) == [], (cut, shape)
    if cut not in {"\n", "\r\n", "\n\n"}:  # what syslog daemons escape; a record may well be several lines
        assert forged(f"Mar  5 11:59:58 web app[1]: {text}".encode()) == []


@pytest.mark.parametrize("cut", ["#012", "\n"])
def test_a_line_break_in_what_a_mail_server_said(cut: str) -> None:
    text = f"NOQUEUE: reject: RCPT from x[192.0.2.9]: 554 5.7.1 no; helo=<x{cut}{WHOLE_LINE}>"
    assert forged(document(MESSAGE=text, _HOSTNAME="mx1", SYSLOG_IDENTIFIER="postfix/smtpd")) == []
    assert forged(document(message=f"{QID}: client=x{cut}{VICTIM_LINE}", host="mx1", appname="postfix/smtpd")) == []


APPLICATIONS = [
    {"level": "info", "logger": "app", "message": f"user wrote: {WHOLE_LINE}"},
    {"level": 30, "time": 1709639998000, "pid": 1, "hostname": "web", "msg": f"subject: {VICTIM_LINE}"},
    {"level": "info", "msg": "got", "subject": f"250 Ok {FORGED}", "headers": {"Subject": STATUS}},
    {"level": "info", "msg": "incoming webhook", "body": WHOLE_LINE, "request": {"text": VICTIM_LINE}},
    {"level": "debug", "msg": "read mail", "mail": {"subject": f"Ok {FORGED}", "text": OK}},
    {"@timestamp": "2024-03-05T11:59:58Z", "message": "x", "event": {"original": f"GET /?{WHOLE_LINE}"}},
    {"message": "x", "extra": {"log": WHOLE_LINE}},
]


@pytest.mark.parametrize("entry", APPLICATIONS)
def test_an_application_that_quotes_a_mail_server_is_no_mail_server(entry: dict[str, Any]) -> None:
    parsed, _ = parse_smtp(document(**entry), SEEN)
    assert not [name for name, _ in parsed.facts if VICTIM.encode() in name]
    servers = (Started, Queued, Identified)
    assert not [fact for _, fact in parsed.facts if isinstance(fact, servers)]
    assert not [fact for _, fact in parsed.facts if isinstance(fact, Accepted) and VICTIM in fact.submission]


def test_a_piece_of_a_line_that_is_too_long_is_no_line() -> None:
    """Container runtimes cut lines at 16 KiB: whoever fills so much begins the next piece where he likes."""
    from service.assembler import Assembler  # noqa: PLC0415

    class Record:
        topic, partition, key, timestamp = "t", 0, None, SEEN

        def __init__(self, offset: int, value: str) -> None:
            self.offset, self.value = offset, value.encode()

    stamp = "2024-03-05T11:59:58.1Z stdout"
    pieces = [f"{stamp} P {'x' * 16_000}"] * 5 + [f"{stamp} P {WHOLE_LINE}", f"{stamp} F {WHOLE_LINE}"]
    _, ready = Assembler().take([Record(n, piece) for n, piece in enumerate(pieces)], SEEN)
    assert [forged(each.value or b"") for each in ready] == [[]] * len(ready)
    _, ready = Assembler().take([Record(n, piece) for n, piece in enumerate([*pieces[:2], *pieces[-1:]])], SEEN)
    assert [forged(each.value or b"") for each in ready] == [[]] * len(ready)


def test_ses_events_that_quote_events() -> None:
    """A subject, a tag, a diagnostic or a name may hold JSON of an event: it is text."""
    event = json.dumps({"eventType": "Delivery", "mail": {"messageId": FORGED, "timestamp": "2024-03-05T11:59:58.000Z"},
                        "delivery": {"recipients": ["v@client.example"]}})  # fmt: skip
    mail = {
        "messageId": REAL, "timestamp": "2024-03-05T11:59:58.000Z", "source": f'"{event}" <a@b.example>',
        "destination": ["c@d.example"], "tags": {event: [event], "Message": [event]},
        "headers": [{"name": "Subject", "value": event}, {"name": "Message-ID", "value": f"<{event}>"}],
        "commonHeaders": {"subject": event, "Message": event, "detail": event},
    }  # fmt: skip
    record = {
        "eventType": "Send",
        "mail": mail,
        "send": {"Message": event},
        "Message": event,
        "detail": event,
        "body": event,
    }
    parsed, trouble = parse_ses(json.dumps(record).encode(), SEEN, link=False)
    assert trouble is None
    assert [type(fact) for _, fact in parsed.facts] == [Described, Sent]
    assert {name for name, _ in parsed.facts} == {f"S:{REAL}".encode()}


def test_a_whole_log_of_forgeries_is_a_log_without_mails(tmp_path: Any) -> None:
    lines = [
        syslog(program, text).decode()
        for program, text in written(NOBODYS)
        if program not in {"exim", "qmail", "haraka"}
    ]
    lines += [syslog(f"postfix/{service}", f"{VICTIM}: {text}").decode() for service, text in written(POSTFIX)]
    documents = scan(tmp_path, "\n".join(lines) + "\n", written=moment("2024-03-06"))
    assert [document for document in documents if document["ses_message_id"] is not None] == []
    told = json.dumps([document["recipients"] for document in documents])
    assert "accepted" not in told
    assert "delivered" not in told
