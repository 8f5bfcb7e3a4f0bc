"""What the sources write, word for word: lines of Postfix, and SES's events in their envelopes."""

from __future__ import annotations

import json
from typing import Any

from service.contract.wire import timestamp

RELAY = "email-smtp.us-east-1.amazonaws.com[198.51.100.7]:587"
ACCOUNT = "123456789012"


def postfix(at: int, host: str, service: str, message: str, *, zone: bool = True) -> bytes:
    """A line as rsyslog ships it: with its zone, or (`zone=False`) by the old rule, where it is ahead of UTC by 9 h."""
    stamp = timestamp(at).removesuffix("Z") + "+00:00" if zone else _old_stamp(at + 9 * 3_600_000)
    return f"{stamp} {host} postfix/{service}[4711]: {message}".encode()


def _old_stamp(at: int) -> str:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    text = timestamp(at)
    return f"{months[int(text[5:7]) - 1]} {int(text[8:10]):2} {text[11:19]}"


def nodemailer(at: int, message_id: str, sender: str, recipients: list[str], response: str) -> bytes:
    """What an application logs with pino of the `info` that Nodemailer returns."""
    info = {
        "messageId": f"<{message_id}>",
        "envelope": {"from": sender, "to": recipients},
        "response": response,
    }
    return json.dumps({"level": 30, "time": at, "hostname": "app-1", "msg": "mail sent", **info}).encode()


def status(recipient: str, status: str, text: str, relay: str = RELAY) -> str:
    """The end of a delivery agent's line."""
    return f"to=<{recipient}>, relay={relay}, delay=0.9, delays=0.1/0/0.4/0.4, dsn=2.0.0, status={status} ({text})"


def event(kind: str, mail: dict[str, Any], payload: dict[str, Any] | None) -> dict[str, Any]:
    """An SES event by event publishing."""
    key = "failure" if kind == "Rendering Failure" else kind[:1].lower() + kind[1:]
    return {"eventType": kind, "mail": mail, key: payload or {}}


def mail_object(
    *,
    ses_id: str,
    accepted: int,
    sender: str,
    recipients: list[str],
    configuration_set: str,
    message_id: str,
    region: str = "us-east-1",
) -> dict[str, Any]:
    """The `mail` object that every event of a mail repeats."""
    return {
        "timestamp": timestamp(accepted),
        "messageId": ses_id,
        "source": sender,
        "sourceArn": f"arn:aws:ses:{region}:{ACCOUNT}:identity/shop.example",
        "sendingAccountId": ACCOUNT,
        "destination": recipients,
        "headers": [{"name": "Message-ID", "value": f"<{message_id}>"}] if message_id else [],
        "tags": {"ses:configuration-set": [configuration_set]} if configuration_set else {},
    }


def by_sns(document: dict[str, Any], number: int) -> bytes:
    """The event in an SNS envelope; the envelope's own id differs each time it is sent."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": f"00000000-0000-4000-8000-{number:012}",
            "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:ses-events",
            "Subject": "Amazon SES Email Event Notification",
            "Message": json.dumps(document) + "\n",
            "Timestamp": "2026-07-27T12:00:00.000Z",
        }
    ).encode()


def by_eventbridge(document: dict[str, Any], number: int) -> bytes:
    """The event as EventBridge delivers it."""
    return json.dumps(
        {
            "version": "0",
            "id": f"event-{number}",
            "detail-type": "Email Delivered",
            "source": "aws.ses",
            "account": ACCOUNT,
            "region": "us-east-1",
            "detail": document,
        }
    ).encode()


def bare(document: dict[str, Any], number: int) -> bytes:
    """The event as Firehose writes it."""
    del number
    return json.dumps(document).encode()
