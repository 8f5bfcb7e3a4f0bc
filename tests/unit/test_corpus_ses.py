"""Events that other projects published, as found: every one is understood. Skipped where the corpus is absent."""

import os
from collections import Counter
from pathlib import Path

import pytest

from service.parsing.ses import parse_ses

CORPUS = Path(os.environ.get("MAILGAP_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "ses"
FILES = sorted(CORPUS.rglob("*.json"))
SEEN = 1_900_000_000_000

pytestmark = pytest.mark.skipif(not FILES, reason="no corpus")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_published_event_is_understood(path):
    parsed, trouble = parse_ses(path.read_bytes(), SEEN)
    assert trouble is None
    assert bool(parsed.facts) != bool(parsed.ignored)


def test_all_of_them_in_one_record_say_what_each_says_alone():
    raw = [path.read_bytes() for path in FILES]
    alone = [parse_ses(one, SEEN)[0] for one in raw]
    together, trouble = parse_ses(b"\n".join(raw), SEEN)
    assert trouble is None
    assert together.facts == [fact for parsed in alone for fact in parsed.facts]
    assert together.ignored == sum(parsed.ignored for parsed in alone)
    print(len(FILES), "files,", together.ignored, "ignored,", Counter(type(f).__name__ for _, f in together.facts))
