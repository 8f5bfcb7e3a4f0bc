"""Facts for Hypothesis: arbitrary ones out of small pools, so that they meet; and logs that are made of them."""

from __future__ import annotations

import typing

from hypothesis import strategies as st

from service import facts
from service.facts import Cause, Sighting, Source
from service.facts_record import FactsRecord
from service.watermarks import Entry, FeedNews, Watermark
from tests.stories.story import BEGIN

ADDRESSES = ("ann@example.com", "Ann@example.com", "bob@example.org", "no-at-all", "")
SES_IDS = (
    "0100019fa3723a00-00000001-0000-4000-8000-000000000001-000000",
    "0100019fa3723de8-00000002-0000-4000-8000-000000000002-000000",
    "EXAMPLE7c191be45-e9aedb9a",
)
SUBMISSIONS = ("mx1/ABCDEF0123", "mx1/postfix-out/ABCDEF0123", "-/4F2A1")
MESSAGE_IDS = ("1@app.shop.example", "ünïcode@x")
WORDS = ("", "Permanent", "Transient", "General", "Suppressed", "not-spam", "removed", "requeued", "discarded", "open")

instants = st.one_of(
    st.integers(BEGIN - 60_000, BEGIN + 60_000),
    st.integers(0, 60).map(lambda minutes: BEGIN + minutes * 60_000),
    st.sampled_from((0, 1, BEGIN, BEGIN + 14 * 3_600_000, 4_102_444_800_000, -1)),
)
recipients = st.lists(st.sampled_from(ADDRESSES), max_size=3).map(tuple)
mail_ids = st.builds("{}@{}".format, st.sampled_from(SUBMISSIONS), st.sampled_from((BEGIN // 1000, 0, -5, "x", "")))
# A record without a time is counted as now by ingest; one from years ago is a row that is dropped at once (rule 6).
stamps = instants.filter(lambda at: at > BEGIN - 3_600_000)
sightings = st.builds(Sighting, seen=stamps, where=st.sampled_from(("a/0/1", "a/0/2", "b/1/1", "")))

_BY_NAME = {
    "at": instants,
    "expires": instants,
    "until": instants,
    "floating": st.booleans(),
    "recipients": recipients,
    "recipient_count": st.integers(0, 3),
    "cause": st.sampled_from(Cause),
    "ses_id": st.sampled_from((*SES_IDS, "")),
    "submission": st.one_of(st.sampled_from(SUBMISSIONS), mail_ids),
    "asker": st.sampled_from(SUBMISSIONS).map(lambda text: b"Q:" + text.encode()),
    "message_id": st.sampled_from((*MESSAGE_IDS, "")),
    "sender": st.sampled_from(ADDRESSES),
    "sender_domain": st.sampled_from(("example.com", "")),
    "tags": st.sampled_from(((), (("team", "orders"),))),
}
KINDS = typing.get_args(facts.Fact)


def _of(kind: type) -> st.SearchStrategy[facts.Fact]:
    fields = {name: _BY_NAME.get(name, st.sampled_from(WORDS)) for name in kind.__struct_fields__}
    return st.builds(kind, **fields)


any_fact = st.one_of(*map(_of, KINDS))
items = st.lists(st.tuples(any_fact, sightings), max_size=30)
names = st.one_of(
    st.sampled_from(SES_IDS).map(facts.ses_name),
    st.sampled_from(SUBMISSIONS).map(facts.submission_name),
    st.sampled_from(MESSAGE_IDS).map(facts.message_id_name),
)
feeds = st.sampled_from(("smtp:mx1", "ses:", "ses:us-east-1", "ses:1/us-east-1/#delivery", "domain:example.com"))
news = st.builds(FeedNews, feed=feeds, spoken=instants, waiting=st.lists(instants, max_size=30).map(tuple))
entries = st.builds(
    Entry,
    source=st.sampled_from(Source),
    topic=st.sampled_from(("a", "b")),
    partition=st.integers(0, 2),
    partitions=st.integers(1, 3),
    up_to=instants,
    last_record_at=instants,
    delay=st.just(0),
    said_at=instants,
    topics=st.sampled_from((("a",), ("a", "b"))),
)
watermarks = st.builds(
    Watermark, entries=st.lists(entries, max_size=4).map(tuple), news=st.lists(news, max_size=3).map(tuple)
)
fragments = st.lists(st.tuples(names, st.lists(st.tuples(any_fact, sightings), min_size=1, max_size=4)), max_size=4)
records = st.builds(FactsRecord, fragments=fragments, watermark=st.none() | watermarks)
