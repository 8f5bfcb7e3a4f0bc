"""What the tests of applications share: a moment, ids, replies, and how a record is read."""

from __future__ import annotations

from service.facts import Fact
from service.parsing.smtp import parse_smtp

# Lines of logs stand as they were written.

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
MID = "c58dfbb1-942b@shop.example"
ANN = "ann@a.example"
UNVERIFIED = (
    "Message rejected: Email address is not verified. The following identities failed the check in region US-EAST-1:"
    " shop@shop.example"
)
RATE = "Throttling failure: Maximum sending rate exceeded."
STACK = "\n    at SMTPConnection._formatError (/app/node_modules/nodemailer/dist/index.js:972:19)"


def said(record: str) -> list[tuple[str, Fact]]:
    parsed, unparsable = parse_smtp(record.encode(), SEEN)
    assert unparsable is None
    return [(name.decode(), fact) for name, fact in parsed.facts]


def one(record: str) -> Fact:
    facts = said(record)
    assert len(facts) == 1, facts
    return facts[0][1]
