"""Who asks, and what they may see. It decides; it neither reads files nor speaks HTTP.

On the loopback with neither tokens nor proxies, whoever is on the machine reads. Everything else needs a token, or the
name that an authenticating proxy gives, from an address that is trusted to be that proxy. Reading shows pseudonyms; raw
addresses, where the worker publishes any, take the role `unmask`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SESSION: Final = 12 * 3600
"""Seconds that a browser stays signed in."""
SHORTEST_TOKEN: Final = 20
LONGEST_NAME: Final = 128

CONVENTIONS: Final = ("x-auth-request", "x-forwarded")
"""What the names of the headers begin with, as oauth2-proxy and its kin write them: `-user`, `-email`, `-groups`."""
IDENTITY_HEADERS: Final = frozenset(
    f"{convention}-{word}" for convention in CONVENTIONS for word in ("user", "email", "groups")
)
_FORWARDED: Final = ("x-forwarded-for", "forwarded", "via")
_LOOPBACK_HOST: Final = re.compile(r"(localhost|127(?:\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE).fullmatch
_TOKEN_LINE: Final = re.compile(r"(reader|unmask)\s+(\S{1,128})\s+(\S+)").fullmatch
_HASHED: Final = re.compile(r"sha256:([0-9a-f]{64})").fullmatch


class Role(StrEnum):
    """What somebody may see."""

    READER = "reader"
    UNMASK = "unmask"


class Visitor(NamedTuple):
    """Somebody who may read."""

    name: str
    role: Role


class AccessError(ValueError):
    """A file of tokens that cannot be used; the text says where and why, never what the token is."""


class Request(NamedTuple):
    """What is known of a request. Header names in lower case."""

    client: str
    headers: Mapping[str, str]
    session: str = ""
    repeated: frozenset[str] = frozenset()
    """Headers that stand there more than once."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rules. `tokens` by the SHA-256 of the token; `open` where the page listens on the loopback alone."""

    tokens: Mapping[str, Visitor] = field(default_factory=dict)
    proxies: Sequence[Network] = ()
    unmask_groups: frozenset[str] = frozenset()
    open: bool = True
    local_role: Role = Role.READER
    """Of whoever is on this machine, while the page listens on the loopback alone."""
    secret: bytes = b""
    """Signs sessions. A token that is taken out of the file ends its sessions, whatever signed them."""

    def visitor(self, request: Request, now: float) -> Visitor | None:
        """Who asks; None: nobody who may. `now` in seconds since 1970."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.of_token(token.strip())
        if (signed_in := self._of_session(request.session, now)) is not None:
            return signed_in
        if self.proxies and self.trusts(request.client):
            return self._of_proxy(request)
        return Visitor("local", self.local_role) if self._local(request) else None

    def of_token(self, token: str) -> Visitor | None:
        """Whose token it is. Hashes are compared, so time tells nothing about any token."""
        return self.tokens.get(_hash(token))

    def trusts(self, client: str) -> bool:
        """Whether the address may be an authenticating proxy's."""
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):  # who listens on [::] sees IPv4 as ::ffff:10.0.3.7
            address = address.ipv4_mapped or address
        return any(address in network for network in self.proxies)

    def session(self, token: str, now: float) -> str:
        """What a browser keeps instead of the token."""
        text = f"{_hash(token)}.{int(now) + SESSION}"
        return base64.urlsafe_b64encode(f"{text}.{self._signed(text)}".encode()).decode()

    def _of_session(self, session: str, now: float) -> Visitor | None:
        try:
            text, _, signature = (
                base64.b64decode(session, altchars=b"-_", validate=True).decode("ascii").rpartition(".")
            )
        except (ValueError, binascii.Error):
            return None
        if not text or not hmac.compare_digest(signature, self._signed(text)):
            return None
        hashed, _, until = text.partition(".")
        return self.tokens.get(hashed) if now < int(until) else None

    def _signed(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), "sha256").hexdigest()

    def _of_proxy(self, request: Request) -> Visitor | None:
        """Nobody where more is said than one proxy says: a proxy replaces the headers that it writes itself, and hands
        on what a visitor wrote under the other convention's names, or beside its own.
        """
        said = {name: text for name, text in request.headers.items() if name in IDENTITY_HEADERS}
        spoken = [each for each in CONVENTIONS if any(name.startswith(each) for name in said)]
        if len(spoken) != 1 or request.repeated & IDENTITY_HEADERS:
            return None
        user, email, groups = (said.get(f"{spoken[0]}-{word}", "").strip() for word in ("user", "email", "groups"))
        name = user or email
        if not name:
            return None
        unmasks = not self.unmask_groups.isdisjoint(group.strip() for group in groups.split(","))
        return Visitor(name[:LONGEST_NAME], Role.UNMASK if unmasks else Role.READER)

    def _local(self, request: Request) -> bool:
        """Neither somebody else's proxy in front of us, nor a page elsewhere whose name was turned into ours."""
        if not self.open or self.tokens or self.proxies or any(header in request.headers for header in _FORWARDED):
            return False
        return is_loopback(request.client) and bool(_LOOPBACK_HOST(request.headers.get("host", "")))


def is_loopback(host: str) -> bool:
    """Whether the address, or name to listen on, is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_tokens(text: str, where: str) -> dict[str, Visitor]:
    """The lines of a file of tokens: role, name and token (or `sha256:` and its hash). Raises `AccessError`."""
    tokens: dict[str, Visitor] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _TOKEN_LINE(line.strip())
        if found is None:
            raise AccessError(f"{where}:{number}: a line is a role (reader or unmask), a name and a token")
        role, name, token = found.groups()
        hashed = _HASHED(token)
        if hashed is None and len(token) < SHORTEST_TOKEN:
            raise AccessError(
                f"{where}:{number}: the token of {name} has fewer than {SHORTEST_TOKEN} characters;"
                " `openssl rand -hex 32` makes one"
            )
        tokens[hashed[1] if hashed else _hash(token)] = Visitor(name, Role(role))
    if not tokens:
        raise AccessError(f"{where}: holds no token; a line is a role (reader or unmask), a name and a token")
    return tokens


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
