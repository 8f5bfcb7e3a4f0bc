"""How far a mail server's clock is from SES's, by the lines that hold an id of SES's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from service.facts import Source
from service.intake import Intake
from service.parsing.instants import instant
from service.parsing.smtp import DEFAULT

ACCEPTED = instant("2024-03-05T11:59:58.000Z") or 0
ID = f"0100{ACCEPTED:012x}-11112222-3333-4444-5555-666677778888-000000"


@pytest.mark.parametrize(
    ("stamp", "skew"),
    [
        ("2024-03-05T11:59:58+00:00", 0),
        ("2024-03-05T14:01:28+02:00", 90_000),
        ("2024-03-05T11:58:58Z", -60_000),
        ("Mar  5 12:01:28", 90_000),  # no zone: read as the nearest one
        ("Mar  5 21:01:28", 90_000),
    ],
)
def test_skew(stamp, skew):
    intake = Intake(Source.SMTP, DEFAULT, None)
    to = "to=<a@b.example>, relay=email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587, delay=1, dsn=2.0.0"
    line = f"{stamp} mx1 postfix/smtp[7]: 4A1B2C3D4E: {to}, status=sent (250 Ok {ID})"
    now = ACCEPTED + 1000
    record = SimpleNamespace(topic="t", partition=0, offset=0, timestamp=now, key=None, value=line.encode())
    assert intake.take([record], now).skews == {"mx1": skew}
