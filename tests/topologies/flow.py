"""The whole flow without a broker: the real ingest over lists of records, and the shards of `tests.stories.world`.

What stands in for Kafka is its side alone: partitions that are lists, and how far each was read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from faust.types import TP

import topologies.ingest
from service import facts_record
from service.contract.wire import timestamp
from service.facts import SECOND, Source
from service.settings import load
from tests.stories import text
from tests.stories.story import BEGIN
from tests.stories.world import World
from topologies.engine.batch import Batch
from topologies.engine.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from service.policy import Policy
    from topologies.engine.sender import Record

ANN: Final = "ann@example.com"
SMTP: Final = TP("smtp", 0)
SES: Final = (TP("ses", 0), TP("ses", 1))
SOURCES: Final = (Source.SMTP, Source.SES)


@dataclass(frozen=True, slots=True)
class Input:
    """A record as Kafka holds it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    headers: tuple[()] = ()
    key: bytes | None = None


@dataclass
class Kafka:
    """The inputs and the facts topic, and what ingest asks of its app: client, producer, generation."""

    inputs: dict[TP, list[Input]] = field(default_factory=lambda: {tp: [] for tp in (SMTP, *SES)})
    read: dict[TP, int] = field(default_factory=lambda: dict.fromkeys((SMTP, *SES), 0))
    facts: list[bytes] = field(default_factory=list)
    dead: list[Record] = field(default_factory=list)
    consumer_generation_id: int = 1
    paused: frozenset[TP] = frozenset()

    @property
    def consumer(self) -> Kafka:
        return self

    def sender(self) -> Kafka:
        return self

    def assignment(self) -> list[TP]:
        return list(self.inputs)

    def ack_range(self, *_: object) -> bool:
        return True

    def pause_reading(self, tps: Iterable[TP], _: int) -> None:
        self.paused = frozenset(tps)

    async def position_and_end(self, tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        return {tp: (self.read[tp], len(self.inputs[tp])) for tp in tps}

    async def partitions(self, topic: str) -> int:
        return sum(tp.topic == topic for tp in self.inputs)

    async def send(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.topic.endswith("-facts"):
                self.facts.append(record.value or b"")
            else:
                self.dead.append(record)


@dataclass(frozen=True)
class Mail:
    """A mail that SES accepted at `at`, by its number."""

    number: int
    at: int

    @property
    def ses_id(self) -> str:
        return f"0100{self.at:012x}-{self.number:08x}-0000-4000-8000-000000000000-000000"

    @property
    def line(self) -> bytes:
        said = f"{self.number:05X}C0C918: {text.status(ANN, 'sent', f'250 Ok {self.ses_id}')}"
        return text.postfix(self.at, "mx1", "smtp", said)

    def event(self, kind: str) -> bytes:
        """What SES says of it a second later."""
        about = text.mail_object(
            ses_id=self.ses_id, accepted=self.at, sender="no-reply@shop.example", recipients=[ANN],
            configuration_set="transactional", message_id="",
        )  # fmt: skip
        said: dict[str, Any] = {"timestamp": timestamp(self.at + SECOND), "recipients": [ANN]}
        return text.by_sns(text.event(kind, about, said), self.number)


class Flow:
    """One ingest task that reads all inputs, and one shard. Times are milliseconds."""

    def __init__(self, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kafka, self.now = Kafka(), BEGIN
        monkeypatch.setattr(topologies.ingest, "_now", lambda: self.now)
        settings = load({"smtp_topics": ("smtp",), "ses_topics": ("ses",)}, {})
        engine = EngineSettings(bootstrap_servers="nowhere:9092", partitions=1)
        self.ingest = topologies.ingest.Ingest(self.kafka, settings, engine, policy, None)
        self.world = World(policy, SOURCES)

    def write(self, tp: TP, value: bytes, *, clock: int = 0) -> None:
        """A record is appended now, by a producer whose clock is so much ahead."""
        log = self.kafka.inputs[tp]
        log.append(Input(tp.topic, tp.partition, len(log), self.now + clock, value))

    def handed_over(self, number: int, *, clock: int = 0) -> Mail:
        """SES accepts a mail now, and the log says so."""
        mail = Mail(number, self.now)
        self.write(SMTP, mail.line, clock=clock)
        return mail

    def told(self, mail: Mail, *kinds: str, clock: int = 0) -> None:
        """The mail's events reach Kafka now."""
        for kind in kinds or ("Send", "Delivery"):
            self.write(SES[mail.number % len(SES)], mail.event(kind), clock=clock)

    async def read(self, *tps: TP) -> None:
        """Ingest reads to the end (of these partitions), states how far it is, and the shard judges."""
        for tp in tps or self.kafka.inputs:
            at, log = self.kafka.read[tp], self.kafka.inputs[tp]
            if at < len(log):
                await self.ingest.handle(tp, Batch(at, len(log), log[at:]))
                self.kafka.read[tp] = len(log)
        await self.ingest._state_once()
        records, self.kafka.facts = self.kafka.facts, []
        for record in records:
            self.world.take([facts_record.unpack(record)])

    @property
    def announced(self) -> list[tuple[str, str, str | None]]:
        """State, cause and SES id of every gap record so far."""
        return [(gap.state, gap.cause, gap.ses_message_id) for gap in self.world.gaps]
