"""How each kind of setting is read: a value, and where it stands, to what the program uses.

Each reader raises `SettingsError` with one sentence that names the place, the value and what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from service.notifications.board import MAIL_ID
from service.policy import PolicyError, duration

if TYPE_CHECKING:
    from collections.abc import Callable


class SettingsError(Exception):
    """A setting that cannot be used; the text names it, its value and the way out."""


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


_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}").fullmatch
"""What Kafka takes for a name of a topic; `.` and `..` are none."""
_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.%]{2,60}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?").fullmatch
_WHOLE: Final = re.compile(r"[0-9]{1,9}").fullmatch
_BASE: Final = re.compile(r"https?://[^\s/?#\"<>]{1,253}(/[^\s?#\"<>]{0,500})?").fullmatch
_LINK: Final = re.compile(r"https?://[^\s<>\"|]{1,1000}").fullmatch
_LOCAL: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]").match
LARGEST_PORT: Final = 65_535
MOST_PARTITIONS: Final = 10_000
MOST_REPLICAS: Final = 1_000
LONGEST_SUFFIX: Final = "-correlate-trails-changelog"
"""Of the names that begin with the prefix."""


def text(value: object, where: str) -> str:
    """Any text but an empty one."""
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise SettingsError(f"{where}: {value!r} is no text; give it a value, or leave it out")
    return str(value)


def servers(value: object, where: str) -> str:
    """`host:port`, several with commas; the port may be left out."""
    servers = [server.strip() for server in str(value).split(",")]
    for server in servers:
        found = _SERVER(server)
        # Names longer than DNS allows make Python's resolver raise, so they are refused here.
        fits = found and max(map(len, found[1].split("."))) <= 63 and 0 < int(found[2] or 1) <= LARGEST_PORT  # noqa: PLR2004
        if not fits:
            raise SettingsError(f"{where}: {server!r} is no address of a broker; give host:port, like 127.0.0.1:9092")
    return ",".join(servers)


def topic(value: object, where: str) -> str:
    """The name of a topic."""
    name = str(value).strip()
    if not _TOPIC(name) or name in {".", ".."}:
        raise SettingsError(
            f"{where}: {name!r} cannot be the name of a topic; Kafka takes up to 249 letters, digits, dots, dashes and"
            " underscores"
        )
    return name


def prefix(value: object, where: str) -> str:
    """What the names of all our topics may begin with."""
    name = topic(value, where)
    topic(name + LONGEST_SUFFIX, where)
    return name


def names(value: object, where: str) -> tuple[str, ...]:
    """Names of topics, from a list or a text with commas; one that is given twice counts once."""
    items = value if isinstance(value, list | tuple) else (value,)
    names = [name for item in items for name in str(item).split(",") if name.strip()]
    if not names and items:
        raise SettingsError(f"{where}: {value!r} names no topic; give one, or leave it out")
    return tuple(dict.fromkeys(topic(name, where) for name in names))


def words(value: object, where: str) -> tuple[str, ...]:
    """Words, from a list or a text with commas."""
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(dict.fromkeys(text(item, where).strip() for item in items))


def files(value: object, where: str) -> tuple[str, ...]:
    """Paths, from a list, or one."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(dict.fromkeys(text(item, where) for item in items))


def networks(value: object, where: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Addresses and networks, from a list or a text with commas."""
    found = []
    for word in words(value, where):
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise SettingsError(f"{where}: {word!r} is no address or network; give one like 10.1.0.0/16") from error
    return tuple(found)


def store(value: object, where: str) -> str:
    """A path, or the address of a PostgreSQL. A password in it would stand in lists of processes and settings."""
    address = text(value, where)
    if "://" not in address:
        return address
    if not address.startswith(("postgresql://", "postgres://")):
        raise SettingsError(
            f"{where}: {address.partition(':')[0]!r} is no store; give a file, or postgresql://user@host/db"
        )
    try:
        has_password = urlsplit(address).password is not None
    except ValueError as error:
        raise SettingsError(f"{where}: the address cannot be read: {error}; give postgresql://user@host/db") from error
    if has_password:
        raise SettingsError(f"{where}: the address holds a password; give it in PGPASSWORD, PGPASSFILE or ~/.pgpass")
    return address


def count(most: int) -> Callable[[object, str], int]:
    """A whole number from 1 to `most`."""

    def read(value: object, where: str) -> int:
        if not _WHOLE(str(value)) or not 1 <= int(str(value)) <= most:
            raise SettingsError(f"{where}: {value!r} is no count; give a whole number from 1 to {most}")
        return int(str(value))

    return read


def percent(value: object, where: str) -> int:
    """A whole number from 0 to 100."""
    if not _WHOLE(str(value)) or int(str(value)) > 100:  # noqa: PLR2004 of a hundred
        raise SettingsError(f"{where}: {value!r} is no percentage; give a whole number from 0 to 100")
    return int(str(value))


def seconds(least: str, most: str) -> Callable[[object, str], float]:
    """A duration between the two."""

    def read(value: object, where: str) -> float:
        try:
            found = duration(value, where)
        except PolicyError as error:
            raise SettingsError(str(error)) from error
        if not duration(least, where) <= found <= duration(most, where):
            raise SettingsError(f"{where}: {value!r} makes no sense here; give something from {least} to {most}")
        return found / 1000

    return read


def base_url(value: object, where: str) -> str:
    """What links begin with."""
    base = str(value).strip()
    if not _BASE(base):
        raise SettingsError(f"{where}: {value!r} is no address of pages; give one like https://wiki.example/runbooks/")
    return base


def trace_url(value: object, where: str) -> str:
    """A link for people, with a place for a mail's id, which is put into it escaped."""
    if not _LINK(str(value)) or MAIL_ID not in str(value):
        raise SettingsError(f"{where}: {value!r} is no http or https URL with {MAIL_ID} in it")
    return str(value)


def choice(*choices: str) -> Callable[[object, str], str]:
    """One of these, written in any case."""

    def read(value: object, where: str) -> str:
        found = next((each for each in choices if each.casefold() == str(value).strip().casefold()), None)
        if found is None:
            raise SettingsError(f"{where}: {value!r} is unknown; choose one of {', '.join(choices)}")
        return found

    return read


def token_url(value: object, where: str) -> str:
    """Where a secret is sent to: https, or this machine."""
    url = str(value).strip()
    if not _BASE(url) or not (url.startswith("https://") or _LOCAL(url)):
        raise SettingsError(f"{where}: {value!r} is no address that a secret may be sent to; give one with https://")
    return url


def addresses(value: object, where: str) -> str:
    """How addresses leave the process."""
    if value not in ("pseudonymous", "raw"):
        raise SettingsError(f"{where}: {value!r} is unknown; choose pseudonymous or raw")
    return str(value)


def bind(value: object, where: str) -> tuple[str, int]:
    """`host:port` to listen on."""
    host, _, port = str(value).rpartition(":")
    if not host.strip("[] ") or not _WHOLE(port) or int(port) > LARGEST_PORT:
        raise SettingsError(f"{where}: {value!r} is no address to listen on; give host:port, like 127.0.0.1:9750")
    return host.strip("[]"), int(port)
