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

from service.aws_values import MOST_POLLERS, MOST_RECEIVES, accounts, endpoint, topic_arns, truth
from service.notifications.sinks import Sink, SinksError, parse_sinks
from service.policy import Policy, PolicyError, parse_policy
from service.privacy import Pseudonyms, key_id_of
from service.setting_canary import CANARY, CanarySettings
from service.setting_feed import FEED, FeedSettings
from service.setting_security import SECURITY, Security
from service.setting_values import (
    MOST_PARTITIONS,
    MOST_REPLICAS,
    Setting,
    SettingsError,
    addresses,
    base_url,
    bind,
    count,
    files,
    names,
    networks,
    percent,
    prefix,
    seconds,
    servers,
    store,
    text,
    trace_url,
    words,
)
from service.yaml_files import YamlFileError, read_yaml

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Mapping

__all__ = ["TABLE", "Setting", "Settings", "SettingsError", "Topics", "load", "origins", "read_policy", "read_zone"]


TABLE: Final = (
    Setting(
        "bootstrap_servers", "--bootstrap-servers", "127.0.0.1:9092", servers, "Kafka, host:port, several with commas."
    ),
    Setting("smtp_topics", "--smtp-topic", (), names, "Topics with the application's mail logs."),
    Setting("ses_topics", "--ses-topic", (), names, "Topics with SES's events."),
    Setting("prefix", "--prefix", "mailgap", prefix, "Begins the names of our topics and groups."),
    Setting("policy_file", "--policy", None, text, "YAML file with streams and deadlines."),
    Setting("addresses", "--addresses", "pseudonymous", addresses, "pseudonymous, or raw: addresses as they are."),
    Setting("pseudonym_key_file", "--pseudonym-key-file", None, text, "File with the key of the pseudonyms."),
    Setting("http_bind", "--http-bind", "127.0.0.1:9750", bind, "Where metrics and health are served."),
    Setting(
        "partitions",
        "--partitions",
        "8",
        count(MOST_PARTITIONS),
        "Partitions of our topics; fixed once there is state.",
    ),
    Setting("replication", "--replication", "1", count(MOST_REPLICAS), "Replicas of our topics."),
    Setting(
        "session_timeout",
        "--session-timeout",
        "10s",
        seconds("1s", "30m"),
        "After so much silence a worker is replaced.",
    ),
    Setting("brake", "--brake", "50", percent, "Stop where more percent of a topic cannot be read; 100: never."),
    Setting("commit_interval", "--commit-interval", "200ms", seconds("10ms", "10s"), "How often a shard commits."),
    Setting("runbooks", "--runbooks", None, base_url, "What links to runbooks begin with; else they are paths."),
    Setting("sinks_file", "--sinks", None, text, "YAML file with who is notified."),
    Setting("trace_url", "--trace-url", None, trace_url, "A mail's trace page, as URL with {mail_id} in it."),
    Setting("former_key_files", "--former-key-file", (), files, "Former keys: look-ups find what they have hidden."),
    Setting(
        "trace_store",
        "--trace-store",
        "mailgap-trail.db",
        store,
        "Where mails are kept: a file, or a postgresql:// address.",
    ),
    Setting("trace_retention", "--trace-retention", "30d", seconds("1h", "3650d"), "How long mails are kept."),
    Setting("trace_tokens_file", "--trace-tokens-file", None, text, "Lines of role (reader, unmask), name and token."),
    Setting("trace_proxies", "--trace-proxy", (), networks, "Addresses of proxies that sign people in, as 10.0.0.0/8."),
    Setting("trace_unmask_groups", "--trace-unmask-group", (), words, "Their groups that may see raw addresses."),
    Setting("timezone", "--timezone", None, text, "Zone of log stamps that carry none, like Europe/Vienna."),
    Setting("queues", "--queue", (), words, "SQS queues with SES's events, by name or URL."),
    Setting("region", "--region", None, text, "AWS region, where the environment does not say it."),
    Setting(
        "endpoint_url", "--endpoint-url", None, endpoint, "Another address than AWS's: a stand-in, a VPC endpoint."
    ),
    Setting("pollers", "--pollers", "4", count(MOST_POLLERS), "Long polls at a time, a queue."),
    Setting("wait", "--wait", "20s", seconds("1s", "20s"), "How long a poll waits for a record."),
    Setting("visibility", "--visibility", "60s", seconds("1s", "12h"), "How long a record in work is hidden at once."),
    Setting("receives", "--receives", "20", count(MOST_RECEIVES), "Receipts after which a failing record is given up."),
    Setting("buckets", "--bucket", (), words, "S3 buckets whose notifications are followed; of no other."),
    Setting("allowed_accounts", "--allowed-account", (), accounts, "AWS accounts whose events are taken; all if none."),
    Setting("allowed_topics", "--allowed-topic", (), topic_arns, "ARNs of SNS topics that are taken; all if none."),
    Setting("verify_sns", "--verify-sns", default=False, read=truth, help="Take only what SNS has signed."),
    Setting("sns_certificates", "--sns-certificates", None, text, "Folder of certificates, instead of fetching them."),
    Setting("sns_roots", "--sns-roots", None, text, "PEM file of the roots to trust, instead of the system's."),
    Setting("sns_max_age", "--sns-max-age", "14d", seconds("1s", "30d"), "The oldest signed record that is taken."),
    Setting("ask_aws", "--ask-aws", default=False, read=truth, help="Ask AWS what it knows; it only reads."),
    Setting("configuration_sets", "--configuration-set", (), words, "Of SES: sets that doctor looks at; all if none."),
    Setting("historic", "--historic", default=False, read=truth, help="The inputs are history: nobody is paged."),
    *FEED,
    *CANARY,
    *SECURITY,
)
"""`pseudonym_key` itself may also stand in the environment (`MAILGAP_PSEUDONYM_KEY`), never in the file or a flag.
So may the secrets of `service.setting_security`."""

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
    runbooks: str | None
    sinks_file: str | None
    trace_url: str | None
    former_key_files: tuple[str, ...]
    trace_store: str
    trace_retention: float
    trace_tokens_file: str | None
    trace_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    trace_unmask_groups: tuple[str, ...]
    timezone: str | None
    queues: tuple[str, ...]
    region: str | None
    endpoint_url: str | None
    pollers: int
    wait: float
    visibility: float
    receives: int
    buckets: tuple[str, ...]
    allowed_accounts: tuple[str, ...]
    allowed_topics: tuple[str, ...]
    verify_sns: bool
    sns_certificates: str | None
    sns_roots: str | None
    sns_max_age: float
    ask_aws: bool
    configuration_sets: tuple[str, ...]
    historic: bool
    feed: FeedSettings
    canary: CanarySettings
    security: Security

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

    def sinks(self, environ: Mapping[str, str] | None = None) -> list[Sink]:
        """Who is notified, by the file of sinks; none where there is no file. Raises `SettingsError`."""
        if self.sinks_file is None:
            return []
        return read_sinks(self.sinks_file, os.environ if environ is None else environ)

    def pseudonyms(self, environ: Mapping[str, str] | None = None) -> Pseudonyms | None:
        """What hides addresses; None where raw ones were chosen in words. Without a key there is no third way."""
        if self.addresses == "raw":
            return None
        key = _key(self.pseudonym_key_file, os.environ if environ is None else environ)
        return Pseudonyms(key, key_id_of(key))

    def former_pseudonyms(self) -> list[Pseudonyms]:
        """What the former keys have hidden: for look-ups only. Raises `SettingsError`."""
        keys = [_key(path, {}) for path in self.former_key_files]
        return [Pseudonyms(key, key_id_of(key)) for key in keys]


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
    def notified(self) -> str:
        """What was said to whom, keyed by sink and alert; internal to the notify role."""
        return f"{self.prefix}-notified"

    @property
    def changelog(self) -> str:
        """The shards' rows; internal. The name is Faust's: <app>-<table>-changelog."""
        return f"{self.prefix}-correlate-trails-changelog"

    @property
    def history(self) -> tuple[str, str]:
        """Where `mailgap backfill` writes logs, and events."""
        return f"{self.prefix}-history-smtp", f"{self.prefix}-history-ses"

    @property
    def all(self) -> frozenset[str]:
        """All that we write."""
        return frozenset({self.facts, self.correlated, self.gaps, self.dead_letters, self.notified, self.changelog})


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Settings:
    """The settings from flags (only those given), the environment and the file. Raises `SettingsError`.

    `defaults` are a command's own, where the general ones are not right for it.
    """
    environ = os.environ if environ is None else environ
    document = _document(config or environ.get("MAILGAP_CONFIG"))
    values: dict[str, Any] = {}
    for setting in TABLE:
        where, value = _origin(setting, flags, environ, {**(defaults or {}), **document})
        values[setting.key] = None if value is None else setting.read(value, where)
    feed = FeedSettings(**{setting.key: values.pop(setting.key) for setting in FEED})
    canary = CanarySettings(**{setting.key: values.pop(setting.key) for setting in CANARY})
    security = Security(**{setting.key: values.pop(setting.key) for setting in SECURITY})
    settings = Settings(**values, feed=feed, canary=canary, security=security)
    _check_inputs(settings)
    security.complain()
    return settings


def _check_inputs(settings: Settings) -> None:
    """No topic is read for two things, and none of ours is read as an input: that would be an endless circle."""
    both = set(settings.smtp_topics) & set(settings.ses_topics)
    if both:
        raise SettingsError(
            f"topic {min(both)} is given with --smtp-topic and with --ses-topic: a topic holds logs or events, not"
            " both; give each its own"
        )
    ours = settings.topics.all & {*settings.smtp_topics, *settings.ses_topics}
    if ours:
        raise SettingsError(
            f"topic {min(ours)} is one that mailgap itself writes, and cannot be an input: correct --smtp-topic and"
            " --ses-topic, or give another --prefix"
        )


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
    if environ.get(setting.env, "").strip():  # an empty one is how compose files and charts say that it is not set
        return setting.env, environ[setting.env]
    if document.get(setting.key) is not None:
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
        raise SettingsError(f"--timezone {name[:80]!r} is no zone; write one like Europe/Vienna or UTC") from error


def read_policy(path: str | None) -> Policy:
    """The policy in a file, or the defaults where there is none. Raises `SettingsError`."""
    if path is None:
        return Policy()
    try:
        return parse_policy(_yaml(path, "policy"))
    except PolicyError as error:
        raise SettingsError(f"{path}: {error}") from error


def read_sinks(path: str, environ: Mapping[str, str]) -> list[Sink]:
    """The sinks in a file, with their secrets from files or the environment. Raises `SettingsError`."""

    def secret(kind: str, name: str) -> str:
        if kind == "env":
            if name not in environ:
                raise SinksError(f"the environment has no {name}")
            return environ[name].strip()
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SinksError(f"{name} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise SinksError(f"{name!r} holds no text, or is no name of a file") from error

    try:
        return parse_sinks(_yaml(path, "sinks"), secret)
    except SinksError as error:
        raise SettingsError(f"{path}: {error}") from error


def _yaml(path: str, what: str) -> object:
    try:
        return read_yaml(path, what)
    except YamlFileError as error:
        raise SettingsError(str(error)) from error


def _key(path: str | None, environ: Mapping[str, str]) -> bytes:
    if path is not None:
        try:
            key = Path(path).read_bytes().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SettingsError(f"{path!r}: the pseudonym key cannot be read: {why}") from error
    else:
        key = environ.get("MAILGAP_PSEUDONYM_KEY", "").strip().encode(errors="surrogateescape")
    if len(key) < _KEY_BYTES:
        where = f"{path}: " if path is not None else ""
        raise SettingsError(
            f"{where}addresses are pseudonymous, and there is no key of at least 16 bytes for them: put one into a file"
            " (`openssl rand -hex 32`) and give it with --pseudonym-key-file, or choose --addresses raw"
        )
    return key
