"""A real Kafka that takes nobody in without TLS, SCRAM and an ACL; and, on another listener, whoever runs the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.demo.broker import LocalKafka
from service.demo.broker_servers import free_port

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIBS = Path(__file__).parents[2] / ".local/kafka/libs"


def _certificate(
    name: str, key: EllipticCurvePrivateKey, issuer: tuple[x509.Certificate, EllipticCurvePrivateKey] | None
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(
        issuer_name=issuer[0].subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=1),
        not_valid_after=now + dt.timedelta(days=1),
    ).add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if issuer:
        local = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = made.add_extension(x509.SubjectAlternativeName([local]), critical=False)
    return made.sign(issuer[1] if issuer else key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Secured:
    """The broker; `plain` is where ANONYMOUS, a super user, may do everything."""

    folder: Path

    def __post_init__(self) -> None:
        self.ports = [free_port() for _ in range(3)]
        self.plain, self.address = (f"127.0.0.1:{port}" for port in self.ports[:2])
        self.ca = self.folder / "ca.pem"
        self.broker = LocalKafka(
            self.folder / "kafka", self.ports[0], properties={**self._listeners(), **self._rules()}, own=True
        )

    def _listeners(self) -> dict[str, str]:
        plain, secure, controller = self.ports
        outside = f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secure}"
        return {
            "listeners": f"{outside},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": outside,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore()),
        }

    def _rules(self) -> dict[str, str]:
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }

    def _keystore(self) -> Path:
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        authority = _certificate("test authority", keys[0], None)
        broker = _certificate("broker", keys[1], (authority, keys[0]))
        self.ca.write_bytes(_pem(authority))
        private = keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / "broker.pem"
        path.write_bytes(private + _pem(broker) + _pem(authority))
        return path

    def other_ca(self) -> Path:
        """A CA that has signed nothing here."""
        path = self.folder / "other-ca.pem"
        path.write_bytes(_pem(_certificate("another authority", ec.generate_private_key(ec.SECP256R1()), None)))
        return path

    def _tool(self, name: str, *arguments: str) -> None:
        command = ["java", "-cp", str(LIBS / "*"), name, "--bootstrap-server", self.plain, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def add_user(self, name: str, password: str) -> None:
        """A SCRAM user who may do nothing yet."""
        scram = f"SCRAM-SHA-512=[password={password}]"
        entity = "--entity-type", "users", "--entity-name", name
        self._tool("kafka.admin.ConfigCommand", "--alter", "--add-config", scram, *entity)

    def allow(self, user: str, *rule: str) -> None:
        """`kafka-acls --add` with this rule."""
        self._tool("org.apache.kafka.tools.AclCommand", "--add", "--allow-principal", f"User:{user}", *rule)
