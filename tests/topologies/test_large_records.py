"""What is larger than Kafka takes stops no partition: it is kept, or it is said where it stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from service.contract import dead_letter
from service.edges.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from service.facts import Reason, Source, Unparsable
from service.intake import Dead
from service.policy import Policy
from service.ruling import Outputs, Published
from service.settings import load
from service.tally import Tally
from service.watermarks import NEWS_AT_ONCE, Entry, FeedNews, Hole, Watermark, Watermarks, parts
from topologies import correlate
from topologies.app import build_app
from topologies.engine.errors import RecordTooLargeError
from topologies.engine.sender import check_size
from topologies.engine.settings import EngineSettings
from topologies.engine.shard import Shard
from topologies.ingest import Ingest

SETTINGS = load({"smtp_topics": ("app-smtp",), "ses_topics": ("ses-events",)}, {})
ENGINE = EngineSettings(
    bootstrap_servers="nowhere:9092",
    max_record_bytes=LARGEST_RECORD,
    record_limits={SETTINGS.topics.dead_letters: LARGEST_DEAD_LETTER},
)


def _shard() -> Shard:
    shard = Shard(3, group="app", name="trails", changelog=SETTINGS.topics.changelog, settings=ENGINE)
    shard.local = SimpleNamespace(tally=Tally())
    return shard


def test_each_topic_has_the_limit_that_it_was_made_with():
    """A row that the broker would refuse at the commit, again and again, is refused where it is made."""
    shard = _shard()
    with pytest.raises(RecordTooLargeError, match="is larger than its limit, 8388608"):
        shard.put(b"Q:mx1/4F2A", bytes(LARGEST_RECORD))
    shard.emit(SETTINGS.topics.dead_letters, b"k", bytes(LARGEST_RECORD))


@pytest.mark.parametrize("what", ["correlated", "gaps", "conditions"])
def test_a_document_that_is_too_large_goes_to_the_dead_letters_by_name(what):
    shard = _shard()
    large, small = Published("mx1/4F2A@1", 7, bytes(LARGEST_RECORD + 1)), Published("mx1/4F2B@1", 1, b"{}")
    said = Outputs()
    getattr(said, what).extend([large, small])
    correlate._publish(SETTINGS, shard, correlate.Waiting(first=100, read=1500), said)
    letter, other = shard._outputs
    assert (letter.topic, letter.key, letter.value) == (SETTINGS.topics.dead_letters, b"mx1/4F2A@1", None)
    about = dead_letter.read(letter.headers)
    assert about is not None
    assert (about.topic, about.partition, about.offset, about.timestamp) == (SETTINGS.topics.facts, 3, 100, 1500)
    assert about.reason is Reason.TOO_LARGE
    assert about.stage.startswith("correlate: A record of 8")
    assert (other.key, other.value) == (b"mx1/4F2B@1", b"{}")
    assert shard.local.tally.sums() == {("dead_letters", Reason.TOO_LARGE): (1, "")}


@pytest.mark.parametrize(
    ("key", "headers", "value", "kept"),
    [
        (b"k", [("trace", b"1"), ("empty", None)], 1 << 20, "all"),
        (b"k", [("trace", b"1")], LARGEST_DEAD_LETTER, "no value"),
        (bytes(1 << 20), [("trace", bytes(1 << 20))], LARGEST_DEAD_LETTER - (1 << 20), "no value"),
        (bytes(LARGEST_DEAD_LETTER), [("trace", b"1")], 10, "nothing"),
        (None, [("trace", bytes(LARGEST_DEAD_LETTER))], None, "nothing"),
    ],
)
def test_a_letter_is_never_larger_than_its_topic_takes(key, headers, value, kept):
    ingest = Ingest(build_app("ingest", ENGINE), SETTINGS, ENGINE, Policy(), None)
    record = SimpleNamespace(
        topic="app-smtp", partition=1, offset=17, timestamp=1500, key=key, headers=headers,
        value=None if value is None else bytes(value),
    )  # fmt: skip
    made = ingest._dead(Dead(record, Unparsable(Reason.TOO_LARGE, "")))
    check_size(made, ENGINE.limit(made.topic))
    about = dead_letter.read(made.headers)
    assert about is not None
    assert (about.topic, about.partition, about.offset) == ("app-smtp", 1, 17)
    assert (about.stage == "ingest") is (kept == "all")
    assert (made.value is None) is (kept != "all")
    assert (made.key == key) is (kept != "nothing" or key is None)


def test_the_news_of_very_many_feeds_make_several_records_and_say_the_same():
    """Ten thousand hosts: what moves the watermark comes last, and behind all of the news."""
    entry = Entry(Source.SMTP, "app-smtp", 0, 1, 5000, 5000, 0, 5000, ("app-smtp",))
    news = tuple(FeedNews(f"smtp:h{n}", 1000 + n, (2000 + n,)) for n in range(10_000))
    hole = Hole(Source.SMTP, "app-smtp", 0, 1, 2, 100, 200)
    statement = Watermark((entry,), news, (hole,))
    several = list(parts(statement))
    assert all(len(part.news) <= NEWS_AT_ONCE for part in several)
    assert [bool(part.entries or part.holes) for part in several] == [False] * (len(several) - 1) + [True]
    one, many = Watermarks(), Watermarks()
    one.learn(statement)
    for part in several:
        many.learn(part)
    assert one == many
