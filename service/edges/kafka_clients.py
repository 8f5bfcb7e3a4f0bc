"""What every Kafka client of ours is made with: where the brokers are, whom we trust, and who we say we are.

There is one place for it, so that a consumer, a transactional producer, the restore and the tools cannot differ.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from service.edges.kafka_tokens import ClientCredentials, MskIam, TokenFile
from service.setting_security import MSK_IAM, OAUTH, msk_region
from service.setting_values import SettingsError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiokafka.abc import AbstractTokenProvider

    from service.setting_security import Security
    from service.settings import Settings

_PROBE_MS: Final = 10_000
ENDED: Final = "it ended the connection without a word, as one does that demands TLS or SASL, or other ones"
"""What a broker says to those who speak another protocol."""


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
        try:
            answer = await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        return _refusal(error, settings.security)
    return "" if answer.brokers else _NOBODY


def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A loop's exception handler: a connection that failed leaves futures behind, and its failure is told elsewhere."""
    if not isinstance(context.get("exception"), KafkaError | OSError):
        loop.default_exception_handler(context)


# A broker takes a refused token for a half-finished exchange, and answers the next request with nothing; aiokafka sees
# no failure in either. (KIP-255: what it says of the token is in the answer that aiokafka does not read.)
_NOBODY: Final = (
    "it does not take the token: it wants another issuer or audience, or the token is forged or has expired"
)


def _refusal(error: Exception, security: Security) -> str:
    """Why a broker and we cannot speak, without the names of Python's classes."""
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it does not offer {security.sasl_mechanism}"
    if isinstance(error, KafkaConnectionError) and isinstance(error.__cause__, ssl.SSLError):
        # TLS 1.3 tells a client only after the handshake that its certificate was none.
        alert = (error.__cause__.reason or "no reason given").lower().replace("_", " ")
        if security.tls_cert_file:
            return f"it does not accept our certificate ({alert})"
        return f"it demands a certificate of ours, --tls-cert-file and --tls-key-file ({alert})"
    if isinstance(error, KafkaConnectionError) and isinstance(error.__cause__, EOFError | ConnectionError):
        return ENDED
    return _PREFIX.sub("", _why(error))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    said = " ".join(str(error).split()) or type(error).__name__
    return (error.strerror if isinstance(error, OSError) and error.strerror else said)[:300]


_PREFIX: Final = re.compile(r"^(?:\[Error \d+\] )?\w+(?:Error|Failed): ")
"""What aiokafka's errors begin with."""
