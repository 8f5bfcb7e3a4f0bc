"""Every line of the corpus's logs of other mail servers that concerns a mail becomes a fact.

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

# Second opinions, independent of the parsers on purpose: what says that a mail came in, went out, or is done.
CONCERNS_A_MAIL = {
    "exim": re.compile(r" \w{6}-\w+-\w+ (?:[<(]=|[-=*>]>|==|\*\*|Completed)(?: |$)"),
    "opensmtpd": re.compile(r" (?:smtp message msgid=|smtp envelope evpid=|m[td]a delivery evpid=)"),
    "msmtp": re.compile(r"\brecipients=\S+ .*\bexitcode="),
}
# `date` would say nothing of these before 2000; the log is a test suite's, and dates itself so.
SEEN = {"exim": 920_367_873_000, "opensmtpd": 1_562_400_000_000, "msmtp": 1_693_530_836_000}


def _examine(dialect: str, text: str) -> Counter[str]:
    """How many lines became which fact."""
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        parsed, trouble = parse_smtp(line.encode(), SEEN[dialect])
        assert trouble is None, line
        found = [type(fact).__name__ for _, fact in parsed.facts]
        assert not any(isinstance(fact, Accepted) for _, fact in parsed.facts), line
        assert bool(found) == (CONCERNS_A_MAIL[dialect].search(line) is not None), line
        counts[found[-1] if found else "nothing"] += 1
    return counts


def test_exim() -> None:
    files = sorted(CORPUS.glob("exim-*.mainlog"))
    if not files:
        pytest.skip("the corpus has no log of Exim")
    counts = _examine("exim", "\n".join(file.read_text() for file in files))
    print(f"{len(files)} files, {counts.total()} lines: {dict(counts)}")
    assert counts["Queued"] == sum(file.read_text().count(" <= ") for file in files)


@pytest.mark.parametrize(("dialect", "name"), [("opensmtpd", "poolp_brief.log"), ("msmtp", "msmtp.log")])
def test_one_file(dialect: str, name: str) -> None:
    file = CORPUS / name
    if not file.exists():
        pytest.skip(f"the corpus has no {name}")
    counts = _examine(dialect, file.read_text())
    print(f"{name}, {counts.total()} lines: {dict(counts)}")
    assert counts["Elsewhere"] > 0
