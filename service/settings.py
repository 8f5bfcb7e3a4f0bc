"""The only reader of the environment and of configuration files.

Flags, environment variables and one YAML file say the same things: flags win, then the environment, then the file.
`TABLE` is the one list of them; the command line and the reference are made from it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from service.policy import Policy, PolicyError, duration, parse_policy
from service.privacy import Pseudonyms, key_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class SettingsError(Exception):
    """A setting that cannot be used; the text names it, its value and the way out."""


def _text(value: object, _where: str) -> str:
    return str(value)


def _names(value: object, _where: str) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(str(item).strip() for item in items if str(item).strip())


def _count(value: object, where: str) -> int:
    if not str(value).isdigit() or int(str(value)) < 1:
        raise SettingsError(f"{where}: {value!r} is no count; give a whole number of 1 or more")
    return int(str(value))


def _percent(value: object, where: str) -> int:
    if not str(value).isdigit() or int(str(value)) > 100:  # noqa: PLR2004 of a hundred
        raise SettingsError(f"{where}: {value!r} is no percentage; give a whole number from 0 to 100")
    return int(str(value))


def _seconds(value: object, where: str) -> float:
    try:
        return duration(value, where) / 1000
    except PolicyError as error:
        raise SettingsError(str(error)) from error


def _addresses(value: object, where: str) -> str:
    if value not in ("pseudonymous", "raw"):
        raise SettingsError(f"{where}: {value!r} is unknown; choose pseudonymous or raw")
    return str(value)


def _bind(value: object, where: str) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 the largest port there is
        raise SettingsError(f"{where}: {value!r} is no address to listen on; give host:port, like 127.0.0.1:9750")
    return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `key` in the file, `MAILGAP_<KEY>` in the environment, `--<flag>` on the command line."""

    key: str
    flag: str
    default: object
    read: Callable[[object, str], Any]
    help: str

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"MAILGAP_{self.key.upper()}"


TABLE: Final = (
    Setting(
        "bootstrap_servers", "--bootstrap-servers", "127.0.0.1:9092", _text, "Kafka, host:port, several with commas."
    ),
    Setting("smtp_topics", "--smtp-topic", (), _names, "Topics with the application's mail logs."),
    Setting("ses_topics", "--ses-topic", (), _names, "Topics with SES's events."),
    Setting("prefix", "--prefix", "mailgap", _text, "Begins the names of our topics and groups."),
    Setting("policy_file", "--policy", None, _text, "YAML file with streams and deadlines."),
    Setting("addresses", "--addresses", "pseudonymous", _addresses, "pseudonymous, or raw: addresses as they are."),
    Setting("pseudonym_key_file", "--pseudonym-key-file", None, _text, "File with the key of the pseudonyms."),
    Setting("http_bind", "--http-bind", "127.0.0.1:9750", _bind, "Where metrics and health are served."),
    Setting("partitions", "--partitions", "8", _count, "Partitions of our topics; fixed once there is state."),
    Setting("replication", "--replication", "1", _count, "Replicas of our topics."),
    Setting("session_timeout", "--session-timeout", "10s", _seconds, "After so much silence a worker is replaced."),
    Setting("brake", "--brake", "50", _percent, "Stop where more percent of a topic cannot be read; 100: never."),
    Setting("commit_interval", "--commit-interval", "200ms", _seconds, "How often a shard commits."),
    Setting("timezone", "--timezone", None, _text, "Zone of log stamps that carry none, like Europe/Vienna."),
)
"""`pseudonym_key` itself may also stand in the environment (`MAILGAP_PSEUDONYM_KEY`), never in the file or a flag."""

_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, read; see `TABLE` for what each means."""

    bootstrap_servers: str
    smtp_topics: tuple[str, ...]
    ses_topics: tuple[str, ...]
    prefix: str
    policy_file: str | None
    addresses: str
    pseudonym_key_file: str | None
    http_bind: tuple[str, int]
    partitions: int
    replication: int
    session_timeout: float
    brake: int
    commit_interval: float
    timezone: str | None

    @property
    def topics(self) -> Topics:
        """The names of our topics."""
        return Topics(self.prefix)

    def zone(self) -> ZoneInfo | None:
        """The zone of stamps that carry none. Raises `SettingsError` for an unknown one."""
        return None if self.timezone is None else read_zone(self.timezone)

    def policy(self) -> Policy:
        """The policy of the policy file, or the defaults."""
        return read_policy(self.policy_file)

    def pseudonyms(self, environ: Mapping[str, str] | None = None) -> Pseudonyms | None:
        """What hides addresses; None where raw ones were chosen in words. Without a key there is no third way."""
        if self.addresses == "raw":
            return None
        key = _key(self.pseudonym_key_file, os.environ if environ is None else environ)
        return Pseudonyms(key, key_id_of(key))


@dataclass(frozen=True, slots=True)
class Topics:
    """Our topics, by prefix."""

    prefix: str

    @property
    def facts(self) -> str:
        """Fragments of trails and watermarks; internal."""
        return f"{self.prefix}-facts"

    @property
    def correlated(self) -> str:
        """Every change of a verdict, keyed by mail."""
        return f"{self.prefix}-correlated"

    @property
    def gaps(self) -> str:
        """Gaps opened and resolved, keyed by gap."""
        return f"{self.prefix}-gaps"

    @property
    def dead_letters(self) -> str:
        """What could not be parsed, untouched."""
        return f"{self.prefix}-dead-letters"

    @property
    def changelog(self) -> str:
        """The shards' rows; internal. The name is Faust's: <app>-<table>-changelog."""
        return f"{self.prefix}-correlate-trails-changelog"


def load(flags: Mapping[str, object], environ: Mapping[str, str] | None = None, config: str | None = None) -> Settings:
    """The settings from flags (only those given), the environment and the file. Raises `SettingsError`."""
    environ = os.environ if environ is None else environ
    document = _document(config or environ.get("MAILGAP_CONFIG"))
    values: dict[str, Any] = {}
    for setting in TABLE:
        where, value = _origin(setting, flags, environ, document)
        values[setting.key] = None if value is None else setting.read(value, where)
    return Settings(**values)


def origins(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None, config: str | None = None
) -> list[tuple[Setting, str, object]]:
    """Every setting with the place that it comes from, in words, and its value as it was written there."""
    environ = os.environ if environ is None else environ
    path = config or environ.get("MAILGAP_CONFIG")
    document = _document(path)
    found: list[tuple[Setting, str, object]] = []
    for setting in TABLE:
        where, value = _origin(setting, flags, environ, document)
        place = f"{path}: {where}" if where == setting.key else where
        if where == setting.flag and flags.get(setting.key) in (None, ()):
            place = "default"
        found.append((setting, place, value))
    return found


def _origin(
    setting: Setting, flags: Mapping[str, object], environ: Mapping[str, str], document: Mapping[str, object]
) -> tuple[str, object]:
    """Where a setting's value comes from, and the value."""
    given = flags.get(setting.key)
    if given not in (None, ()):
        return setting.flag, given
    if setting.env in environ:
        return setting.env, environ[setting.env]
    if setting.key in document:
        return setting.key, document[setting.key]
    return setting.flag, setting.default


def _document(path: str | None) -> Mapping[str, object]:
    if path is None:
        return {}
    document = _yaml(path, "configuration") or {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: a configuration file is a mapping of settings to values")
    unknown = sorted(set(map(str, document)) - {setting.key for setting in TABLE})
    if unknown:
        raise SettingsError(f"{path}: {unknown[0]!r} is no setting; see `mailgap worker --help`")
    return document


def read_zone(name: str) -> ZoneInfo:
    """A zone by its name. Raises `SettingsError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"--timezone {name!r} is no zone; write one like Europe/Vienna or UTC") from error


def read_policy(path: str | None) -> Policy:
    """The policy in a file, or the defaults where there is none. Raises `SettingsError`."""
    if path is None:
        return Policy()
    try:
        return parse_policy(_yaml(path, "policy"))
    except PolicyError as error:
        raise SettingsError(f"{path}: {error}") from error


def _yaml(path: str, what: str) -> object:
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the {what} file cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: the {what} file is no YAML: {' '.join(str(error).split())}") from error


def _key(path: str | None, environ: Mapping[str, str]) -> bytes:
    if path is not None:
        try:
            key = Path(path).read_bytes().strip()
        except OSError as error:
            raise SettingsError(f"{path}: the pseudonym key cannot be read: {error.strerror}") from error
    else:
        key = environ.get("MAILGAP_PSEUDONYM_KEY", "").strip().encode()
    if len(key) < _KEY_BYTES:
        raise SettingsError(
            "addresses are pseudonymous, and there is no key of at least 16 bytes for them: put one into a file"
            " (`openssl rand -hex 32`) and give it with --pseudonym-key-file, or choose --addresses raw"
        )
    return key
