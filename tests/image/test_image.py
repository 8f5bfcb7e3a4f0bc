"""The image: its instructions read by a linter, and played where no container engine is."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.cli import cli
from service.demo.broker_servers import free_port
from tests.conftest import need
from tests.image.dockerfile import OUTSIDE, Player, read, visible

ROOT = Path(__file__).parents[2]
STAGES = read(ROOT / "Dockerfile")
FINAL = dict(STAGES[-1].steps)


@pytest.mark.helm
def test_the_linter_finds_nothing_to_say():
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        need("helm", "hadolint is not here; `make ship` installs it")
    command = [hadolint, "--failure-threshold", "style", ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_that_is_copied_can_be_seen_and_nothing_else_is_sent():
    seen = visible(ROOT)
    copied = [source for stage in STAGES for word, rest in stage.steps if word == "COPY" for source in _sources(rest)]
    assert copied
    for source in copied:
        assert any(path == source or path.startswith(source) for path in seen), source
    assert not [path for path in seen if not any(path == source or path.startswith(source) for source in copied)]


def _sources(rest: str) -> list[str]:
    return [] if rest.startswith("--from=") else rest.split()[:-1]


def test_who_runs_is_a_number_that_is_not_root():
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", FINAL["USER"])


def test_it_runs_without_a_shell():
    assert json.loads(FINAL["ENTRYPOINT"]) == ["tini", "--", "mailgap"]
    assert _health()[0] == "python"


def test_stages_stand_on_one_base_that_is_pinned_to_the_patch():
    assert {stage.base for stage in STAGES} == {"${PYTHON}"}
    assert re.search(r"^ARG PYTHON=python:3\.11\.[0-9]+-slim-[a-z]+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_every_install_is_checked_against_hashes():
    installs = [rest for stage in STAGES for word, rest in stage.steps if word == "RUN" and "install" in rest]
    found = [part for rest in installs for part in rest.split("&&") if "pip" in part and " install " in part]
    assert len(found) == 3
    for part in found:
        assert "--require-hashes" in part or "--no-index" in part, part


def _health() -> list[str]:
    return json.loads(FINAL["HEALTHCHECK"].partition("CMD ")[2])


@pytest.mark.slow
def test_the_image_is_built_and_runs_without_an_engine(tmp_path):
    """The Dockerfile itself, instruction by instruction; then as its user, on a root that cannot be written."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("apt-get"):
        need("image", "playing a Dockerfile takes root and Debian")
    with Player(tmp_path / "image", ROOT) as player:
        for stage in STAGES:
            root = player.play(stage)
        player.seal(root)
        _tells_what_it_is(player, root)
        _reads_a_log(player, root)
        _serves_and_stops(player, root)


def _tells_what_it_is(player: Player, root: Path) -> None:
    for name, command in cli.commands.items():
        subcommands = [[name, sub] for sub in getattr(command, "commands", {})]
        for words in ([name], *subcommands):
            done = player.run(root, *words, "--help")
            assert (done.returncode, done.stderr) == (0, ""), words
            assert "Usage: mailgap" in done.stdout
    done = subprocess.run(
        [*player.command(root)[: -len(player.entry)], "python", "-c", "import os; print(os.getuid()); open('/x', 'w')"],
        env=player.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "10001\n"
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def _reads_a_log(player: Player, root: Path) -> None:
    line = (
        "Nov 24 09:00:00 mx postfix/smtp[1]: 4Xyz1: to=<a@b.example>, relay=none, status=bounced (554 Message rejected)"
    )
    (root / "tmp/mail.log").write_text(line + "\n")
    done = player.run(root, "scan", "--smtp", "/tmp/mail.log", "--format", "jsonl", "--as-of", "2026-11-24T12:00:00Z")
    assert done.returncode == 0, done.stderr
    (root / "tmp/records.jsonl").write_text(done.stdout)


def _serves_and_stops(player: Player, root: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    env = player.env | OUTSIDE | {"MAILGAP_HTTP_BIND": bind}
    command = player.command(root, "trace", "--from", "/tmp/records.jsonl")
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stderr is not None
            assert bind in serving.stderr.readline()
            healthy = ["chroot", str(root), "/usr/bin/env", *_health()]
            until = time.monotonic() + 30
            while subprocess.run(healthy, env=env, capture_output=True, check=False).returncode:
                assert time.monotonic() < until, "it never said that it is alive"
            assert subprocess.run(healthy, env=env | {"MAILGAP_HTTP_BIND": "127.0.0.1:1"}, capture_output=True,
                                  check=False).returncode != 0  # fmt: skip
            serving.send_signal(signal.SIGTERM)
            assert serving.wait(30) == 0
        finally:
            serving.kill()
