"""What carries an SES event to Kafka: nothing, or AWS's own wrappings of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from random import Random

Event = dict[str, Any]
ACCOUNT: Final = "123456789012"

_DETAIL_TYPES: Final = {
    "Send": "Email Sent",
    "Delivery": "Email Delivered",
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
    "Reject": "Email Rejected",
    "Rendering Failure": "Email Rendering Failed",
    "DeliveryDelay": "Email Delivery Delayed",
}


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _text(value: Event) -> str:
    return json.dumps(value, separators=(",", ":"))


def _bare(event: Event, at: str, rng: Random) -> Event:
    del at, rng
    return event


def _sns(event: Event, at: str, rng: Random) -> Event:
    return {
        "Type": "Notification",
        "MessageId": _uuid(rng),
        "TopicArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:ses-events",
        "Subject": "Amazon SES Email Event Notification",
        "Message": _text(event) + "\n",
        "Timestamp": at,
        "SignatureVersion": "1",
    }


def _sqs(event: Event, at: str, rng: Random) -> Event:
    body = _text(_sns(event, at, rng))
    return {"MessageId": _uuid(rng), "ReceiptHandle": f"{rng.getrandbits(64):x}", "Body": body}


def _sqs_raw(event: Event, at: str, rng: Random) -> Event:
    del at
    return {"MessageId": _uuid(rng), "ReceiptHandle": f"{rng.getrandbits(64):x}", "Body": _text(event)}


def _lambda(event: Event, at: str, rng: Random) -> Event:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": _sns(event, at, rng)}]}


def _eventbridge(event: Event, at: str, rng: Random) -> Event:
    return {
        "version": "0",
        "id": _uuid(rng),
        "detail-type": _DETAIL_TYPES[event["eventType"]],
        "source": "aws.ses",
        "account": ACCOUNT,
        "time": at,
        "region": "eu-west-1",
        "resources": [],
        "detail": event,
    }


Envelope = Callable[[Event, str, "Random"], Event]
ENVELOPES: Final[dict[str, Envelope]] = {
    "bare": _bare,
    "sns": _sns,
    "sqs": _sqs,
    "sqs-raw": _sqs_raw,
    "lambda": _lambda,
    "eventbridge": _eventbridge,
}


def wrap(envelope: str, event: Event, at: str, rng: Random) -> bytes:
    """The record's bytes; `at` is when it was wrapped."""
    return _text(ENVELOPES[envelope](event, at, rng)).encode()
