"""Lines of Postfix, and how the tests of its dialect read them."""

from __future__ import annotations

from service.facts import (
    Accepted,
    LineFact,
)
from service.parsing.postfix import parse_postfix
from service.parsing.syslog import Line

# Positional booleans stand for `floating` throughout.

AT = 1_709_640_000_000
QID = "4A1B2C3D4E"
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587"
ALIAS = "smtp.corp.example[192.0.2.10]:587"
MX = "mx.mail.example[192.0.2.99]:25"
FILTER = "127.0.0.1[127.0.0.1]:10024"
ANN = "ann@shop.example"


def facts_of(program: str, message: str, host: str = "Mx1", relays: frozenset[str] = frozenset()) -> list[LineFact]:
    found = parse_postfix(Line(AT, False, host, program, message), relays)
    assert found is not None, "could not be read"
    return [fact for name, fact in found if name.startswith(b"Q:")]  # type: ignore[misc]


def delivery(relay: str, status: str, text: str, to: str = f"<{ANN}>", more: str = "") -> str:
    return f"{QID}: to={to}, {more}relay={relay}, delay=1.2, delays=0.1/0/0.6/0.5, dsn=2.0.0, status={status} ({text})"


def accepted(to: str = ANN, ses_id: str = ID, region: str = "eu-west-1") -> Accepted:
    return Accepted(AT, False, (to,), ses_id, f"mx1/{QID}", region)
