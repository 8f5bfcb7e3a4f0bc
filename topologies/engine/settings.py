"""What the engine must be told: where Kafka is, how the shards are cut, and how long anything may take.

It says nothing of mail and reads no environment; `service.settings` does that and fills this in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """All times in seconds, all sizes in bytes."""

    bootstrap_servers: str
    """`host:port`, several with commas."""
    prefix: str = "mailgap"
    """Begins the ids of the applications (which are the group ids) and of the transactions."""
    partitions: int = 8
    """Of the facts topic and the changelog: the number of shards. Fixed for the life of a deployment."""
    client: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that every aiokafka client gets: `security_protocol`, `ssl_context`, `sasl_mechanism`, …"""

    session_timeout: float = 10.0
    """A worker that is silent for so long is expelled from the group: the time of a failover."""
    heartbeat: float = 2.0
    rebalance_timeout: float = 60.0
    """How long the group waits for a member that is slow to give its partitions back."""
    max_poll_interval: float = 1800.0
    """A worker that fetches nothing for so long leaves the group. A restore fetches nothing, so: longer than one."""

    commit_interval: float = 0.2
    commit_records: int = 20_000
    """Records in a shard's open transaction that bring the next commit forward."""
    transaction_timeout: float = 30.0
    """After it the broker aborts a transaction that a dead owner left open; readers of our outputs wait for that."""
    io_timeout: float = 30.0
    """The bound of every wait for the broker that holds a shard; when it passes, the process ends."""
    drain_timeout: float = 4.0
    """How long a step that is under way may take to end before a shutdown or a rebalance goes on without it."""

    batch_records: int = 1000
    """Records in one Batch at most: the time the event loop may be held by one step."""
    prefetch: int = 4
    """Batches that wait in an agent's queue, over all its partitions."""
    fetch_bytes: int = 1 << 20
    """Of one partition in one fetch."""
    compression: str | None = "zstd"
    max_record_bytes: int = 1_000_000
    """A record beyond it is refused where it arises. The broker's own limit is 1,048,588 by default."""
    record_limits: Mapping[str, int] = field(default_factory=dict)
    """The same for single topics that take less or more."""
    watchdog_after: float = 300.0
    """Records wait and no position moves for so long: the process ends. 0 turns it off."""

    def limit(self, topic: str) -> int:
        """The largest record for a topic."""
        return self.record_limits.get(topic, self.max_record_bytes)

    def clients(self) -> dict[str, Any]:
        """What every aiokafka client is made with."""
        return {"bootstrap_servers": self.bootstrap_servers.split(","), **self.client}
