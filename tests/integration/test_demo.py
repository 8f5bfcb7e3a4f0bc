"""`mailgap demo` as a user starts it: it tells the truth, and leaves no process behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.demo.broker import KafkaUnavailable, LocalKafka
from tests.conftest import need

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]


class Demo:
    """A demo in a folder of its own; its `TMPDIR` marks every process that descends from it."""

    def __init__(self, folder, *arguments):
        self.folder, self.output = folder, folder / "output"
        env = {name: value for name, value in os.environ.items() if not name.startswith("MAILGAP_")}
        if "MAILGAP_KAFKA_HOME" in os.environ:
            env["MAILGAP_KAFKA_HOME"] = os.environ["MAILGAP_KAFKA_HOME"]
        env |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        with self.output.open("wb") as out:
            command = [sys.executable, "-m", "service.cli", "demo", *arguments]
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)

    def said(self):
        return self.output.read_text()

    def wait_until_said(self, pattern, within=60):
        end = time.monotonic() + within
        while not (found := re.search(pattern, self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)
        return found

    def ends(self, within=60):
        return self.process.wait(within)

    def left(self):
        """Processes that run in the demo's environment: its own, its children and their guards."""
        mark = f"TMPDIR={self.folder}\0".encode()
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if mark in _environment(pid)]

    def leaves_nothing(self, within=25):
        end = time.monotonic() + within
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.1)
        assert left == []


def _environment(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    except OSError:
        return b""


@pytest.fixture
def demo(tmp_path):
    try:
        LocalKafka(tmp_path / "probe", own=True)
    except KafkaUnavailable as missing:
        need("kafka", str(missing))
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are looked for in /proc")
    made = []

    def start(*arguments):
        made.append(Demo(tmp_path, "--mails", "20", *arguments))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_it_finds_every_gap_and_stops_everything(demo, tmp_path):
    began = time.monotonic()
    running = demo()
    assert running.ends(90) == 0, running.said()
    assert time.monotonic() - began < 90
    assert "7 of 7 gaps found, 0 false; 20 of 20 mails right" in running.said()
    running.leaves_nothing()
    published = (tmp_path / ".local/demo/mailgap-gaps.jsonl").read_text().splitlines()
    assert len(published) == 9  # 7 opened, 2 of them resolved
    assert list(tmp_path.glob("mailgap-demo-*")) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_it_nothing_stays(demo, how):
    """A newcomer presses Ctrl-C, a supervisor sends SIGTERM, a kernel kills: the broker must not run on for ever."""
    running = demo()
    running.wait_until_said("worker is ready")
    assert len(running.left()) >= 3
    running.process.send_signal(how)
    assert running.ends() == (130 if how is not signal.SIGKILL else -signal.SIGKILL)
    running.leaves_nothing(60)
    assert "Traceback" not in running.said()


def test_a_worker_that_dies_is_one_sentence(demo):
    running = demo()
    pid = running.wait_until_said(r"worker is ready, process (\d+)")[1]
    os.kill(int(pid), signal.SIGKILL)
    assert running.ends() == 1
    assert running.said().splitlines()[-1].startswith("Error: The worker ended by itself (exit -9); the last word in")
    running.leaves_nothing()
