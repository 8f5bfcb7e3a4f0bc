"""A Faust app whose guarantees are ours: the settings that matter, no web server, no files, no producer of Faust's."""

from typing import Any, ClassVar

import faust
from faust.app.base import BootStrategy

from topologies.engine.consumer import Transport
from topologies.engine.settings import EngineSettings


class _Boot(BootStrategy):  # type: ignore[misc]  # Faust ships no types
    """Nothing is sent through Faust, whose producer ignores failures; and its web server binds all addresses."""

    enable_kafka_producer = False
    enable_web = False


class App(faust.App):  # type: ignore[misc]  # Faust ships no types
    """A Faust app with `engine`, its settings."""

    BootStrategy: ClassVar[Any] = _Boot
    engine: EngineSettings

    async def crash(self, reason: BaseException) -> None:
        """Stop, for this reason. The runner logs it once; Faust would log it for every service."""
        if not self.crashed:
            self._crash(reason)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """There are no files: the state is in Kafka, and the file system may be read-only."""


def new_app(name: str, engine: EngineSettings) -> App:
    """An app, and consumer group, of this name."""
    app = App(
        name,
        broker=f"kafka://{engine.bootstrap_servers.split(',')[0]}",  # a name only: the clients are made of `engine`
        Table="topologies.engine.table:ShardedTable",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_partitions=engine.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        recovery_consistency_check=False,
        stream_wait_empty=True,
        cython_optimizations=True,
        agent_supervisor="mode.CrashingSupervisor",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=engine.session_timeout,
        broker_heartbeat_interval=engine.heartbeat,
        broker_request_timeout=max(40.0, engine.session_timeout),
        broker_commit_interval=1.0,
        value_serializer="raw",
        key_serializer="raw",
    )
    app.engine = engine
    return app
