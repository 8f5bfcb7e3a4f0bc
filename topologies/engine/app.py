"""A Faust app whose guarantees are ours: the settings that matter, no web server, no files, no producer of Faust's."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import faust
from faust.app.base import BootStrategy

from topologies.engine.consumer import Transport
from topologies.engine.sender import Sender
from topologies.engine.settings import EngineSettings

F = TypeVar("F", bound=Callable[..., Any])


class _Signal(Protocol):
    def connect(self, fun: F) -> F:
        """Call `fun` whenever Faust sends the signal."""


class _Boot(BootStrategy):  # type: ignore[misc]  # Faust ships no types
    """Nothing is sent through Faust, whose producer ignores failures; and its web server binds all addresses."""

    enable_kafka_producer = False
    enable_web = False


class App(faust.App):  # type: ignore[misc]  # Faust ships no types
    """A Faust app with `engine`, its settings."""

    BootStrategy: ClassVar[Any] = _Boot
    engine: EngineSettings
    complaint: Callable[[], str] = staticmethod(str)
    """What its watchdog sees standing still; empty where nothing does."""
    outputs: tuple[str, ...] = ()
    """Topics that it writes to, and that must be there."""
    before_scrape: Callable[[], None] | None = None
    """Called before somebody reads this process's metrics."""

    if TYPE_CHECKING:  # Faust ships no types; these spare the topologies an ignore at each decorator
        on_partitions_revoked: _Signal

        def agent(self, channel: Any) -> Callable[[F], F]:
            """As Faust's."""

        def task(self, fun: F) -> F:
            """As Faust's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._senders: list[Sender] = []

    def sender(self) -> Sender:
        """A plain producer that is stopped after the app."""
        self._senders.append(Sender(self.engine))
        return self._senders[-1]

    async def stop_senders(self) -> None:
        """Called by the runner. What aiokafka leaves open complains, after the loop's end, that the loop is closed."""
        await asyncio.gather(*[sender.stop() for sender in self._senders])

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
