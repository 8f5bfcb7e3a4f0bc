"""The `mail` object, which SES repeats in every event of one mail.

Decides what of it is worth keeping and which Message-ID is the application's own. Two events of one mail must yield
the same `Described`, so nothing is taken that varies with the event (`ses:outgoing-ip` comes with deliveries only).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.facts import Described
from service.parsing.addresses import address, addresses

if TYPE_CHECKING:
    from service.facts import Instant

_NAME_CAP: Final = 256
_TAG_CAP: Final = 256
_TAGS: Final = 10
# RFC 5322 has no longer line; what is longer is no Message-ID, and half of one would match the wrong mail.
_LONGEST_MESSAGE_ID: Final = 998
_MESSAGE_ID: Final = "message-id"


def describe(mail: dict[str, Any], ses_id: str, at: Instant, *, legacy: bool) -> Described:
    """The `mail` object as a fact. `legacy`: it came in an identity's notification, not by event publishing."""
    tags = _tags(mail.get("tags"))
    region, account = _region_and_account(text(mail.get("sourceArn"), 2048))
    return Described(
        at=at,
        sender=address(text(mail.get("source"), 2048)),
        recipients=_recipients(mail.get("destination")),
        account=text(mail.get("sendingAccountId"), _NAME_CAP) or account,
        region=region,
        configuration_set=tags.get("ses:configuration-set", ""),
        # Event publishing says it in a tag, a legacy notification in a field.
        application=tags.get("ses:caller-identity") or text(mail.get("callerIdentity"), _NAME_CAP),
        message_id=_message_id(mail, ses_id, legacy=legacy),
        tags=_own_tags(tags),
    )


def text(value: Any, cap: int) -> str:
    """`value` where it is text, at most `cap` characters of it; else empty."""
    return value[:cap] if isinstance(value, str) else ""


def _recipients(destination: Any) -> tuple[str, ...]:
    if not isinstance(destination, list):
        return ()
    return tuple([found for to in destination if to and isinstance(to, str) for found in addresses(to)])


def _region_and_account(arn: str) -> tuple[str, str]:
    """From `arn:aws:ses:us-east-1:123456789012:identity/example.com`."""
    match arn.split(":", 5):
        case ["arn", _, _, region, account, _]:
            return region, account
    return "", ""


def _tags(value: Any) -> dict[str, str]:
    """Each tag's first value. One real sample has ` ses:configuration-set`, with a leading space."""
    if not isinstance(value, dict):
        return {}
    return {name.strip()[:_TAG_CAP]: _first(values) for name, values in value.items()}


def _first(values: Any) -> str:
    first = values[0] if isinstance(values, list) and values else values
    return first[:_TAG_CAP] if isinstance(first, str) else ""


def _own_tags(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The sender's tags; those named `ses:…` are SES's, and some of them vary with the event."""
    own = [tag for tag in tags.items() if not tag[0].startswith("ses:")]
    return tuple(sorted(own)[:_TAGS]) if own else ()


def _message_id(mail: dict[str, Any], ses_id: str, *, legacy: bool) -> str:
    """The application's own `Message-ID`, without brackets; empty where the event does not tell it."""
    for value in _headers(mail.get("headers")):
        if found := _acceptable(value, ses_id):
            return found
    if not legacy:
        return ""
    # A legacy notification says the original here; event publishing says the SES id.
    common = mail.get("commonHeaders")
    return _acceptable(common.get("messageId"), ses_id) if isinstance(common, dict) else ""


def _headers(headers: Any) -> list[Any]:
    """The values of all `Message-ID` headers, in whatever case (`Message-Id` is common)."""
    found: list[Any] = []
    for header in headers if isinstance(headers, list) else ():
        if not isinstance(header, dict):
            continue
        name = header.get("name")
        # The length first: of ten headers or more one is read, and `lower` is the dear part.
        if isinstance(name, str) and len(name) == len(_MESSAGE_ID) and name.lower() == _MESSAGE_ID:
            found.append(header.get("value"))
    return found


def _acceptable(value: Any, ses_id: str) -> str:
    found = _without_brackets(text(value, 2 * _LONGEST_MESSAGE_ID))
    # `<SES id>@email.amazonses.com` is what SES puts on the wire in place of the original.
    of_ses = found.startswith(ses_id) and (found == ses_id or found.endswith("amazonses.com"))
    return "" if of_ses or len(found) > _LONGEST_MESSAGE_ID else found


def _without_brackets(header: str) -> str:
    """`<a@b>` as well as ` <a@b> (added by mx.example)`."""
    _, opened, rest = header.partition("<")
    inside, closed, _ = rest.partition(">")
    return (inside if opened and closed else header).strip().strip("<>")
