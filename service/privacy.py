"""Pseudonyms: what stands in for addresses before anything leaves ingest, and what is cut out of free text (rule 27).

A pseudonym is `p-<key id>-<16 hex of HMAC-SHA-256>@domain`: the same for the same address, so joins and look-ups work,
and of no use without the key. The domain stays, since "which provider" is the first question of every incident. The
key id (4 hex) says which key made it, so that a former key remains usable for look-ups.

`FIELDS` says of every text in every fact what it is; a test fails when a new one is not classified. Everything here is
total and linear in its input. Nothing here reads a key from anywhere, or decides whether raw addresses are allowed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from service.facts import Fact, Name

CACHED_ADDRESSES: Final = 32_768
"""Pseudonyms kept at hand, about 10 MB: the recipients of a batch come back in its other lines and in SES's events."""

LONGEST_MESSAGE_ID: Final = 255
"""Bytes. Longer ones have been seen to hold a whole mail."""

SES_RECIPIENTS: Final = 50
"""How many recipients SES takes in one mail; more are not looked for in a reply."""

is_pseudonym: Final = re.compile(r"p-[0-9a-f]{4}-[0-9a-f]{16}(@[^@]*)?").fullmatch
"""Whether a text is a pseudonym, whoever's key made it."""


class Kind(Enum):
    """What a text of a fact is, and so what happens to it."""

    ADDRESS = auto()
    FREE_TEXT = auto()
    MESSAGE_ID = auto()
    TAGS = auto()
    PLAIN = auto()


_ATTEMPT: Final = MappingProxyType(
    {"recipients": Kind.ADDRESS, "reply": Kind.FREE_TEXT, "cause": Kind.PLAIN, "region": Kind.PLAIN}
)

FIELDS: Final[Mapping[type[Any], Mapping[str, Kind]]] = MappingProxyType(
    {
        facts.Started: {"application": Kind.PLAIN, "before": Kind.PLAIN},
        facts.Identified: {"message_id": Kind.MESSAGE_ID},
        facts.Queued: {"sender": Kind.ADDRESS},
        facts.Accepted: {
            "recipients": Kind.ADDRESS,
            "ses_id": Kind.PLAIN,
            "submission": Kind.PLAIN,
            "region": Kind.PLAIN,
        },
        facts.Deferred: _ATTEMPT,
        facts.Refused: _ATTEMPT,
        facts.Unconfirmed: {"recipients": Kind.ADDRESS, "reply": Kind.FREE_TEXT},
        facts.Elsewhere: {"recipients": Kind.ADDRESS, "relay": Kind.PLAIN, "queued_as": Kind.PLAIN},
        facts.Closed: {"how": Kind.PLAIN},
        facts.Told: {
            "submission": Kind.PLAIN,
            "sender": Kind.ADDRESS,
            "message_id": Kind.MESSAGE_ID,
            "recipients": Kind.ADDRESS,
            "application": Kind.PLAIN,
        },
        facts.Asked: {
            "submission": Kind.PLAIN,
            "asker": Kind.PLAIN,
            "sender_domain": Kind.PLAIN,
            "recipients": Kind.ADDRESS,
        },
        facts.Answered: {
            "submission": Kind.PLAIN,
            "ses_id": Kind.PLAIN,
            "recipients": Kind.ADDRESS,
            "carrier": Kind.PLAIN,
        },
        facts.Linked: {"ses_id": Kind.PLAIN, "sender_domain": Kind.PLAIN, "recipients": Kind.ADDRESS},
        facts.Carried: {"submission": Kind.PLAIN},
        facts.Described: {
            "sender": Kind.ADDRESS,
            "recipients": Kind.ADDRESS,
            "account": Kind.PLAIN,
            "region": Kind.PLAIN,
            "configuration_set": Kind.PLAIN,
            "application": Kind.PLAIN,
            "message_id": Kind.MESSAGE_ID,
            "tags": Kind.TAGS,
        },
        facts.Sent: {},
        facts.Delivered: {"recipients": Kind.ADDRESS, "smtp_response": Kind.FREE_TEXT},
        facts.Bounced: {
            "recipients": Kind.ADDRESS,
            "bounce_type": Kind.PLAIN,
            "bounce_subtype": Kind.PLAIN,
            "status": Kind.FREE_TEXT,
            "diagnostic": Kind.FREE_TEXT,
        },
        facts.Complained: {"recipients": Kind.ADDRESS, "subtype": Kind.PLAIN, "feedback": Kind.PLAIN},
        facts.Rejected: {"reason": Kind.FREE_TEXT},
        facts.RenderingFailed: {"template": Kind.PLAIN, "error": Kind.FREE_TEXT},
        facts.Delayed: {
            "recipients": Kind.ADDRESS,
            "delay_type": Kind.PLAIN,
            "status": Kind.FREE_TEXT,
            "diagnostic": Kind.FREE_TEXT,
        },
        facts.Engaged: {"how": Kind.PLAIN},
        facts.OtherEvent: {"event_type": Kind.PLAIN},
    }
)
"""Every text of every fact. Numbers and switches are not listed."""

_MASKED: Final[dict[type[Any], tuple[tuple[int, Kind], ...]]] = {
    kind_of: tuple(
        (kind_of.__struct_fields__.index(field), kind) for field, kind in fields.items() if kind is not Kind.PLAIN
    )
    for kind_of, fields in FIELDS.items()
}
"""By kind of fact: where in it there is something to mask. By place, since most of what ingest does is done here."""

# Possessive quantifiers, and starts that cannot lie inside a run, keep every search linear.
_HOST: Final = r"(?:[\w-]++(?:\.[\w-]++)*+|\[[^\]\s]{1,64}\])"
_WORD: Final = r"[^\s@<>()\[\],;:]"
_ADDRESS: Final = re.compile(
    rf"<([^<>@\n]*+(?:>[^<>@\n]*+){{0,4}}+@{_HOST})(?=>)"  # Postfix has been asked for `<re>ceiver@host>`
    rf'|("(?:[^"\\\n]|\\.){{0,64}}+"@{_HOST})'
    # Of `x@anna@host` the last host is the domain. A run of words and @ is read once, from its beginning.
    rf"|(?<![^\s<>()\[\],;:])(@*+{_WORD}++(?:@++{_WORD}++(?=@))*@++{_HOST})"
)
_ENCODED_ADDRESS: Final = re.compile(
    rf"(?:(?<![\w.+%-])|(?<=%)(?![0-9A-Fa-f]{{2}}))((?:[\w.+-]|%(?!40)[0-9A-Fa-f]{{2}})++)%40({_HOST})"
)
_DECORATION: Final = re.compile(
    r"""[^\w"+@]*+(?:(?:(?:orig_)?to|from|rcpt|user|sender|recipient|mail|email|address|identity)[=/])?+["'`{]*+""",
    re.IGNORECASE,
)
_IAM: Final = re.compile(
    r"(arn:aws[\w-]*+:(?:iam|sts)::\d*+:(?:user|assumed-role|federated-user)/(?:[^\s'\"`/]++/)*+)([^\s'\"`/,;)]*+)"
)
_ACCESS_KEY: Final = re.compile(r"(?<![A-Za-z0-9])A(?:K|S)IA[A-Z0-9]{12,128}+")
_DOMAIN: Final = re.compile(_HOST).fullmatch

_ROLES: Final = frozenset({
    "abuse", "account", "address", "admin", "billing", "contact", "domain", "help", "host", "info", "mail", "mailbox",
    "mailer", "marketing", "message", "news", "noreply", "no-reply", "office", "orders", "postmaster", "quota",
    "recipient", "sales", "security", "sender", "server", "service", "spam", "support", "team", "test", "user",
    "webmaster",
})  # fmt: skip

# The end of a Message-ID's left side, if it is a machine's: a part with a digit, or `JavaMail` and its system user.
_MACHINE_MADE: Final = re.compile(r"[0-9][A-Za-z]*\Z|\.JavaMail\.[\w-]+\Z").search
_EMBEDDED: Final = re.compile(r"@|%40|=[\w-]++(?:\.[\w-]++)+", re.IGNORECASE).search


def key_id_of(key: bytes) -> str:
    """The first four hex digits of the key's SHA-256: they tell a handful of keys apart and give nothing away."""
    return hashlib.sha256(key).hexdigest()[:4]


class Pseudonyms:
    """One key's pseudonyms. Not for text that has been through here already: that would get a second one."""

    def __init__(self, key: bytes, key_id: str = "") -> None:
        if not key:
            raise ValueError("a pseudonym key must not be empty")
        self.key_id: Final = key_id or key_id_of(key)
        self._key: Final = key
        self._cached: Final = lru_cache(maxsize=CACHED_ADDRESSES)(self._address)
        self._masks: Final[dict[Kind, Callable[[Any, tuple[str, ...]], Any]]] = {
            Kind.ADDRESS: self._mask_address,
            Kind.FREE_TEXT: self.scrub,
            Kind.MESSAGE_ID: self.message_id,
            Kind.TAGS: self._mask_tags,
        }

    def secret(self, purpose: str) -> bytes:
        """32 bytes that all who have the key make alike, and that say nothing of it nor of any pseudonym."""
        return hmac.digest(self._key, b"\0" + purpose.encode(), "sha256")  # no address begins with a NUL

    def address(self, address: str) -> str:
        """The address's pseudonym at its domain, whose case does not matter. The empty (null) sender stays empty."""
        return self._cached(address)

    def scrub(self, text: str, recipients: Iterable[str] = ()) -> str:
        """`text` with pseudonyms for addresses, IAM users and access keys. IP addresses stay: they are relays.

        A reply may also name a recipient without its domain ("no such user: anna"), which only those who know the
        `recipients` can see.
        """
        if "arn:aws" in text:
            text = _IAM.sub(lambda m: m[1] + "u-" + self._hash(m[2], 16), text)
        text = _ACCESS_KEY.sub(lambda m: "key-" + self._hash(m[0], 16), text)
        text = self._without_names(text, recipients)
        if "@" in text:
            text = _ADDRESS.sub(self._found, text)
        if "%40" in text:
            text = _ENCODED_ADDRESS.sub(lambda m: self.address(f"{m[1]}@{m[2]}"), text)
        return text

    def message_id(self, message_id: str, recipients: Iterable[str] = ()) -> str:
        """The Message-ID, or `h-<32 hex>` where it is too long, or carries somebody's address.

        The two sides of the join must decide alike, and a mail server logs the Message-ID before it names a recipient.
        So what looks like it could be an address is hashed by its looks alone; `recipients` only add to that, for
        documents, never for a name.
        """
        if _reveals(message_id) or (recipients and _carries(message_id, recipients)):
            return "h-" + self._hash(message_id, 32)
        return message_id

    def name(self, name: Name) -> Name:
        """The name under which facts travel: a Message-ID is hashed exactly where `Identified` holds it hashed."""
        if not name.startswith(b"M:"):
            return name
        return b"M:" + self.message_id(name[2:].decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def fact(self, fact: Fact) -> Fact:
        """The fact as it may leave ingest."""
        masked = _MASKED[type(fact)]
        if not masked:
            return fact
        recipients = getattr(fact, "recipients", ())
        values = list(msgspec.structs.astuple(fact))
        for place, kind in masked:
            values[place] = self._masks[kind](values[place], recipients)
        masked_fact: Fact = type(fact)(*values)
        return masked_fact

    def _address(self, address: str) -> str:
        local, at, host = address.strip().rpartition("@")
        if not at:
            return f"p-{self.key_id}-{self._hash(host, 16)}" if host else ""
        host = host.lower()
        # No mailbox provider tells `Ada@` from `ada@`, and SES's events may write either.
        pseudonym = f"p-{self.key_id}-{self._hash(local.casefold() + at + host, 16)}"
        # What follows an @ and is no host could be anything, a name in a comment too.
        return f"{pseudonym}@{host}" if _DOMAIN(host) else pseudonym

    def _hash(self, text: str, digits: int) -> str:
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), "sha256").hex()[:digits]

    def _mask_address(self, value: str | tuple[str, ...], _: tuple[str, ...]) -> str | tuple[str, ...]:
        return self._cached(value) if isinstance(value, str) else tuple(map(self._cached, value))

    def _mask_tags(self, tags: tuple[tuple[str, str], ...], _: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, self.scrub(value)) for name, value in tags)

    def _found(self, match: re.Match[str]) -> str:
        """The pseudonym of one address in a text; what clings to it (`to=`, a quotation mark) stays."""
        if match[1] is not None:
            return "<" + self.address(match[1])
        if match[2] is not None:
            return self.address(match[2])
        word = match[3]
        clinging = _DECORATION.match(word)
        cut = clinging.end() if clinging else 0
        return word[:cut] + self.address(word[cut:]) if word[cut] != "@" else self.address(word)

    def _without_names(self, text: str, recipients: Iterable[str]) -> str:
        lowered = text.casefold()
        for address in tuple(recipients)[:SES_RECIPIENTS]:
            local = address.rpartition("@")[0]
            if len(local) > 3 and local.casefold() in lowered and local.casefold() not in _ROLES:  # noqa: PLR2004
                alone = re.compile(rf"(?<![\w.@+=-]){re.escape(local)}(?![\w@+=-]|\.\w|%40)", re.IGNORECASE)
                text = alone.sub(self.address(address).partition("@")[0], text)
        return text


@lru_cache(maxsize=CACHED_ADDRESSES)  # a mail's lines and events ask four times
def _reveals(message_id: str) -> bool:
    """Whether it looks as if it could carry somebody's address: `anna=example.org@…`, `1600000000-anna.smith@…`."""
    if len(message_id.encode(errors="surrogatepass")) > LONGEST_MESSAGE_ID:
        return True
    left = message_id.rpartition("@")[0] or message_id
    return not left or bool(_EMBEDDED(left)) or not _MACHINE_MADE(left)


def _carries(message_id: str, recipients: Iterable[str]) -> bool:
    lowered = message_id.casefold()
    return any(address and address.casefold() in lowered for address in recipients)
