"""Runs the demo: starts what it needs, plays the story, says what was found, and stops everything by process id.

What goes wrong is one sentence (`DemoFailed`). Whatever happens, Ctrl-C and SIGTERM included, nothing stays running.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.demo import ground, offline, summary
from service.demo.broker import KafkaFailed, KafkaUnavailable, LocalKafka, kafka_home
from service.demo.choices import arguments, pseudonym, settings_for
from service.demo.files import Files, program, shown
from service.demo.findings import Findings, compare
from service.demo.interrupts import be_deaf, interruptible
from service.demo.play import Play
from service.demo.sample import Story, tell
from service.demo.screen import Screen
from service.demo.worker_process import WorkerFailed, WorkerProcess
from service.edges.topics import KafkaUnusableError
from service.facts import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.settings import Settings

FOLDER: Final = Path(".local/demo")
_LEAD: Final = 700
"""Milliseconds from telling the story to its beginning: the clients connect meanwhile."""
_PAST: Final = 40_000
"""A story that is only written to files lies so far back: nothing in it may come from the future."""


class DemoFailed(Exception):  # noqa: N818 - it reads as the sentence that it is
    """Something that the demo needs failed; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    seed: int
    mails: int
    keep: bool
    kafka: bool


def show(options: Options) -> bool:
    """The whole demo; whether what was found is what really happened. Raises `DemoFailed` and `KeyboardInterrupt`."""
    screen = Screen()
    screen.title()
    with interruptible():
        try:
            return _on_kafka(options, screen) if options.kafka else _on_files(options, screen)
        except KafkaUnavailable as missing:
            screen.console.print(f"{missing}\n\nUntil then, the same story from files:\n", markup=False)
            return _on_files(options, screen)
        except (KafkaFailed, KafkaUnusableError, WorkerFailed) as problem:
            raise DemoFailed(str(problem)) from problem


# -- without Kafka ---------------------------------------------------------------------------------------------------


def _on_files(options: Options, screen: Screen) -> bool:
    with ExitStack() as stack:
        return _from_files(options, screen, Files.fresh(FOLDER, stack))


def _from_files(options: Options, screen: Screen, files: Files) -> bool:
    story = tell(options.seed, options.mails, int(time.time() * 1000) - _PAST)
    with screen.step(
        "Writing the logs", f"A sample application has sent {options.mails} mails, and its logs were read"
    ):
        files.write(story)
        findings = offline.scan(files)
    compared = compare(story, findings, str)
    summary.show(screen.console, findings, compared)
    rows: list[tuple[str, tuple[str, ...]]] = [("the same by hand", files.scan_command())]
    if not options.kafka:
        rows.append(("the same on a real Kafka", (f"{program()} demo",)))
    summary.further(screen.console, rows)
    return compared.equal


# -- on Kafka --------------------------------------------------------------------------------------------------------


def _on_kafka(options: Options, screen: Screen) -> bool:
    with ExitStack() as stack:
        files = Files.fresh(FOLDER, stack)
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mailgap-demo-", ignore_cleanup_errors=True))
        )
        try:
            return _with_all(options, screen, files, scratch, stack)
        finally:
            be_deaf()


def _with_all(options: Options, screen: Screen, files: Files, scratch: Path, stack: ExitStack) -> bool:
    with screen.step("Starting Apache Kafka", "Apache Kafka answers at {where}") as step:
        kafka = stack.enter_context(LocalKafka(scratch / "kafka"))
        step["where"] = kafka.bootstrap_servers
    settings = settings_for(kafka, scratch, files)
    with screen.step("Starting the worker", "mailgap's worker is ready, process {pid}") as step:
        if kafka.given:
            stack.callback(lambda: asyncio.run(ground.clear(settings)))
        asyncio.run(ground.prepare(settings))
        worker = stack.enter_context(WorkerProcess(arguments(settings), settings.http_bind[1], files.log))
        worker.await_ready()
        step["pid"] = str(worker.pid)
    began = time.monotonic()
    story = tell(options.seed, options.mails, int(time.time() * 1000) + _LEAD)
    shown_as = pseudonym(settings)
    findings = _play(screen, settings, story, files, shown_as, worker)
    screen.check(
        f"A sample application has sent {options.mails} mails by two mail servers and SES", time.monotonic() - began
    )
    compared = compare(story, findings, shown_as)
    summary.show(screen.console, findings, compared)
    summary.further(screen.console, _further(options, settings, files, kafka))
    if options.keep:
        _stay(screen, worker)
    return compared.equal


def _play(
    screen: Screen,
    settings: Settings,
    story: Story,
    files: Files,
    shown_as: Callable[[str], str],
    worker: WorkerProcess,
) -> Findings:
    inputs = {Source.SMTP: settings.smtp_topics[0], Source.SES: settings.ses_topics[0]}
    play = Play(settings.bootstrap_servers, inputs, settings.topics, story, files)
    with screen.live(story) as view:

        def watch(now: float, findings: Findings) -> None:
            worker.see_alive()
            view.draw(now, findings)

        asyncio.run(play.perform(shown_as, watch))
    return play.findings


def _further(
    options: Options, settings: Settings, files: Files, kafka: LocalKafka
) -> list[tuple[str, tuple[str, ...]]]:
    rows: list[tuple[str, tuple[str, ...]]] = [
        ("the same from files", files.scan_command()),
        ("the gaps in full", (shown(files.gaps),)),
    ]
    if not options.keep:
        return [*rows, ("keep it all running", (f"{program()} demo --keep",))]
    metrics = f"http://{settings.http_bind[0]}:{settings.http_bind[1]}/metrics"
    return [*rows, ("metrics", (metrics,)), ("the gaps on Kafka", _reader(settings, kafka))]


def _reader(settings: Settings, kafka: LocalKafka) -> tuple[str, ...]:
    """Kafka's own console consumer: from our jars where the broker runs on them, else as its distributions have it."""
    tool = "kafka-console-consumer.sh"
    if kafka.pid is not None:
        tool = f"java -cp '{shown(kafka_home() / 'libs')}/*' org.apache.kafka.tools.consumer.ConsoleConsumer"
    return (
        f"{tool} \\",
        f"    --bootstrap-server {settings.bootstrap_servers} --topic {settings.topics.gaps} \\",
        "    --from-beginning --isolation-level read_committed",
    )


def _stay(screen: Screen, worker: WorkerProcess) -> None:
    screen.console.print("All of it keeps running. [bold]Ctrl-C[/] stops it.")
    try:
        while True:
            worker.see_alive()
            time.sleep(0.5)
    except KeyboardInterrupt:
        screen.console.print("Stopping.")
