"""What the tests of qmail, Haraka, Halon and the small clients share."""

from __future__ import annotations

from dataclasses import dataclass

from service.assembler import Assembler
from service.facts import Fact
from service.parsing.smtp import parse_smtp

AT = 1_709_640_000_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
ODD_ID = "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"
SES = "email-smtp.eu-west-1.amazonaws.com"
S = b"S:" + ID.encode()
TO = ("ann@shop.example",)
TAI64N = f"@{(AT // 1000 + 2**62 + 10):016x}{5_000_000:08x}"


@dataclass(frozen=True)
class Record:
    value: bytes
    offset: int
    timestamp: int = AT
    key: bytes | None = None
    topic: str = "mail"
    partition: int = 0


def facts_of(record: str) -> list[tuple[bytes, Fact]]:
    parsed, trouble = parse_smtp(record.encode(), AT)
    assert trouble is None
    assert parsed.facts or parsed.ignored == 1
    return parsed.facts


def joined(*records: str) -> list[tuple[bytes, Fact]]:
    """The facts in these records, those of one delivery put together."""
    inputs = [Record(record.encode(), offset) for offset, record in enumerate(records)]
    assembler, ready = Assembler().take(inputs, AT)
    whole = [*ready, *assembler.rest()]
    return [found for each in whole for found in parse_smtp(each.value or b"", AT)[0].facts]
