"""A story: what an application, Postfix and SES did with some mails, and what mailgap must make of it.

    story.at("0s").submitted(mail).at("1s").accepted(mail).at("2s").send(mail).at("5s").delivery(mail)
    story.watermark("20m")
    assert story.outcome(mail) == "delivered"

The text is what the sources really write, read by the real parsers; the judgement is the real `Correlator`. When a
story has been told, `retelling` tells it again in every way that must make no difference.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from service.facts import Source
from service.facts_record import FactsRecord
from service.intake import Intake
from service.parsing.instants import instant
from service.parsing.smtp import SmtpContext
from service.policy import Policy, duration
from service.watermarks import Entry, Hole, Watermark
from tests.stories import text
from tests.stories.statements import entry
from tests.stories.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BEGIN: Final = instant("2026-07-27T12:00:00.000Z") or 0
THROTTLED: Final = "host {relay} said: 454 Throttling failure: Maximum sending rate exceeded. (in reply to end of DATA)"
UNVERIFIED: Final = (
    "host {relay} said: 554 Message rejected: Email address is not verified. The following identities failed the check"
    " in region US-EAST-1: no-reply@shop.example (in reply to end of DATA command)"
)
LOST: Final = "lost connection with {relay} while sending end of data -- message may be sent more than once"
TIMED_OUT: Final = "connect to email-smtp.us-east-1.amazonaws.com[198.51.100.7]:587: Connection timed out"


def after(offset: str) -> int:
    """The instant so long after the story's beginning."""
    sign, offset = (-1, offset[1:]) if offset.startswith("-") else (1, offset)
    return BEGIN + sign * duration(offset, "offset")


@dataclass(eq=False)
class Mail:
    """A mail, or (after a split) that part of it which SES took under an id of its own."""

    queue_id: str
    recipients: list[str]
    sender: str
    message_id: str
    host: str
    configuration_set: str
    ses_id: str = ""
    accepted: int = 0

    @property
    def submission(self) -> str:
        return f"{self.host}/{self.queue_id}"


@dataclass(repr=False)
class Story:
    """What happened, in the order in which it was read."""

    policy: Policy = field(default_factory=Policy)
    sources: tuple[Source, ...] = (Source.SMTP, Source.SES)
    zone: bool = True
    """Whether the log's stamps have a zone; without, the host's clock is nine hours ahead of UTC."""
    forgets: bool = False
    """Rows are dropped in this story: it is retold in its own order, since what comes after that is news."""
    sampled: bool = False
    """It hangs on how many mails wait at a host, of which a shard sees but its share: told with one shard only."""

    def __post_init__(self) -> None:
        context = SmtpContext(self.policy.relays)
        link = self.policy.message_id_join and len(self.sources) > 1
        self._intakes = {source: Intake(source, context, None, link=link) for source in (Source.SMTP, Source.SES)}
        self._numbers = itertools.count(1)
        self._now = self._read_at = BEGIN
        self.log: list[FactsRecord] = []
        self._told = 0
        self.world = World(self.policy, self.sources)

    def __repr__(self) -> str:
        """What is in the log: what a failing property shows."""
        said = [
            ", ".join(f"{name.decode()} {fact}" for name, facts in record.fragments for fact, _ in facts)
            or ", ".join(f"{each.source} until {text.timestamp(each.up_to)}" for each in record.watermark.entries)
            for record in self.log
        ]
        return "\n".join([f"a story under {self.policy}:", *said])

    # -- mails and times -------------------------------------------------------------------------------------------

    def mail(
        self,
        *recipients: str,
        sender: str = "no-reply@shop.example",
        host: str = "mx1",
        configuration_set: str = "transactional",
        queue_id: str = "",
        message_id: str | None = None,
    ) -> Mail:
        """A mail that nobody has handed over yet."""
        number = next(self._numbers)
        return Mail(
            queue_id=queue_id or f"{number:05X}C0C918",
            recipients=list(recipients or ("ann@example.com",)),
            sender=sender,
            message_id=f"{number}@app.shop.example" if message_id is None else message_id,
            host=host,
            configuration_set=configuration_set,
        )

    def part(self, mail: Mail, *recipients: str) -> Mail:
        """Some of a mail's recipients, for whom Postfix made a delivery of its own: SES gives that its own id."""
        return replace(mail, recipients=list(recipients), ses_id="", accepted=0)

    def at(self, offset: str, *, read: str | None = None) -> Story:
        """What follows happens then. `read`: when it was shipped, where that was later."""
        self._now = after(offset)
        self._read_at = self._now if read is None else after(read)
        return self

    # -- what Postfix logs -----------------------------------------------------------------------------------------

    def submitted(self, mail: Mail, recipients: int | None = None) -> Story:
        """The application hands the mail to Postfix, which puts it into its queue."""
        self.started(mail)
        if mail.message_id:
            self.line(mail, "cleanup", f"message-id=<{mail.message_id}>")
        return self.queued(mail, recipients)

    def started(self, mail: Mail) -> Story:
        return self.line(mail, "smtpd", "client=app-1.shop.example[192.0.2.10]")

    def queued(self, mail: Mail, recipients: int | None = None) -> Story:
        count = len(mail.recipients) if recipients is None else recipients
        return self.line(mail, "qmgr", f"from=<{mail.sender}>, size=2048, nrcpt={count} (queue active)")

    def taken(self, mail: Mail) -> Story:
        """SES accepts the mail; nobody has heard of it yet."""
        if not mail.ses_id:
            number = next(self._numbers)
            mail.accepted = self._now
            mail.ses_id = f"0100{self._now:012x}-{number:08x}-0000-4000-8000-{number:012x}-000000"
        return self

    def accepted(self, mail: Mail, *recipients: str) -> Story:
        self.taken(mail)
        return self._each(mail, recipients, "sent", f"250 Ok {mail.ses_id}")

    def deferred(self, mail: Mail, *recipients: str, why: str = THROTTLED) -> Story:
        return self._each(mail, recipients, "deferred", why.format(relay=text.RELAY))

    def refused(self, mail: Mail, *recipients: str, why: str = UNVERIFIED) -> Story:
        return self._each(mail, recipients, "bounced", why.format(relay=text.RELAY))

    def unconfirmed(self, mail: Mail, *recipients: str) -> Story:
        """SES took it, and something on the way swallowed its id."""
        return self._each(mail, recipients, "sent", "250 2.0.0 Ok")

    def elsewhere(self, mail: Mail, *recipients: str) -> Story:
        relay = "mail.partner.example[203.0.113.9]:25"
        return self._each(mail, recipients, "sent", "250 2.0.0 Ok: queued as 3CB2B113CB6", relay)

    def expired(self, mail: Mail) -> Story:
        return self.line(mail, "qmgr", f"from=<{mail.sender}>, status=expired, returned to sender")

    def removed(self, mail: Mail) -> Story:
        return self.line(mail, "qmgr", "removed")

    def requeued(self, mail: Mail) -> Story:
        return self.line(mail, "postsuper", "requeued")

    def mailer_said(self, mail: Mail, response: str = "250 2.0.0 Ok: queued as 4F6C") -> Story:
        """The application's own log (Nodemailer by pino): the Message-ID, and what its mail server or SES answered."""
        return self._read(
            Source.SMTP, text.nodemailer(self._now, mail.message_id, mail.sender, mail.recipients, response)
        )

    def program_said(self, message: str) -> Story:
        """A line of a program that is no mail server."""
        return self._read(Source.SMTP, f"{self._stamp()} app-1 shop[7]: {message}".encode())

    def qmail(self, *messages: str, host: str = "mx1") -> Story:
        """Lines of qmail's, some of which say nothing by themselves."""
        for message in messages:
            self._read(Source.SMTP, f"{self._stamp()} {host} qmail: {message}".encode(), alone=False)
        return self

    def line(self, mail: Mail, service: str, message: str) -> Story:
        line = text.postfix(self._now, mail.host, service, f"{mail.queue_id}: {message}", zone=self.zone)
        return self._read(Source.SMTP, line)

    def _each(self, mail: Mail, recipients: Sequence[str], status: str, reply: str, relay: str = text.RELAY) -> Story:
        for recipient in recipients or mail.recipients:
            self.line(mail, "smtp", text.status(recipient, status, reply, relay))
        return self

    # -- what SES says ---------------------------------------------------------------------------------------------

    def send(self, mail: Mail, **how: Any) -> Story:
        return self.event(mail, "Send", {}, **how)

    def delivery(self, mail: Mail, *recipients: str, **how: Any) -> Story:
        names = list(recipients or mail.recipients)
        payload = {"timestamp": self._stamp(), "recipients": names, "smtpResponse": "250 2.0.0 OK"}
        return self.event(mail, "Delivery", payload, **how)

    def bounce(self, mail: Mail, kind: str = "Permanent/General", *recipients: str, **how: Any) -> Story:
        bounce_type, _, subtype = kind.partition("/")
        people = [
            {"emailAddress": recipient, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 no"}
            for recipient in recipients or mail.recipients
        ]
        payload = {
            "timestamp": self._stamp(),
            "bounceType": bounce_type,
            "bounceSubType": subtype,
            "bouncedRecipients": people,
        }
        return self.event(mail, "Bounce", payload, **how)

    def complaint(self, mail: Mail, *to: str, subtype: str | None = None, feedback: str = "abuse", **how: Any) -> Story:
        payload = {
            "timestamp": self._stamp(),
            "complaintSubType": subtype,
            "complaintFeedbackType": feedback,
            "complainedRecipients": [{"emailAddress": recipient} for recipient in to or mail.recipients],
        }
        return self.event(mail, "Complaint", payload, **how)

    def reject(self, mail: Mail) -> Story:
        return self.event(mail, "Reject", {"reason": "Bad content"})

    def rendering_failure(self, mail: Mail) -> Story:
        return self.event(mail, "Rendering Failure", {"templateName": "welcome", "errorMessage": "no 'name'"})

    def delay(self, mail: Mail, *recipients: str, until: str, kind: str = "MailboxFull") -> Story:
        people = [{"emailAddress": r, "status": "4.4.7"} for r in recipients or mail.recipients]
        expires = text.timestamp(after(until))
        payload = {
            "timestamp": self._stamp(),
            "delayType": kind,
            "expirationTime": expires,
            "delayedRecipients": people,
        }
        return self.event(mail, "DeliveryDelay", payload)

    def opened(self, mail: Mail) -> Story:
        return self.event(mail, "Open", {"timestamp": self._stamp(), "ipAddress": "203.0.113.5"})

    def event(
        self,
        mail: Mail,
        kind: str,
        payload: dict[str, Any],
        *,
        by: Callable[[dict[str, Any], int], bytes] = text.by_sns,
        recipients: list[str] | None = None,
        headers: bool = True,
        region: str = "us-east-1",
    ) -> Story:
        self.taken(mail)
        about = text.mail_object(
            ses_id=mail.ses_id,
            accepted=mail.accepted,
            sender=mail.sender,
            recipients=mail.recipients if recipients is None else recipients,
            configuration_set=mail.configuration_set,
            message_id=mail.message_id if headers else "",
            region=region,
        )
        if payload or kind == "Send":
            payload = {"timestamp": self._stamp(), **payload}
        return self._read(Source.SES, by(text.event(kind, about, payload), next(self._numbers)))

    def _stamp(self) -> str:
        return text.timestamp(self._now)

    def _read(self, source: Source, value: bytes, *, alone: bool = True) -> Story:
        number = len(self.log)
        record = SimpleNamespace(
            topic=f"{source}-records", partition=0, offset=number, timestamp=self._read_at, key=None, value=value
        )
        harvest = self._intakes[source].take([record], self._read_at)
        assert harvest.dead == [], harvest.dead
        fragments = [(name, list(facts.items())) for name, facts in harvest.fragments.items()]
        assert fragments or not alone, value
        if fragments:
            self.log.append(FactsRecord(fragments))
        return self

    # -- how far the sources have spoken ---------------------------------------------------------------------------

    def watermark(self, offset: str | None = None, *, smtp: str | None = None, ses: str | None = None) -> Story:
        """Both sources have spoken until then, or one of them."""
        spoken = {Source.SMTP: smtp or offset, Source.SES: ses or offset}
        entries = [entry(source, after(until)) for source, until in spoken.items() if until is not None]
        return self.state(*entries)

    def state(self, *entries: Entry, holes: tuple[Hole, ...] = ()) -> Story:
        """A statement of ingest: these entries, and what the feeds said since the statement before."""
        news = tuple(item for intake in self._intakes.values() for item in intake.listener.take())
        self.log.append(FactsRecord([], Watermark(entries, news, holes)))
        return self

    # -- what mailgap makes of it ----------------------------------------------------------------------------------

    def told(self) -> World:
        """The world after all that has happened so far, each record in a batch of its own."""
        for record in self.log[self._told :]:
            self.world.take([record])
        self._told = len(self.log)
        return self.world

    def document(self, mail: Mail) -> dict[str, Any]:
        """The mail's latest record: SES's mail where there is one, else the submission."""
        documents = self.told().documents
        return documents[mail.ses_id] if mail.ses_id in documents else self.submission(mail)

    def submission(self, mail: Mail) -> dict[str, Any]:
        """The latest record of the mail's submission."""
        found = [d for key, d in self.told().documents.items() if key.startswith(mail.submission + "@")]
        assert found, f"{mail.submission} has no record"
        return found[-1]

    def unpublished(self, mail: Mail) -> bool:
        """Nothing was said under the submission's own name."""
        return not any(key.startswith(mail.submission + "@") for key in self.told().documents)

    def outcome(self, mail: Mail, recipient: str | None = None) -> str:
        """What became of the recipient."""
        wanted = recipient or mail.recipients[0]
        return {r["address"]: r["outcome"] for r in self.document(mail)["recipients"]}[wanted]

    def outcomes(self, mail: Mail) -> dict[str, str]:
        return {r["address"]: r["outcome"] for r in self.document(mail)["recipients"]}

    def cause(self, mail: Mail) -> str:
        """The one cause that stands for the mail."""
        return str(self.document(mail)["verdict"]["cause"])

    def gaps(self, mail: Mail) -> list[str]:
        """The mail's gaps in its own records, as `cause [recipient]: open` or `: how it ended`."""
        self.told()
        found = [
            gap
            for key, document in self.world.documents.items()
            if key == mail.ses_id or key.startswith(mail.submission + "@")
            for gap in document["gaps"]
        ]
        return [
            f"{gap['cause']}{_who(gap['recipient'])}: {gap['resolution'] or 'open'}"
            for gap in sorted(found, key=lambda gap: (gap["opened_at"], gap["recipient"] or ""))
        ]

    def announced(self) -> list[str]:
        """Every gap record so far, as `opened cause [recipient]` or `resolved cause [recipient]: how`."""
        return [
            f"{gap.state} {gap.cause}{_who(gap.recipient)}" + (f": {gap.resolution}" if gap.resolution else "")
            for gap in self.told().gaps
        ]

    def conditions(self) -> list[str]:
        """Every condition record so far, as `raised source_stalled ses: SES's events of region us-east-1`."""
        return [f"{c.state} {c.condition} {c.source}: {c.about}" for c in self.told().conditions]


def _who(recipient: str | None) -> str:
    return f" {recipient}" if recipient else ""
