"""What cannot be understood: the worker lives, nothing is lost, and the mails around it are judged as ever."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from service.contract.enums import Cause, GapKind, Outcome
from service.simulation.truth import Gap, Record
from tests.integration import sample as samples
from tests.integration.judged import differences, none
from tests.integration.world import World, mailgap, ready, settled

LATIN1 = (
    b"<22>1 %s mx2 postfix/smtp 77 - - 4F2A00BEEF: to=<j\xf6rg@client.example>, relay=%s, delay=1, delays=0/0/0/1,"
    b" dsn=2.0.0, status=sent (250 Ok %s)"
)
RELAY = b"email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
EVENT = b'{"eventType": "Send", "mail": {%s"timestamp": "2026-11-24T08:00:00Z", "destination": ["x@y.example"]}}'
BIG = 5 << 20

BAD = (
    ("smtp", "not_text", b"\x00\x8f\x1f\x00garbage\x00\x00\xfe\xff of a shipper that broke\x00"),
    ("smtp", "bad_json", b'{"hostname": "mx1", "message": "postfix/smtp[7]: 4F2A00'),
    ("smtp", "too_large", b"x" * BIG),
    ("smtp", "not_text", b"Nov 24 08:00:00 mx1 \x00\x00\x00\x00\x00\x00 postfix/smtp[7]: 4F2A00: to=<a@b.example>"),
    ("smtp", "unparsable_mail_line", b"Nov 24 08:00:00 mx1 postfix/smtp[7]: 4F2A001: to=<a@b.example>, status=sent ("),
    ("ses", "bad_json", b"{'eventType': 'Delivery', 'mail': {'messageId': 'printed, not encoded'}}"),
    ("ses", "not_text", b'{"eventType": "Send", "mail": {"messageId": "\xff\xfe"}}'),
    ("ses", "bad_json", b'{"eventType": "Delivery", "mail": {"messageId": "x'),
    ("ses", "missing_message_id", EVENT % b""),
    ("ses", "missing_message_id", EVENT % b'"messageId": "", '),
    ("ses", "not_an_ses_event", b'{"hello": "world"}'),
    ("ses", "missing_message_id", b'{"eventType": "Send", "mail": "none"}'),
    ("ses", "too_large", b'{"eventType": "Send", "mail": {"messageId": "' + b"y" * BIG + b'"}}'),
)
IGNORED = (
    ("smtp", b"Nov 24 08:00:00 mx1 CRON[7]: (root) CMD (run-parts /etc/cron.hourly)"),
    ("smtp", b"\xff\xfe\xfa"),
    ("smtp", b""),
    ("ses", b""),
)


@dataclass
class Sent:
    """Good mails, and when the rest is dated; one of the mails in an encoding of its own."""

    at: int
    sample: samples.Sample
    latin1: bytes


def _mixed() -> Sent:
    start = int(time.time() * 1000) - (10 + samples.SETTLED + 2) * 1000
    sample = samples.make(5, 120, start, 10)
    name = f"0102{start:012x}-76b6ee63-ad84-420f-8c29-90e54410372f-000000"
    latin1 = LATIN1 % (samples.iso(start).encode(), RELAY, name.encode())
    to, due = "j\\xf6rg@client.example", samples.iso(start + 6000)
    gap = Gap(kind=GapKind.ACCEPTED_NOT_DELIVERED, cause=Cause.NO_EVENTS, recipient=to, due=due)
    sample.add(Record(name=name, outcomes={to: Outcome.PENDING}, gaps=(gap,)))
    return Sent(start, sample, latin1)


@pytest.mark.kafka
def test_through_the_worker(kafka, prefix, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)
    world, sent = World(kafka, prefix, tmp_path), _mixed()
    world.prepare()

    async def story():
        half = len(sent.sample.records) // 2
        await world.produce(sent.sample.records[:half])
        async with world.producer() as producer:
            await producer.send(world.smtp, sent.latin1, key=b"mx2", timestamp_ms=sent.at)
            for number, (source, *_, value) in enumerate((*BAD, *IGNORED)):
                topic = world.smtp if source == "smtp" else world.ses
                headers = [("trace", b"\xff%d" % number), ("trace", b"again")]
                await producer.send(topic, value, key=b"\xfe\x00%d" % number, headers=headers, timestamp_ms=sent.at)
            await producer.send(world.ses, None, key=b"a tombstone", timestamp_ms=sent.at)
        await world.produce(sent.sample.records[half:])
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await settled(world, [worker], sent.sample.end)
        metrics = worker.samples("mailgap_dead_letters_total"), worker.samples("mailgap_records_total")
        return worker, metrics, await world.documents(), await world.read("dead-letters", committed=False)

    try:
        worker, (dead, records), published, letters = asyncio.run(story())
        code, _ = worker.stopped()
    finally:
        world.end()
    assert code == 0
    assert "Traceback" not in worker.text()
    none(differences(sent.sample, [revisions[-1] for revisions in published.values()]))
    assert Counter(letter.value for letter in letters) == Counter(value for *_, value in BAD)
    for letter in letters:
        number = next(n for n, (*_, value) in enumerate(BAD) if value == letter.value)
        _check(letter, world, number, sent.at)
    assert Counter({labels["reason"]: count for labels, count in dead}) == Counter(reason for _, reason, _ in BAD)
    results = Counter()
    for labels, count in records:
        results[labels["result"]] += count
    assert results["dead_letter"] == len(BAD)
    notices = sum(b"sender non-delivery notification" in record.value for record in sent.sample.records)
    assert results["ignored"] == len(IGNORED) + 1 + notices
    assert results.total() == len(sent.sample.records) + 1 + len(BAD) + len(IGNORED) + 1


def _check(letter, world: World, number: int, at: int) -> None:
    """The original's key and headers, and ours behind them."""
    source, reason, _ = BAD[number]
    assert letter.key == b"\xfe\x00%d" % number
    assert letter.headers[:2] == (("trace", b"\xff%d" % number), ("trace", b"again"))
    ours = {name.removeprefix("__mailgap.errors."): value.decode() for name, value in letter.headers[2:]}
    assert set(ours) == {"topic", "partition", "offset", "timestamp", "reason", "stage", "version"}
    assert ours["topic"] == (world.smtp if source == "smtp" else world.ses)
    assert ours["reason"] == reason
    assert ours["stage"] == "ingest"
    assert ours["timestamp"] == str(at)
    assert ours["partition"].isdigit()
    assert ours["offset"].isdigit()


def test_through_scan(tmp_path):
    sent = _mixed()
    policy, rejects = tmp_path / "policy.yaml", tmp_path / "rejects"
    policy.write_text(samples.POLICY)
    for source in ("smtp", "ses"):
        good = [record.value for record in sent.sample.records if record.source == source]
        mixed = [value for where, *_, value in (*BAD, *IGNORED) if where == source]
        middle = len(good) // 2
        extra = [sent.latin1] if source == "smtp" else []
        (tmp_path / source).write_bytes(b"\n".join([*good[:middle], *mixed, *extra, *good[middle:]]) + b"\n")
    done = mailgap(
        "scan", "--smtp", tmp_path / "smtp", "--ses", tmp_path / "ses", "--policy", policy, "--rejects", rejects,
        "--as-of", samples.iso(sent.sample.end), "--format", "jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    none(differences(sent.sample, [json.loads(line) for line in done.stdout.splitlines()]))
    assert rejects.read_bytes() == b"".join(value + b"\n" for *_, value in BAD)
    counted = Counter(reason for _, reason, _ in BAD)
    for reason, count in counted.items():
        assert f"{count} {reason}".encode() in done.stderr
