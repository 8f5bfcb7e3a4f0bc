"""What SES publishes about a mail it took: event publishing as JSON, bare or wrapped in SNS.

Shapes and wordings follow AWS's documentation and real records (FACTS section 1). Ids are of the strict form and carry
the real clock. Nothing here knows what is to become of a mail.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service.demo.postfix_log import REGION

if TYPE_CHECKING:
    from random import Random

    from service.facts import Instant

Say = Callable[[float, str, bytes], None]
"""Where an event goes: (seconds since the story began, SES message id, document)."""

ACCOUNT: Final = "123456789012"
_REGION_DIGITS: Final = "0100"
_SUPPRESSED: Final = (
    "Amazon SES did not send the message to this address because it is on the suppression list for your account. For"
    " more information about removing addresses from the suppression list, see the Amazon SES Developer Guide at"
    " https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html"
)


def ses_id(accepted: Instant, rng: Random) -> str:
    """`<region><accepted at>-<uuid>-<6 digits>`."""
    return f"{_REGION_DIGITS}{accepted:012x}-{uuid.UUID(int=rng.getrandbits(128), version=4).hex[:8]}-" + "-".join(
        (*(f"{rng.getrandbits(16):04x}" for _ in range(3)), f"{rng.getrandbits(48):012x}", "000000")
    )


@dataclass(slots=True)
class SesMail:
    """A mail that SES took at `accepted` seconds. Each method publishes an event of what happened `at` seconds."""

    start: Instant
    accepted: float
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    configuration_set: str
    rng: Random = field(repr=False)
    say: Say = field(repr=False)
    ses_id: str = ""

    def __post_init__(self) -> None:
        self.ses_id = ses_id(self._instant(self.accepted), self.rng)

    def sent(self) -> None:
        """SES accepted it and will try to deliver it."""
        self._publish("Send", self.accepted, "send", {})

    def delivered(self, at: float, recipients: tuple[str, ...] = ()) -> None:
        """The recipient's mail server took it."""
        to = recipients or self.recipients
        delivery = {
            "processingTimeMillis": int((at - self.accepted) * 1000),
            "recipients": list(to),
            "smtpResponse": f"250 2.0.0 OK {self._instant(at) // 1000} {self.rng.getrandbits(40):010x} - gsmtp",
            "remoteMtaIp": "198.51.100.27",
            "reportingMTA": "a8-70.smtp-out.amazonses.com",
        }
        self._publish("Delivery", at, "delivery", delivery)

    def bounced(self, at: float, recipient: str, how: str, status: str, diagnostic: str) -> None:
        """It will not be delivered; `how` is `Permanent/General` and the like."""
        kind, _, subtype = how.partition("/")
        person = {"emailAddress": recipient, "action": "failed", "status": status, "diagnosticCode": diagnostic}
        bounce = {
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [person],
            "feedbackId": ses_id(self._instant(at), self.rng),
            "reportingMTA": "dns; a8-70.smtp-out.amazonses.com",
        }
        self._publish("Bounce", at, "bounce", bounce)

    def suppressed(self, at: float) -> None:
        """SES took it and does not send it: the address is on the account's suppression list."""
        self.bounced(at, self.recipients[0], "Permanent/OnAccountSuppressionList", "5.1.1", _SUPPRESSED)

    def delayed(self, at: float) -> None:
        """The recipient's server did not take it yet; SES tries for 14 hours."""
        person = {
            "emailAddress": self.recipients[0],
            "status": "4.4.1",
            "diagnosticCode": "smtp; 421 4.4.1 Connection timed out",
        }
        delay = {
            "delayType": "TransientCommunicationFailure",
            "expirationTime": _iso(self._instant(self.accepted + 14 * 3600)),
            "delayedRecipients": [person],
        }
        self._publish("DeliveryDelay", at, "deliveryDelay", delay)

    def complained(self, at: float) -> None:
        """The recipient pressed "this is spam"."""
        complaint = {
            "complainedRecipients": [{"emailAddress": self.recipients[0]}],
            "feedbackId": ses_id(self._instant(at), self.rng),
            "userAgent": "ExampleFeedback/1.0",
            "complaintFeedbackType": "abuse",
        }
        self._publish("Complaint", at, "complaint", complaint)

    def rendering_failed(self, template: str, variable: str) -> None:
        """The call was fine and the template was not."""
        message = f"Attribute '{variable}' is not present in the rendering data."
        failure = {"templateName": template, "errorMessage": message}
        self._publish("Rendering Failure", self.accepted, "failure", failure)

    def _publish(self, kind: str, at: float, key: str, payload: dict[str, Any]) -> None:
        stamped = payload if key in {"send", "failure"} else payload | {"timestamp": _iso(self._instant(at))}
        event = {"eventType": kind, "mail": self._mail(), key: stamped}
        arrives = at + self.rng.uniform(0.3, 0.8)
        self.say(arrives, self.ses_id, self._wrapped(event, arrives))
        if self.rng.random() < _TWICE:  # SNS promises at least once, and sometimes does it
            self.say(arrives + 0.15, self.ses_id, self._wrapped(event, arrives + 0.15))

    def _mail(self) -> dict[str, Any]:
        domain = self.sender.partition("@")[2]
        return {
            "timestamp": _iso(self._instant(self.accepted)),
            "source": self.sender,
            "sourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}",
            "sendingAccountId": ACCOUNT,
            "messageId": self.ses_id,
            "destination": list(self.recipients),
            "headersTruncated": False,
            "headers": [
                {"name": "From", "value": self.sender},
                {"name": "To", "value": ", ".join(self.recipients)},
                {"name": "Message-ID", "value": f"<{self.message_id}>"},
            ],
            "commonHeaders": {"from": [self.sender], "to": list(self.recipients), "messageId": self.ses_id},
            "tags": {
                "ses:configuration-set": [self.configuration_set],
                "ses:caller-identity": ["shop-mailer"],
                "ses:from-domain": [domain],
            },
        }

    def _wrapped(self, event: dict[str, Any], at: float) -> bytes:
        """The newsletter's events come by way of SNS, the transactional ones bare."""
        text = json.dumps(event, separators=(",", ":"))
        if self.configuration_set != "newsletter":
            return text.encode()
        envelope = {
            "Type": "Notification",
            "MessageId": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:ses-events",
            "Subject": "Amazon SES Email Event Notification",
            "Message": text + "\n",
            "Timestamp": _iso(self._instant(at)),
            "SignatureVersion": "1",
        }
        return json.dumps(envelope, separators=(",", ":")).encode()

    def _instant(self, at: float) -> Instant:
        return self.start + int(at * 1000)


_TWICE: Final = 0.02


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
