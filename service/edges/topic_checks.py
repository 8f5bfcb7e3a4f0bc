"""Topics as they must be against topics as they are: what differs, a sentence each with the way out. Pure.

What is merely tuning (how soon the changelog is compacted) is the operator's to change, and not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from service.facts import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from service.policy import Policy

COMPARED: Final = ("cleanup.policy", "retention.ms", "max.message.bytes")
SHORTEST_MEMORY: Final = 7 * 24 * HOUR
"""Of what may forget: no gap is open for longer, and who starts anew must see those that are."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of our topics as it must be."""

    name: str
    what: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    fixed: bool = True
    """Its number of partitions is part of the state (rule 25)."""
    may_forget: bool = False
    """Whoever runs it may set a retention beside the compaction, so that nothing of a mail is kept for good."""


class Found(NamedTuple):
    """A topic as it is: how it is cut, and how many copies the partition with the fewest has."""

    partitions: int
    replicas: int


def shape(topic: Wanted, found: Found, replicas: int) -> Iterator[str]:
    """How a topic of ours that is there differs from what the settings say of its partitions and replicas."""
    if topic.fixed and found.partitions != topic.partitions:
        yield (
            f"{topic.name} has {found.partitions} partitions, and --partitions says {topic.partitions}: the number"
            f" cannot change while there is state; say --partitions {found.partitions}, or start anew with another"
            " --prefix"
        )
    elif found.partitions < topic.partitions:
        yield (
            f"{topic.name} has {found.partitions} partitions, and --partitions says {topic.partitions}: add some with"
            f" `kafka-topics --alter --topic {topic.name} --partitions {topic.partitions}`"
        )
    if found.replicas < replicas:
        yield (
            f"{topic.name} has {found.replicas} replicas, and --replication says {replicas}: add some with"
            " `kafka-reassign-partitions`, or say so with --replication"
        )


def config(topic: Wanted, found: Mapping[str, str]) -> Iterator[str]:
    """How a topic of ours is configured otherwise than it must be."""
    for key in COMPARED:
        want, has = topic.config.get(key), found.get(key, "")
        if topic.may_forget and key == "cleanup.policy" and {*has.split(",")} == {"compact", "delete"}:
            yield from _memory(topic, found.get("retention.ms", ""))
        elif want is not None and not _good(key, has, want):
            yield f"{topic.name}: {key} is {has!r} and must be {want!r}: {_alter(topic.name, key, want)}"


def _memory(topic: Wanted, kept: str) -> Iterator[str]:
    if kept.isdecimal() and int(kept) < SHORTEST_MEMORY:
        longer = _alter(topic.name, "retention.ms", str(SHORTEST_MEMORY))
        yield f"{topic.name}: retention.ms is {kept}, and a gap may be open for {SHORTEST_MEMORY}: {longer}"


def input_problems(name: str, found: Mapping[str, str], policy: Policy) -> Iterator[str]:
    """What would lose evidence before it is read."""
    cleanup = found.get("cleanup.policy", "")
    if "compact" in cleanup:
        yield (
            f"input topic {name}: cleanup.policy is {cleanup!r}, so Kafka removes lines and events that nobody has"
            f" read: {_alter(name, 'cleanup.policy', 'delete')}"
        )
    kept, needed = found.get("retention.ms", ""), policy.longest + policy.grace
    if "delete" in cleanup and kept.isdecimal() and int(kept) < needed:
        yield (
            f"input topic {name}: retention.ms is {kept} ({int(kept) / HOUR:.3g} h), and a mail is waited for up to"
            f" {needed / HOUR:.3g} h: a worker that stands still for longer than the former loses what was said;"
            f" {_alter(name, 'retention.ms', str(needed))}"
        )


def input_advice(name: str, found: Mapping[str, str]) -> Iterator[str]:
    """Rule 19: a record that comes with an old time after its topic was read to its end belies what was said of it."""
    if found.get("message.timestamp.type") == "CreateTime":
        yield (
            f"input topic {name}: its records bear the time of whoever wrote them, and deadlines count from it; let"
            f" Kafka date them: {_alter(name, 'message.timestamp.type', 'LogAppendTime')}"
        )


def _alter(name: str, key: str, value: str) -> str:
    return f"`kafka-configs --alter --topic {name} --add-config {key}={value}`"


def _good(key: str, found: str, want: str) -> bool:
    if key == "cleanup.policy":
        return found == want
    return found == "-1" or (found.isdecimal() and int(found) >= int(want))
