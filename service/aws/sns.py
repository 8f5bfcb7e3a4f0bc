"""SNS's signatures, versions 1 and 2: whether a record is what SNS signed, and fresh enough.

The address of the certificate comes in the record, so it is the attacker's to choose: only the exact form that AWS uses
is taken, and nothing else of a record is ever fetched. Whether a certificate may sign is the business of
`service.aws.certificates`.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from service.facts import Instant, Reason, Unparsable
from service.parsing.instants import instant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from service.aws.certificates import Certificates

AHEAD: Final = 15 * 60 * 1000
"""Milliseconds by which SNS's clock may be ahead of ours."""
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_BESIDE: Final = frozenset(
    {*_NOTIFICATION, *_CONFIRMATION, "Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL"}
    | {"MessageAttributes", "SequenceNumber"}
)
"""What SNS writes into its envelopes, signed or not; none but `Message` is one that a parser opens."""
_HASHES: Final[dict[str, SHA1 | SHA256]] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 version 1 is AWS's default still
# One host name, one folder, no port, no user, no query: nothing in it is left to the reader's imagination.
_URL: Final = re.compile(
    r"https://(sns\.[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?)"
    r"/(SimpleNotificationService-[0-9a-f]{32}\.pem)",
    re.ASCII,
).fullmatch


def check(envelope: dict[str, Any] | None, now: Instant, certificates: Certificates, max_age: int) -> Unparsable | None:
    """Why the record is refused; None where SNS signed it within `max_age` milliseconds.

    Raises `AwsError` where the certificate cannot be fetched at the moment, which says nothing about the record.
    """
    if envelope is None or not isinstance(envelope.get("Signature"), str):
        return Unparsable(Reason.UNSIGNED, "no SNS envelope with a signature (raw delivery has none)")
    algorithm = _HASHES.get(str(envelope.get("SignatureVersion")))
    signed_at = instant(str(envelope.get("Timestamp")))
    signed = canonical(envelope)
    if algorithm is None or signed is None or signed_at is None:
        return Unparsable(Reason.BAD_SIGNATURE, "an unknown version, or a signed field is missing")
    url = _URL(str(envelope.get("SigningCertURL", "")))
    if url is None:
        return Unparsable(Reason.BAD_CERTIFICATE, "SigningCertURL is no address of SNS's")
    found = certificates.signer(url[1], url[2], signed_at)
    if isinstance(found, Unparsable):
        return found
    if not _verifies(found, envelope["Signature"], signed, algorithm):
        return Unparsable(Reason.BAD_SIGNATURE, "SNS has not signed this")
    if not now - max_age <= signed_at <= now + AHEAD:
        return Unparsable(Reason.TOO_OLD, f"signed {(now - signed_at) // 1000} s ago: replayed?")
    return None


def canonical(envelope: dict[str, Any]) -> bytes | None:
    """The bytes that SNS signs, as its guide has them ("Verifying the signatures"); None where a field is missing."""
    names = _NOTIFICATION if envelope.get("Type") == "Notification" else _CONFIRMATION
    parts: list[str] = []
    for name in names:
        value = envelope.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            return None
        parts += [name, "\n", value, "\n"]
    return "".join(parts).encode("utf-8", "surrogatepass")


def holds_more(envelope: dict[str, Any]) -> bool:
    """Whether it has fields that are none of SNS's, as far as we know them."""
    return not envelope.keys() <= _BESIDE


def signed_part(envelope: dict[str, Any]) -> bytes:
    """Of the record, what the signature covers; a reader may look at the rest only where it says the same."""
    names = _NOTIFICATION if envelope.get("Type") == "Notification" else _CONFIRMATION
    return orjson.dumps({name: envelope[name] for name in names if name in envelope})


def _verifies(key: RSAPublicKey, signature: str, signed: bytes, algorithm: SHA1 | SHA256) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
