"""What a record of a queue is: an event for Kafka, objects of S3 to be read, nothing, or something that is refused.

Decides by the record alone, and is pure. What an event says is left to the parser that ingest uses too, so the bridge
never takes for poison what ingest would understand. It must never follow anything that a record names but an object in
a bucket that the operator has named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote_plus

import orjson

from service.facts import Described, Parsed, Reason, Unparsable
from service.parsing.ses import parse_ses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.facts import Instant

_DEPTH: Final = 3
_CONFIRMATION: Final = "SubscriptionConfirmation"
SNS_TYPES: Final = frozenset({"Notification", _CONFIRMATION, "UnsubscribeConfirmation"})


class Forward(NamedTuple):
    """Goes to Kafka as it is. `key`: the SES message id, empty where the record names none or says nothing."""

    key: bytes


class Object(NamedTuple):
    """An object of S3; `version` is empty where the bucket keeps none."""

    bucket: str
    key: str
    version: str = ""


class Objects(NamedTuple):
    """Objects whose content is to be forwarded in the record's place."""

    objects: tuple[Object, ...]


class Nothing(NamedTuple):
    """Says nothing about a mail and is done with. `subscribe_url`: what SNS asks a human to confirm."""

    subscribe_url: str = ""


Opened: TypeAlias = Forward | Objects | Nothing | Unparsable


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows. Empty accounts or topics allow all; empty buckets allow none."""

    accounts: frozenset[str] = field(default_factory=frozenset)
    topics: frozenset[str] = field(default_factory=frozenset)
    buckets: frozenset[str] = field(default_factory=frozenset)


def open_record(body: bytes, now: Instant, rules: Rules) -> Opened:
    """What a record of a queue is."""
    document = _object(body)
    if refusal := _foreign_topic(document, rules):
        return refusal
    if document.get("Type") == _CONFIRMATION:
        return Nothing(str(document.get("SubscribeURL", ""))[:2048])
    found = _objects(document)
    if found is None:
        return open_event(body, now, rules)
    if isinstance(found, Unparsable):
        return found
    for each in found:
        if each.bucket not in rules.buckets:
            return Unparsable(Reason.FOREIGN_BUCKET, f"an object of bucket {each.bucket[:63]}, which no --bucket names")
    return Objects(tuple(found)) if found else Nothing()


def open_event(body: bytes, now: Instant, rules: Rules) -> Forward | Unparsable:
    """The same for what can be no pointer: the content of an object."""
    parsed, trouble = parse_ses(body, now, link=False)
    if trouble is not None and not parsed.facts:
        return trouble
    return _foreign_account(parsed, rules) or Forward(_key(parsed))


def sns_envelope(body: bytes) -> dict[str, Any] | None:
    """The record as SNS wrapped it; None where it did not."""
    document = _object(body)
    return document if _is_of_sns(document) and "TopicArn" in document else None


def adds(body: bytes, signed: bytes, now: Instant) -> bool:
    """Whether a record says anything that what of it is signed does not.

    SNS signs some fields of its envelope, and the parser opens whatever carries an event: whoever has one genuine
    record could write an event of his own beside its `Message`.
    """
    facts = parse_ses(body, now)[0].facts
    objects = _objects(_object(body))
    return bool(facts and facts != parse_ses(signed, now)[0].facts) or bool(
        objects and objects != _objects(_object(signed))
    )


def _is_of_sns(document: dict[str, Any]) -> bool:
    kind = document.get("Type")
    return isinstance(kind, str) and kind in SNS_TYPES


def _key(parsed: Parsed) -> bytes:
    return next((name[2:] for name, _ in parsed.facts if name[:2] == b"S:"), b"")


def _foreign_account(parsed: Parsed, rules: Rules) -> Unparsable | None:
    """An event that does not say whose it is may be anybody's."""
    if not rules.accounts or not parsed.facts:
        return None
    accounts: dict[bytes, str] = {}
    for name, fact in parsed.facts:
        accounts[name] = (fact.account if isinstance(fact, Described) else "") or accounts.get(name, "")
    for account in accounts.values():
        if account not in rules.accounts:
            return Unparsable(Reason.FOREIGN_ACCOUNT, f"an event of account {account[:12] or 'unknown'}")
    return None


def _foreign_topic(document: dict[str, Any], rules: Rules) -> Unparsable | None:
    if not _is_of_sns(document):
        if not rules.topics:
            return None
        return Unparsable(Reason.FOREIGN_TOPIC, "no SNS topic is named (raw delivery?), and --allowed-topic is set")
    arn = str(document.get("TopicArn", ""))
    if rules.topics and arn not in rules.topics:
        return Unparsable(Reason.FOREIGN_TOPIC, f"a record of topic {arn[:256]}")
    parts = arn.split(":")
    account = parts[4] if len(parts) == _ARN_PARTS else ""
    if rules.accounts and account not in rules.accounts:
        return Unparsable(Reason.FOREIGN_ACCOUNT, f"a record of a topic of account {account[:12] or 'unknown'}")
    return None


_ARN_PARTS: Final = 6


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _objects(document: dict[str, Any], depth: int = 0) -> list[Object] | Unparsable | None:
    """The objects that S3 says were made, directly, through SNS or through EventBridge; None where S3 says nothing.

    Refused as a whole where one of them has no name: what is taken for nothing is deleted.
    """
    if document.get("Service") == "Amazon S3" and document.get("Event") == "s3:TestEvent":
        return []
    if document.get("source") == "aws.s3" and isinstance(detail := document.get("detail"), dict):
        return _created([detail] if document.get("detail-type") == "Object Created" else [], encoded=False)
    records = document.get("Records")
    if isinstance(records, list) and records and all(_is_of_s3(record) for record in records):
        made = [each.get("s3") for each in records if str(each.get("eventName", "")).startswith("ObjectCreated")]
        return _created(made, encoded=True)
    inner = document.get("Message")
    if depth < _DEPTH and document.get("Type") == "Notification" and isinstance(inner, str):
        return _objects(_object(inner), depth + 1)
    return None


def _is_of_s3(record: Any) -> bool:
    return isinstance(record, dict) and record.get("eventSource") == "aws:s3"


def _created(made: Iterable[Any], *, encoded: bool) -> list[Object] | Unparsable:
    """The objects. S3 itself writes a key as in a form (`+` for a space), EventBridge as it is."""
    found: list[Object] = []
    for each in made:
        bucket, key, version = _named(each)
        if not bucket or not key:
            return Unparsable(Reason.NOT_AN_SES_EVENT, "S3 announces an object, and does not say which")
        found.append(Object(bucket, unquote_plus(key) if encoded else key, version))
    return found


def _named(said: Any) -> tuple[str, str, str]:
    """Bucket, key and version; empty where they are missing or no text."""
    try:
        bucket, item = said["bucket"]["name"], said["object"]
        names = bucket, item["key"], item.get("versionId") or item.get("version-id") or ""
    except (AttributeError, KeyError, TypeError):
        return "", "", ""
    return names if all(isinstance(name, str) for name in names) else ("", "", "")
