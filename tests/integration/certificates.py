"""Certificate authorities of a test, and what they sign: for 127.0.0.1 or another host, good or expired."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("kafka.elsewhere.example")
DAY = dt.timedelta(days=1)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A CA. `ca` is its certificate as a PEM file."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key, None, authority=True)
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(_pem(self._certificate))

    def issue(self, name: str, host: x509.GeneralName | None = None, *, expired: bool = False) -> tuple[Path, Path]:
        """Files of a certificate (with ours behind it) and of its key; `name` is the files' and the subject's."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._sign(name, key, host, expired=expired)
        stem = f"{self._name}-{name}{'-expired' if expired else ''}"
        certificate, private = self._folder / f"{stem}.crt", self._folder / f"{stem}.key"
        certificate.write_bytes(_pem(signed) + _pem(self._certificate))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def keystore(self, name: str, host: x509.GeneralName, *, expired: bool = False) -> Path:
        """The same as the one file that Kafka wants."""
        certificate, private = self.issue(name, host, expired=expired)
        path = certificate.with_suffix(".keystore.pem")
        path.write_bytes(private.read_bytes() + certificate.read_bytes())
        return path

    def _sign(
        self,
        name: str,
        key: EllipticCurvePrivateKey,
        host: x509.GeneralName | None,
        *,
        authority: bool = False,
        expired: bool = False,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder(
            issuer_name=subject if authority else self._certificate.subject,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - 10 * DAY,
            not_valid_after=now - DAY if expired else now + DAY,
        ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if host:
            made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        return made.sign(self._key, hashes.SHA256())
