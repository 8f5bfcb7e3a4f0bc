"""What every Kafka client of ours is made with: where the brokers are, whom we trust, and who we say we are.

There is one place for it, so that a consumer, a transactional producer, the restore and the tools cannot differ.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from service.edges.kafka_tokens import ClientCredentials, MskIam, TokenFile
from service.setting_security import MSK_IAM, OAUTH, msk_region
from service.setting_values import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.abc import AbstractTokenProvider

    from service.setting_security import Security
    from service.settings import Settings

_PROBE_MS = 10_000


def client_options(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Arguments of every aiokafka client, `bootstrap_servers` among them. Raises `SettingsError`.

    Files are read now: a password that was changed needs a restart. Tokens are fetched as connections need them.
    """
    return {"bootstrap_servers": settings.bootstrap_servers.split(","), **security_options(settings, environ)}


def security_options(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The same without `bootstrap_servers`."""
    security = settings.security
    environ = os.environ if environ is None else environ
    options: dict[str, Any] = {"security_protocol": security.security_protocol}
    if security.tls:
        options["ssl_context"] = _context(security, environ)
    if security.sasl:
        # To aiokafka MSK's IAM is one more kind of token.
        options["sasl_mechanism"] = OAUTH if security.sasl_mechanism == MSK_IAM else security.sasl_mechanism
        if security.sasl_mechanism in (OAUTH, MSK_IAM):
            options["sasl_oauth_token_provider"] = _tokens(settings, environ)
        else:
            options["sasl_plain_username"] = security.sasl_username
            options["sasl_plain_password"] = security.password(environ)
    return options


def _context(security: Security, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Checks the brokers' certificates and names; there is no setting that turns that off."""
    try:
        context = ssl.create_default_context(cafile=security.tls_ca_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{security.tls_ca_file!r} holds no CA certificate in PEM form: {_why(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if security.tls_cert_file:
        # An empty password instead of none: OpenSSL would ask for it on the terminal.
        password = environ.get("MAILGAP_TLS_KEY_PASSWORD", "")
        try:
            context.load_cert_chain(security.tls_cert_file, security.tls_key_file, lambda: password)
        except (OSError, ValueError) as error:
            files = f"{security.tls_cert_file!r} and {security.tls_key_file!r}"
            raise SettingsError(f"{files} are no certificate and its key: {_why(error)}") from error
    return context


def _tokens(settings: Settings, environ: Mapping[str, str]) -> AbstractTokenProvider:
    security = settings.security
    if security.sasl_mechanism == MSK_IAM:
        return MskIam(msk_region(settings.bootstrap_servers, settings.region))
    if security.oauth_token_file:
        return TokenFile(security.oauth_token_file)
    secret = security.client_secret(environ)
    return ClientCredentials(
        str(security.oauth_token_url), str(security.oauth_client_id), secret, security.oauth_scope, security.tls_ca_file
    )


async def why_unreachable(settings: Settings, options: Mapping[str, Any]) -> str:
    """What the first broker says when it is asked once more; empty where it answers. aiokafka keeps it to itself."""
    host, _, port = settings.bootstrap_servers.split(",")[0].rpartition(":")
    if not host:
        host, port = port, "9092"
    asked = {key: value for key, value in options.items() if key != "bootstrap_servers"}
    try:
        connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=_PROBE_MS, **asked)
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        return _why(error)
    connection.close()
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    said = " ".join(str(error).split()) or type(error).__name__
    return (error.strerror if isinstance(error, OSError) and error.strerror else said)[:300]
