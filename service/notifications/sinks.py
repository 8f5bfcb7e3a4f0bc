"""The file of sinks: which there are, what each wants to hear, and where its secret stands. Pure: reads no file itself.

```yaml
pace: {wait: 30s, update: 15m}
sinks:
  - {type: alertmanager, url: "http://alertmanager:9093"}
  - {name: ops, type: slack, url_file: /run/secrets/slack-url, streams: [otp]}
  - {type: pagerduty, key_env: PAGERDUTY_KEY, severities: [page]}
  - {type: sns, topic_arn: "arn:aws:sns:eu-central-1:111122223333:mailgap"}
  - {type: webhook, url_env: HOOK_URL, authorization_file: /run/secrets/token}
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from service.contract.enums import Condition, GapKind
from service.contract.notification import Severity
from service.notifications.ledger import Pace, Scope
from service.policy import PolicyError, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
MINUTE: Final = 60_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHORTEST: Final = 6
"""Characters of a secret; less is none, and would blacken every text."""
_KINDS: Final = frozenset({*GapKind, *Condition})


class SinksError(Exception):
    """A file of sinks that cannot be used; the text says what is wrong, and shows no secret."""


class SinkType(StrEnum):
    """What can be told."""

    ALERTMANAGER = "alertmanager"
    PAGERDUTY = "pagerduty"
    SLACK = "slack"
    SNS = "sns"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Sink:
    """One sink. What is secret does not show in its `repr`."""

    name: str
    type: SinkType
    pace: Pace
    scope: Scope
    url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)
    topic_arn: str = ""
    region: str = ""

    @property
    def host(self) -> str:
        """Where it is, without what may be secret: scheme, host and port; of SNS the topic."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" if self.url else self.topic_arn

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, page or error may show, longest first: with what stands before them, and without."""
        found = {self.key, self.authorization, self.authorization.rpartition(" ")[2]}
        if self.type in (SinkType.SLACK, SinkType.WEBHOOK):
            path = self.url.partition("://")[2].partition("/")[2]
            found |= {self.url, path, path.rpartition("/")[2]}
        return tuple(sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True))


_COMMON: Final = frozenset({"name", "type", "streams", "kinds", "severities", "at_least"})
_OWN: Final[Mapping[SinkType, frozenset[str]]] = {
    SinkType.ALERTMANAGER: frozenset({"url", "authorization_file", "authorization_env"}),
    SinkType.PAGERDUTY: frozenset({"url", "key_file", "key_env"}),
    SinkType.SLACK: frozenset({"url_file", "url_env"}),
    SinkType.SNS: frozenset({"topic_arn", "region", "url"}),
    SinkType.WEBHOOK: frozenset({"url_file", "url_env", "authorization_file", "authorization_env"}),
}
"""A Slack or webhook URL is a secret: who has it can write there."""


def parse_sinks(document: Any, secret: Callable[[str, str], str]) -> list[Sink]:
    """The sinks of a YAML document; `secret` gives, from `file` or `env` and a name, what stands there.

    Raises `SinksError`.
    """
    if not isinstance(document, dict) or not isinstance(document.get("sinks"), list) or not document["sinks"]:
        raise SinksError("expected a mapping with a list of `sinks`")
    _known(document, {"sinks", "pace"}, "the file")
    pace = _pace(document.get("pace", {}))
    sinks = [_sink(entry, f"sinks[{number}]", pace, secret) for number, entry in enumerate(document["sinks"])]
    names = [sink.name for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise SinksError(f"two sinks are called {name!r}: give each a `name` of its own")
    return sinks


def _pace(entry: Any) -> Pace:
    if not isinstance(entry, dict):
        raise SinksError("pace: expected a mapping, like {wait: 30s, update: 15m}")
    _known(entry, {"wait", "update"}, "pace")
    try:
        return Pace(**{key: duration(value, f"pace.{key}") for key, value in entry.items()})
    except PolicyError as error:
        raise SinksError(str(error)) from error


def _sink(entry: Any, where: str, pace: Pace, secret: Callable[[str, str], str]) -> Sink:
    if not isinstance(entry, dict):
        raise SinksError(f"{where}: expected a mapping, like {{type: slack, url_file: PATH}}")
    try:
        kind = SinkType(entry.get("type", ""))
    except ValueError as error:
        raise SinksError(f"{where}: type {entry.get('type')!r} is none of {', '.join(SinkType)}") from error
    _known(entry, _COMMON | _OWN[kind], f"{where} ({kind})")
    name = str(entry.get("name", kind))
    if not _NAME.fullmatch(name):
        raise SinksError(f"{where}: {name!r} is no name: letters, digits, dots, dashes and underscores")
    default = PAGERDUTY if kind is SinkType.PAGERDUTY else ""
    url = str(entry.get("url") or _secret(entry, "url", where, secret) or default)
    sink = Sink(
        name=name,
        type=kind,
        pace=pace._replace(repeat=MINUTE) if kind is SinkType.ALERTMANAGER else pace,
        scope=_scope(entry, where),
        url=url,
        key=_secret(entry, "key", where, secret),
        authorization=_secret(entry, "authorization", where, secret),
        topic_arn=str(entry.get("topic_arn", "")),
        region=str(entry.get("region", "")),
    )
    _check(sink, where)
    return sink


def _check(sink: Sink, where: str) -> None:
    """Raises `SinksError` for what could never work."""
    if sink.type is SinkType.SNS:
        if not re.fullmatch(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+(\.fifo)?", sink.topic_arn):
            raise SinksError(f"{where}: topic_arn {sink.topic_arn!r} is no ARN of an SNS topic")
        return
    if sink.type is SinkType.PAGERDUTY and not sink.key:
        raise SinksError(f"{where}: has no routing key: give key_file or key_env")
    if not sink.url:
        needs = "url" if sink.type is SinkType.ALERTMANAGER else "url_file or url_env"
        raise SinksError(f"{where}: has no address: give {needs}")
    try:
        parts = urlsplit(sink.url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not sink.url.isprintable() or " " in sink.url:
        raise SinksError(f"{where}: its address is no http or https URL")
    if "@" in parts.netloc:
        raise SinksError(f"{where}: its address carries a password: give authorization_file instead")


def _secret(entry: Mapping[str, Any], what: str, where: str, secret: Callable[[str, str], str]) -> str:
    given = [kind for kind in ("file", "env") if f"{what}_{kind}" in entry]
    if len(given) > 1:
        raise SinksError(f"{where}: has both {what}_file and {what}_env: give one")
    if not given:
        return ""
    name = str(entry[f"{what}_{given[0]}"])
    value = secret(given[0], name)
    if not value or not value.isprintable():
        raise SinksError(f"{where}: {what}_{given[0]} {name!r} holds no single line of text")
    return value


def _scope(entry: Mapping[str, Any], where: str) -> Scope:
    at_least = entry.get("at_least", 1)
    if not isinstance(at_least, int) or at_least < 1:
        raise SinksError(f"{where}: at_least {at_least!r} is no count of 1 or more")
    return Scope(
        streams=_words(entry, "streams", where, None),
        kinds=_words(entry, "kinds", where, _KINDS),
        severities=_words(entry, "severities", where, frozenset(Severity)),
        at_least=at_least,
    )


def _words(entry: Mapping[str, Any], key: str, where: str, known: frozenset[str] | None) -> frozenset[str]:
    given = entry.get(key, [])
    if not isinstance(given, list):
        raise SinksError(f"{where}: {key} is no list")
    words = frozenset(map(str, given))
    if known is not None and not words <= known:
        raise SinksError(f"{where}: {key} {min(words - known)!r} is none of {', '.join(sorted(known))}")
    return words


def _known(entry: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    unknown = sorted(set(map(str, entry)) - set(keys))
    if unknown:
        # Somebody who writes a secret where its file should stand must not read it in a log: only the key is shown.
        raise SinksError(f"{where}: {unknown[0]!r} is unknown; there are {', '.join(sorted(keys))}")
