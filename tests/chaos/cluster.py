"""Three brokers on 127.0.0.1, each of which can be stopped, killed and started again while the others go on."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from service.demo.broker import LocalKafka
from service.demo.broker_servers import free_port, new_cluster_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

REPLICATED: Final = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "min.insync.replicas": "2",
}


class Brokers:
    """One, or three that replicate everything."""

    def __init__(self, nodes: list[LocalKafka]) -> None:
        self.nodes = nodes

    @property
    def bootstrap_servers(self) -> str:
        """Of all of them."""
        return ",".join(node.bootstrap_servers for node in self.nodes)

    @property
    def replication(self) -> int:
        """Of topics that must outlive one of them."""
        return len(self.nodes)

    def any(self, rng: Random) -> LocalKafka:
        """One of them."""
        return rng.choice(self.nodes)

    def numbered(self, node: int) -> LocalKafka:
        """The one that calls itself so."""
        return self.nodes[node - 1]


@contextmanager
def running(folder: Path, count: int) -> Iterator[Brokers]:
    """So many brokers, for as long as the `with` lasts. Their data goes with them."""
    nodes = [LocalKafka(folder / "kafka-1", own=True)] if count == 1 else _cluster(folder, count)
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        for node in nodes:
            stack.callback(shutil.rmtree, node.home, ignore_errors=True)
            stack.callback(node.close)
        list(pool.map(LocalKafka.start, nodes))  # at once: none answers before most of them are there
        yield Brokers(nodes)


def _cluster(folder: Path, count: int) -> list[LocalKafka]:
    ports = [(free_port(), free_port()) for _ in range(count)]
    voters = ",".join(f"{n}@127.0.0.1:{controller}" for n, (_, controller) in enumerate(ports, 1))
    shared, nodes = {**REPLICATED, "controller.quorum.voters": voters}, []
    cluster_id = new_cluster_id()
    for number, (port, controller) in enumerate(ports, 1):
        listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
        properties = {**shared, "node.id": str(number), "listeners": listeners}
        home = folder / f"kafka-{number}"
        nodes.append(LocalKafka(home, port, properties=properties, cluster_id=cluster_id, own=True))
    return nodes
