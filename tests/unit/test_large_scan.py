"""A large scan shows what a small one would, byte for byte, however many processes read and judge."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from service.cli import cli
from service.commands import scan as command
from service.edges import gather, large, large_judging, large_reading
from service.edges.crew import Crew, CrewError
from service.edges.inputs import InputError
from service.edges.spool import writing
from tests.integration import sample as samples

SECONDS, MAILS = 20, 160
HOUR = 3_600_000
DAY = 24 * HOUR
AT = 1_795_507_200_000  # 2026-11-24T08:00:00Z


def shown(*arguments: object, code: int = 0) -> tuple[bytes, list[str]]:
    """Standard output, and the summary without its seconds."""
    done = CliRunner().invoke(cli, ["scan", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout_bytes, [line.partition(" in ")[0] for line in done.stderr.splitlines()]


@pytest.fixture
def as_large(monkeypatch):
    """Makes every scan a large one, of many small pieces."""

    def make() -> None:
        monkeypatch.setattr(command, "LARGE", 0)
        monkeypatch.setattr(large, "FEWEST_PARTS", 7)
        monkeypatch.setattr(large_reading, "AT_ONCE", 1)
        monkeypatch.setattr(large_judging, "_SHOWN_AT_ONCE", 3)
        monkeypatch.setattr(gather, "CHUNK", 50)

    return make


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The stories of a sample in files as they lie about: rotated, packed, and with lines that nobody understands."""
    folder = tmp_path_factory.mktemp("sample")
    start = int(time.time() * 1000) - (SECONDS + samples.SETTLED + 2) * 1000
    made = samples.make(8, MAILS, start, SECONDS)
    (folder / "policy.yaml").write_text(samples.POLICY)
    for source, pack in (("smtp", gzip.compress), ("ses", zstandard.compress)):
        (folder / source).mkdir()
        values = [record.value + b"\n" for record in made.records if record.source == source]
        cuts = sorted(random.Random(3).sample(range(len(values)), 3))
        for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(values)], strict=True)):
            data = b"".join(values[begin:end]) + b"\x00\x01\x02 gar\x00bage \xff\x00\n" * (number % 2)
            (folder / source / f"{number}").write_bytes(pack(data) if number == 1 else data)
    return folder, made


@pytest.mark.parametrize("form", ["jsonl", "html", "table"])
@pytest.mark.parametrize("more", [(), ("--only", "gaps"), ("--as-of",)], ids=["all", "gaps", "as of"])
def test_a_sample(sample, as_large, tmp_path, form, more):
    folder, made = sample
    until = samples.iso(made.start + SECONDS * 500) if "--as-of" in more else samples.iso(made.end)
    given = [
        *("--smtp", folder / "smtp", "--ses", folder / "ses", "--policy", folder / "policy.yaml"),
        *("--format", form, "--as-of", until, *(word for word in more if word != "--as-of")),
    ]
    small = shown(*given, "--rejects", tmp_path / "small")
    as_large()
    assert shown(*given, "--jobs", 1, "--rejects", tmp_path / "large") == small
    assert (tmp_path / "small").read_bytes() == (tmp_path / "large").read_bytes()
    assert b"gar\x00bage" in (tmp_path / "large").read_bytes()


def test_several_processes(sample, as_large, tmp_path):
    folder, _ = sample
    given = ["--smtp", folder / "smtp", "--ses", folder / "ses", "--policy", folder / "policy.yaml"]
    small = shown(*given, "--format", "jsonl", "--rejects", tmp_path / "small")
    as_large()
    assert shown(*given, "--format", "jsonl", "--jobs", 3, "--rejects", tmp_path / "large") == small
    assert (tmp_path / "small").read_bytes() == (tmp_path / "large").read_bytes()


# -- hosts' clocks, which one file shows to the next -----------------------------------------------------------------


def line(host: str, at: int, text: str) -> str:
    stamp = time.strftime("%b %e %H:%M:%S", time.gmtime(at / 1000))
    return f"{stamp} {host} postfix/{text}\n"


def mail(host: str, number: int, at: int, zone: int, *, taken: bool = True) -> str:
    """One mail's lines, as its host's clock shows the time."""
    queue_id, to = f"{number:010X}", "to=<a@b.example>, relay=email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
    ses_id = f"0102{at:012x}-76b6ee63-ad84-420f-8c29-{number:012x}-000000"
    status = f"status=sent (250 Ok {ses_id})" if taken else "status=deferred (connect to x[1.2.3.4]: timed out)"
    return "".join(
        line(host, at + zone, text)
        for text in (
            f"smtpd[1]: {queue_id}: client=app[10.0.0.7]",
            f"qmgr[1]: {queue_id}: from=<orders@shop.example>, size=42, nrcpt=1 (queue active)",
            f"smtp[1]: {queue_id}: {to}, delay=1, delays=0/0/0/1, dsn=2.0.0, {status}",
        )
    )


HOSTS = {
    "all right": [[("a", 0, True)], [("a", 0, True)], [("a", 0, True)]],
    "a zone": [[("a", 2 * HOUR, True)], [("a", 2 * HOUR, True), ("b", 0, True)], [("a", 2 * HOUR, True)]],
    "a zone that one file does not show": [[("a", 2 * HOUR, True)], [("a", 2 * HOUR, False)], [("a", 2 * HOUR, True)]],
    "a clock that is off": [[("a", 90_000, True)], [("a", 91_000, True)], [("a", 90_500, True)]],
    "a clock that was put back": [[("a", 2 * HOUR, True)], [("a", HOUR, True)], [("a", HOUR, False)]],
    "nobody shows it": [[("a", 2 * HOUR, False)], [("a", 2 * HOUR, False)]],
}


@pytest.mark.parametrize("files", list(HOSTS.values()), ids=list(HOSTS))
def test_clocks(tmp_path, as_large, files):
    for number, hosts in enumerate(files):
        text = [
            mail(host, (number * 10 + which) * 100 + each, AT + number * HOUR + each * 60_000, zone, taken=taken)
            for which, (host, zone, taken) in enumerate(hosts)
            for each in range(12)
        ]
        (tmp_path / f"mail.log.{number}").write_text("".join(text))
        os.utime(tmp_path / f"mail.log.{number}", (AT / 1000 + 90_000, AT / 1000 + 90_000))
    given = ["--smtp", tmp_path, "--format", "jsonl"]
    small = shown(*given)
    as_large()
    assert shown(*given, "--jobs", 1) == small


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named_as_ever(tmp_path, as_large):
    for name in "abc":
        (tmp_path / name).write_bytes(gzip.compress(os.urandom(4000))[: -100 if name > "a" else None])
    small = shown("--smtp", tmp_path, code=1)
    as_large()
    assert shown("--smtp", tmp_path, "--jobs", 2, code=1) == small
    assert f"{tmp_path}/b: cannot be read to its end" in small[1][-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_folder_that_is_full_is_named():
    full = pytest.raises(InputError, match=r"/dev: cannot be written: No space left on device; set TMPDIR")
    with full, writing(Path("/dev/full")) as file:
        file.write(b"x")


def _fails(number: int) -> None:
    raise InputError(f"number {number}")


def test_of_several_failures_the_first_in_order_is_told():
    with Crew(2) as crew, pytest.raises(InputError, match="number 0"):
        crew.each(_fails, [(number,) for number in range(5)])


def test_a_process_that_is_killed_is_told_of():
    with Crew(1) as crew, pytest.raises(CrewError, match=r"ended with -9, perhaps for want of memory; give --jobs 1"):
        crew.each(os.kill, [(crew.processes[0], signal.SIGKILL)])


def children(process: int) -> set[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(each) for each in found}


def until(true) -> None:
    while not true():
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_nothing_behind(tmp_path, number):
    """Neither a process nor a file; on Ctrl-C it says what it says as one process."""
    with (tmp_path / "log").open("wb") as log:
        log.truncate(command.LARGE)
    os.mkfifo(tmp_path / "stuck")  # nobody will ever write to it
    folder = tmp_path / "spool"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "scan", "--smtp", tmp_path / "log", tmp_path / "stuck", "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    until(lambda: process.poll() is not None or any(folder.glob("*/read-1")))
    assert process.poll() is None
    others = children(process.pid)
    assert len(others) >= 2
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == {signal.SIGINT: 1, signal.SIGTERM: 143}[number]
    assert err.decode().strip() == ("Aborted!" if number is signal.SIGINT else "")
    assert not list(folder.iterdir())
    until(lambda: not any(running(each) for each in others))


def running(process: int) -> bool:
    """It is there, and no corpse that nobody has buried yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
