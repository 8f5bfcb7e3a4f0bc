"""Kafka's security settings: what is refused and in which words, and what clients are made with."""

from __future__ import annotations

import ast
import asyncio
import json
import ssl
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from service.edges.kafka_clients import client_options
from service.edges.kafka_tokens import ClientCredentials, MskIam, TokenFile
from service.setting_security import msk_region
from service.settings import SettingsError, load

TLS = {"MAILGAP_SECURITY_PROTOCOL": "SASL_SSL"}
SCRAM = {**TLS, "MAILGAP_SASL_MECHANISM": "scram-sha-512", "MAILGAP_SASL_USERNAME": "mailgap"}
MSK = {**TLS, "MAILGAP_SASL_MECHANISM": "AWS_MSK_IAM"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MAILGAP_SECURITY_PROTOCOL": "TLS"}, "'TLS' is unknown; choose one of PLAINTEXT, SSL"),
        (TLS, "SASL_SSL needs --sasl-mechanism"),
        ({"MAILGAP_SASL_MECHANISM": "PLAIN"}, "goes with --security-protocol SASL_SSL, not with PLAINTEXT"),
        ({"MAILGAP_TLS_CA_FILE": "ca.pem"}, "--security-protocol PLAINTEXT does not use them"),
        (
            {"MAILGAP_SECURITY_PROTOCOL": "SSL", "MAILGAP_TLS_CERT_FILE": "c.pem"},
            "needs both, --tls-cert-file and --tls-key-file",
        ),
        ({**TLS, "MAILGAP_SASL_MECHANISM": "SCRAM-SHA-256"}, "SCRAM-SHA-256 needs --sasl-username"),
        ({**TLS, "MAILGAP_SASL_MECHANISM": "OAUTHBEARER"}, "needs --oauth-token-file, or --oauth-token-url"),
        ({**MSK, "MAILGAP_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "MSK takes no less"),
        ({**TLS, "MAILGAP_OAUTH_TOKEN_URL": "http://idp.example/token"}, "no address that a secret may be sent to"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(environ, said):
    with pytest.raises(SettingsError) as raised:
        load({}, environ)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (SCRAM, "--sasl-password-file, or into MAILGAP_SASL_PASSWORD"),
        ({**SCRAM, "MAILGAP_SASL_PASSWORD_FILE": "/nowhere/pw"}, "'/nowhere/pw': the secret of --sasl-password-file"),
        ({"MAILGAP_SECURITY_PROTOCOL": "SSL", "MAILGAP_TLS_CA_FILE": "/nowhere/ca"}, "'/nowhere/ca' holds no CA"),
        (MSK, "does not say in which region MSK is: give it with --region"),
    ],
)
def test_what_clients_cannot_be_made_of_is_one_sentence(environ, said):
    with pytest.raises(SettingsError) as raised:
        client_options(load({}, environ), environ)
    assert said in str(raised.value)


def test_without_a_word_clients_are_plain():
    assert client_options(load({"bootstrap_servers": "a:1,b:2"}, {})) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


def test_scram_takes_its_password_from_a_file_without_the_end_of_its_line(tmp_path):
    (tmp_path / "password").write_text("open sesame \n")
    options = client_options(load({}, SCRAM | {"MAILGAP_SASL_PASSWORD_FILE": str(tmp_path / "password")}), {})
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "mailgap")
    assert options["sasl_plain_password"] == "open sesame "
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname


def test_no_secret_is_shown_by_what_holds_settings(tmp_path):
    (tmp_path / "password").write_text("open sesame")
    environ = SCRAM | {"MAILGAP_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    settings = load({}, environ)
    client_options(settings, environ)
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize(
    ("servers", "region"),
    [
        ("b-1.gap.x1.c2.kafka.eu-central-1.amazonaws.com:9098", "eu-central-1"),
        ("boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
        ("b-1.gap.x1.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
    ],
)
def test_the_names_of_msk_say_its_region(servers, region):
    assert msk_region(servers, None) == region
    assert msk_region(servers, "eu-south-2") == "eu-south-2"


async def test_msk_gets_what_awss_signer_signs(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    settings = load({"bootstrap_servers": "b-1.x.kafka.eu-west-1.amazonaws.com:9098"}, MSK)
    options = client_options(settings)
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    provider = options["sasl_oauth_token_provider"]
    token = await provider.token()
    assert token == await provider.token(), "it is used until it grows old"
    assert b"kafka.eu-west-1.amazonaws.com" in urlsafe_b64decode(token + "==")


async def test_where_aws_knows_nobody_the_client_may_try_again(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(KafkaConnectionError, match="AWS's signer made no token"):
        await MskIam("eu-west-1").token()


async def test_a_token_file_is_read_anew_for_every_connection(tmp_path):
    path = tmp_path / "token"
    path.write_text("one\n")
    provider = TokenFile(str(path))
    assert await provider.token() == "one"
    path.write_text("two\n")
    assert await provider.token() == "two"
    path.unlink()
    with pytest.raises(KafkaConnectionError, match="cannot be read"):
        await provider.token()


class _Server(HTTPServer):
    """An OAuth server: what it was asked, and what it says next, a status and a document."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str | None, bytes]] = []
        self.says: tuple[int, bytes] = (200, json.dumps({"access_token": "t", "expires_in": 300}).encode())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.headers["Authorization"], body))
        status, document = self.server.says
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(document)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def oauth():
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_client_credentials_become_a_token_once(oauth):
    provider = ClientCredentials(oauth.url, "mail:gap", "s3cret", "kafka")
    assert await asyncio.gather(provider.token()) == ["t"]
    assert await provider.token() == "t"
    # RFC 6749, section 2.3.1: each is form-encoded before they are joined by a colon.
    assert oauth.asked == [("Basic bWFpbCUzQWdhcDpzM2NyZXQ=", b"grant_type=client_credentials&scope=kafka")]


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ((401, b"{}"), "HTTP 401"),
        ((302, b""), "HTTP 302"),
        ((200, b"<html>"), "gave no token"),
        ((200, b'{"error": "x"}'), "holds no access_token"),
    ],
)
async def test_an_oauth_server_that_gives_no_token_is_named(oauth, says, said):
    oauth.says = says
    with pytest.raises(KafkaConnectionError, match=said) as raised:
        await ClientCredentials(oauth.url, "mailgap", "s3cret", None).token()
    assert "s3cret" not in str(raised.value)
    assert len(oauth.asked) == 1


def test_no_client_is_made_of_an_address_alone():
    """A client that knows the brokers' address but not the security would work on nobody's cluster but a test's."""
    root = Path(__file__).parents[2]
    alone = [
        f"{path.relative_to(root)}:{number}"
        for folder in ("service", "topologies")
        for path in sorted((root / folder).rglob("*.py"))
        if "demo" not in path.parts
        for number, call in _clients(path)
        if not any(keyword.arg is None for keyword in call.keywords)
    ]
    assert alone == []


def _clients(path: Path) -> Iterator[tuple[int, ast.Call]]:
    names = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node.lineno, node
