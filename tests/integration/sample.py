"""A made-up application's mails, what the mail servers and SES said about them, and what must be found: the truth.

Nothing here knows how mailgap works. Every record is dated with the time that stands in it (whole seconds where the
line has no more), so that a reader of files and a reader of Kafka see the same times. Deadlines are of seconds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, NamedTuple

HANDOFF, FIRST_EVENT, MAX_DELIVERY, GRACE = 4, 4, 8, 2
SETTLED = 15
"""Seconds after the last mail by which everything about it is said and due."""

POLICY = f"""\
defaults: {{handoff: {HANDOFF}s, first_event: {FIRST_EVENT}s, max_delivery: {MAX_DELIVERY}s, grace: {GRACE}s}}
streams:
  - {{name: one-time codes, match: {{sender_domain: codes.example}}, max_delivery: {MAX_DELIVERY - 2}s}}
"""

NO_ID, NOT_DELIVERED = "sent_no_ses_id", "accepted_not_delivered"
RELAY = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
ACCOUNT = "123456789012"

REFUSALS = {
    "unverified_identity": "554 Message rejected: Email address is not verified. The following identities failed the"
    " check in region EU-WEST-1: shop@app.example",
    "account_paused": "554 Message rejected: Sending paused for this account.",
    "bad_address": "501 Invalid RCPT TO address provided",
    "malformed": "554 Transaction failed: Duplicate header 'Message-ID'.",
    "too_large": "552 5.3.4 Message is too long.",
    "auth_failed": "535 Authentication Credentials Invalid",
}
THROTTLED = "454 Throttling failure: Maximum sending rate exceeded."


class Record(NamedTuple):
    """One input record: `at` in milliseconds, `source` smtp or ses."""

    at: int
    source: str
    key: bytes
    value: bytes


class Gap(NamedTuple):
    """A gap that must be found, and how it ends, if it does."""

    kind: str
    cause: str
    recipient: str | None
    resolution: str | None = None


@dataclass(frozen=True)
class Truth:
    """What one record on the correlated topic must say. `name`: the SES id, or host/queue-id."""

    fate: str
    name: str
    outcomes: dict[str, str]
    gaps: tuple[Gap, ...] = ()
    superseded_by: str | None = None


@dataclass
class Sample:
    """`records` in order of time; `truths` by name: one entry for every record that must be published, no more."""

    start: int
    records: list[Record] = field(default_factory=list)
    truths: dict[str, list[Truth]] = field(default_factory=lambda: defaultdict(list))
    addresses: set[str] = field(default_factory=set)

    @property
    def end(self) -> int:
        """When everything has been said and is due."""
        return self.records[-1].at + SETTLED * 1000

    def gaps(self) -> list[tuple[str, Gap]]:
        return [(name, gap) for name, truths in self.truths.items() for truth in truths for gap in truth.gaps]


def make(seed: int, mails: int, start: int, seconds: float) -> Sample:
    """`mails` mails, interleaved over `seconds` from `start` (milliseconds); where there are enough, of every fate."""
    rng = Random(seed)
    sample = Sample(start)
    hosts = [Host(name, form, zone, sample) for name, form, zone in HOSTS]
    rare = [fate for fate in FATES if fate is not delivered]
    at = sorted(rng.uniform(0, seconds) for _ in range(mails))
    for number, when in enumerate(at):
        # Half the mails are well, and so are the last ones: otherwise it would be the feed that fell silent.
        well = number % 2 or number > mails - 30
        fate = delivered if well else rare[number // 2 % len(rare)]
        Play(start + int(when * 1000), number, rng, rng.choice(hosts), sample, fate.__name__).act(fate)
    sample.records.sort(key=lambda record: record.at)
    return sample


# -- mail servers ----------------------------------------------------------------------------------------------------

HOSTS = (
    ("mx1", "rfc3164", 0),
    ("mx2", "rfc5424", 2),
    ("mx3", "rsyslog", 1),
    ("mx4", "vector", 0),
    ("mx5", "fluentbit", 0),
    ("mx6", "filebeat", -5),
    ("mx7", "journald", 0),
)


class Host:
    """A mail server, with the form in which its lines travel. RFC 3164 stamps are local time, without zone and year."""

    def __init__(self, name: str, form: str, zone: int, sample: Sample) -> None:
        self.name, self.form, self.sample = name, form, sample
        self.zone = timezone(timedelta(hours=zone))
        self.free: list[tuple[int, str]] = []
        self.twice: set[str] = set()

    def says(self, at: int, program: str, text: str) -> None:
        at -= at % 1000 if self.form in {"rfc3164", "rsyslog"} else 0
        value = getattr(self, f"_{self.form}")(at, program, text)
        raw = value if isinstance(value, str) else json.dumps(value)
        self.sample.records.append(Record(at, "smtp", self.name.encode(), raw.encode()))

    def queue_id(self, at: int, number: int) -> str:
        """Some come again, once, when their mail has left the queue."""
        if number % 5 == 0 and self.free and self.free[0][0] + 3000 < at:
            _, queue_id = self.free.pop(0)
            self.twice.add(queue_id)
            return queue_id
        return f"{at // 1000 % 0xFFFF:04X}{number:06X}"

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self.zone)

    def _rfc3164(self, at: int, program: str, text: str) -> str:
        now = self._local(at)
        return f"{now:%b} {now.day:2} {now:%H:%M:%S} {self.name} {program}[77]: {text}"

    def _rfc5424(self, at: int, program: str, text: str) -> str:
        return f"<22>1 {self._local(at).isoformat(timespec='milliseconds')} {self.name} {program} 77 - - {text}"

    def _rsyslog(self, at: int, program: str, text: str) -> dict[str, Any]:
        line = self._rfc3164(at, program, text)
        return {"msg": f" {text}", "hostname": self.name, "syslogtag": f"{program}[77]:", "timereported": line[:15]}

    def _vector(self, at: int, program: str, text: str) -> dict[str, Any]:
        return {"appname": program, "hostname": self.name, "message": text, "procid": 77, "timestamp": iso(at)}

    def _fluentbit(self, at: int, program: str, text: str) -> dict[str, Any]:
        return {"date": at / 1000, "pri": "22", "host": self.name, "ident": program, "pid": "77", "message": text}

    def _filebeat(self, at: int, program: str, text: str) -> dict[str, Any]:
        line = f"{self._local(at).isoformat(timespec='milliseconds')} {self.name} {program}[77]: {text}"
        return {"@timestamp": iso(at + 700), "message": line, "host": {"name": "collector"}, "log": {"offset": 1}}

    def _journald(self, at: int, program: str, text: str) -> dict[str, Any]:
        stamp = str(at * 1000)
        return {
            "__REALTIME_TIMESTAMP": stamp, "MESSAGE": text, "_HOSTNAME": self.name, "SYSLOG_IDENTIFIER": program,
            "_PID": "77",
        }  # fmt: skip


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- a mail ----------------------------------------------------------------------------------------------------------


class Play:
    """One mail: its methods say what the mail server (lines) and SES (events) say about it, and when."""

    def __init__(self, at: int, number: int, rng: Random, host: Host, sample: Sample, fate: str) -> None:
        self.at, self.number, self.rng, self.host, self.sample, self.fate = at, number, rng, host, sample, fate
        self.sender = "code@codes.example" if number % 11 == 0 else "shop@app.example"
        self.message_id = f"{number}.{at}@app.example"
        self.headers = True
        self.to = f"ann.{number}@client.example"
        self.queue_id = host.queue_id(at, number)
        self.ses_id = ""

    def act(self, fate: Any) -> None:
        fate(self)

    @property
    def max_delivery(self) -> int:
        return MAX_DELIVERY - 2 if self.sender.endswith("codes.example") else MAX_DELIVERY

    def truth(self, name: str, outcomes: dict[str, str], *gaps: Gap, superseded_by: str | None = None) -> None:
        self.sample.truths[name].append(Truth(self.fate, name, outcomes, gaps, superseded_by))
        self.sample.addresses.update([self.sender, *outcomes])

    @property
    def submission(self) -> str:
        return f"{self.host.name}/{self.queue_id}"

    # lines, `after` seconds

    def line(self, after: float, service: str, text: str) -> None:
        self.host.says(self.at + int(after * 1000), f"postfix/{service}", f"{self.queue_id}: {text}")

    def queued(self, recipients: int = 1) -> None:
        self.line(0, "smtpd", "client=app1.shop.example[10.0.3.7]")
        self.line(0.01, "cleanup", f"message-id=<{self.message_id}>")
        self.line(0.02, "qmgr", f"from=<{self.sender}>, size=2048, nrcpt={recipients} (queue active)")

    def status(self, after: float, to: str, status: str) -> None:
        delays = f"delay={after:.2f}, delays=0.01/0/0.1/0.1, dsn=2.0.0"
        self.line(after, "smtp", f"to=<{to}>, relay={RELAY}, {delays}, status={status}")

    def said(self, after: float, status: str, reply: str, to: str = "") -> None:
        host = RELAY.rpartition(":")[0]
        self.status(after, to or self.to, f"{status} (host {host} said: {reply} (in reply to end of DATA command))")

    def removed(self, after: float) -> None:
        self.line(after, "qmgr", "removed")
        if self.queue_id not in self.host.twice:
            self.host.free.append((self.at + int(after * 1000), self.queue_id))

    def accepted(self, after: float, *recipients: str, told: bool = True) -> str:
        """SES takes it at `after`; its answer is in the log a little later, if it ever came."""
        at = self.at + int(after * 1000)
        digits = f"{self.rng.getrandbits(32):08x}-{self.rng.getrandbits(16):04x}-4{self.rng.getrandbits(12):03x}"
        self.ses_id = f"0102{at:012x}-{digits}-8{self.rng.getrandbits(12):03x}-{self.rng.getrandbits(48):012x}-000000"
        for to in recipients or (self.to,):
            if told:
                self.status(after + 0.02, to, f"sent (250 Ok {self.ses_id})")
        return self.ses_id

    def handed_over(self, *recipients: str) -> str:
        """The usual way to SES, its Send event included."""
        self.queued(len(recipients) or 1)
        ses_id = self.accepted(0.3, *recipients)
        self.removed(0.4)
        self.event("Send", 0.3, {}, recipients)
        return ses_id

    # events, `after` seconds

    def event(self, kind: str, after: float, payload: dict[str, Any], recipients: tuple[str, ...] = ()) -> None:
        at = self.at + int(after * 1000)
        accepted = int(self.ses_id[4:16], 16)
        key = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}.get(kind, kind.lower())
        dated = payload if kind in {"Send", "Reject", "Rendering Failure"} else {**payload, "timestamp": iso(at)}
        document = {"eventType": kind, "mail": self.mail(accepted, recipients or (self.to,)), key: dated}
        text = json.dumps(document)
        if self.number % 3 == 0:
            text = json.dumps({"Type": "Notification", "MessageId": f"{self.number}-{kind}", "Message": text})
        self.sample.records.append(Record(at, "ses", self.ses_id.encode(), text.encode()))
        if self.number % 7 == 0:  # at least once, they say
            self.sample.records.append(Record(at + 5, "ses", self.ses_id.encode(), text.encode()))

    def mail(self, accepted: int, recipients: tuple[str, ...]) -> dict[str, Any]:
        headers = [{"name": "Message-Id", "value": f"<{self.message_id}>"}] if self.headers else []
        return {
            "timestamp": iso(accepted),
            "source": self.sender,
            "sourceArn": f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/app.example",
            "sendingAccountId": ACCOUNT,
            "messageId": self.ses_id,
            "destination": list(recipients),
            "headers": [{"name": "From", "value": self.sender}, *headers],
            "commonHeaders": {"messageId": self.ses_id},
            "tags": {"ses:configuration-set": ["main"], "ses:caller-identity": ["mailer"]},
        }

    def delivery(self, after: float, *recipients: str, everyone: tuple[str, ...] = ()) -> None:
        to = recipients or (self.to,)
        reply = f"250 2.0.0 Ok <{to[0]}> queued as 4F{self.number}"
        self.event("Delivery", after, {"recipients": list(to), "smtpResponse": reply}, everyone or to)

    def bounce(self, after: float, kind: str, to: str = "", everyone: tuple[str, ...] = ()) -> None:
        to = to or self.to
        bounce_type, _, subtype = kind.partition("/")
        person = {"emailAddress": to, "action": "failed", "status": "5.1.1", "diagnosticCode": f"smtp; 550 <{to}> no"}
        payload = {"bounceType": bounce_type, "bounceSubType": subtype, "bouncedRecipients": [person]}
        self.event("Bounce", after, payload, everyone)

    def delay(self, after: float, expires: float) -> None:
        person = {"emailAddress": self.to, "status": "4.4.1", "diagnosticCode": "smtp; 421 try later"}
        until = iso(self.at + int(expires * 1000))
        payload = {"delayType": "TransientCommunicationFailure", "expirationTime": until, "delayedRecipients": [person]}
        self.event("DeliveryDelay", after, payload)


# -- fates -----------------------------------------------------------------------------------------------------------


def delivered(p: Play) -> None:
    name = p.handed_over()
    p.delivery(0.4 + p.rng.random())
    p.truth(name, {p.to: "delivered"})


def two_recipients_one_bounces(p: Play) -> None:
    both = p.to, f"bob.{p.number}@other.example"
    name = p.handed_over(*both)
    p.delivery(0.9, both[0], everyone=both)
    p.bounce(1.3, "Permanent/General", both[1], both)
    p.truth(name, {both[0]: "delivered", both[1]: "bounced"})


def two_ids_for_one_queue_id(p: Play) -> None:
    """Postfix made two deliveries of it: each recipient's reply decides for that recipient."""
    first, second = p.to, f"bob.{p.number}@other.example"
    p.queued(2)
    one = p.accepted(0.3, first)
    p.event("Send", 0.3, {}, (first,))
    p.delivery(0.8, first)
    other = p.accepted(0.35, second)
    p.removed(0.5)
    p.event("Send", 0.35, {}, (second,))
    p.bounce(0.9, "Permanent/General", second, (second,))
    p.truth(one, {first: "delivered"})
    p.truth(other, {second: "bounced"})


def suppressed(p: Play) -> None:
    name = p.handed_over()
    p.bounce(0.6, "Permanent/OnAccountSuppressionList")
    p.truth(name, {p.to: "suppressed"})


def soft_bounce(p: Play) -> None:
    name = p.handed_over()
    p.bounce(1.0, "Transient/MailboxFull")
    p.truth(name, {p.to: "soft_bounced"})


def bounced_after_delivery(p: Play) -> None:
    name = p.handed_over()
    p.delivery(0.8)
    p.bounce(2.0, "Permanent/General")
    p.truth(name, {p.to: "bounced"})


def out_of_office(p: Play) -> None:
    name = p.handed_over()
    p.delivery(0.8)
    p.bounce(2.0, "Transient/General")
    p.truth(name, {p.to: "delivered"})


def rejected(p: Play) -> None:
    name = p.handed_over()
    p.event("Reject", 0.3, {"reason": "Bad content"})
    p.truth(name, {p.to: "rejected"})


def not_rendered(p: Play) -> None:
    """By the API, so that no log knows it."""
    name = p.accepted(0.3, told=False)
    p.event("Rendering Failure", 0.3, {"templateName": "spring", "errorMessage": "no such variable"})
    p.truth(name, {p.to: "rendering_failed"})


def complained(p: Play) -> None:
    name = p.handed_over()
    p.delivery(0.8)
    people = [{"emailAddress": p.to}]
    p.event("Complaint", 2.5, {"complainedRecipients": people, "complaintFeedbackType": "abuse"})
    p.truth(name, {p.to: "complained"})


def delayed_then_delivered(p: Play) -> None:
    name = p.handed_over()
    p.delay(1.0, 3600)
    p.delivery(5.0)
    p.truth(name, {p.to: "delivered"})


def delayed_then_silent(p: Play) -> None:
    name = p.handed_over()
    p.delay(1.0, p.max_delivery + 1.0)
    p.truth(name, {p.to: "delayed"}, Gap(NOT_DELIVERED, "delayed_then_silent", p.to))


def sent_then_silent(p: Play) -> None:
    name = p.handed_over()
    p.truth(name, {p.to: "pending"}, Gap(NOT_DELIVERED, "sent_then_silent", p.to))


def one_of_two_is_silent(p: Play) -> None:
    both = p.to, f"bob.{p.number}@other.example"
    name = p.handed_over(*both)
    p.delivery(0.9, both[0], everyone=both)
    outcomes = {both[0]: "delivered", both[1]: "pending"}
    p.truth(name, outcomes, Gap(NOT_DELIVERED, "sent_then_silent", both[1]))


def delivered_late(p: Play) -> None:
    name = p.handed_over()
    p.delivery(p.max_delivery + GRACE + 1.5)
    p.truth(name, {p.to: "delivered"}, Gap(NOT_DELIVERED, "sent_then_silent", p.to, "delivered"))


def no_events(p: Play) -> None:
    p.queued()
    name = p.accepted(0.3)
    p.removed(0.4)
    p.truth(name, {p.to: "pending"}, Gap(NOT_DELIVERED, "no_events", p.to))


def first_event_late(p: Play) -> None:
    """The first word comes after its deadline and before the last one."""
    p.queued()
    name = p.accepted(0.3)
    p.removed(0.4)
    p.delivery(FIRST_EVENT + GRACE / 2 + 0.5)
    p.truth(name, {p.to: "delivered"}, Gap(NOT_DELIVERED, "no_events", p.to, "delivered"))


def refused(p: Play) -> None:
    cause, reply = list(REFUSALS.items())[p.number // 2 // len(FATES) % len(REFUSALS)]
    p.queued()
    p.said(0.3, "bounced", reply)
    p.removed(0.4)
    p.truth(p.submission, {p.to: "refused"}, Gap(NO_ID, cause, p.to))


def one_of_two_refused(p: Play) -> None:
    good, bad = p.to, f"bad.{p.number}@other.example"
    p.queued(2)
    p.said(0.2, "bounced", REFUSALS["bad_address"], bad)
    name = p.accepted(0.3, good)
    p.removed(0.4)
    p.delivery(1.0)
    p.truth(name, {good: "delivered"})
    p.truth(p.submission, {bad: "refused"}, Gap(NO_ID, "bad_address", bad))


def one_of_two_throttled_for_ever(p: Play) -> None:
    """The Message-ID leads to the mail of the other recipient: that is no answer."""
    good, bad = p.to, f"bad.{p.number}@other.example"
    p.queued(2)
    p.said(0.2, "deferred", THROTTLED, bad)
    name = p.accepted(0.3, good)
    p.event("Send", 0.3, {}, (good,))
    p.delivery(1.0)
    p.truth(name, {good: "delivered"})
    p.truth(p.submission, {bad: "deferred"}, Gap(NO_ID, "rate_exceeded", bad))


def throttled_then_accepted(p: Play) -> None:
    p.queued()
    p.said(0.3, "deferred", THROTTLED)
    name = p.accepted(2.5)
    p.removed(2.6)
    p.delivery(3.4)
    p.truth(name, {p.to: "delivered"})


def throttled_and_accepted_late(p: Play) -> None:
    p.queued()
    p.said(0.3, "deferred", THROTTLED)
    p.said(2.3, "deferred", THROTTLED)
    name = p.accepted(HANDOFF + GRACE + 3.0)
    p.removed(HANDOFF + GRACE + 3.1)
    p.delivery(HANDOFF + GRACE + 3.6)
    p.truth(name, {p.to: "delivered"})
    p.truth(p.submission, {}, Gap(NO_ID, "rate_exceeded", p.to, "accepted"), superseded_by=name)


def throttled_for_ever(p: Play) -> None:
    p.queued()
    for after in (0.3, 1.3, 3.3, 7.3):
        p.said(after, "deferred", THROTTLED)
    p.truth(p.submission, {p.to: "deferred"}, Gap(NO_ID, "rate_exceeded", p.to))


def silent(p: Play) -> None:
    p.queued()
    p.truth(p.submission, {}, Gap(NO_ID, "silent", None))


def reply_lost(p: Play) -> None:
    """The line with SES's answer is nowhere; the mail is found by its Message-ID."""
    p.queued()
    name = p.accepted(0.3, told=False)
    p.removed(0.4)
    p.event("Send", 0.3, {})
    p.delivery(1.0)
    p.truth(name, {p.to: "delivered"})


def answer_lost_and_found(p: Play) -> None:
    """The connection broke after the end of the data, and SES had taken the mail."""
    p.queued()
    p.status(0.4, p.to, f"deferred (lost connection with {RELAY} while sending end of data -- message may be sent more"
             " than once)")  # fmt: skip
    name = p.accepted(0.3, told=False)
    p.event("Send", 0.3, {})
    p.delivery(1.0)
    p.truth(name, {p.to: "delivered"})


def answer_lost_for_good(p: Play) -> None:
    p.queued()
    p.status(0.4, p.to, f"deferred (lost connection with {RELAY} while sending end of data -- message may be sent more"
             " than once)")  # fmt: skip
    p.truth(p.submission, {p.to: "deferred"}, Gap(NO_ID, "ambiguous", p.to))


def no_id_in_reply(p: Play) -> None:
    p.queued()
    p.status(0.4, p.to, "sent (250 Ok)")
    p.removed(0.5)
    p.truth(p.submission, {p.to: "pending"}, Gap(NO_ID, "no_id_in_reply", p.to))


def of_the_api(p: Play) -> None:
    """SES events alone make a whole service."""
    p.headers = False
    name = p.accepted(0.3, told=False)
    p.event("Send", 0.3, {})
    p.delivery(1.2)
    p.truth(name, {p.to: "delivered"})


def never_for_ses(p: Play) -> None:
    p.queued()
    p.line(0.3, "local", f"to=<{p.to}>, relay=local, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (delivered)")
    p.removed(0.4)


FATES = (
    delivered, two_recipients_one_bounces, two_ids_for_one_queue_id, suppressed, soft_bounce, bounced_after_delivery,
    out_of_office, rejected, not_rendered, complained, delayed_then_delivered, delayed_then_silent, sent_then_silent,
    one_of_two_is_silent, delivered_late, no_events, first_event_late, refused, one_of_two_refused,
    one_of_two_throttled_for_ever,
    throttled_then_accepted, throttled_and_accepted_late, throttled_for_ever, silent, reply_lost, answer_lost_and_found,
    answer_lost_for_good, no_id_in_reply, of_the_api, never_for_ses,
)  # fmt: skip
