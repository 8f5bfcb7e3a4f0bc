"""The settings of `mailgap canary`: which way its mails go, what becomes of them, and how often one is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from service.aws_values import truth
from service.contract.enums import FINAL, Outcome
from service.setting_security import secret
from service.setting_values import LARGEST_PORT, Setting, SettingsError, choice, seconds, text

if TYPE_CHECKING:
    from collections.abc import Mapping

API: Final = "ses"
_VIA: Final = re.compile(
    r"(smtp|smtps|smtp\+plain)://(\[[0-9A-Fa-f:.]{2,60}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?/?"
).fullmatch
_SCHEMES: Final = {"smtp": ("starttls", 587), "smtps": ("tls", 465), "smtp+plain": ("none", 25)}
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}").fullmatch
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Server(NamedTuple):
    """Where SMTP is spoken. `tls`: starttls (it must be offered), tls (from the start) or none."""

    host: str
    port: int
    tls: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def via(value: object, where: str) -> str | Server:
    """A mail server, or `ses`: SES's API."""
    if str(value).strip().lower() == API:
        return API
    found = _VIA(str(value).strip())
    if found is None or not 0 < int(found[3] or 1) <= LARGEST_PORT:
        raise SettingsError(
            f"{where}: {value!r} is no way to send; give smtp://HOST:PORT (STARTTLS), smtps://HOST:PORT,"
            " smtp+plain://HOST:PORT, or ses for its API"
        )
    tls, port = _SCHEMES[found[1]]
    return Server(found[2].strip("[]"), int(found[3] or port), tls)


def word(value: object, where: str) -> str:
    """What may be a tag of SES's and a label."""
    if not _WORD(str(value)):
        raise SettingsError(f"{where}: {value!r} is no name; give up to 64 letters, digits, dashes and underscores")
    return str(value)


def mailbox(value: object, where: str) -> str:
    """An address, bare."""
    if not _ADDRESS(str(value)):
        raise SettingsError(f"{where}: {value!r} is no address; give one like canary@app.example")
    return str(value)


CANARY: Final = (
    Setting("canary_name", "--canary-name", "canary", word, "Its name: the metrics' label, the mails' tag and header."),
    Setting("canary_via", "--via", None, via, "smtp://HOST:PORT (STARTTLS), smtps://, smtp+plain://, or ses: its API."),
    Setting("canary_user", "--smtp-user", None, text, "User of the mail server, or SES's SMTP user."),
    Setting(
        "canary_password_file", "--smtp-password-file", None, text, "File of its password; else MAILGAP_SMTP_PASSWORD."
    ),
    Setting("canary_ca_file", "--smtp-ca-file", None, text, "PEM file of the server's CA; else the system's CAs."),
    Setting("canary_sender", "--sender", None, mailbox, "Address that the mails are from."),
    Setting(
        "canary_recipient", "--recipient", "success@simulator.amazonses.com", mailbox, "Address that they are sent to."
    ),
    Setting("canary_set", "--canary-set", None, word, "Configuration set that they are sent with."),
    Setting("canary_expect", "--expect", "delivered", choice(*sorted(FINAL)), "Outcome that must come."),
    Setting("canary_unlogged", "--unlogged", default=False, read=truth, help="The server's log is not on Kafka."),
    Setting("canary_interval", "--interval", "5m", seconds("5s", "1d"), "How often one is sent."),
    Setting("canary_patience", "--patience", "15m", seconds("1s", "1d"), "After how long one is missing."),
)


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """`CANARY`, read; see `complain`."""

    canary_name: str
    canary_via: str | Server | None
    canary_user: str | None
    canary_password_file: str | None
    canary_ca_file: str | None
    canary_sender: str | None
    canary_recipient: str
    canary_set: str | None
    canary_expect: str
    canary_unlogged: bool
    canary_interval: float
    canary_patience: float

    @property
    def outcome(self) -> Outcome:
        """What must come."""
        return Outcome(self.canary_expect)

    def complain(self) -> None:
        """Raises `SettingsError` where a canary cannot be sent like that."""
        if self.canary_via is None:
            raise SettingsError("no way to send: give --via, as the application sends (smtp://HOST:PORT, or ses)")
        if self.canary_sender is None:
            raise SettingsError("no sender: give --sender, an address that SES has verified")
        if self.canary_user is None and self.canary_password_file is not None:
            raise SettingsError("--smtp-password-file needs --smtp-user: whose password is it?")
        if not isinstance(self.canary_via, Server):
            return
        if self.canary_user is not None and self.canary_via.tls == "none" and self.canary_via.host not in _LOOPBACK:
            raise SettingsError(
                f"--smtp-user would send its password to {self.canary_via} without TLS: say smtp:// or smtps://"
            )

    def password(self, environ: Mapping[str, str]) -> str:
        """Of `canary_user`; empty where there is none. Raises `SettingsError`."""
        if self.canary_user is None:
            return ""
        return secret(self.canary_password_file, environ, "MAILGAP_SMTP_PASSWORD", "--smtp-password-file")
