"""What SES publishes about a mail that it took. Shapes and wordings follow AWS's documentation and real events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.facts import Source
from service.simulation.envelopes import ACCOUNT, wrap
from service.simulation.shippers import iso

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from service.facts import Instant
    from service.simulation.servers.submission import Letter

REGION: Final = "eu-west-1"
_REGION_DIGITS: Final = "0102"
_KEYS: Final = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
_UNDATED: Final = frozenset({"Send", "Reject", "Rendering Failure"})
_SUPPRESSED: Final = (
    "Amazon SES did not send the message to this address because it is on the suppression list for your account."
)


class Bounce(NamedTuple):
    """How it came back. `how` is `Permanent/General` and the like."""

    how: str
    status: str
    diagnostic: str


NO_SUCH_USER: Final = Bounce("Permanent/General", "5.1.1", "smtp; 550 5.1.1 <{to}>: User unknown")
SUPPRESSED: Final = Bounce("Permanent/OnAccountSuppressionList", "5.1.1", _SUPPRESSED)
MAILBOX_FULL: Final = Bounce("Transient/MailboxFull", "4.2.2", "smtp; 452 4.2.2 Mailbox is full")
OUT_OF_OFFICE: Final = Bounce("Transient/General", "5.0.0", "smtp; 250 I am on holiday")


@dataclass(slots=True)
class SesMail:
    """A mail that SES took at `accepted`. Each method publishes an event of what happened at `at`, in milliseconds."""

    accepted: Instant
    letter: Letter
    configuration_set: str
    envelope: str
    rng: Random = field(repr=False)
    send: Callable[[Source, Instant, str, bytes, bytes, int], None] = field(repr=False)
    lateness: int
    headers: bool = True
    ses_id: str = ""

    def __post_init__(self) -> None:
        self.ses_id = self._id(self.accepted)

    def _id(self, at: Instant) -> str:
        rng = self.rng
        digits = f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}"
        return f"{_REGION_DIGITS}{at:012x}-{digits}-8{rng.getrandbits(12):03x}-{rng.getrandbits(48):012x}-000000"

    def sent(self) -> None:
        """SES accepted it and will try to deliver it."""
        self._publish("Send", self.accepted, {})

    def delivered(self, at: Instant, *recipients: str) -> None:
        """The recipients' server took it."""
        to = recipients or self.letter.recipients
        delivery = {
            "processingTimeMillis": at - self.accepted,
            "recipients": list(to),
            "smtpResponse": f"250 2.0.0 Ok <{to[0]}> queued as {self.rng.getrandbits(40):010X}",
            "remoteMtaIp": "198.51.100.27",
            "reportingMTA": "a8-70.smtp-out.amazonses.com",
        }
        self._publish("Delivery", at, delivery)

    def bounced(self, at: Instant, recipient: str, bounce: Bounce) -> None:
        """It will not be delivered."""
        kind, _, subtype = bounce.how.partition("/")
        diagnostic = bounce.diagnostic.format(to=recipient)
        person = {"emailAddress": recipient, "action": "failed", "status": bounce.status, "diagnosticCode": diagnostic}
        what = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [person]}
        self._publish("Bounce", at, {**what, "feedbackId": self._id(at), "reportingMTA": "dns; amazonses.com"})

    def delayed(self, at: Instant, until: Instant, *recipients: str) -> None:
        """The recipient's server did not take it yet; SES tries on until then."""
        people = [
            {"emailAddress": to, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Connection timed out"}
            for to in recipients or self.letter.recipients
        ]
        delay = {
            "delayType": "TransientCommunicationFailure",
            "expirationTime": iso(until),
            "delayedRecipients": people,
        }
        self._publish("DeliveryDelay", at, delay)

    def complained(self, at: Instant) -> None:
        """The first recipient pressed "this is spam"."""
        people = [{"emailAddress": self.letter.recipients[0]}]
        what = {"complainedRecipients": people, "complaintFeedbackType": "abuse", "feedbackId": self._id(at)}
        self._publish("Complaint", at, what)

    def rejected(self) -> None:
        """SES found a virus, and dropped it."""
        self._publish("Reject", self.accepted, {"reason": "Bad content"})

    def rendering_failed(self) -> None:
        """The call was fine and the template was not."""
        message = "Attribute 'firstName' is not present in the rendering data."
        self._publish("Rendering Failure", self.accepted, {"templateName": "spring", "errorMessage": message})

    def _publish(self, kind: str, at: Instant, payload: dict[str, Any]) -> None:
        dated = payload if kind in _UNDATED else payload | {"timestamp": iso(at)}
        event = {"eventType": kind, "mail": self._mail(), _KEYS.get(kind, kind.lower()): dated}
        way = self.rng.randint(0, self.lateness)
        value = wrap(self.envelope, event, iso(at + way), self.rng)
        self.send(Source.SES, at, "", self.ses_id.encode(), value, way)

    def _mail(self) -> dict[str, Any]:
        letter = self.letter
        headers = [{"name": "From", "value": letter.sender}, {"name": "To", "value": ", ".join(letter.recipients)}]
        if self.headers:
            headers.append({"name": "Message-ID", "value": f"<{letter.message_id}>"})
        return {
            "timestamp": iso(self.accepted),
            "source": letter.sender,
            "sourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{letter.sender.partition('@')[2]}",
            "sendingAccountId": ACCOUNT,
            "messageId": self.ses_id,
            "destination": list(letter.recipients),
            "headersTruncated": False,
            "headers": headers,
            "commonHeaders": {"from": [letter.sender], "to": list(letter.recipients), "messageId": self.ses_id},
            "tags": {"ses:configuration-set": [self.configuration_set], "ses:caller-identity": ["mailer"]},
        }
