"""A real Kafka that takes nobody in without TLS, a proof of who they are, and an ACL; and, on another listener, whoever
runs the test.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from service.demo.broker import LocalKafka, kafka_home
from service.demo.broker_servers import free_port
from tests.conftest import need
from tests.integration.certificates import ELSEWHERE, HERE, Authority

if TYPE_CHECKING:
    import pytest

    from tests.integration.oauth import OAuthServer

PASSWORD = "open-sesame"
USER = "mailgap"
SESSION_MS = 8_000
"""For how long the listener that plays MSK lets a connection live; MSK itself, for as long as its token."""

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
_CHECKED = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"

LISTENERS = {
    "PLAINTEXT": "PLAINTEXT",
    "SASL": "SASL_SSL",
    "MSK": "SASL_SSL",
    "MUTUAL": "SSL",
    "EXPIRED": "SSL",
    "ELSEWHERE": "SSL",
}
"""By name, their protocols. The last two show a broker's certificate that no client should accept."""


@dataclass
class Secured:
    """The broker; `plain` is where ANONYMOUS, a super user, may do everything. `oauth` signs the tokens it believes."""

    folder: Path
    oauth: OAuthServer | None = None
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in (*LISTENERS, "CONTROLLER")})

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder, "authority")
        self.other = Authority(self.folder, "another-authority")
        self.plain, self.address = self.at("PLAINTEXT"), self.at("SASL")
        listeners = {**self._listeners(), **self._certificates(), **self._mechanisms()}
        self.broker = LocalKafka(
            self.folder / "kafka", self.ports["PLAINTEXT"], properties={**listeners, **self._rules()}, own=True
        )

    def at(self, listener: str) -> str:
        """Its address."""
        return f"127.0.0.1:{self.ports[listener]}"

    def _listeners(self) -> dict[str, str]:
        outside = ",".join(f"{name}://{self.at(name)}" for name in LISTENERS)
        protocols = ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items())
        return {
            "listeners": f"{outside},CONTROLLER://{self.at('CONTROLLER')}",
            "advertised.listeners": outside,
            "controller.quorum.voters": f"1@{self.at('CONTROLLER')}",
            "listener.security.protocol.map": f"{protocols},CONTROLLER:PLAINTEXT",
        }

    def _certificates(self) -> dict[str, str]:
        good = self.authority.keystore("broker", HERE)
        shown = {
            "EXPIRED": self.authority.keystore("broker", HERE, expired=True),
            "ELSEWHERE": self.authority.keystore("other-broker", ELSEWHERE),
        }
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(good),
            **{f"listener.name.{name.lower()}.ssl.keystore.location": str(path) for name, path in shown.items()},
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.truststore.type": "PEM",
            "listener.name.mutual.ssl.truststore.location": str(self.authority.ca),
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
        }

    def _mechanisms(self) -> dict[str, str]:
        sasl = {
            "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
            "listener.name.msk.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.msk.oauthbearer.sasl.jaas.config": _OAUTH,
            "listener.name.msk.oauthbearer.sasl.server.callback.handler.class": "MskStandIn",
            "listener.name.msk.oauthbearer.connections.max.reauth.ms": str(SESSION_MS),
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": _SCRAM,
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.sasl.plain.sasl.jaas.config": _PLAIN,
        }
        if self.oauth is None:  # one test that needs neither
            return {name: words.removesuffix(",OAUTHBEARER") for name, words in sasl.items() if "msk" not in name} | {
                "listener.name.msk.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.msk.plain.sasl.jaas.config": _PLAIN,
            }
        return sasl | {
            "listener.name.sasl.oauthbearer.sasl.jaas.config": _OAUTH,
            "listener.name.sasl.oauthbearer.sasl.server.callback.handler.class": _CHECKED,
            "listener.name.sasl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self.oauth.keys_url,
            "listener.name.sasl.oauthbearer.sasl.oauthbearer.expected.audience": "kafka",
            "listener.name.sasl.oauthbearer.sasl.oauthbearer.clock.skew.seconds": "0",
        }

    def _rules(self) -> dict[str, str]:
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }

    @property
    def ca(self) -> Path:
        """Of the authority that has signed the broker's certificates."""
        return self.authority.ca

    def other_ca(self) -> Path:
        """A CA that has signed nothing here."""
        return self.other.ca

    def _tool(self, name: str, *arguments: str) -> None:
        command = ["java", "-cp", str(kafka_home() / "libs/*"), name, "--bootstrap-server", self.plain, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def add_user(self, name: str, password: str, kind: str = "SCRAM-SHA-512") -> None:
        """A SCRAM user who may do nothing yet."""
        scram = f"{kind}=[password={password}]"
        entity = "--entity-type", "users", "--entity-name", name
        self._tool("kafka.admin.ConfigCommand", "--alter", "--add-config", scram, *entity)

    def allow(self, user: str, *rule: str) -> None:
        """`kafka-acls --add` with this rule."""
        self._tool("org.apache.kafka.tools.AclCommand", "--add", "--allow-principal", f"User:{user}", *rule)


def prepare_java(folder: Path, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's jars with the class that plays MSK among them, and leave to ask that one OAuth server for its keys."""
    compiler = shutil.which("javac")
    if compiler is None or not any((kafka_home() / "libs").glob("kafka-clients-*.jar")):
        need("kafka", "javac or Kafka's jars are not here; install a JDK, and run make kafka")
    libs = folder / "java/libs"
    shutil.copytree(kafka_home() / "libs", libs, copy_function=lambda a, b: Path(b).symlink_to(a))
    source = Path(__file__).parent / "msk/MskStandIn.java"
    classes = folder / "java/classes"
    subprocess.run([compiler, "-cp", str(libs / "*"), "-d", str(classes), str(source)], check=True, timeout=120)
    subprocess.run(["jar", "cf", str(libs / "msk-stand-in.jar"), "-C", str(classes), "."], check=True, timeout=120)
    monkeypatch.setenv("MAILGAP_KAFKA_HOME", str(folder / "java"))
    monkeypatch.setenv(
        "JAVA_TOOL_OPTIONS",
        f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={oauth.keys_url} -XX:TieredStopAtLevel=1",
    )
