"""SNS as a test plays it: a root, an authority, a certificate in SNS's name, and records signed with its key."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from service.aws.sns import canonical

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOST = "sns.eu-west-1.amazonaws.com"
FILE = f"SimpleNotificationService-{'a1' * 16}.pem"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses"


@lru_cache
def key(number: int) -> rsa.RSAPrivateKey:
    """The same key for the same number."""
    assert number >= 0
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


class Party:
    """An authority, or whoever one has certified."""

    def __init__(
        self, name: str, number: int, issuer: Party | None = None, *, dns: str = "", days: int = 30, since: int = 30
    ) -> None:
        """Valid from `since` days before `NOW` to `days` after it."""
        self.name, self.key = name, key(number)
        by, signing = (issuer.name, issuer.key) if issuer else (name, self.key)
        usage: dict[str, bool] = dict.fromkeys(
            ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(by))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=since))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=not dns, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=bool(dns), key_encipherment=bool(dns), key_cert_sign=not dns, crl_sign=not dns,
                    **usage,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )  # fmt: skip
        if dns:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
            made = made.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        self.certificate = made.sign(signing, SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def signed(party: Party, version: str = "2", at: datetime = NOW, **other: Any) -> dict[str, Any]:
    """A record that the party has signed; `other` are fields of it."""
    envelope = {
        "Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Message": '{"eventType": "Send"}\n',
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "SignatureVersion": version,
        "SigningCertURL": f"https://{HOST}/{FILE}", **other,
    }  # fmt: skip
    text = canonical(envelope)
    assert text is not None
    signature = party.key.sign(text, padding.PKCS1v15(), SHA1() if version == "1" else SHA256())
    return envelope | {"Signature": base64.b64encode(signature).decode()}


def folder(path: Path, leaf: Party, *others: Party) -> str:
    """A folder of certificates, as `--sns-certificates` wants it."""
    path.mkdir()
    (path / FILE).write_bytes(leaf.pem)
    for number, other in enumerate(others):
        (path / f"issuer-{number}.pem").write_bytes(other.pem)
    return str(path)
