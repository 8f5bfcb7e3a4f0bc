"""The settings of Kafka's security: how clients encrypt, whom they trust, and how they say who they are.

Secrets stand in files or in the environment, never in a flag or in the configuration file: both are seen by others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.setting_values import Setting, SettingsError, choice, text, token_url

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
OAUTH: Final = "OAUTHBEARER"
MSK_IAM: Final = "AWS_MSK_IAM"
MECHANISMS: Final = ("PLAIN", *SCRAM, OAUTH, MSK_IAM)

SECURITY: Final = (
    Setting("security_protocol", "--security-protocol", "PLAINTEXT", choice(*PROTOCOLS), ", ".join(PROTOCOLS) + "."),
    Setting("tls_ca_file", "--tls-ca-file", None, text, "PEM file of the brokers' CA; else the system's CAs."),
    Setting("tls_cert_file", "--tls-cert-file", None, text, "PEM file of our own certificate, for mutual TLS."),
    Setting("tls_key_file", "--tls-key-file", None, text, "PEM file of its key; MAILGAP_TLS_KEY_PASSWORD unlocks it."),
    Setting("sasl_mechanism", "--sasl-mechanism", None, choice(*MECHANISMS), ", ".join(MECHANISMS) + "."),
    Setting("sasl_username", "--sasl-username", None, text, "User, for PLAIN and SCRAM."),
    Setting(
        "sasl_password_file", "--sasl-password-file", None, text, "File of its password; else MAILGAP_SASL_PASSWORD."
    ),
    Setting("oauth_token_url", "--oauth-token-url", None, token_url, "Where client credentials become a token."),
    Setting("oauth_client_id", "--oauth-client-id", None, text, "Client, for OAUTHBEARER."),
    Setting(
        "oauth_client_secret_file",
        "--oauth-client-secret-file",
        None,
        text,
        "File of its secret; else MAILGAP_OAUTH_CLIENT_SECRET.",
    ),
    Setting("oauth_scope", "--oauth-scope", None, text, "Scope that the token is asked for."),
    Setting("oauth_token_file", "--oauth-token-file", None, text, "File that always holds a token, instead of these."),
)
SECURITY_KEYS: Final = (*(setting.key for setting in SECURITY), "region")
"""Of all settings that clients are made of; AWS's region concerns others, too."""

_MSK_HOST: Final = re.compile(r"\.(?:kafka|kafka-serverless)\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::|$)").search


@dataclass(frozen=True, slots=True)
class Security:
    """`SECURITY`, read, and consistent: see `complain`."""

    security_protocol: str
    tls_ca_file: str | None
    tls_cert_file: str | None
    tls_key_file: str | None
    sasl_mechanism: str | None
    sasl_username: str | None
    sasl_password_file: str | None
    oauth_token_url: str | None
    oauth_client_id: str | None
    oauth_client_secret_file: str | None
    oauth_scope: str | None
    oauth_token_file: str | None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether clients say who they are by SASL."""
        return self.security_protocol.startswith("SASL_")

    def complain(self) -> None:
        """Raises `SettingsError` where these do not fit together: most would be ignored silently otherwise."""
        if (self.tls_ca_file or self.tls_cert_file or self.tls_key_file) and not self.tls:
            raise SettingsError(
                f"there are TLS files, and --security-protocol {self.security_protocol} does not use them: say SSL or"
                " SASL_SSL"
            )
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise SettingsError("mutual TLS needs both, --tls-cert-file and --tls-key-file: give the other one, too")
        if self.sasl and self.sasl_mechanism is None:
            raise SettingsError(
                f"--security-protocol {self.security_protocol} needs --sasl-mechanism: one of {', '.join(MECHANISMS)}"
            )
        if self.sasl_mechanism and not self.sasl:
            raise SettingsError(
                f"--sasl-mechanism {self.sasl_mechanism} goes with --security-protocol SASL_SSL, not with"
                f" {self.security_protocol}: correct one of them"
            )
        self._complain_of_sasl()

    def _complain_of_sasl(self) -> None:
        match self.sasl_mechanism:
            case "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" if not self.sasl_username:
                raise SettingsError(f"--sasl-mechanism {self.sasl_mechanism} needs --sasl-username")
            case "OAUTHBEARER" if not self.oauth_token_file and not (self.oauth_token_url and self.oauth_client_id):
                raise SettingsError(
                    "--sasl-mechanism OAUTHBEARER needs --oauth-token-file, or --oauth-token-url and --oauth-client-id"
                )
            case "AWS_MSK_IAM" if not self.tls:
                raise SettingsError(
                    "--sasl-mechanism AWS_MSK_IAM needs --security-protocol SASL_SSL: MSK takes no less"
                )
            case _:
                return

    def password(self, environ: Mapping[str, str]) -> str:
        """Of `sasl_username`. Raises `SettingsError`."""
        return secret(self.sasl_password_file, environ, "MAILGAP_SASL_PASSWORD", "--sasl-password-file")

    def client_secret(self, environ: Mapping[str, str]) -> str:
        """Of `oauth_client_id`. Raises `SettingsError`."""
        name, flag = "MAILGAP_OAUTH_CLIENT_SECRET", "--oauth-client-secret-file"
        return secret(self.oauth_client_secret_file, environ, name, flag)


def msk_region(bootstrap_servers: str, region: str | None) -> str:
    """Of Amazon MSK: as it is set, or as the first broker's name says. Raises `SettingsError`."""
    found = _MSK_HOST(bootstrap_servers.split(",", maxsplit=1)[0])
    if region is None and found is None:
        raise SettingsError(f"{bootstrap_servers!r} does not say in which region MSK is: give it with --region")
    return region or (found[1] if found else "")


def secret(path: str | None, environ: Mapping[str, str], variable: str, flag: str) -> str:
    """A secret's text, without the line's end that editors and `echo` leave."""
    if path is None:
        if not environ.get(variable):
            raise SettingsError(f"there is no secret: put it into a file and give that with {flag}, or into {variable}")
        return environ[variable]
    try:
        secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"{path!r}: the secret of {flag} cannot be read: {why}") from error
    if not secret:
        raise SettingsError(f"{path!r}: the secret of {flag} is empty")
    return secret
