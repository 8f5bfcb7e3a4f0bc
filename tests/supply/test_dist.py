"""The wheel and the sdist: the same bytes wherever and whenever they are built, and all that is needed in them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.demo.broker_servers import free_port
from tests.integration.prometheus import Server
from tests.rules.prometheus import ROOT

EPOCH = "1764000000"
SES = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
LOG = f"""\
2026-11-24T09:00:00+00:00 mx postfix/qmgr[7]: 4FACE1: from=<shop@app.example>, size=900, nrcpt=1 (queue active)
2026-11-24T09:00:01+00:00 mx postfix/smtp[8]: 4FACE1: to=<ann@post.example>, relay={SES}, delay=1, dsn=5.0.0, \
status=bounced (host {SES} said: 554 Message rejected: Sending paused for this account.)
"""


def _built(source: Path, into: Path, umask: int, *targets: str) -> dict[str, Path]:
    command = [sys.executable, "-m", "hatchling", "build", "-d", into, *targets]
    subprocess.run(command, cwd=source, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, umask=umask, check=True,
                   capture_output=True)  # fmt: skip
    return {path.suffix: path for path in into.iterdir()}


def _copied(target: Path, umask: int) -> Path:
    """What is committed or about to be, in another folder, as somebody else's `git clone` makes it today."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        goal = target / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, goal, follow_symlinks=False)
            if not goal.is_symlink():
                executable = (ROOT / name).stat().st_mode & 0o100
                goal.chmod((0o777 if executable else 0o666) & ~umask)
                os.utime(goal, (time.time() - umask, time.time() - umask))
    return target


def _sums(built: dict[str, Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built.values()}


def test_two_builds_are_the_same_to_the_byte(tmp_path):
    first = _built(_copied(tmp_path / "one", 0o022), tmp_path / "built-one", 0o022)
    second = _built(_copied(tmp_path / "a folder of another name", 0o077), tmp_path / "built-two", 0o077)
    assert set(first) == {".whl", ".gz"}
    assert _sums(first) == _sums(second)
    with tarfile.open(first[".gz"]) as archive:
        archive.extractall(tmp_path / "unpacked", filter="tar")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    third = _built(unpacked, tmp_path / "built-three", 0o022, "-t", "wheel")
    assert _sums(third)[first[".whl"].name] == _sums(first)[first[".whl"].name]
    _holds_what_it_needs(first[".whl"])


def _holds_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"service", "topologies"}
    for part in ("service", "topologies"):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / part).rglob("*") if path.is_file()}
        assert {name for name in files if "__pycache__" not in name} <= names
    assert {f"service/trace/runbooks/{path.name}" for path in (ROOT / "deploy/runbooks").glob("*.md")} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(kafka, prefix, tmp_path):
    """With the packages of the runtime lock and nothing else, in a folder that has nothing to do with us."""
    wheel = _built(_copied(tmp_path / "source", 0o022), tmp_path / "dist", 0o022, "-t", "wheel")[".whl"]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], check=True)
    pip = [tmp_path / "empty/bin/pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements/runtime.txt"], check=True)
    subprocess.run([*pip, "--no-index", wheel], check=True)
    subprocess.run([tmp_path / "empty/bin/pip", "check"], check=True)
    home, mailgap = tmp_path / "home", tmp_path / "empty/bin/mailgap"
    home.mkdir()

    def run(*words: str) -> str:
        done = subprocess.run([mailgap, *words], cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "What became of the mail?" in run("--help")
    (home / "mail.log").write_text(LOG)
    assert '"outcome":"refused"' in run("scan", "--smtp", "mail.log", "--format", "jsonl")
    _serves(mailgap, home, kafka, prefix, run)


def _serves(mailgap: Path, home: Path, kafka: str, prefix: str, run) -> None:
    common = ["--bootstrap-servers", kafka, "--prefix", prefix]
    asyncio.run(_make_input(kafka, f"{prefix}-in"))
    run("topics", "create", *common, "--partitions", "2")
    port = free_port()
    (home / "key").write_text("a key of the tests, 32 bytes long")
    worker = [str(mailgap), "worker", *common, "--smtp-topic", f"{prefix}-in", "--http-bind", f"127.0.0.1:{port}"]
    with Server(home, [*worker, "--pseudonym-key-file", "key"], "/readyz", port):
        pass


async def _make_input(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
