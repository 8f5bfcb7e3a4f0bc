"""SES's event stream: from one record's bytes to facts, through whatever carried it.

Decides which wrappings are opened (SNS, SQS, Lambda, EventBridge, Kinesis, DynamoDB, gzip, a connector's own) and which
records say nothing about a mail we sent. It must never lose anything: what it cannot understand it returns as an
`Unparsable` beside the facts that it could. It never follows a link that a record offers, a subscription's confirmation
above all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from service.facts import Parsed, Reason, Unparsable
from service.parsing import dynamodb
from service.parsing.batches import records_in
from service.parsing.documents import documents
from service.parsing.packed import GZIP_IN_BASE64, Unpacker
from service.parsing.ses_events import is_event, read_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.facts import Fact, Instant, Name
    from service.parsing.batches import Batch

_MAX_BYTES: Final = 256 * 1024
# SQS that holds SNS that holds EventBridge, delivered to a Lambda, is four deep.
_MAX_DEPTH: Final = 6

# What SES publishes, as plain text, to a topic that becomes an event destination.
_HELLO: Final = re.compile(rb"(?:Successfully validated SNS topic[^\n]*+\s*+)++").fullmatch
_NOT_FOR_SENDERS: Final = ("Received", "AmazonSnsSubscriptionSucceeded")
_CONFIRMATIONS: Final = ("SubscriptionConfirmation", "UnsubscribeConfirmation")

# Where an envelope keeps what it carries. AWS's own, whose text is always the content:
_AWS_ENVELOPES: Final = ("Records", "Messages", "Sns", "Message", "Body", "body", "detail")
# Those of connectors and of people, whose text may be anything and is opened only where it looks like JSON:
_OTHER_ENVELOPES: Final = (
    *("payload", "value", "event", "data", "record", "message", "ses"),
    *("requestPayload", "Item", "_source"),  # a Lambda's destination, DynamoDB's export, Elasticsearch
)

_Part: TypeAlias = dict[str, Any] | Unparsable | None
"""An event, what could not be understood, or None for what says nothing about a mail."""


def parse_ses(raw: bytes, seen: Instant, *, link: bool = True) -> tuple[Parsed, Unparsable | None]:
    """The facts in one record dated `seen`; and if any of it could not be understood, the first thing that was not.

    `link` adds a `Linked` under the mail's own Message-ID (DESIGN rule 10).
    """
    if len(raw) > _MAX_BYTES:
        return Parsed([]), Unparsable(Reason.TOO_LARGE, f"{len(raw)} bytes are more than {_MAX_BYTES}")
    event = _bare_event(raw)
    if event is not None:
        said, not_understood = read_event(event, seen, link=link)
        return Parsed(said), not_understood
    facts: list[tuple[Name, Fact]] = []
    ignored = 0
    trouble: Unparsable | None = None
    for part in _Opener(Unpacker()).record(raw, 0):
        if part is None:
            ignored += 1
        elif isinstance(part, Unparsable):
            trouble = trouble or part
        else:
            said, not_understood = read_event(part, seen, link=link)
            facts += said
            trouble = trouble or not_understood
    return Parsed(facts, ignored), trouble


def _bare_event(raw: bytes) -> dict[str, Any] | None:
    """The event, where the record is one and nothing around it: most are, and are opened in a quarter of the time."""
    try:
        value = orjson.loads(raw) if raw.startswith(b"{") else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict) or "mail" not in value:
        return None
    name = value.get("eventType", value.get("notificationType"))
    return value if isinstance(name, str) and name not in _NOT_FOR_SENDERS else None


class _Opener:
    """Opens what is nested, down to the events."""

    def __init__(self, unpacker: Unpacker) -> None:
        self._unpacker = unpacker

    def record(self, raw: bytes, depth: int) -> Iterator[_Part]:
        """Documents, perhaps under gzip (an object of S3 may be handed on as it is), which may be in base64."""
        text = raw.decode("ascii", "replace") if raw.startswith(GZIP_IN_BASE64.encode()) else ""
        found = self._packed(text) if text else self._unpacker.opened(raw)
        if isinstance(found, Unparsable):
            yield found
        else:
            yield from self._text(raw if found is None else found, depth)

    def _packed(self, text: str) -> bytes | Unparsable | None:
        return self._unpacker.decoded(text.strip()) if text.startswith(GZIP_IN_BASE64) else None

    def _text(self, raw: bytes, depth: int) -> Iterator[_Part]:
        values, broken = documents(raw)
        if not values and not broken:
            yield None
        for piece in broken:
            yield None if _HELLO(piece) else _not_json(piece)
        for value in values:
            yield from self._object(value, depth) if isinstance(value, dict) else self._value(value, depth + 1)

    def _value(self, value: Any, depth: int) -> Iterator[_Part]:
        if depth > _MAX_DEPTH:
            yield _no_event(f"envelopes are nested more than {_MAX_DEPTH} deep")
        elif isinstance(value, dict):
            yield from self._object(value, depth)
        elif isinstance(value, str):
            yield from self._string(value, depth)
        elif value is None or value == []:
            yield None
        elif isinstance(value, list):
            for item in value:
                yield from self._value(item, depth + 1)
        else:
            yield _no_event("a number or a truth value")

    def _string(self, text: str, depth: int) -> Iterator[_Part]:
        packed = self._packed(text)
        if isinstance(packed, Unparsable):
            yield packed
        else:
            yield from self._text(text.encode() if packed is None else packed, depth)

    def _object(self, value: dict[str, Any], depth: int) -> Iterator[_Part]:
        name = value.get("eventType", value.get("notificationType"))
        if isinstance(name, dict) and (item := dynamodb.plain(value)) is not None:
            yield from self._value(item, depth + 1)
        elif name in _NOT_FOR_SENDERS:
            yield None
        elif name is not None and ("mail" in value or (isinstance(name, str) and is_event(name))):
            yield value
        elif _says_nothing(value):
            yield None
        elif (batch := records_in(value, self._unpacker)) is not None:
            yield from self._batch(batch, depth)
        elif (image := dynamodb.image_of(value)) is not None:
            yield from self._value(image or None, depth + 1)
        elif (item := dynamodb.plain(value)) is not None:
            yield from self._value(item, depth + 1)
        elif isinstance(body := value.get("body"), str) and value.get("isBase64Encoded") is True:
            yield from self._gateway(body, depth)
        else:
            yield from self._envelope(_content(value), depth)

    def _gateway(self, body: str, depth: int) -> Iterator[_Part]:
        """What API Gateway hands a Lambda where it takes a body for binary."""
        found = self._unpacker.decoded(body.strip())
        if isinstance(found, Unparsable):
            yield found
        elif depth >= _MAX_DEPTH:
            yield _no_event(f"envelopes are nested more than {_MAX_DEPTH} deep")
        else:
            yield from self._text(body.encode() if found is None else found, depth + 1)

    def _batch(self, batch: Batch, depth: int) -> Iterator[_Part]:
        if not batch:
            yield None
        for each in batch:
            if isinstance(each, Unparsable):
                yield each
            elif depth >= _MAX_DEPTH:
                yield _no_event(f"envelopes are nested more than {_MAX_DEPTH} deep")
            elif isinstance(each, bytes):
                yield from self._text(each, depth + 1)
            else:
                yield from self._value(_logged(each), depth + 1)

    def _envelope(self, content: Any, depth: int) -> Iterator[_Part]:
        if content is None:
            yield _no_event("an object that holds no SES event")
        elif isinstance(content, list) and content:
            for item in content:
                yield from self._value(item, depth + 1)
        else:
            yield from self._value(content, depth + 1)


def _logged(record: dict[str, Any] | str) -> Any:
    """The document that was logged; nothing where a line of a log is mere text (a Lambda's `START RequestId: …`)."""
    message = record.get("message") if isinstance(record, dict) else record
    return None if isinstance(message, str) and not message.lstrip().startswith(("{", "[", '"')) else message


def _says_nothing(value: dict[str, Any]) -> bool:
    """SNS asking for a confirmation, mail that SES received for us, or news of the account on EventBridge."""
    return value.get("Type") in _CONFIRMATIONS or _is_inbound(value) or _is_account_news(value)


def _is_inbound(value: dict[str, Any]) -> bool:
    return value.get("eventSource") == "aws:ses" or ("receipt" in value and "mail" in value)


def _is_account_news(value: dict[str, Any]) -> bool:
    """`Sending Status Disabled`, `Advisor Recommendation Status Open`, calls logged by CloudTrail."""
    kind, detail = value.get("detail-type"), value.get("detail")
    if value.get("source") != "aws.ses" or not isinstance(kind, str) or kind.startswith("Email "):
        return False
    return not (isinstance(detail, dict) and "mail" in detail)


def _content(value: dict[str, Any]) -> Any:
    """What an envelope carries; None where it is none."""
    for key in _AWS_ENVELOPES:
        if isinstance(value.get(key), (str, dict, list)):
            return value[key]
    for key in _OTHER_ENVELOPES:
        inner = value.get(key)
        if isinstance(inner, (dict, list)) or (isinstance(inner, str) and inner.lstrip().startswith(("{", "["))):
            return inner
    return None


def _not_json(piece: bytes) -> Unparsable:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return Unparsable(Reason.NOT_TEXT, f"{len(piece)} bytes are not UTF-8")
    return Unparsable(Reason.BAD_JSON, f"{len(piece)} bytes are not JSON")


def _no_event(detail: str) -> Unparsable:
    return Unparsable(Reason.NOT_AN_SES_EVENT, detail)
