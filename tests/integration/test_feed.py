"""Log files and a journal -> feed -> Kafka: every line comes, in the order of its log, whatever is done to both."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import NewTopic

from service.contract import bridged
from tests.integration import sample as samples
from tests.integration.feeding import feed, journalctl
from tests.integration.world import Reader, World, eventually, mailgap, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.world import Worker

pytestmark = pytest.mark.kafka

LINES = (
    "Nov 24 08:00:00 mx1 postfix/qmgr[5]: 4F2A001: from=<shop@app.example>, size=800, nrcpt=1 (queue active)",
    "Nov 24 08:00:01 mx1 postfix/smtp[7]: 4F2A001: to=<ann@client.example>,"
    " relay=email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587, delay=1, delays=0/0/0/1, dsn=5.0.0,"
    " status=bounced (host email-smtp said: 554 Message rejected: Email address is not verified.)",
    "Nov 24 08:00:01 mx1 postfix/qmgr[5]: 4F2A001: removed",
)


@pytest.fixture
def inputs(kafka, prefix, tmp_path):
    """The inputs alone: a feed knows no topic of ours."""
    made = World(kafka, prefix, tmp_path)
    asyncio.run(made.make_topics({made.smtp: 3}))
    yield made
    made.end()


class Came:
    """What has come to the topic."""

    def __init__(self, reader: Reader, running: Callable[[], Worker]) -> None:
        self.reader, self.running = reader, running
        self.records: list[Any] = []

    @property
    def values(self) -> list[str]:
        return [record.value.decode(errors="replace") for record in self.records]

    async def holds(self, *lines: str) -> None:
        """Until all of these have come."""

        async def there() -> bool:
            self.records += await self.reader.news()
            return set(lines) <= set(self.values)

        await eventually(there, 60, lambda: (set(lines) - set(self.values), self.running().text()))


def test_files_are_followed_over_rotations_and_restarts(inputs, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    mail, app = folder / "mail.log", folder / "app.log"
    mail.write_text("history\n")
    folder.joinpath("mail.log.7.gz").write_bytes(gzip.compress(b"old history\n"))
    arguments = "--file", folder / "*.log", "--file", folder / "later.txt"

    def write(path, *lines):
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    async def story() -> None:
        running = feed(inputs, *arguments)
        async with Reader(inputs.kafka, inputs.smtp) as reader:
            came = Came(reader, lambda: running)
            await ready(running)

            async def seen() -> bool:
                return running.metric("mailgap_feed_files") == 1

            await eventually(seen, 30, running.text)
            write(mail, "1", "", "2 \u00e4")
            await came.holds("1", "2 \u00e4")
            mail.rename(folder / "mail.log.1")
            write(folder / "mail.log.1", "3")
            write(mail, "4")
            write(app, "a1")
            await came.holds("3", "4", "a1")
            assert running.stopped()[0] == 0, running.text()

            write(mail, "5")
            (folder / "mail.log.2.gz").write_bytes(gzip.compress(mail.read_bytes()))
            mail.write_text("6\n")
            (folder / "later.txt").write_text("late\n")
            running = feed(inputs, *arguments)
            await came.holds("5", "6", "late")
            running.killed()
            write(app, "a2")
            running = feed(inputs, *arguments)
            await came.holds("a2")
            assert running.stopped()[0] == 0, running.text()
        host = os.uname().nodename
        by_key = {
            key: [r.value.decode() for r in came.records if r.key == key] for key in {r.key for r in came.records}
        }
        assert {key: list(dict.fromkeys(values)) for key, values in by_key.items()} == {
            f"{host}:{mail}".encode(): ["1", "2 \u00e4", "3", "4", "5", "6"],
            f"{host}:{app}".encode(): ["a1", "a2"],
            f"{host}:{folder / 'later.txt'}".encode(): ["late"],
        }

    asyncio.run(story())


@pytest.mark.slow
def test_verdicts_of_what_a_log_says_and_what_the_metrics_say(world, tmp_path):
    mail = tmp_path / "mail.log"
    mail.touch()
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)

    async def judged() -> bool:
        return bool(await world.documents("gaps"))

    async def story() -> Worker:
        running = feed(world, "--file", mail, "--start", "beginning")
        worker = world.start("--policy", str(policy))
        mail.write_text("".join(f"{line}\n" for line in LINES))
        await eventually(judged, 90, lambda: (running.text(), worker.text()))
        return running

    running = asyncio.run(story())
    assert running.metric("mailgap_feed_lines_total", log=str(mail)) == 3
    assert running.metric("mailgap_feed_waiting_bytes") == 0
    gaps = asyncio.run(world.documents("gaps"))
    assert [[gap["cause"] for gap in each] for each in gaps.values()] == [["unverified_identity"]]


def test_a_host_for_lines_that_name_none_and_a_line_that_is_too_large(kafka, prefix, tmp_path):
    world = World(kafka, prefix, tmp_path)
    asyncio.run(_small_topic(world))
    log, document = tmp_path / "mainlog", '{"msg": "as it is"}'
    log.write_text(f"2026-11-24 1tF Completed\r\n{document}\n{os.urandom(20_000).hex()}\nlast\n")

    async def story() -> None:
        running = feed(world, "--file", log, "--host", "mx9", "--start", "beginning")
        async with Reader(world.kafka, world.smtp) as reader:
            came = Came(reader, lambda: running)
            last = json.dumps({"host": "mx9", "message": "last"}, separators=(",", ":"))
            await came.holds(last)
            assert came.values[:2] == ['{"host":"mx9","message":"2026-11-24 1tF Completed"}', document]
            assert {record.key for record in came.records} == {f"mx9:{log}".encode()}
        assert running.metric("mailgap_feed_refused_total") == 1
        assert "is larger than topic" in running.text()

    try:
        asyncio.run(story())
    finally:
        world.end()


async def _small_topic(world: World) -> None:
    async with world.admin() as admin:
        await admin.create_topics([NewTopic(world.smtp, 1, 1, topic_configs={"max.message.bytes": "10000"})])


def test_a_journal_is_followed_from_its_cursor(inputs, tmp_path):
    entries = tmp_path / "entries"

    def write(*numbers: int) -> None:
        with entries.open("a") as file:
            for number in numbers:
                said = {"__CURSOR": f"s=1;i={number}", "_HOSTNAME": "mx1", "MESSAGE": f"said {number}"}
                file.write(json.dumps(said) + "\n")

    def entry(number: int) -> str:
        return json.dumps({"__CURSOR": f"s=1;i={number}", "_HOSTNAME": "mx1", "MESSAGE": f"said {number}"})

    write(1)
    (tmp_path / "bin").mkdir()
    path = f"{journalctl(tmp_path / 'bin', entries)}:{os.environ['PATH']}"

    async def story() -> None:
        running = feed(inputs, "--journal", "SYSLOG_FACILITY=2", PATH=path)
        async with Reader(inputs.kafka, inputs.smtp) as reader:
            came = Came(reader, lambda: running)

            async def begun() -> bool:
                return "s=1;i=1" in (tmp_path / "feed.json").read_text() if (tmp_path / "feed.json").exists() else False

            await eventually(begun, 60, running.text)
            write(2, 3)
            await came.holds(entry(2), entry(3))
            assert running.stopped()[0] == 0, running.text()
            write(4)
            running = feed(inputs, "--journal", "SYSLOG_FACILITY=2", PATH=path)
            await came.holds(entry(4))
            assert list(dict.fromkeys(came.values)) == [entry(2), entry(3), entry(4)]

            async def complained() -> bool:
                return "Journal file corrupted" in running.get("/readyz")[1]

            with entries.open("a") as file:
                file.write("die\n")
            await eventually(complained, 60, running.text)
            entries.write_text(entries.read_text().replace("die\n", ""))
            write(5)
            await came.holds(entry(5))

    asyncio.run(story())


@pytest.mark.slow
def test_what_is_wrong_with_one_file_or_the_disk_stops_no_other(inputs, tmp_path):
    """A name that is no text, a link to a name that is none, a log that cannot be read, a checkpoint that cannot be
    kept for a while."""
    folder, disk = tmp_path / "logs", tmp_path / "disk"
    folder.mkdir()
    disk.mkdir()
    odd = os.fsencode(folder) + b"/m\xff.log"
    (folder / "good.log").write_text("good\n")
    with open(odd, "wb") as file:  # noqa: PTH123 a Path takes no bytes
        file.write(b"odd \xff\n")
    (folder / "link.log").symlink_to("x" * 300)
    arguments = "--file", folder / "*.log", "--start", "beginning", "--state", disk / "feed.json"

    async def story() -> None:
        running = feed(inputs, *arguments)
        async with Reader(inputs.kafka, inputs.smtp) as reader:
            came = Came(reader, lambda: running)
            await came.holds("good", "odd \ufffd")
            disk.rename(tmp_path / "full")

            def errors() -> float:
                return running.metric("mailgap_feed_errors_total", log="checkpoint")

            with (folder / "good.log").open("a") as file:
                file.write("more\n")
            await came.holds("more")

            async def said() -> bool:
                return errors() > 0

            await eventually(said, 30, running.text)
            (tmp_path / "full").rename(disk)
            with open(odd, "ab") as file:  # noqa: PTH123, ASYNC230 a Path takes no bytes
                file.write(b"last\n")
            await came.holds("last")
            code, _ = running.stopped()
            assert code == 0, running.text()
            running = feed(inputs, *arguments)
            with open(odd, "ab") as file:  # noqa: PTH123, ASYNC230
                file.write(b"after\n")
            await came.holds("after")
            assert sorted(came.values) == ["after", "good", "last", "more", "odd \ufffd"], "none twice"

    asyncio.run(story())


def test_what_came_while_nobody_looked_says_how_old_it_may_be(inputs, tmp_path):
    """Rule 14: what else waits in the log may be as old as the last look, and the watermark stays back by it."""
    log, state = tmp_path / "mail.log", tmp_path / "feed.json"
    log.write_text("1\n")

    async def story() -> None:
        running = feed(inputs, "--file", log, "--start", "beginning")
        async with Reader(inputs.kafka, inputs.smtp) as reader:
            came = Came(reader, lambda: running)
            await came.holds("1")
            assert running.stopped()[0] == 0, running.text()
            kept = json.loads(state.read_text())
            for place in kept["files"][str(log)]:
                place["caught_up"] -= 3_600_000
            state.write_text(json.dumps(kept))
            with log.open("a") as file:
                file.write("2\n")
            running = feed(inputs, "--file", log)
            await came.holds("2")
            with log.open("a") as file:
                file.write("3\n")
            await came.holds("3")
        ages = [bridged.oldest_age(record.headers) for record in came.records]
        assert ages[0] == ages[2] == 0
        assert ages[1] >= 3_600_000

    asyncio.run(story())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--smtp-topic", "not-there"), "topic not-there is not there: make it, or correct --smtp-topic"),
        (("--state", "{tmp}/no/folder/state"), "cannot be written: No such file or directory"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_sentence(kafka, tmp_path, arguments, said):
    words = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    given = {"MAILGAP_FEED_STATE": str(tmp_path / "state"), "MAILGAP_SMTP_TOPICS": "any"}
    done = mailgap("feed", "--bootstrap-servers", kafka, "--file", tmp_path / "x", *words, **given)
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_nothing_is_lost_where_the_feed_is_killed_while_logs_are_rotated(inputs, tmp_path):
    """kill -9 ten times in the midst of it, under rotations of both kinds: every line comes, perhaps twice."""
    log = tmp_path / "mail.log"
    log.touch()
    number, wanted = 0, set()

    def more(lines: int) -> None:
        nonlocal number
        with log.open("a") as file:
            for _ in range(lines):
                wanted.add(f"line {number}")
                file.write(f"line {number}\n")
                number += 1

    seen: set[str] = set()

    async def killed_in_the_midst(reader: Reader, turn: int) -> None:
        running = feed(inputs, "--file", log, "--start", "beginning")

        async def some() -> bool:
            news = [record.value.decode() for record in await reader.news()]
            seen.update(news)
            return bool(news)

        await eventually(some, 60, running.text)
        more(3000)
        rotated = tmp_path / f"mail.log-{20261101 + turn}"
        if turn % 2:
            log.rename(rotated)
            log.touch()
        else:
            rotated.with_name(f"{rotated.name}.gz").write_bytes(gzip.compress(log.read_bytes()))
            os.truncate(log, 0)
        more(500)
        running.killed()

    async def story() -> None:
        more(2000)
        async with Reader(inputs.kafka, inputs.smtp) as reader:
            for turn in range(10):
                await killed_in_the_midst(reader, turn)
            running = feed(inputs, "--file", log, "--start", "beginning")

            async def all_there() -> bool:
                seen.update([record.value.decode() for record in await reader.news()])
                return wanted <= seen

            await eventually(all_there, 120, lambda: (len(wanted - seen), running.text()))

    asyncio.run(story())
    assert seen == wanted
