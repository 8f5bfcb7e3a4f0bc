"""Every line of the corpus's Postfix logs that concerns a mail becomes a fact.

The corpus is other people's data and no part of the project; without it these tests are skipped.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from service.facts import Accepted
from service.parsing.smtp import parse_smtp

BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "corpus"
CORPUS = Path(os.environ.get("MAILGAP_CORPUS", BESIDE_THE_REPOSITORY)) / "smtp"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus")

# A second opinion: a queue id, and what is said of it. Independent of the parser on purpose.
CONCERNS_A_MAIL = re.compile(
    r"^(?!NOQUEUE|statistics)(?:[0-9A-F]{5,}|[0-9A-Za-z]{10,}): "
    r"(?:to=|from=|client=|message-id=(?!<>)|removed|requeued|uid=|reject: |milter-reject: END)"
)
PROBE = re.compile(r"status=(?:un)?deliverable")
AUGUST_2020 = 1_597_752_000_000


def _facts(line: str) -> list[str]:
    parsed, unparsable = parse_smtp(line.encode(), AUGUST_2020)
    assert unparsable is None, line
    return [type(fact).__name__ for _, fact in parsed.facts]


def _examine(lines: list[tuple[str, str]]) -> Counter[str]:
    """Pairs of header and message -> how many lines became which fact."""
    counts: Counter[str] = Counter()
    for header, message in lines:
        found = _facts(header + message)
        if PROBE.search(message):  # it says of its queue id that there never was a mail
            assert found == ["Closed"], message
        else:
            assert bool(found) == (CONCERNS_A_MAIL.match(message) is not None), message
        counts[found[0] if found else "nothing"] += 1
    return counts


def test_addresses_that_break_the_rules() -> None:
    text = (CORPUS / "postfix_rfc_violating_addresses_2020-08.log").read_text()
    lines = [(line[: line.index("]: ") + 3], line[line.index("]: ") + 3 :]) for line in text.splitlines()]
    counts = _examine(lines)
    print(f"{len(lines)} lines: {dict(counts)}")
    assert counts["Accepted"] == text.count("status=sent (250 Ok ")
    assert counts["Refused"] == text.count("status=bounced")


def test_every_mail_that_ses_took_is_dated_by_its_own_id() -> None:
    """The id's clock agrees with the line's stamp, once the year is found: the two sides meet in one window."""
    for line in (CORPUS / "postfix_rfc_violating_addresses_2020-08.log").read_bytes().splitlines():
        for _, fact in parse_smtp(line, AUGUST_2020)[0].facts:
            if isinstance(fact, Accepted):
                assert abs(int(fact.ses_id[4:16], 16) - fact.at) < 3000
                assert fact.region == "us-east-1"


def test_lines_that_others_collected() -> None:
    lines = []
    for file in sorted((CORPUS / "grok-patterns").glob("*.yaml")):
        text = file.read_text()
        program = re.search(r"POSTFIX_(\w+)\}", text)
        data = re.search(r'^data: "(.*)"$', text, re.MULTILINE)
        if program and data:
            message = data[1].replace('\\"', '"')
            lines.append((f"Aug 14 04:07:36 h postfix/{_service(program[1].lower())}[1]: ", message))
    counts = _examine(lines)
    print(f"{len(lines)} lines: {dict(counts)}")
    assert counts.total() > 150


def _service(pattern: str) -> str:
    """The patterns for parts of a line, such as `tls_features`, are found in lines of the SMTP client."""
    return "smtp" if pattern in {"tls_features", "delays", "relay"} else pattern
